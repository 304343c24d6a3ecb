//! Starts all actors of a daemon on their arbiters, and stops them in order.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use actix::prelude::*;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::dispatch::DispatchActor;
use super::herald::Herald;
use super::jobs::Foreman;
use super::large::{self, LargeBounds, Mover};
use super::ledger::{Commit, LedgerActor};
use super::marks::{LOSSES, Marks};
use super::outbox::Outbox;
use super::partition::{Neighbours, PartitionActor, Start};
use super::shared::Shared;
use super::snapshot::{SnapshotActor, Write};
use super::source::Source;
use super::stats::StatsActor;
use super::work::Work;
use crate::domain::{Action, Address, Command, Event, Id, Key, Kind, Known, RegistryView, Timestamp};
use crate::ledger::{Ledger, Position, SpoolRef};
use crate::nats::{BatchPublisher, Connect, PublisherOptions};
use crate::store::{OpenRow, Sealed};

/// Local commands that may wait at one partition.
const LOCALS: usize = 64;
/// How long a stop waits for the last mark in the output; without it the next start sends a little again.
const MARK_WITHIN: std::time::Duration = std::time::Duration::from_secs(2);
/// How long the operators' keys may take to be ledgered at start.
const OPERATORS_WITHIN: std::time::Duration = std::time::Duration::from_secs(15);

/// What is known at start, from snapshot and ledger.
pub struct Beginning {
    /// The opened ledger.
    pub ledger: Ledger,
    /// Positions by partition.
    pub positions: BTreeMap<u16, Position>,
    /// Exchanges open in the snapshot.
    pub open: Vec<(Uuid, OpenRow)>,
    /// When entities have something to do by the clock, in the snapshot.
    pub wakes: Vec<(Address, Timestamp)>,
    /// Committed entries after the snapshot, in leaf order.
    pub recent: Vec<Arc<Sealed>>,
    /// Operators and their keys, from the configuration.
    pub operators: Vec<(Address, Vec<Key>)>,
    /// How large content is moved, and the folder for it; none when it is off.
    pub large: Option<(LargeBounds, PathBuf)>,
    /// Bytes of the stream of jobs.
    pub jobs_bytes: i64,
}

/// The running actors.
pub struct Actors {
    ledger: Addr<LedgerActor>,
    snapshot: Addr<SnapshotActor>,
    locals: Vec<mpsc::Sender<Work>>,
    arbiters: Vec<Arbiter>,
    drained: Vec<oneshot::Receiver<()>>,
    stop: CancellationToken,
}

/// Why the actors could not start or stop.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // each variant's own text tells what its fields are
pub enum StartError {
    /// A connection could not be made.
    #[error("connection of {who}: {detail}")]
    Connection { who: String, detail: String },
    /// The first commit, of the operators' keys, did not come about.
    #[error("the operators' keys could not be ledgered: see the log for what keeps the ledger from committing")]
    Operators,
    /// Effects that are owed cannot be told.
    #[error("an entry whose effects have not left cannot be read, so what it owes to whom is not known: {0}")]
    Effects(String),
    /// The folder of large contents cannot be used.
    #[error("the folder of large contents: {0}")]
    Large(String),
    /// An arbiter's thread ended while it started.
    #[error("the thread of {0} ended while it started")]
    Thread(String),
}

/// Runs `make` on the arbiter and hands its result over.
async fn on<T: Send + 'static, F: Future<Output = Result<T, StartError>> + 'static>(
    arbiter: &Arbiter,
    who: &str,
    make: impl FnOnce() -> F + Send + 'static,
) -> Result<T, StartError> {
    let (reply, made) = oneshot::channel();
    arbiter.spawn_fn(move || {
        actix::spawn(async move {
            // The caller waits for it unless it has given up already.
            drop(reply.send(make().await));
        });
    });
    made.await.map_err(|_| StartError::Thread(who.to_owned()))?
}

async fn link(connect: &Connect, who: &str) -> Result<crate::nats::Link, StartError> {
    let mut connect = connect.clone();
    connect.name = format!("{} {who}", connect.name);
    connect.open().await.map_err(|error| StartError::Connection { who: who.to_owned(), detail: error.to_string() })
}

