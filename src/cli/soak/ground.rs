//! The processes of a soak: a daemon and its nats-server, killed and started again on the same ports and folders.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand::Rng;

use crate::cli::demo::child::Exchange;
use crate::cli::demo::page;
use crate::cli::fail::Failure;
use crate::domain::Key;
use crate::nats::{EmbeddedOptions, EmbeddedServer};
use crate::simulation::soak::{Leg, Round, Victim};

use super::leg::{OPERATOR, ORIGIN};

/// Ports are looked for here: below those that systems give to outgoing connections, so that none of them takes
/// the port of a server that is away.
const PORTS: std::ops::Range<u16> = 15_000..30_000;
/// How many are tried.
const PORT_TRIES: usize = 1000;
/// Between two looks at the health page.
const LOOK: Duration = Duration::from_millis(20);
/// A health page that is not good by then never is.
const GIVE_UP: Duration = Duration::from_secs(60);

/// A daemon and its broker.
pub struct Ground {
    config: PathBuf,
    log: PathBuf,
    folder: PathBuf,
    port: u16,
    server: Option<EmbeddedServer>,
    exchange: Option<Exchange>,
    http: String,
}

fn finding(what: impl std::fmt::Display) -> Failure {
    Failure::Finding(what.to_string())
}

fn free_port() -> Result<u16, Failure> {
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (0..PORT_TRIES)
        .map(|_| rand::thread_rng().gen_range(PORTS))
        .find(free)
        .ok_or_else(|| Failure::Unavailable("no free port is found".into()))
}

/// Partitions of the exchange: more than one, so that each may be at another place when it is killed.
pub(super) const PARTITIONS: u16 = 2;

/// Small segments, frequent rows and early repeats: what happens seldom in production happens in every leg.
fn configuration(leg: Leg, folder: &Path, port: u16, operator: &Key) -> String {
    let broker = match leg {
        Leg::Own => format!("[nats]\nurl = \"nats://127.0.0.1:{port}\"\n"),
        Leg::Embedded => format!("[nats.embedded]\nport = {port}\n"),
    };
    let state = serde_json::Value::from(folder.join("state").to_string_lossy());
    format!(
        "# Made by `dex soak`.\n[exchange]\norigin = \"{ORIGIN}\"\nstate_dir = {state}\npartitions = {PARTITIONS}\n\n\
         [[operator]]\nname = \"{OPERATOR}\"\nkeys = [\"{operator}\"]\n\n{broker}\n\
         [ledger]\nsegment_bytes = 2097152\nspool_segment_bytes = 2097152\n\n\
         [snapshot]\ninterval = \"500ms\"\n\n[dispatch]\nredelivery_first = \"2s\"\nredelivery_max = \"8s\"\n\n\
         [http]\nlisten = \"127.0.0.1:0\"\n\n[log]\nlevel = \"info\"\nformat = \"json\"\n"
    )
}

impl Ground {
    /// Starts both in a new folder and waits until the exchange is ready.
    ///
    /// # Errors
    /// [`Failure`] when one of them cannot be started.
    pub async fn start(leg: Leg, folder: &Path, operator: &Key) -> Result<Self, Failure> {
        std::fs::create_dir_all(folder)
            .map_err(|error| Failure::Usage(format!("{} cannot be made: {error}", folder.display())))?;
        let port = free_port()?;
        let config = folder.join("dex.toml");
        std::fs::write(&config, configuration(leg, folder, port, operator))
            .map_err(|error| Failure::Usage(format!("{} cannot be written: {error}", config.display())))?;
        let mut ground = Ground {
            config,
            log: folder.join("dex.log"),
            folder: folder.to_owned(),
            port,
            server: None,
            exchange: None,
            http: String::new(),
        };
        if leg == Leg::Own {
            ground.server = Some(serve(folder, port).await?);
        }
        ground.set(Exchange::launch(&ground.config, &ground.log).await?);
        ground.ready().await?;
        Ok(ground)
    }

    fn set(&mut self, exchange: Exchange) {
        self.http.clone_from(&exchange.http);
        self.exchange = Some(exchange);
    }

