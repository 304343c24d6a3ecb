//! The embedded broker: the real `nats-server` as a child process, started, watched, restarted and ended by the daemon.

mod binary;
mod config;
mod process;

use std::{
    net::SocketAddr,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::Instant;

pub use binary::{ENVIRONMENT, find, version_of};
use config::Ports;
use process::Running;
pub use process::ServerExit;

/// A server that ran this long is taken for healthy: the back-off starts anew.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);
/// How long a server may take to end after SIGTERM before it gets SIGKILL.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// A listener for clients over WebSocket, without TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocketOptions {
    /// Address to listen on; port 0: the system chooses at the first start, restarts keep it.
    pub listen: SocketAddr,
    /// Origins of the web pages that may connect, such as `https://app.example.org`; none: only the listener's own.
    pub origins: Vec<String>,
}

/// What to start, and where.
#[derive(Clone, Debug)]
pub struct EmbeddedOptions {
    /// The binary; `None`: `DEX_NATS_SERVER`, `.tools/nats-server` below the working directory, then the PATH.
    pub binary: Option<PathBuf>,
    /// State folder: holds `jetstream/` (the streams), `nats.conf`, `nats.log`, `nats.pid`. One server per folder.
    pub store_dir: PathBuf,
    /// Address to listen on.
    pub host: String,
    /// Port to listen on; 0: the system chooses at the first start, restarts keep it.
    pub port: u16,
    /// Largest message, bytes (at least 1 MiB, the server takes up to 64 MiB).
    pub max_payload: usize,
    /// Bytes the streams may take on disk; `None`: as the server finds room.
    pub max_file_store: Option<u64>,
    /// How often streams are synced to disk; `None`: after every write.
    pub sync_interval: Option<Duration>,
    /// Threads that run the server's code at the same time, 1 to 256 (Go's `GOMAXPROCS`); `None`: what that variable says
    /// here, else half of the cores, at least one.
    pub threads: Option<NonZeroUsize>,
    /// A listener for clients over WebSocket; `None`: there is none.
    pub websocket: Option<WebSocketOptions>,
    /// Lines added to the configuration as they are (accounts, TLS, cluster).
    pub extra: String,
    /// How long a start may take (a large store takes its time).
    pub start_timeout: Duration,
    /// First pause before a restart; doubles up to `max_backoff`.
    pub min_backoff: Duration,
    /// Longest pause before a restart.
    pub max_backoff: Duration,
}

impl EmbeddedOptions {
    /// A loopback server with its state in `store_dir`: any free port, 1 MiB messages, streams synced every second
    /// (what is promised is in the ledger, not in the broker; but a sync of much keeps messages waiting).
    pub fn new(store_dir: impl Into<PathBuf>) -> Self {
        Self {
            binary: None,
            store_dir: store_dir.into(),
            host: "127.0.0.1".into(),
            port: 0,
            max_payload: 1 << 20,
            max_file_store: None,
            sync_interval: Some(Duration::from_secs(1)),
            threads: None,
            websocket: None,
            extra: String::new(),
            start_timeout: Duration::from_secs(60),
            min_backoff: Duration::from_millis(100),
            // A server that is killed often is away for a little longer each time, never for long.
            max_backoff: Duration::from_secs(2),
        }
    }
}

/// The embedded broker could not be started.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// No binary.
    #[error("no nats-server found ({looked}): {}", super::requirements::HOW_TO_GET)]
    NotFound {
        /// Where we looked.
        looked: String,
    },
    /// The binary is too old or no nats-server.
    #[error("{path} is `{found}`, but nats-server 2.12 or newer is needed: {}", super::requirements::HOW_TO_GET, path = path.display())]
    Version {
        /// The binary.
        path: PathBuf,
        /// What it says of itself.
        found: String,
    },
    /// An option that cannot be written into a configuration.
    #[error("option {field} of the embedded server: {reason}")]
    Option {
        /// Field.
        field: &'static str,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// A file or process operation failed.
    #[error("cannot {what} {path}: {source}", path = path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The server ended before it was ready.
    #[error("nats-server ended while starting ({exit}); the end of {log}: {tail}", log = log.display())]
    Ended {
        /// How it ended.
        exit: ServerExit,
        /// Its log.
        log: PathBuf,
        /// Last lines of the log.
        tail: String,
    },
    /// The server did not get ready in time.
    #[error("nats-server was not ready within {waited:?}; see {log}", log = log.display())]
    Slow {
        /// How long we waited.
        waited: Duration,
        /// Its log.
        log: PathBuf,
    },
    /// A server left over on the same store does not end.
    #[error("a nats-server left over from an earlier run (pid {pid}) on {path} does not end: end it by hand", path = path.display())]
    Stale {
        /// Its process id.
        pid: i32,
        /// The state folder.
        path: PathBuf,
    },
}

