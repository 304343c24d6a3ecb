//! Start and stop of everything, in order.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use rand::RngCore;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::broker::Broker;
use super::carry;
use super::{housekeeping, identity, queries, settings};
use crate::actors::board::Board;
use crate::actors::clock::{Clock, SystemClock};
use crate::actors::connections::Connections;
use crate::actors::directory::Directory;
use crate::actors::fatal::Fatal;
use crate::actors::jobs::board::JobBoard;
use crate::actors::kinds;
use crate::actors::large::desk::LargeDesk;
use crate::actors::notices::OpenNotices;
use crate::actors::registry::Registry;
use crate::actors::shared::{FaultHook, Place, Progress, Shared, Streams, sealed};
use crate::actors::start::{Actors, Beginning, start, still_open};
use crate::actors::statistics::LiveStatistics;
use crate::config::Config;
use crate::domain::fact::Fact;
use crate::domain::{Address, Id, Kind, Registration, RegistryView as _, Standing, Timestamp};
use crate::gateway;
use crate::ledger::{CheckpointKey, Ledger, SpoolRef};
use crate::nats::{Link, lane_tokens, streams};
use crate::store::{StateDb, Tail};
use crate::telemetry::Health;

/// What a simulation or test brings along; nothing in production.
#[derive(Default)]
pub struct Extras {
    /// Called before each decision.
    pub fault: Option<FaultHook>,
    /// Another clock than the system's.
    pub clock: Option<Arc<dyn Clock>>,
}

/// A running daemon.
pub struct Running {
    config: Config,
    shared: Arc<Shared>,
    actors: Option<Actors>,
    nats_url: String,
    broker: Option<Broker>,
    http: actix_web::dev::ServerHandle,
    http_address: SocketAddr,
    gateway: Option<gateway::Running>,
    stop: CancellationToken,
    fatal: mpsc::UnboundedReceiver<String>,
    _lock: File,
}