    /// Where participants connect; the same for the life of the ground.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The state folder.
    pub fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// Kills as the round says, and starts again what does not start by itself. Returns when the start began.
    ///
    /// # Errors
    /// [`Failure`] when something had ended by itself, or does not start.
    pub async fn strike(&mut self, round: &Round) -> Result<Instant, Failure> {
        let embedded = self.server.is_none();
        match round.victim {
            Victim::Daemon => self.kill_daemon().await?,
            Victim::Server => self.kill_server().await?,
            // An embedded server goes with its daemon, so it is killed before.
            Victim::Both if embedded || !round.daemon_first.0 => {
                self.kill_server().await?;
                tokio::time::sleep(round.apart.0).await;
                self.kill_daemon().await?;
            }
            Victim::Both => {
                self.kill_daemon().await?;
                tokio::time::sleep(round.apart.0).await;
                self.kill_server().await?;
            }
        }
        if embedded && round.victim == Victim::Server {
            // The daemon starts it again by itself, and has begun to.
            return Ok(Instant::now());
        }
        tokio::time::sleep(round.away).await;
        let began = Instant::now();
        let (daemon, server) = match (round.victim, embedded) {
            (Victim::Daemon, _) | (Victim::Both, true) => (true, false),
            (Victim::Server, _) => (false, true),
            (Victim::Both, false) => (true, true),
        };
        let (wait_daemon, wait_server) = match (daemon && server, round.daemon_first.1) {
            (false, _) => (Duration::ZERO, Duration::ZERO),
            (true, true) => (Duration::ZERO, round.apart.1),
            (true, false) => (round.apart.1, Duration::ZERO),
        };
        let (exchange, server) = tokio::join!(
            async {
                tokio::time::sleep(wait_daemon).await;
                if daemon { Some(Exchange::launch(&self.config, &self.log).await) } else { None }
            },
            async {
                tokio::time::sleep(wait_server).await;
                if server { Some(serve(&self.folder, self.port).await) } else { None }
            }
        );
        if let Some(server) = server {
            self.server = Some(server?);
        }
        if let Some(exchange) = exchange {
            self.set(exchange?);
        }
        Ok(began)
    }

    /// Waits until `/health/ready` answers 200.
    ///
    /// # Errors
    /// [`Failure`] when the daemon has ended, or is not ready in a minute.
    pub async fn ready(&mut self) -> Result<(), Failure> {
        let deadline = Instant::now() + GIVE_UP;
        loop {
            let Err(error) = page::get(&self.http, "/health/ready").await else { return Ok(()) };
            self.alive()?;
            if Instant::now() >= deadline {
                return Err(finding(format_args!("the exchange is not ready after {GIVE_UP:?}: {error}")));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Says so when the daemon has ended by itself.
    ///
    /// # Errors
    /// [`Failure::Finding`] with the end of its log.
    pub fn alive(&mut self) -> Result<(), Failure> {
        match self.exchange.as_mut().and_then(Exchange::has_ended) {
            Some(how) => Err(finding(how)),
            None => Ok(()),
        }
    }

    /// Stops both in order.
    ///
    /// # Errors
    /// A sentence when the daemon did not end in order.
    pub async fn stop(mut self) -> Result<(), String> {
        let stopped = match &mut self.exchange {
            Some(exchange) => exchange.stop().await,
            None => Ok(()),
        };
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
        stopped
    }

    async fn kill_daemon(&mut self) -> Result<(), Failure> {
        match self.exchange.take() {
            Some(mut exchange) => exchange.kill().await.map_err(finding),
            None => Ok(()),
        }
    }

    async fn kill_server(&mut self) -> Result<(), Failure> {
        if let Some(mut server) = self.server.take() {
            kill(server.pid())?;
            server.wait_exit().await;
            // Without a server the ground would be taken for one with an embedded server; a start follows.
            self.server = Some(server);
            return Ok(());
        }
        // Another server of the machine may never be hit: the number must be of one with our configuration.
        let store = self.state().join("nats");
        let file = store.join("nats.pid");
        let deadline = Instant::now() + GIVE_UP;
        loop {
            let pid = std::fs::read_to_string(&file).ok().and_then(|text| text.trim().parse::<u32>().ok());
            if let Some(pid) = pid.filter(|pid| is_of(*pid, &store)) {
                return kill(pid);
            }
            self.alive()?;
            if Instant::now() >= deadline {
                return Err(finding(format_args!("{} names no running server", file.display())));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

async fn serve(folder: &Path, port: u16) -> Result<EmbeddedServer, Failure> {
    let mut options = EmbeddedOptions::new(folder.join("nats"));
    options.port = port;
    EmbeddedServer::start(options).await.map_err(|error| Failure::Unavailable(error.to_string()))
}

/// Whether this process was started with a configuration in `store`.
fn is_of(pid: u32, store: &Path) -> bool {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).contains(&*store.to_string_lossy())
}

#[allow(unsafe_code, reason = "std kills its own children only")]
fn kill(pid: u32) -> Result<(), Failure> {
    let pid = i32::try_from(pid).ok().filter(|pid| *pid > 1).ok_or_else(|| finding("no process id"))?;
    // SAFETY: kill has no memory effects; the caller has just seen that the process is ours.
    #[allow(unsafe_code)] // a signal by pid
    match unsafe { libc::kill(pid, libc::SIGKILL) } {
        0 => Ok(()),
        _ => Err(finding(format_args!("process {pid} cannot be killed: {}", std::io::Error::last_os_error()))),
    }
}
