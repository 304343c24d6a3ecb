//! One partition: its place in the input stream, its entities, its tables.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use actix::prelude::*;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::anonymous::Anonymous;
use super::books::Books;
use super::dispatch::Publish;
use super::land::{Flight, Landing};
use super::ledger::LedgerActor;
use super::path;
use super::position::Track;
use super::shared::Shared;
use super::source::Source;
use super::stats::StatsActor;
use super::supervisor::Supervisor;
use super::work::{Refusal, Work};
use crate::domain::lane::Lane;
use crate::domain::{Address, Timestamp};
use crate::ledger::Position;
use crate::store::{Sealed, StoreError, load};
use crate::wire::KnownKeys;

/// The other actors that a partition speaks to.
#[derive(Clone)]
pub struct Neighbours {
    /// Commits.
    pub ledger: Addr<LedgerActor>,
    /// To the dispatch actor, which publishes.
    pub dispatch: mpsc::Sender<Publish>,
    /// Counts.
    pub stats: Addr<StatsActor>,
}

/// What the loop of a partition works on. Owned by one task on one arbiter.
pub struct Partition {
    pub(super) shared: Arc<Shared>,
    pub(super) number: u16,
    pub(super) lane: Address,
    pub(super) lane_state: Lane,
    pub(super) source: Source,
    pub(super) books: Rc<RefCell<Books>>,
    pub(super) supervisor: Rc<RefCell<Supervisor>>,
    pub(super) track: Track,
    pub(super) anonymous: Anonymous,
    /// Keys of senders, to verify the next batch by.
    pub(super) known_keys: KnownKeys,
    pub(super) held: VecDeque<Work>,
    /// First message of the batch's later rounds.
    pub(super) later: Option<u64>,
    pub(super) local: mpsc::Receiver<Work>,
    pub(super) refusals: Vec<Refusal>,
    pub(super) now: Timestamp,
    /// Store time of the last message taken in since the source was opened.
    pub(super) frontier: Timestamp,
    pub(super) neighbours: Neighbours,
    pub(super) flights: mpsc::Sender<Flight>,
    pub(super) departed: u64,
    pub(super) arrived: watch::Receiver<u64>,
    pub(super) stop: CancellationToken,
    pub(super) ticks: super::tick::Ticks,
}

impl Partition {
    /// True once the daemon drains.
    pub(super) fn stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Waits until everything that was handed to the ledger is committed and followed up.
    pub(super) async fn drain(&mut self) {
        let departed = self.departed;
        // An error means that the landing task has ended, which it does only with the process.
        drop(self.arrived.wait_for(|arrived| *arrived >= departed).await);
    }
}

/// Where a partition begins.
pub struct Start {
    /// The last message that was decided.
    pub position: Option<Position>,
    /// Open exchanges of its entities in the snapshot: entity, delivery, deadline.
    pub open: Vec<(Address, uuid::Uuid, Timestamp)>,
    /// When its entities have something to do by the clock, as the snapshot has it.
    pub wakes: Vec<(Address, Timestamp)>,
    /// Committed entries of its entities that are not in the snapshot.
    pub recent: Vec<Arc<Sealed>>,
    /// The input.
    pub source: Source,
    /// Local commands, to be decided before further messages.
    pub local: mpsc::Receiver<Work>,
}

/// The supervised holder of a partition's tasks on its arbiter.
pub struct PartitionActor {
    shared: Arc<Shared>,
    number: u16,
    start: Option<Start>,
    neighbours: Neighbours,
    stop: CancellationToken,
    done: Option<tokio::sync::oneshot::Sender<()>>,
}

impl PartitionActor {
    /// A partition that goes on from `start`. `done` is told when it has drained.
    pub fn new(
        shared: Arc<Shared>,
        number: u16,
        start: Start,
        neighbours: Neighbours,
        stop: CancellationToken,
        done: tokio::sync::oneshot::Sender<()>,
    ) -> Self {
        PartitionActor { shared, number, start: Some(start), neighbours, stop, done: Some(done) }
    }

    fn tasks(&mut self) -> Result<impl Future<Output = ()> + 'static, StoreError> {
        let shared = Arc::clone(&self.shared);
        let lane = shared.lane(self.number);
        let lane_state: Lane = load(&shared.db, &shared.tail, &lane)?;
        let start = self.start.take().expect("an actor is started once");
        let mut books = Books::default();
        for (entity, delivery, deadline) in &start.open {
            books.open(entity, *delivery, *deadline);
        }
        for (entity, at) in &start.wakes {
            books.wakes.set(entity, Some(*at));
        }
        for sealed in &start.recent {
            books.replay(sealed);
        }
        let books = Rc::new(RefCell::new(books));
        let supervisor = Rc::new(RefCell::new(Supervisor::new(Arc::clone(&shared))));
        let (flights, departures) = mpsc::channel(shared.bounds.in_flight);
        let (arrivals, arrived) = watch::channel(0);
        let landing = Landing::new(
            Arc::clone(&shared),
            self.number,
            Rc::clone(&books),
            Rc::clone(&supervisor),
            self.neighbours.clone(),
            arrivals,
        );
        let now = start.position.map_or(Timestamp(0), |p| Timestamp(p.stored_at));
        let partition = Partition {
            number: self.number,
            lane,
            lane_state,
            source: start.source,
            books,
            supervisor,
            track: Track::from(start.position),
            anonymous: Anonymous::default(),
            known_keys: KnownKeys::default(),
            held: VecDeque::new(),
            later: None,
            local: start.local,
            refusals: Vec::new(),
            now,
            frontier: Timestamp(i64::MIN),
            neighbours: self.neighbours.clone(),
            flights,
            departed: 0,
            arrived,
            stop: self.stop.clone(),
            ticks: super::tick::Ticks::new(),
            shared,
        };
        let done = self.done.take();
        let fatal = self.shared.fatal.clone();
        Ok(async move {
            // Both on this arbiter: the tables are shared without locks.
            let land = actix::spawn(fatal.clone().guard("the landing of a partition", path::land(landing, departures)));
            fatal.guard("a partition", path::run(partition)).await;
            land.abort();
            if let Some(done) = done {
                // Nobody waits any more when the daemon ends the hard way.
                let _ = done.send(());
            }
        })
    }
}

impl Actor for PartitionActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        match self.tasks() {
            Ok(run) => {
                ctx.spawn(run.into_actor(self).map(|(), _, ctx| ctx.stop()));
            }
            Err(error) => {
                tracing::error!(partition = self.number, %error, "a partition cannot start");
                self.shared.health.set("partitions", false, "a partition cannot start: see the log");
                self.shared.fatal.tell("a partition cannot start");
                ctx.stop();
            }
        }
    }
}
