//! The tail: entries that are committed but not yet in rows, in memory.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::row::SpoolPlace;
use super::write::Batch;
use crate::domain::{Address, Entry, Timestamp};

/// Entries held before a snapshot is forced, when nothing else is said.
pub const TAIL_BOUND: usize = 200_000;

/// Shards, so that partition threads seldom wait for each other.
const SHARDS: usize = 64;

/// A committed entry, shared by everybody who follows the ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct Sealed {
    /// Its leaf in the ledger, from 0.
    pub leaf: u64,
    /// When it was committed.
    pub committed: Timestamp,
    /// Partition that decided it.
    pub partition: u16,
    /// The entry.
    pub entry: Entry,
    /// Its content in the spool, if it has any.
    pub spool: Option<SpoolPlace>,
}

/// How full the tail is after a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a snapshot must be forced when the tail is over its bound"]
pub struct Fill {
    /// Entries held.
    pub held: usize,
    /// Entries that may be held.
    pub bound: usize,
}

impl Fill {
    /// True when a snapshot must be forced, and intake wait for it.
    pub fn over(self) -> bool {
        self.held > self.bound
    }
}

/// A content that the spool copied forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Move {
    place: SpoolPlace,
    /// Entries in the ledger when it was noted: its own entry is one of them.
    committed: u64,
}

type Shard = HashMap<Address, VecDeque<Arc<Sealed>>>;

/// Committed entries by entity. Partition threads push and read, the persistence thread takes away. A
/// push is never refused (its entries are committed): who pushes is told when the bound is passed.
#[derive(Debug)]
pub struct Tail {
    shards: Vec<Mutex<Shard>>,
    hash: RandomState,
    held: AtomicUsize,
    bound: usize,
    moves: Mutex<BTreeMap<Uuid, Move>>,
}

/// Nothing in here panics half-way through a change, so what a panicked thread left is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for Tail {
    fn default() -> Self {
        Tail::new(TAIL_BOUND)
    }
}

impl Tail {
    /// An empty tail for about `bound` entries.
    pub fn new(bound: usize) -> Self {
        Tail {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hash: RandomState::new(),
            held: AtomicUsize::new(0),
            bound,
            moves: Mutex::default(),
        }
    }

    fn shard(&self, entity: &Address) -> MutexGuard<'_, Shard> {
        let hash = self.hash.hash_one(entity) % SHARDS as u64;
        lock(&self.shards[usize::try_from(hash).expect("below the number of shards")])
    }

    /// Adds committed entries, each entity's in its order. An entry that is there already is passed over.
    pub fn push(&self, entries: &[Arc<Sealed>]) -> Fill {
        for sealed in entries {
            let entity = &sealed.entry.entity;
            let mut shard = self.shard(entity);
            let queue = match shard.get_mut(entity) {
                Some(queue) => queue,
                None => shard.entry(entity.clone()).or_default(),
            };
            if queue.back().is_none_or(|last| last.entry.n < sealed.entry.n) {
                queue.push_back(Arc::clone(sealed));
                self.held.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.fill()
    }

    /// How full it is.
    pub fn fill(&self) -> Fill {
        Fill { held: self.len(), bound: self.bound }
    }

    /// The entries of one entity, in order.
    pub fn of(&self, entity: &Address) -> Vec<Arc<Sealed>> {
        let shard = self.shard(entity);
        let queue = shard.get(entity);
        queue.map_or_else(Vec::new, |queue| queue.iter().cloned().collect())
    }

    /// The entities that have entries here, sorted.
    pub fn dirty(&self) -> Vec<Address> {
        let mut dirty: Vec<Address> = Vec::new();
        for shard in &self.shards {
            dirty.extend(lock(shard).keys().cloned());
        }
        dirty.sort_unstable();
        dirty
    }

    /// Whether the entity has entries here: while it has, its row is not current.
    pub fn is_dirty(&self, entity: &Address) -> bool {
        self.shard(entity).contains_key(entity)
    }

    /// Takes away the entity's entries up to number `n`. Only once a row that includes them is durable.
    pub fn drop_through(&self, entity: &Address, n: u64) {
        let mut shard = self.shard(entity);
        let Some(queue) = shard.get_mut(entity) else {
            return;
        };
        let mut dropped = 0;
        while queue.front().is_some_and(|first| first.entry.n <= n) {
            queue.pop_front();
            dropped += 1;
        }
        if queue.is_empty() {
            shard.remove(entity);
        }
        self.held.fetch_sub(dropped, Ordering::Relaxed);
    }

    /// Entries held.
    pub fn len(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// True when nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Notes that the spool copied contents forward, when the ledger had `committed` entries. The next
    /// snapshot through all of these writes it down; a segment may go only when none of the moves out of
    /// it is pending any more ([`Tail::is_move_pending`]).
    pub fn moved(&self, moves: &[(Uuid, SpoolPlace)], committed: u64) {
        let noted = moves.iter().map(|&(delivery, place)| (delivery, Move { place, committed }));
        lock(&self.moves).extend(noted);
    }

    /// Whether a noted move is not durable yet.
    pub fn is_move_pending(&self, delivery: &Uuid) -> bool {
        lock(&self.moves).contains_key(delivery)
    }

    /// The moves whose entries a snapshot through `through` entries holds for sure, by delivery id.
    pub fn moves_through(&self, through: u64) -> Vec<(Uuid, SpoolPlace)> {
        lock(&self.moves)
            .iter()
            .filter(|(_, it)| it.committed <= through)
            .map(|(delivery, it)| (*delivery, it.place))
            .collect()
    }

    /// Takes away what `batch` holds, after it was written: the entries in its rows and its spool moves.
    pub fn written(&self, batch: &Batch) {
        for (entity, row) in &batch.rows {
            self.drop_through(entity, row.n);
        }
        let mut moves = lock(&self.moves);
        for (delivery, place) in &batch.moved {
            // A newer move may have come meanwhile.
            if moves.get(delivery).is_some_and(|it| it.place == *place) {
                moves.remove(delivery);
            }
        }
    }
}
