//! The plug worker: takes a plug's jobs, fetches what they name, credits it to HATs, tells how it went. A stranger's
//! program could replace it: it sees no more of the exchange than the protocol.
//!
//! [`plug`] takes jobs, [`task`] runs one, [`fetch`] gets a page, [`page`] makes bodies of it; [`hosts`], [`memory`] and
//! [`oauth`] are shared by all jobs.

pub mod account;
pub mod config;
pub mod fault;
pub mod fetch;
pub mod hosts;
pub mod known;
pub mod memory;
pub mod oauth;
pub mod page;
pub mod plug;
pub mod report;
pub mod task;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::client::{Client, ClientOptions};
use crate::connectors::Fetcher;
use crate::domain::{Address, Id, Kind};
use crate::http::retry::Retry;
use crate::telemetry::{Health, WorkerGauges};
use crate::wire::Signer;

use config::WorkerConfig;
use hosts::{Hosts, Manners};
use memory::Memory;
use oauth::Tokens;
use plug::Plug;

/// How often gauges, checks and the heartbeat are renewed.
const TICK: Duration = Duration::from_secs(1);
/// Longest pause before the exchange is tried again at the start.
const CONNECT_MAX: Duration = Duration::from_secs(30);
/// Longest pause of a host that fails again and again.
const HOST_PAUSE_MAX: Duration = Duration::from_secs(300);

/// A plug that is worked for, with what the command line or the file says of it.
pub struct Voice {
    /// Its id.
    pub id: Id,
    /// Its key.
    pub signer: Signer,
    /// Its accounts at the source.
    pub accounts: Option<PathBuf>,
    /// A manifest in the place of the exchange's.
    pub manifest: Option<Value>,
    /// Most jobs under way; 0: as many as of all.
    pub at_once: usize,
}

/// What all jobs share.
pub struct Common {
    /// Its settings.
    pub config: WorkerConfig,
    /// The way out.
    pub http: Fetcher,
    /// Manners towards sources.
    pub hosts: Hosts,
    /// How often and how soon a page is tried again.
    pub retry: Retry,
    /// Refreshed tokens.
    pub tokens: Tokens,
    /// Credited records.
    pub memory: Memory,
    /// Jobs under way, of all plugs.
    pub seats: Arc<Semaphore>,
    /// How it is.
    pub health: Arc<Health>,
}

impl Common {
    /// By these settings.
    ///
    /// # Errors
    /// What TLS needs of the system is not there.
    pub fn new(config: WorkerConfig, health: Arc<Health>) -> Result<Arc<Common>, String> {
        let source = &config.source;
        let http = Fetcher::new(source.limits()).map_err(|error| format!("the way out cannot be made: {error}"))?;
        let retry = Retry { tries: source.tries, first: source.first_pause.0, most: source.longest_pause.0 };
        let manners = Manners {
            at_once: source.per_host,
            retries_a_minute: source.retries_per_host,
            pauses: Retry { most: HOST_PAUSE_MAX.max(retry.most), ..retry },
        };
        Ok(Arc::new(Common {
            http,
            hosts: Hosts::new(manners),
            retry,
            tokens: Tokens::new(config.worker.state_dir.clone()),
            memory: Memory::new(config.worker.remember_records),
            seats: Arc::new(Semaphore::new(config.worker.at_once)),
            health,
            config,
        }))
    }

    fn look(&self, connected: bool) {
        self.health.heartbeat("worker");
        self.health.set("nats", connected, if connected { "connected" } else { "the broker cannot be reached" });
        WorkerGauges {
            running: self.config.worker.at_once.saturating_sub(self.seats.available_permits()),
            remembered: self.memory.len(),
            paused: self.hosts.paused(Instant::now()),
            connected,
        }
        .set();
    }
}

/// Works for all plugs until `drain` is said and what is under way has ended or is handed back, which takes at most
/// `drain_within`; until `now` is said, at once. `ready` is called when the exchange has answered. A broker or an exchange that is
/// away is waited for.
pub async fn run(
    common: Arc<Common>,
    connect: impl Fn() -> ClientOptions,
    voices: Vec<Voice>,
    ready: impl FnOnce(),
    drain: CancellationToken,
    now: CancellationToken,
) {
    let beats = async {
        let mut ticks = tokio::time::interval(TICK);
        loop {
            ticks.tick().await;
            common.look(false);
        }
    };
    let client = tokio::select! {
        client = reach(connect) => client,
        () = drain.cancelled() => return,
        () = now.cancelled() => return,
        () = beats => return,
    };
    common.look(true);
    ready();
    tracing::info!(exchange = client.origin(), plugs = voices.len(), "ready");
    let mut plugs = JoinSet::new();
    let share = common.config.worker.at_once / voices.len().max(1);
    for (number, voice) in voices.into_iter().enumerate() {
        let address = Address::new(Kind::Plug, voice.id);
        let at_once = if voice.at_once == 0 { common.config.worker.at_once } else { voice.at_once };
        let speaking = client.speaking(address, voice.signer);
        let plug = Plug::new(number, speaking, voice.accounts, voice.manifest, at_once, share);
        plugs.spawn(plug.run(Arc::clone(&common), drain.clone(), now.clone()));
    }
    let limit = async {
        drain.cancelled().await;
        tracing::info!("no more jobs are taken; what is under way ends, or is handed back");
        tokio::time::sleep(common.config.worker.drain_within.0).await;
        tracing::warn!("what is still under way is handed back");
        now.cancel();
        std::future::pending::<()>().await;
    };
    let look = async {
        let mut ticks = tokio::time::interval(TICK);
        loop {
            ticks.tick().await;
            common.look(client.is_connected());
        }
    };
    let all = async { while plugs.join_next().await.is_some() {} };
    tokio::select! {
        () = all => {}
        () = limit => {}
        () = look => {}
    }
    // What was said last, like a job handed back, is on its way to the broker.
    client.flush(TICK).await;
}

/// The exchange, however long that takes.
async fn reach(connect: impl Fn() -> ClientOptions) -> Client {
    let mut pause = Duration::from_millis(500);
    loop {
        match Client::connect(connect()).await {
            Ok(client) => return client,
            Err(error) => tracing::warn!(%error, "the exchange does not answer yet, it is tried again"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(CONNECT_MAX);
    }
}
