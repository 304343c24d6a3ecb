//! Names to addresses, at the moment of the connect: what is not public is taken out, whatever a name
//! said a moment ago.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::is_public;

/// Every address of the name is one that we do not go to.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the name leads to no public address")]
pub struct NotPublic;

/// Names that are not asked of DNS: `name` or `*.domain`, and where they lead, port included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    /// A whole name, or `*.domain` for all names under a domain.
    pub pattern: String,
    /// Where it leads.
    pub to: SocketAddr,
}

impl Fixed {
    /// Reads `name=host:port`.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (pattern, to) = text.split_once('=').ok_or_else(|| format!("{text:?} is not name=address:port"))?;
        let to = to.parse().map_err(|_| format!("{to:?} in {text:?} is not address:port, like 192.0.2.1:443"))?;
        if pattern.is_empty() {
            return Err(format!("{text:?} names nothing"));
        }
        Ok(Fixed { pattern: pattern.to_owned(), to })
    }

    fn is_for(&self, name: &str) -> bool {
        match self.pattern.strip_prefix('*') {
            Some(end) => end.len() < name.len() && name.ends_with(end),
            None => self.pattern == name,
        }
    }
}

/// Which addresses are gone to.
#[derive(Debug, Clone)]
pub enum Open {
    /// Those of the public Internet.
    Public,
    /// Those, and what lies in these networks.
    Nets(Arc<[IpNet]>),
    /// All.
    All,
}

impl Open {
    /// Whether this address is gone to.
    pub fn has(&self, ip: IpAddr) -> bool {
        match self {
            Open::Public => is_public(ip),
            // An IPv4 address inside of an IPv6 one is the same place.
            Open::Nets(nets) => is_public(ip) || nets.iter().any(|net| net.contains(&ip.to_canonical())),
            Open::All => true,
        }
    }
}

/// The resolver of a client that goes where others say.
#[derive(Debug, Clone)]
pub struct Guard {
    /// Asked first; the first that fits counts.
    pub fixed: Arc<[Fixed]>,
    /// Where it may lead.
    pub open: Open,
}

impl Guard {
    fn pass(&self, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, NotPublic> {
        let kept: Vec<SocketAddr> = found.into_iter().filter(|address| self.open.has(address.ip())).collect();
        if kept.is_empty() { Err(NotPublic) } else { Ok(kept) }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let name = name.as_str();
            let found = match guard.fixed.iter().find(|fixed| fixed.is_for(name)) {
                Some(fixed) => vec![fixed.to],
                // Port 0: the URL's.
                None => tokio::net::lookup_host((name, 0)).await?.collect(),
            };
            let addresses: Addrs = Box::new(guard.pass(found)?.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_names_are_read_and_fit() {
        let fixed = Fixed::parse("*.hubat.net=127.0.0.1:9").expect("reads");
        assert!(fixed.is_for("bob.hubat.net") && fixed.is_for("a.b.hubat.net"));
        assert!(!fixed.is_for("hubat.net") && !fixed.is_for(".hubat.net") && !fixed.is_for("bobhubat.net"));
        let one = Fixed::parse("bob.hubat.net=[::1]:80").expect("reads");
        assert!(one.is_for("bob.hubat.net") && !one.is_for("eve.bob.hubat.net"));
        for bad in ["bob.hubat.net", "bob=elsewhere", "=127.0.0.1:1", "bob=127.0.0.1"] {
            Fixed::parse(bad).expect_err(bad);
        }
    }

    #[tokio::test]
    async fn what_is_private_is_taken_out_at_the_connect() {
        let guard =
            Guard { fixed: vec![Fixed::parse("in.test=10.0.0.1:1").expect("reads")].into(), open: Open::Public };
        for name in ["in.test", "localhost"] {
            let name: Name = name.parse().expect("a name");
            let refused = guard.resolve(name).await.err().expect("refused");
            assert!(refused.downcast_ref::<NotPublic>().is_some(), "{refused}");
        }
        let open = Guard { open: Open::All, ..guard };
        let name: Name = "in.test".parse().expect("a name");
        let found: Vec<SocketAddr> = open.resolve(name).await.expect("allowed").collect();
        assert_eq!(found, ["10.0.0.1:1".parse().expect("an address")]);
    }
    #[test]
    fn a_network_may_be_opened() {
        let open = Open::Nets(Arc::new(["10.1.0.0/16".parse().expect("a network")]));
        for (ip, expected) in [("10.1.2.3", true), ("::ffff:10.1.2.3", true), ("10.2.0.1", false), ("8.8.8.8", true)] {
            assert_eq!(open.has(ip.parse().expect("an address")), expected, "{ip}");
        }
    }
}