/// Starts everything.
///
/// # Errors
/// [`StartError`] when a connection cannot be made.
pub async fn start(
    shared: Arc<Shared>,
    connect: Connect,
    beginning: Beginning,
    arbiters: usize,
    stop: CancellationToken,
) -> Result<Actors, StartError> {
    let Beginning { ledger, positions, open, wakes, recent, operators, large, jobs_bytes } = beginning;
    let ledger_arbiter = Arbiter::new();
    let outlets = Arbiter::new();
    let persistence = Arbiter::new();
    // Apart: it reads states of HATs from disk.
    let heralds = Arbiter::new();

    let ledger = {
        let shared = Arc::clone(&shared);
        LedgerActor::start_in_arbiter(&ledger_arbiter.handle(), move |_| LedgerActor::new(ledger, shared))
    };
    let snapshot = {
        let shared = Arc::clone(&shared);
        SnapshotActor::start_in_arbiter(&persistence.handle(), move |_| SnapshotActor::new(shared))
    };
    let stats = {
        let shared = Arc::clone(&shared);
        StatsActor::start_in_arbiter(&outlets.handle(), move |_| StatsActor::new(shared))
    };
    let dispatch = {
        let shared = Arc::clone(&shared);
        let connect = connect.clone();
        let still_open = still_open(&open, &recent);
        large::begin(&shared, &still_open);
        on(&outlets, "dispatch", move || async move {
            let link = link(&connect, "dispatch").await?;
            let outward = publisher(&link).await?;
            let inward = publisher(&link).await?;
            actix::spawn(super::publishing::watch(outward.status(), Arc::clone(&shared.health)));
            let done = shared.progress.dispatched_through();
            let outbox = Outbox::new(Arc::clone(&shared), [outward, inward], still_open, done);
            let (tell, lost) = mpsc::channel(LOSSES);
            let publishers = [Arc::clone(&outbox.publisher), Arc::clone(&outbox.inward)];
            let mut marks = Marks::new(Arc::clone(&shared), link, publishers, tell);
            // Before anything more is published, so that a loss is seen as what it is.
            marks.turn().await;
            // Published by the actor: a full stream must not keep the daemon from saying so.
            let owed = outbox.owed().map_err(StartError::Effects)?;
            actix::spawn(shared.fatal.clone().guard("the watch over the output", marks.run()));
            let (actor, queue) = DispatchActor::new(shared, outbox, owed, lost);
            actor.start();
            Ok(queue)
        })
        .await?
    };

    shared.board.watch_dispatch(dispatch.downgrade());
    let neighbours = Neighbours { ledger: ledger.clone(), dispatch, stats };
    let works: Vec<Arbiter> = (0..arbiters.max(1)).map(|_| Arbiter::new()).collect();
    let mut drained = Vec::new();
    let mut locals = Vec::new();
    let partitions = u16::try_from(shared.lanes.len()).unwrap_or(u16::MAX);
    for number in 0..partitions {
        let arbiter = &works[usize::from(number) % works.len()];
        let (done, drain) = oneshot::channel();
        drained.push(drain);
        let position = positions.get(&number).copied();
        let open = open
            .iter()
            .filter(|(_, row)| shared.partition_of(&row.entity) == number)
            .map(|(delivery, row)| (row.entity.clone(), *delivery, row.deadline))
            .collect();
        let recent = recent.iter().filter(|sealed| sealed.partition == number).cloned().collect();
        let wakes = wakes.iter().filter(|(entity, _)| shared.partition_of(entity) == number).cloned().collect();
        let (commands, local) = mpsc::channel(LOCALS);
        locals.push(commands);
        let actor_shared = Arc::clone(&shared);
        let connect = connect.clone();
        let neighbours = neighbours.clone();
        let stop = stop.clone();
        on(arbiter, "partition", move || async move {
            let link = link(&connect, &format!("partition {number}")).await?;
            let source = Source::new(link);
            let start = Start { position, open, wakes, recent, source, local };
            PartitionActor::new(actor_shared, number, start, neighbours, stop, done).start();
            Ok(())
        })
        .await?;
    }
    {
        let shared = Arc::clone(&shared);
        let (connect, locals, stop) = (connect.clone(), locals.clone(), stop.clone());
        on(&heralds, "herald", move || async move {
            let link = link(&connect, "herald").await?;
            let publisher = publisher(&link).await?;
            let herald = Herald::new(Arc::clone(&shared), publisher, locals);
            actix::spawn(shared.fatal.clone().guard("the herald", herald.run(stop)));
            Ok(())
        })
        .await?;
    }
    // Apart: it reads states of HATs from disk and signs what it hands out.
    let foremen = Arbiter::new();
    {
        let shared = Arc::clone(&shared);
        let (connect, locals, stop) = (connect.clone(), locals.clone(), stop.clone());
        on(&foremen, "jobs", move || async move {
            let link = link(&connect, "jobs").await?;
            let foreman = Foreman::new(Arc::clone(&shared), link, locals, jobs_bytes);
            actix::spawn(shared.fatal.clone().guard("the foreman of jobs", foreman.run(stop)));
            Ok(())
        })
        .await?;
    }
    let mut arbiters = works;
    arbiters.push(foremen);
    if let Some((bounds, folder)) = large {
        // Apart: it reads and writes much.
        let movers = Arbiter::new();
        let shared = Arc::clone(&shared);
        let (connect, locals, stop) = (connect.clone(), locals.clone(), stop.clone());
        on(&movers, "large", move || async move {
            let link = link(&connect, "large").await?;
            let publisher = publisher(&link).await?;
            let mover = Mover::new(Arc::clone(&shared), link, publisher, locals, folder, bounds);
            let mover = mover.map_err(|error| StartError::Large(error.to_string()))?;
            actix::spawn(shared.fatal.clone().guard("the mover of large content", mover.run(stop)));
            Ok(())
        })
        .await?;
        arbiters.push(movers);
    }
    arbiters.extend([heralds, outlets, persistence, ledger_arbiter]);
    let actors = Actors { ledger, snapshot, locals, arbiters, drained, stop };
    actors.declare_operators(&shared, &operators);
    in_force(&shared, &operators).await?;
    Ok(actors)
}