impl Running {
    /// Starts the daemon; must be called inside an actix system.
    ///
    /// # Errors
    /// When anything that it needs is not there; the message says what to do.
    pub async fn start(config: Config, extras: Extras) -> anyhow::Result<Running> {
        let state = PathBuf::from(&config.exchange.state_dir);
        let lock = identity::lock(&state)?;
        let signer = Arc::new(identity::signer(&state, || {
            let mut seed = [0u8; 32];
            rand::rngs::OsRng.fill_bytes(&mut seed);
            seed
        })?);
        let carry = carry::prepare(&config, &state)?;
        let health = Arc::new(Health::default());
        let prometheus = crate::telemetry::recorder();

        let broker = match settings::embedded(&config, &state) {
            Some(options) => Some(Broker::start(options).await.context("the embedded NATS server")?),
            None => None,
        };
        let nats_url = broker.as_ref().map_or(config.nats.url.clone(), |broker| broker.url().to_owned());
        let connect = settings::connect(&config, &nats_url)?;
        let link = connect.open().await.context("the NATS server")?;
        let partitions = prepare(&config, &link).await?;
        let (bucket, _) =
            streams::prepare_state(&link.jetstream, settings::STATE_BYTES, 1).await.context("the state bucket")?;
        let note = bucket.get(housekeeping::CHECKPOINT_KEY).await.context("the stored checkpoint")?;
        let note = note.map(|note| String::from_utf8_lossy(&note).into_owned());

        let origin = config.exchange.origin.clone();
        let key = CheckpointKey::from_seed(&origin, identity::seed(&signer)?).context("the checkpoint key")?;
        let (ledger, recovered) =
            Ledger::open(settings::ledger(&config, &state), key, note.as_deref()).context("the ledger")?;
        if recovered.cut_bytes > 0 {
            tracing::warn!(
                bytes = recovered.cut_bytes,
                "a torn tail of the ledger was cut: nothing of it was promised to anybody"
            );
        }
        let db = StateDb::open(state.join("state.redb"), &origin).context("the state database")?;
        db.check_ledger(recovered.tree_size).context("the state database")?;

        let reader = ledger.reader();
        let lanes = lane_tokens(u32::from(partitions))
            .iter()
            .map(|token| Id::new(token))
            .collect::<Result<Vec<Id>, _>>()
            .context("the lanes")?;
        let positions: BTreeMap<u16, _> = recovered.positions.clone();
        let marks =
            (0..partitions).map(|p| positions.get(&p).map_or_else(Place::default, |at| Place::from(*at))).collect();
        let progress = Progress::new(recovered.dispatched_through, db.known_through(), recovered.tree_size, marks);
        let (fatal, told) = Fatal::new();
        let bounds = settings::bounds(&config);
        let shared = Arc::new(Shared {
            delivery_key: identity::delivery_key(&signer),
            origin: origin.as_str().into(),
            limits: arc_swap::ArcSwap::from_pointee(settings::limits(&config)),
            registry: Registry::default(),
            statistics: LiveStatistics::default(),
            connections: Connections::default(),
            notices: OpenNotices::default(),
            jobs: JobBoard::default(),
            large: LargeDesk::default(),
            board: Board::new(lanes.len()),
            directory: Directory::default(),
            tail: Tail::new(bounds.tail_entries),
            bounds,
            db,
            reader,
            spool: ledger.spool(),
            lanes,
            free_min: AtomicU64::new(config.ledger.free_min_bytes),
            streams: Streams { input: settings::in_limits(&config), output: settings::out_limits(&config) },
            trusted_broker: settings::trusted_broker(&config),
            health,
            clock: extras.clock.unwrap_or_else(|| Arc::new(SystemClock)),
            fault: extras.fault,
            progress,
            fatal,
            signer,
        });
        let mut beginning = begin(&shared, ledger, positions, settings::declared(&config)?)?;
        super::statistics::begin(&shared, settings::statistics(&config), &beginning.recent)
            .context("the statistics")?;
        beginning.jobs_bytes = config.streams.jobs_max_bytes;
        beginning.large = settings::large(&config).map(|bounds| (bounds, state.join("large")));

        let stop = CancellationToken::new();
        let to_broker = connect.clone();
        let actors = start(Arc::clone(&shared), connect, beginning, settings::arbiters(&config), stop.clone())
            .await
            .context("the actors")?;
        actix::spawn(housekeeping::run(Arc::clone(&shared), state, link.clone(), bucket, stop.clone()));
        actix::spawn(super::statistics::gauges(Arc::clone(&shared), stop.clone()));
        let bundles = Arc::new(settings::bundles(&config));
        actix::spawn(queries::serve(Arc::clone(&shared), bundles, link, stop.clone()));
        if let Some(carry) = carry {
            actix::spawn(carry.run(to_broker, origin, Arc::clone(&shared.health), stop.clone()));
        }
        let (server, http_address) = crate::http::serve(
            config.http.listen,
            crate::http::HttpState { prometheus, health: Arc::clone(&shared.health) },
        )
        .with_context(|| format!("http.listen {}", config.http.listen))?;
        let http = server.handle();
        actix::spawn(server);
        let gateway = match config.gateway.enabled {
            true => Some(Box::pin(gateway(&config, &shared, &nats_url, stop.clone())).await.context("the gateway")?),
            false => None,
        };
        Ok(Running {
            config,
            shared,
            actors: Some(actors),
            nats_url,
            broker,
            http,
            http_address,
            gateway,
            stop,
            fatal: told,
            _lock: lock,
        })
    }

    /// Where participants connect.
    pub fn nats_url(&self) -> &str {
        &self.nats_url
    }

    /// Where participants connect over WebSocket, when the embedded broker takes them.
    pub fn websocket_url(&self) -> Option<&str> {
        self.broker.as_ref().and_then(Broker::websocket_url)
    }

    /// Where metrics and health are served.
    pub fn http_address(&self) -> SocketAddr {
        self.http_address
    }

    /// Where the REST gateway listens, when it is on.
    pub fn gateway_address(&self) -> Option<SocketAddr> {
        self.gateway.as_ref().map(|gateway| gateway.address)
    }

    /// The address of the console, when it is served.
    pub fn console(&self) -> Option<String> {
        let address = self.gateway_address().filter(|_| self.config.gateway.console)?;
        Some(format!("http://{address}{}", gateway::console::PATH))
    }