/// A running `nats-server` child. Dropped without [`EmbeddedServer::stop`] it gets SIGTERM; when the daemon is killed, too.
#[derive(Debug)]
pub struct EmbeddedServer {
    options: EmbeddedOptions,
    binary: PathBuf,
    version: String,
    ports: Ports,
    running: Running,
    started: Instant,
    backoff: Duration,
    restarts: u64,
}

impl EmbeddedServer {
    /// Finds and checks the binary, ends a server left over on the same store, starts one and waits until it is ready.
    pub async fn start(options: EmbeddedOptions) -> Result<Self, EmbeddedError> {
        let (binary, version) = binary::find_checked(options.binary.as_deref()).await?;
        config::check(&options)?;
        let mut options = options;
        config::prepare_folder(&options.store_dir)?;
        // Absolute, so that the command line of a stale server is recognised whatever our working directory is.
        options.store_dir = std::fs::canonicalize(&options.store_dir).map_err(|source| EmbeddedError::Io {
            what: "find",
            path: options.store_dir.clone(),
            source,
        })?;
        process::end_stale(&options.store_dir).await?;
        let wanted = Ports { client: options.port, websocket: options.websocket.as_ref().map(|it| it.listen.port()) };
        let (running, ports) = launch(&options, &binary, wanted).await?;
        let backoff = options.min_backoff;
        Ok(Self { options, binary, version, ports, running, started: Instant::now(), backoff, restarts: 0 })
    }

    /// Address for clients.
    pub fn url(&self) -> String {
        let host = if self.options.host == "0.0.0.0" { "127.0.0.1" } else { &self.options.host };
        format!("nats://{host}:{}", self.ports.client)
    }

    /// Address for clients over WebSocket, where there is a listener for them.
    pub fn websocket_url(&self) -> Option<String> {
        let ip = self.options.websocket.as_ref()?.listen.ip();
        Some(format!("ws://{}", SocketAddr::new(ip, self.ports.websocket?)))
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.ports.client
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// What the binary says of itself.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Its log file.
    pub fn log_file(&self) -> PathBuf {
        config::log_file(&self.options.store_dir)
    }

    /// How often [`EmbeddedServer::restart`] started it again.
    pub fn restarts(&self) -> u64 {
        self.restarts
    }

    /// Waits until it ends, by whatever cause. May be cancelled and called again.
    pub async fn wait_exit(&mut self) -> ServerExit {
        self.running.wait().await
    }

    /// Starts it again on the same port and store, after a pause that doubles with each restart until a server has lived
    /// for a minute. A server that still runs is stopped first. On an error the next call waits longer.
    pub async fn restart(&mut self) -> Result<(), EmbeddedError> {
        self.running.stop(STOP_GRACE).await;
        if self.started.elapsed() >= HEALTHY_AFTER {
            self.backoff = self.options.min_backoff;
        }
        tokio::time::sleep(self.backoff).await;
        self.backoff = (self.backoff * 2).min(self.options.max_backoff);
        self.started = Instant::now();
        let (running, ports) = launch(&self.options, &self.binary, self.ports).await?;
        self.running = running;
        self.ports = ports;
        self.restarts += 1;
        Ok(())
    }

    /// Ends it: SIGTERM, and after ten seconds SIGKILL.
    pub async fn stop(mut self) -> ServerExit {
        let exit = self.running.stop(STOP_GRACE).await;
        let _ = std::fs::remove_file(config::pid_file(&self.options.store_dir));
        exit
    }
}

async fn launch(options: &EmbeddedOptions, binary: &Path, wanted: Ports) -> Result<(Running, Ports), EmbeddedError> {
    let config = config::write(options, wanted)?;
    let mut running = Running::spawn(binary, &config, options.threads)?;
    let log = config::log_file(&options.store_dir);
    let deadline = Instant::now() + options.start_timeout;
    loop {
        // The server writes its ports file once it takes clients, after its streams are restored.
        if let Some(ports) = config::read_ports(&options.store_dir, running.pid()) {
            return Ok((running, ports));
        }
        if let Ok(exit) = tokio::time::timeout(Duration::from_millis(10), running.wait()).await {
            return Err(EmbeddedError::Ended { exit, tail: config::tail(&log), log });
        }
        if Instant::now() >= deadline {
            running.stop(STOP_GRACE).await;
            return Err(EmbeddedError::Slow { waited: options.start_timeout, log });
        }
    }
}