async fn publisher(link: &crate::nats::Link) -> Result<BatchPublisher, StartError> {
    BatchPublisher::start(&link.client, PublisherOptions::default())
        .await
        .map_err(|error| StartError::Connection { who: "publisher".into(), detail: error.to_string() })
}

/// Open exchanges of the snapshot and the entries after it: delivery, leaf, content.
pub fn still_open(open: &[(Uuid, OpenRow)], recent: &[Arc<Sealed>]) -> Vec<(Uuid, u64, Option<SpoolRef>)> {
    let place =
        |spool: Option<crate::store::SpoolPlace>| spool.map(|(segment, offset, len)| SpoolRef { segment, offset, len });
    let mut all: BTreeMap<Uuid, (u64, Option<SpoolRef>)> =
        open.iter().map(|(delivery, row)| (*delivery, (row.leaf, place(row.spool)))).collect();
    for sealed in recent {
        if let Some((delivery, _)) = sealed.entry.event.opens() {
            all.insert(delivery, (sealed.leaf, place(sealed.spool)));
        } else if let Event::Released(opened) = &sealed.entry.event {
            // Its content lies where it was when it was held.
            if let Some((leaf, _)) = all.get_mut(&opened.delivery) {
                *leaf = sealed.leaf;
            }
        } else if let Some(delivery) = sealed.entry.event.ends() {
            all.remove(&delivery);
        }
    }
    all.into_iter().map(|(delivery, (leaf, spool))| (delivery, leaf, spool)).collect()
}

