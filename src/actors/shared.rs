//! What every actor of one daemon holds in common: identities, bounds, stores, progress marks.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use smol_str::SmolStr;
use tokio::sync::Notify;

use super::board::Board;
use super::clock::Clock;
use super::connections::Connections;
use super::directory::Directory;
use super::fatal::Fatal;
use super::prefix::Prefix;
use super::recents::brought_by;
use super::registry::Registry;
use super::statistics::LiveStatistics;
use crate::domain::{Address, Cause, Command, Entry, Id, Kind, Limits, Timestamp};
use crate::ledger::{LedgerReader, Position, SpoolHandle, Stored};
use crate::nats::streams::{InLimits, OutLimits};
use crate::store::{IndexKey, Sealed, StateDb, Tail};
use crate::telemetry::Health;
use crate::telemetry::events::EffectFailed;
use crate::wire::Signer;

/// Called before a command is decided; the simulator and the tests make it panic to prove supervision.
pub type FaultHook = Arc<dyn Fn(&Command) + Send + Sync>;

/// Bounds of the actor system. Each is a stated limit of one queue, table or loop.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Most messages taken by intake at once.
    pub batch: usize,
    /// How long intake waits for a batch to fill, once it has one message.
    pub linger: std::time::Duration,
    /// Batches of one partition that may be between decision and commit.
    pub in_flight: usize,
    /// Messages handed to one entity before the arbiter serves others.
    pub stride: usize,
    /// Most live entity actors of one partition.
    pub live: usize,
    /// An entity without work for so long is passivated.
    pub idle: std::time::Duration,
    /// Restarts of one entity in a minute before it is quarantined.
    pub restarts_per_minute: u32,
    /// How long a quarantine lasts unless released.
    pub quarantine: std::time::Duration,
    /// First re-delivery of an open delivery after so long; doubles each time.
    pub redelivery_first: std::time::Duration,
    /// Longest pause between re-deliveries.
    pub redelivery_max: std::time::Duration,
    /// HATs looked at for notices, and told, in a second.
    pub notices_per_second: u32,
    /// How often rows are written.
    pub snapshot_interval: std::time::Duration,
    /// Entries not yet in rows at which a snapshot is made early.
    pub snapshot_entries: usize,
    /// Entries not yet in rows at which the path waits for a snapshot.
    pub tail_entries: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        use std::time::Duration;
        Bounds {
            batch: 512,
            linger: Duration::from_millis(2),
            in_flight: 2,
            stride: 256,
            live: 12_000,
            idle: Duration::from_secs(60),
            restarts_per_minute: 5,
            quarantine: Duration::from_secs(300),
            redelivery_first: Duration::from_secs(60),
            redelivery_max: Duration::from_secs(3600),
            notices_per_second: 1000,
            snapshot_interval: Duration::from_secs(5),
            snapshot_entries: 5_000,
            tail_entries: 200_000,
        }
    }
}

/// Handles and settings that all actors of a daemon share.
pub struct Shared {
    /// The exchange's origin: its party id and the name of its ledger.
    pub origin: SmolStr,
    /// The exchange's own key.
    pub signer: Arc<Signer>,
    /// Key of the HMAC that makes delivery ids.
    pub delivery_key: [u8; 32],
    /// Bounds of messages and entities; replaced as a whole by a reload.
    pub limits: arc_swap::ArcSwap<Limits>,
    /// Bounds of the actors.
    pub bounds: Bounds,
    /// Registrations of all parties.
    pub registry: Registry,
    /// Rolling windows and the catalogue of available data.
    pub statistics: LiveStatistics,
    /// How many HATs each plug is connected to.
    pub connections: Connections,
    /// Notices that stand.
    pub notices: super::notices::OpenNotices,
    /// Open jobs, and which of them are to be handed out.
    pub jobs: super::jobs::board::JobBoard,
    /// Large contents of open exchanges.
    pub large: super::large::desk::LargeDesk,
    /// What is told of the actors while they work.
    pub board: Board,
    /// Which entities are live, cold or quarantined.
    pub directory: Directory,
    /// Rows, index and open exchanges.
    pub db: StateDb,
    /// Committed entries that are not in rows yet.
    pub tail: Tail,
    /// The ledger, to read.
    pub reader: LedgerReader,
    /// Content of open exchanges, to read and release.
    pub spool: SpoolHandle,
    /// Lane token of each partition.
    pub lanes: Vec<Id>,
    /// Bytes that stay free on the disk of the ledger; replaced by a reload.
    pub free_min: AtomicU64,
    /// The streams, to be made again when they are gone.
    pub streams: Streams,
    /// True when the broker's authentication stands for signatures.
    pub trusted_broker: bool,
    /// Checks that make the daemon ready or not.
    pub health: Arc<Health>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Test and simulation seam; `None` in production.
    pub fault: Option<FaultHook>,
    /// Tells that the process must end.
    pub fatal: Fatal,
    /// How far effects were published and rows written.
    pub progress: Progress,
}

