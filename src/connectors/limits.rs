//! What one fetch may cost, and where it may go.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;

/// A place that is not of the public Internet, and may be gone to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allow {
    /// All addresses of a network, at any port.
    Net(IpNet),
    /// One name or address with its port, wherever the name leads.
    Place(String, u16),
}

impl FromStr for Allow {
    type Err = String;

    /// Reads `10.0.0.0/8`, `127.0.0.1`, `intranet.example:8080` or `[::1]:80`.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(net) = text.parse::<IpNet>() {
            return Ok(Allow::Net(net));
        }
        if let Ok(ip) = text.parse::<std::net::IpAddr>() {
            return Ok(Allow::Net(ip.into()));
        }
        let place = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
        match place {
            Some((host, port)) if !host.is_empty() && !host.contains(['/', '@', ' ']) => {
                Ok(Allow::Place(host.to_ascii_lowercase(), port))
            }
            _ => Err(format!("{text:?} is no network like 10.0.0.0/8, no address, and no host:port")),
        }
    }
}

/// Bounds of one fetch. Each page is one fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchLimits {
    /// Longest time for a page, its redirects and body included.
    pub timeout: Duration,
    /// Longest pause between two parts of an answer.
    pub idle: Duration,
    /// Longest time for a connect.
    pub connect: Duration,
    /// Most bytes of an answer as it comes, still compressed.
    pub max_wire_bytes: usize,
    /// Most bytes of an answer after decompression.
    pub max_bytes: usize,
    /// Most bytes that one compressed byte may become, beyond the first 64 KiB.
    pub max_ratio: usize,
    /// Most redirects of one request.
    pub max_redirects: u32,
    /// Places that are not of the public Internet and may be gone to.
    pub allow_private: Vec<Allow>,
    /// Folders that `file` connectors may read below. None: they read nothing.
    pub file_roots: Vec<PathBuf>,
    /// Idle connections kept to one host.
    pub idle_per_host: usize,
}

impl Default for FetchLimits {
    /// 30 s, 10 s of it without a byte, 5 s for the connect; 8 MiB, 16 MiB decompressed, 200 to 1; 5 redirects;
    /// public addresses only; no files; 16 idle connections to a host.
    fn default() -> Self {
        FetchLimits {
            timeout: Duration::from_secs(30),
            idle: Duration::from_secs(10),
            connect: Duration::from_secs(5),
            max_wire_bytes: 8 << 20,
            max_bytes: 16 << 20,
            max_ratio: 200,
            max_redirects: 5,
            allow_private: Vec::new(),
            file_roots: Vec::new(),
            idle_per_host: 16,
        }
    }
}