/// Waits until the ledger has the operators as configured: who asks once the daemon is ready finds them.
async fn in_force(shared: &Shared, operators: &[(Address, Vec<Key>)]) -> Result<(), StartError> {
    let deadline = std::time::Instant::now() + OPERATORS_WITHIN;
    while !declarations(shared, operators).is_empty() {
        if std::time::Instant::now() > deadline {
            return Err(StartError::Operators);
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    Ok(())
}

/// Local commands that ledger the keys of operators, and of the exchange's own bridge, as the configuration has
/// them; an operator who is no longer in it has no key any more.
fn declarations(shared: &Shared, operators: &[(Address, Vec<Key>)]) -> Vec<Work> {
    let mut wanted: BTreeMap<Address, Vec<Key>> =
        shared.registry.of_kind(Kind::Operator).into_iter().map(|operator| (operator, Vec::new())).collect();
    let bridge = Id::new(&shared.origin).map(|id| Address::new(Kind::Bridge, id));
    wanted.extend(bridge.ok().filter(|own| shared.registry.registration(own).is_some()).map(|own| (own, Vec::new())));
    for (party, keys) in operators {
        wanted.insert(party.clone(), keys.clone());
    }
    wanted
        .into_iter()
        .filter(|(operator, keys)| differs(shared, operator, keys))
        .map(|(operator, keys)| declare(shared, operator, keys))
        .collect()
}

/// Whether the ledger holds other keys for this operator than the configuration.
fn differs(shared: &Shared, operator: &Address, keys: &[Key]) -> bool {
    shared.registry.registration(operator).is_none_or(|known| {
        let mut in_force: Vec<Key> =
            known.keys.iter().filter(|record| record.until.is_none()).map(|record| record.key).collect();
        let mut asked = keys.to_vec();
        in_force.sort_unstable();
        asked.sort_unstable();
        asked.dedup();
        in_force != asked
    })
}

/// The local command that ledgers an operator's keys.
fn declare(shared: &Shared, operator: Address, keys: Vec<Key>) -> Work {
    let now: Timestamp = shared.clock.now();
    Work {
        ask: super::entity::Ask {
            command: Command {
                addressed: operator.clone(),
                action: Action::OperatorDeclare { keys },
                cause: None,
                deadline: None,
                pull: None,
                job: None,
                stored_at: now,
            },
            known: Known::New,
        },
        entity: operator,
        key: None,
        sequence: None,
        reply: None,
        want_proof: false,
        trace: None,
    }
}

impl Actors {
    /// Ledgers the operators' keys where they differ from what the ledger has.
    pub fn declare_operators(&self, shared: &Shared, operators: &[(Address, Vec<Key>)]) {
        for work in declarations(shared, operators) {
            let partition = usize::from(shared.partition_of(&work.entity));
            let taken = self.locals.get(partition).is_some_and(|local| local.try_send(work).is_ok());
            if !taken {
                tracing::error!("an operator's keys were not taken over: reload again");
            }
        }
    }

    /// Writes rows now; returns the leaf below which everything is in them.
    ///
    /// # Errors
    /// A text that says why rows were not written.
    pub async fn snapshot(&self) -> Result<u64, String> {
        match self.snapshot.send(Write).await {
            Ok(written) => written.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Stops intake, waits until what was decided is committed and published, writes rows, ends the
    /// threads. True when everything was drained within `patience`.
    pub async fn stop(self, shared: &Shared, patience: std::time::Duration) -> bool {
        self.stop.cancel();
        let drained = self.drained;
        let all = async {
            for drain in drained {
                // A partition that never started has nothing to drain.
                drop(drain.await);
            }
            while shared.progress.dispatched_through() < shared.progress.landed_through() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            // A mark in the output and an empty group store that, so that the next start repeats nothing.
            let patient = tokio::time::Instant::now() + MARK_WITHIN;
            shared.progress.ask_for_mark();
            while shared.progress.marked_through() < shared.progress.dispatched_through()
                && tokio::time::Instant::now() < patient
            {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            let (reply, landed) = oneshot::channel();
            let last = Commit { partition: 0, position: None, records: Vec::new(), reply };
            if self.ledger.send(last).await.is_ok() {
                // An error means that the ledger has failed: the next start repeats what it must.
                drop(landed.await);
            }
        };
        let clean = tokio::time::timeout(patience, all).await.is_ok();
        let rows = match self.snapshot.send(Write).await {
            Ok(Ok(_)) => true,
            Ok(Err(_)) | Err(_) => false,
        };
        for arbiter in self.arbiters {
            arbiter.stop();
            // A thread that panicked has said so in the log.
            drop(arbiter.join());
        }
        clean && rows
    }
}