/// A place in the input stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// When the stream was made; 0 for no stream.
    pub created: i64,
    /// Sequence of the message.
    pub sequence: u64,
    /// When the stream stored it: by this it is told from another message in its place.
    pub stored_at: i64,
}

impl From<Position> for Place {
    fn from(position: Position) -> Self {
        Place { created: position.stream_created, sequence: position.sequence, stored_at: position.stored_at }
    }
}

/// The streams as the configuration wants them.
#[derive(Debug, Clone)]
pub struct Streams {
    /// `DEX_IN`.
    pub input: InLimits,
    /// `DEX_OUT`.
    pub output: OutLimits,
}

/// Marks read across threads.
pub struct Progress {
    dispatched_through: AtomicU64,
    snapshot_through: AtomicU64,
    landed: Mutex<Prefix>,
    positions: Vec<Mutex<Place>>,
    /// Store time of each partition's last position, also once its stream is doubted.
    read: Vec<AtomicI64>,
    /// Messages of the exchange to itself that were stored from then on may be lost; `i64::MAX`: none.
    input_lost: AtomicI64,
    losses: AtomicU64,
    healed: AtomicU64,
    marked_through: AtomicU64,
    mark_now: Notify,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Progress {
    /// Marks at their start: effects and rows as the ledger and the database tell, positions by partition.
    pub fn new(dispatched_through: u64, snapshot_through: u64, landed_through: u64, positions: Vec<Place>) -> Self {
        Progress {
            dispatched_through: AtomicU64::new(dispatched_through),
            snapshot_through: AtomicU64::new(snapshot_through),
            landed: Mutex::new(Prefix::from(landed_through)),
            read: positions.iter().map(|place| AtomicI64::new(place.stored_at)).collect(),
            positions: positions.into_iter().map(Mutex::new).collect(),
            input_lost: AtomicI64::new(i64::MAX),
            losses: AtomicU64::new(0),
            healed: AtomicU64::new(0),
            marked_through: AtomicU64::new(0),
            mark_now: Notify::new(),
        }
    }

    /// Leaves `[from, to)` are in the tail now.
    pub fn landed(&self, from: u64, to: u64) {
        lock(&self.landed).add(from, to);
    }

    /// All leaves below this are in the tail or in rows.
    pub fn landed_through(&self) -> u64 {
        lock(&self.landed).through()
    }

    /// A partition's position is durable at `place`; a place of no stream when its stream was rolled back.
    pub fn passed(&self, partition: u16, place: Place) {
        if let Some(position) = self.positions.get(usize::from(partition)) {
            *lock(position) = place;
        }
        if let Some(read) = self.read.get(usize::from(partition)).filter(|_| place.stored_at != 0) {
            read.store(place.stored_at, Ordering::Release);
        }
    }

    /// The input has lost messages, or may have: those that no partition has read yet.
    pub fn input_lost(&self) {
        let since = self.read.iter().map(|read| read.load(Ordering::Acquire)).min().unwrap_or(0);
        self.input_lost.fetch_min(since, Ordering::AcqRel);
    }

    /// From which store time on the input may have lost messages, told once.
    pub fn take_input_lost(&self) -> Option<i64> {
        Some(self.input_lost.swap(i64::MAX, Ordering::AcqRel)).filter(|since| *since != i64::MAX)
    }

    /// The output has lost messages; returns the number of that loss.
    pub fn output_lost(&self) -> u64 {
        self.losses.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// What was lost up to that loss is in the output again.
    pub fn output_healed(&self, loss: u64) {
        self.healed.fetch_max(loss, Ordering::AcqRel);
    }

    /// True when the output holds all that was published.
    pub fn output_whole(&self) -> bool {
        self.healed.load(Ordering::Acquire) >= self.losses.load(Ordering::Acquire)
    }

    /// Leaves below this are marked in the output as published.
    pub fn marked_through(&self) -> u64 {
        self.marked_through.load(Ordering::Acquire)
    }

    /// Moves [`Progress::marked_through`].
    pub fn marked(&self, through: u64) {
        self.marked_through.store(through, Ordering::Release);
    }

    /// Asks for a mark in the output at once.
    pub fn ask_for_mark(&self) {
        self.mark_now.notify_one();
    }

    /// Resolves when a mark is asked for.
    pub async fn mark_asked(&self) {
        self.mark_now.notified().await;
    }

    /// The position of each partition.
    pub fn positions(&self) -> impl Iterator<Item = (u16, Place)> {
        (0..).zip(self.positions.iter().map(|position| *lock(position)))
    }

    /// Effects of all leaves below this were published and acknowledged.
    pub fn dispatched_through(&self) -> u64 {
        self.dispatched_through.load(Ordering::Acquire)
    }

    /// Moves [`Progress::dispatched_through`] on; never back.
    pub fn dispatched(&self, through: u64) {
        self.dispatched_through.fetch_max(through, Ordering::AcqRel);
    }

    /// All leaves below this are in rows and index.
    pub fn snapshot_through(&self) -> u64 {
        self.snapshot_through.load(Ordering::Acquire)
    }

    /// Moves [`Progress::snapshot_through`] on; never back.
    pub fn snapshotted(&self, through: u64) {
        self.snapshot_through.fetch_max(through, Ordering::AcqRel);
    }
}

impl Shared {
    /// The key that messages leave under; none where the broker's authentication stands for signatures.
    pub fn voice(&self) -> Option<&Signer> {
        (!self.trusted_broker).then_some(&*self.signer)
    }

    /// The exchange as a party.
    pub fn dex(&self) -> Address {
        Address::new(
            Kind::Dex,
            Id::new(&self.origin).expect("the origin was checked as an id when the configuration was read"),
        )
    }

    /// The partition of an entity.
    pub fn partition_of(&self, entity: &Address) -> u16 {
        let partitions = u32::try_from(self.lanes.len()).unwrap_or(1);
        u16::try_from(crate::nats::partition_of(&entity.id.to_token(), partitions)).unwrap_or(0)
    }

    /// Where `to` answers about an exchange of `entity`: the HAT itself at its own address, everybody else at the
    /// partition's lane, which does not tell whose data it is.
    pub(super) fn receipt_to(&self, entity: &Address, to: &Address) -> String {
        let address = if to == entity { entity.clone() } else { self.lane(self.partition_of(entity)) };
        crate::wire::subject::published(&address, &["receipt"])
    }

    /// How long a message stays that nobody needs after `deadline`; at least a second.
    pub(super) fn until(&self, deadline: Timestamp) -> Duration {
        let left = deadline.since(self.clock.now()).max(0);
        Duration::from_nanos(u64::try_from(left).unwrap_or(0)).max(Duration::from_secs(1))
    }

    /// The address of a partition's own entries.
    pub fn lane(&self, partition: u16) -> Address {
        Address::new(Kind::Lane, self.lanes[usize::from(partition)].clone())
    }
}

impl Shared {
    /// The committed entry at `leaf`, from the ledger.
    pub fn entry(&self, leaf: u64) -> Option<Arc<Sealed>> {
        let read = self.reader.read(leaf).map_err(|error| error.to_string());
        let sealed = read.and_then(|stored| sealed(self, stored).map_err(|error| error.to_string()));
        match sealed {
            Ok(sealed) => Some(sealed),
            Err(error) => {
                tracing::error!(leaf, %error, "an entry cannot be read from the ledger");
                self.health.set("ledger-read", false, "an entry cannot be read: run `dex ledger check`");
                None
            }
        }
    }

    /// The first leaf that was committed at or after `at`, nanoseconds since 1970, as far as the ledger can be
    /// read: where it cannot, an earlier one.
    pub fn first_since(&self, at: i64) -> u64 {
        let (mut low, mut high) = (0, self.reader.tree_size());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.reader.read(middle) {
                Ok(stored) if stored.time_ns < at => low = middle + 1,
                Ok(_) | Err(_) => high = middle,
            }
        }
        low
    }

    /// The entry that answered the message with `key` and these facts, from index and ledger. Where the index or the entry
    /// cannot be read, who repeats a message is not told its outcome again; that is said and counted.
    pub fn first_entry(&self, key: &IndexKey, cause: &Cause) -> Option<Arc<Sealed>> {
        let found = match self.db.index(std::slice::from_ref(key)) {
            Ok(found) => found,
            Err(error) => {
                EffectFailed { what: "reply", detail: &format!("the exchange index cannot be read: {error}") }.emit();
                return None;
            }
        };
        let leaves = found.into_iter().next().flatten()?;
        let mut unread = false;
        let found = leaves.into_iter().find_map(|leaf| {
            let sealed = self.entry(leaf);
            unread |= sealed.is_none();
            sealed.filter(|sealed| brought_by(sealed, cause))
        });
        if found.is_none() && unread {
            EffectFailed { what: "reply", detail: "the entry that answers it cannot be read from the ledger" }.emit();
        }
        found
    }
}

/// A stored record as the committed entry that it holds.
///
/// # Errors
/// When the bytes are no entry of a version that this build reads.
pub fn sealed(shared: &Shared, stored: Stored) -> Result<Arc<Sealed>, rmp_serde::decode::Error> {
    let entry: Entry = rmp_serde::from_slice(&stored.entry)?;
    Ok(Arc::new(Sealed {
        leaf: stored.leaf,
        committed: Timestamp(stored.time_ns),
        partition: shared.partition_of(&entry.entity),
        entry,
        spool: stored.spool.map(|spool| (spool.segment, spool.offset, spool.len)),
    }))
}