    /// Handles shared by all actors.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The running actors.
    pub fn actors(&self) -> Option<&Actors> {
        self.actors.as_ref()
    }

    /// Resolves when the process must end: a write or sync of the ledger failed, or ids cannot be told apart.
    pub async fn fatal(&mut self) -> String {
        match self.fatal.recv().await {
            Some(error) => error,
            None => std::future::pending().await,
        }
    }

    /// Reads the configuration again and takes over what can change while running. A bad file, or one
    /// that changes what needs a restart, leaves the old configuration in force.
    pub fn reload(&mut self, file: Option<&Path>) {
        let new = match crate::config::load(file) {
            Ok(new) => new,
            Err(problems) => {
                for problem in problems {
                    tracing::error!(%problem, "the configuration was not reloaded");
                }
                return;
            }
        };
        match self.config.reloadable(&new) {
            Ok(()) => {
                self.shared.limits.store(Arc::new(settings::limits(&new)));
                self.shared.free_min.store(new.ledger.free_min_bytes, Ordering::Relaxed);
                if let Err(error) = crate::telemetry::set_log_level(&new.log.level) {
                    tracing::error!(%error, "log.level was not taken over");
                }
                match (&self.actors, settings::declared(&new)) {
                    (Some(actors), Ok(operators)) => actors.declare_operators(&self.shared, &operators),
                    (None, Ok(_)) => {}
                    (_, Err(error)) => tracing::error!(%error, "the operators were not taken over"),
                }
                self.config = new;
                tracing::info!("the configuration was reloaded");
            }
            Err(problems) => {
                for problem in problems {
                    tracing::error!(%problem, "the configuration was not reloaded: a restart is needed for this key");
                }
            }
        }
    }

    /// Drains and stops. True when everything decided was committed, published and written to rows.
    pub async fn stop(mut self, patience: Duration) -> bool {
        // First, so that nobody waits for an outcome that the stopped actors cannot give.
        if let Some(gateway) = self.gateway.take() {
            gateway.stop().await;
        }
        let clean = match self.actors.take() {
            Some(actors) => actors.stop(&self.shared, patience).await,
            None => false,
        };
        self.stop.cancel();
        self.http.stop(true).await;
        if let Some(broker) = self.broker.take() {
            broker.stop().await;
        }
        clean
    }

    /// Gives up at once, writing nothing more.
    pub fn abandon(self) {
        self.stop.cancel();
    }
}

/// Starts the REST gateway, which speaks to this exchange like any client.
async fn gateway(
    config: &Config,
    shared: &Shared,
    url: &str,
    stop: CancellationToken,
) -> anyhow::Result<gateway::Running> {
    let origin = config.exchange.origin.clone();
    let state = PathBuf::from(&config.exchange.state_dir);
    let own = gateway::settings::Settings::new(&config.gateway, &origin, state, carry::door(config)?);
    let exchange = gateway::Exchange {
        url: url.to_owned(),
        credentials: settings::connect(config, url)?.credentials,
        origin,
        key: shared.signer.public(),
    };
    Ok(gateway::start(own, exchange, stop).await?)
}

/// Makes or verifies the streams; returns the number of partitions.
async fn prepare(config: &Config, link: &Link) -> anyhow::Result<u16> {
    let input =
        streams::prepare_in(&link.jetstream, &settings::in_limits(config)).await.context("the stream DEX_IN")?;
    let output =
        streams::prepare_out(&link.jetstream, &settings::out_limits(config)).await.context("the stream DEX_OUT")?;
    let jobs =
        streams::prepare_jobs(&link.jetstream, config.streams.jobs_max_bytes).await.context("the stream DEX_JOBS")?;
    let buckets = match settings::large(config) {
        Some(large) => large.prepare(link).await.context("the buckets of large content (large.enabled)")?,
        None => Vec::new(),
    };
    for difference in input.differences.iter().chain(&output.differences).chain(&jobs.differences).chain(&buckets) {
        tracing::warn!(%difference, "a stream differs from the configuration and was left as it is");
    }
    if input.partitions != u32::from(config.exchange.partitions) {
        bail!(
            "DEX_IN has {} partitions but exchange.partitions is {}: the number is fixed when the stream is made, set the key to {}",
            input.partitions,
            config.exchange.partitions,
            input.partitions
        );
    }
    Ok(config.exchange.partitions)
}

/// Replays what the snapshot does not hold, and prepares the read models.
fn begin(
    shared: &Arc<Shared>,
    ledger: Ledger,
    positions: BTreeMap<u16, crate::ledger::Position>,
    operators: Vec<(Address, Vec<crate::domain::Key>)>,
) -> anyhow::Result<Beginning> {
    for (party, registration) in shared.db.registrations().context("the registrations")? {
        shared.registry.set(party, registration);
    }
    shared.connections.begin(&shared.db).context("the connections of plugs")?;
    shared.jobs.begin(&shared.db).context("the open jobs")?;
    let open = shared.db.open_rows().context("the open exchanges")?;
    shared.notices.begin(&shared.db, &open).context("the notices")?;
    let mut recent = Vec::new();
    for stored in shared.reader.scan(shared.db.known_through()) {
        let sealed = sealed(shared, stored.context("the ledger")?).context("the ledger")?;
        shared.registry.fold(&sealed.entry);
        shared.notices.fold(&sealed);
        shared.jobs.replay(&sealed.entry);
        recent.push(sealed);
    }
    // The tail may be over its bound after a long run without snapshots; the first one clears it.
    let _ = shared.tail.push(&recent);
    // The state of a HAT that retired is read with what the tail has of it.
    recent.iter().for_each(|sealed| shared.connections.fold(&sealed.entry, &shared.db, &shared.tail));
    // The exchange speaks to its own entities too: known like any other party.
    let said = shared.registry.registration(&shared.dex()).and_then(|held| held.classified.clone());
    let mut own = Registration { standing: Standing::Active, classified: said, ..Registration::default() };
    own.keys.push(crate::domain::registration::KeyRecord {
        key: shared.signer.public(),
        from: crate::domain::Timestamp(0),
        until: None,
        n: 0,
    });
    shared.registry.set(shared.dex(), own);

    let refs: Vec<SpoolRef> = still_open(&open, &recent).into_iter().filter_map(|(_, _, spool)| spool).collect();
    let missing = shared.spool.retain_only(&refs).context("the spool")?;
    if !missing.is_empty() {
        tracing::error!(
            contents = missing.len(),
            "contents of open exchanges are missing in the spool: they will expire"
        );
    }
    if shared.db.lacks_history().context("the history of parties")? {
        fill_history(shared).context("the history of parties")?;
    }
    for (party, _) in shared.registry.listed() {
        let known = shared.db.history(&party, Fact::Registration, usize::MAX).context("the history of parties")?;
        shared.registry.counted(known.len() as u64);
    }
    let wakes = wakes(&shared.db).context("when debits and offers are to be looked at")?;
    Ok(Beginning { ledger, positions, open, wakes, recent, operators, large: None, jobs_bytes: 0 })
}

/// Makes the history of parties for a state database of a program that kept none: once, from the ledger.
fn fill_history(shared: &Shared) -> anyhow::Result<()> {
    let through = shared.db.known_through();
    tracing::info!(entries = through, "the state database gets a history of parties, from the ledger");
    let below = usize::try_from(through).unwrap_or(usize::MAX);
    shared.db.write_history(shared.reader.scan(0).take(below).map(|stored| {
        let sealed = sealed(shared, stored?)?;
        anyhow::Ok((sealed.entry.clone(), sealed.leaf))
    }))
}

/// When entities have something to do by the clock. A file that does not hold it is completed.
fn wakes(db: &crate::store::StateDb) -> anyhow::Result<Vec<(Address, Timestamp)>> {
    if let Some(wakes) = db.wakes()? {
        return Ok(wakes);
    }
    let mut wakes = Vec::new();
    for kind in [Kind::Hat, Kind::Offer] {
        for row in db.rows(Some(kind))? {
            let (entity, row) = row?;
            if let Some(at) = kinds::wake_of(&entity, &row)? {
                wakes.push((entity, at));
            }
        }
    }
    db.write_wakes(&wakes)?;
    Ok(wakes)
}
