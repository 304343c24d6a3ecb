//! The figures that a live page shows, kept beside the metrics: counts by status and reason of committed entries,
//! latencies, how partitions stand. Reading them costs a few hundred loads; nobody has to render the page of metrics.
//!
//! Like the metrics they are the process's own and begin at zero with it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::domain::{Entry, Event, Reason, Status};

use super::recorder::SECONDS;

/// Most partitions that an exchange can have.
const PARTITIONS_MAX: usize = 64;
const STATUSES: usize = Status::ALL.len();
const REASONS: usize = Reason::ALL.len();
/// One for each upper bound, and one for what is above all of them.
const BUCKETS: usize = SECONDS.len() + 1;

/// How long something took: observations by the buckets of the metrics ending in `_seconds`, each counted once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency(pub [u64; BUCKETS]);

impl Latency {
    /// What was observed since `before`.
    #[must_use]
    pub fn since(&self, before: &Latency) -> Latency {
        Latency(std::array::from_fn(|at| self.0[at].saturating_sub(before.0[at])))
    }

    /// Observations.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The quantile `q` (0 to 1) in seconds, as Prometheus' `histogram_quantile` makes it: linear within its bucket,
    /// the highest bound for what is above it. `None` without observations.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let rank = q.clamp(0.0, 1.0) * count as f64;
        let mut below = 0.0;
        for (at, here) in self.0.iter().enumerate() {
            let here = *here as f64;
            if here > 0.0 && below + here >= rank {
                let Some(upper) = SECONDS.get(at) else { break };
                let lower = if at == 0 { 0.0 } else { SECONDS[at - 1] };
                return Some(lower + (upper - lower) * ((rank - below) / here).clamp(0.0, 1.0));
            }
            below += here;
        }
        SECONDS.last().copied()
    }
}

/// How one partition stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PartitionFigures {
    /// Exchanges that have not ended.
    pub open: u64,
    /// Messages that waited behind the last one read.
    pub lag: u64,
    /// Live entity actors.
    pub live: u64,
}

/// Totals since the process began, and how things stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    /// By status, in the order of [`Status::ALL`].
    pub statuses: [u64; STATUSES],
    /// Refused messages of authenticated senders, in the order of [`Reason::ALL`].
    pub rejections: [u64; REASONS],
    /// Disputed exchanges, likewise.
    pub disputes: [u64; REASONS],
    /// Messages refused before their sender was authenticated, likewise.
    pub unauthenticated: [u64; REASONS],
    /// Records in opened exchanges.
    pub records: u64,
    /// From a message's store time to its first outcome.
    pub outcome: Latency,
    /// From an exchange's opening to its settlement.
    pub settle: Latency,
    /// Each partition, by number.
    pub partitions: Vec<PartitionFigures>,
    /// Entries in the ledger.
    pub tree_size: u64,
    /// Entities that are quarantined.
    pub quarantined: u64,
    /// Whether the broker is connected.
    pub connected: bool,
}

struct Buckets([AtomicU64; BUCKETS]);

impl Buckets {
    const fn new() -> Self {
        Buckets([const { AtomicU64::new(0) }; BUCKETS])
    }

    fn record(&self, nanoseconds: i64) {
        let seconds = super::path::seconds(nanoseconds);
        let at = SECONDS.partition_point(|bound| *bound < seconds);
        self.0[at].fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self) -> Latency {
        Latency(std::array::from_fn(|at| self.0[at].load(Ordering::Relaxed)))
    }
}

struct Partition {
    open: AtomicU64,
    lag: AtomicU64,
    live: AtomicU64,
}

/// The figures while they grow. Every field is one word: nothing waits for anything.
pub struct Live {
    statuses: [AtomicU64; STATUSES],
    rejections: [AtomicU64; REASONS],
    disputes: [AtomicU64; REASONS],
    unauthenticated: [AtomicU64; REASONS],
    records: AtomicU64,
    outcome: Buckets,
    settle: Buckets,
    partitions: [Partition; PARTITIONS_MAX],
    partition_count: AtomicUsize,
    tree_size: AtomicU64,
    quarantined: AtomicU64,
    connected: AtomicU64,
}

/// The process's figures.
pub fn live() -> &'static Live {
    static LIVE: Live = Live::new();
    &LIVE
}

fn add(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

fn read<const N: usize>(counters: &[AtomicU64; N]) -> [u64; N] {
    std::array::from_fn(|at| counters[at].load(Ordering::Relaxed))
}

impl Live {
    const fn new() -> Self {
        Live {
            statuses: [const { AtomicU64::new(0) }; STATUSES],
            rejections: [const { AtomicU64::new(0) }; REASONS],
            disputes: [const { AtomicU64::new(0) }; REASONS],
            unauthenticated: [const { AtomicU64::new(0) }; REASONS],
            records: AtomicU64::new(0),
            outcome: Buckets::new(),
            settle: Buckets::new(),
            partitions: [const { Partition { open: AtomicU64::new(0), lag: AtomicU64::new(0), live: AtomicU64::new(0) } };
                PARTITIONS_MAX],
            partition_count: AtomicUsize::new(0),
            tree_size: AtomicU64::new(0),
            quarantined: AtomicU64::new(0),
            connected: AtomicU64::new(0),
        }
    }

    fn status(&self, status: Status) {
        add(&self.statuses[status as usize], 1);
    }

    /// Counts one committed entry.
    pub fn count(&self, entry: &Entry) {
        match &entry.event {
            Event::Held { .. } | Event::Fetching(_) => self.status(Status::Pending),
            Event::Opened(opened) | Event::Released(opened) | Event::Fetched(opened) => {
                self.status(Status::Accepted);
                add(&self.records, u64::from(opened.count_out));
            }
            Event::Settled(closed) => {
                self.status(Status::Settled);
                self.settle.record(entry.at.since(closed.opened_at));
            }
            Event::Disputed { reason, .. } => {
                self.status(Status::Disputed);
                add(&self.disputes[*reason as usize], 1);
            }
            Event::Expired(_) => self.status(Status::Expired),
            Event::Recalled(_) => self.status(Status::Recalled),
            Event::Rejected { reason } | Event::Dropped { reason, .. } | Event::PullRefused { reason, .. } => {
                self.status(Status::Rejected);
                add(&self.rejections[*reason as usize], 1);
            }
            Event::RefusedUnauthenticated { reason, count, .. } => {
                add(&self.unauthenticated[*reason as usize], u64::from(*count));
            }
            _ => {}
        }
    }

    /// A first outcome left so many nanoseconds after its message was stored.
    pub fn outcome(&self, nanoseconds: i64) {
        self.outcome.record(nanoseconds);
    }

    /// How a partition stands.
    pub fn partition(&self, number: u16, now: PartitionFigures) {
        let Some(partition) = self.partitions.get(usize::from(number)) else { return };
        partition.open.store(now.open, Ordering::Relaxed);
        partition.lag.store(now.lag, Ordering::Relaxed);
        partition.live.store(now.live, Ordering::Relaxed);
        self.partition_count.fetch_max(usize::from(number) + 1, Ordering::Relaxed);
    }

    /// How the daemon stands.
    pub fn daemon(&self, tree_size: u64, quarantined: usize, connected: bool) {
        self.tree_size.store(tree_size, Ordering::Relaxed);
        self.quarantined.store(quarantined as u64, Ordering::Relaxed);
        self.connected.store(u64::from(connected), Ordering::Relaxed);
    }

    /// All of it. What changes meanwhile is in it or not.
    pub fn read(&self) -> Figures {
        let count = self.partition_count.load(Ordering::Relaxed);
        let of = |partition: &Partition| PartitionFigures {
            open: partition.open.load(Ordering::Relaxed),
            lag: partition.lag.load(Ordering::Relaxed),
            live: partition.live.load(Ordering::Relaxed),
        };
        Figures {
            statuses: read(&self.statuses),
            rejections: read(&self.rejections),
            disputes: read(&self.disputes),
            unauthenticated: read(&self.unauthenticated),
            records: self.records.load(Ordering::Relaxed),
            outcome: self.outcome.read(),
            settle: self.settle.read(),
            partitions: self.partitions.iter().take(count).map(of).collect(),
            tree_size: self.tree_size.load(Ordering::Relaxed),
            quarantined: self.quarantined.load(Ordering::Relaxed),
            connected: self.connected.load(Ordering::Relaxed) == 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Address, Timestamp};

    fn entry(event: Event) -> Entry {
        let entity: Address = "hat:bob.hubat.net".parse().expect("an address");
        Entry { v: 1, entity, n: 1, at: Timestamp(0), cause: None, basis: Vec::new(), event }
    }

    #[test]
    fn statuses_and_reasons_have_the_places_of_their_lists() {
        for (place, status) in Status::ALL.into_iter().enumerate() {
            assert_eq!(status as usize, place);
        }
        for (place, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, place);
        }
    }

    #[test]
    fn entries_are_counted_by_what_they_say() {
        let live = Live::new();
        live.count(&entry(Event::Rejected { reason: Reason::Stale }));
        live.count(&entry(Event::Rejected { reason: Reason::Stale }));
        live.count(&entry(Event::RefusedUnauthenticated { reason: Reason::BadSignature, count: 3, second: 0 }));
        live.count(&entry(Event::Suspended));
        let read = live.read();
        assert_eq!(read.statuses.iter().sum::<u64>(), 2);
        assert_eq!(read.statuses[Status::Rejected as usize], 2);
        assert_eq!(read.rejections[Reason::Stale as usize], 2);
        assert_eq!(read.unauthenticated[Reason::BadSignature as usize], 3);
        assert!(read.partitions.is_empty());
        live.partition(3, PartitionFigures { open: 1, lag: 2, live: 3 });
        live.partition(64, PartitionFigures { open: 9, lag: 9, live: 9 });
        assert_eq!(live.read().partitions.len(), 4, "the fifth to the 64th were never told of, and there is no 65th");
    }

    #[test]
    fn quantiles_are_those_of_the_buckets() {
        let live = Live::new();
        assert_eq!(live.read().outcome.quantile(0.5), None);
        for _ in 0..99 {
            live.outcome(2_000_000); // 1 ms to 2.5 ms
        }
        live.outcome(40_000_000_000);
        let latency = live.read().outcome;
        assert_eq!(latency.count(), 100);
        let middle = latency.quantile(0.5).expect("observed");
        assert!((0.001..=0.0025).contains(&middle), "{middle}");
        let most = latency.quantile(1.0).expect("observed");
        assert!((30.0..=60.0).contains(&most), "{most}");
        live.outcome(i64::MAX);
        assert_eq!(live.read().outcome.quantile(1.0), Some(3600.0), "above all bounds");
        live.outcome(-1);
        let after = live.read().outcome;
        assert_eq!(after.since(&latency).count(), 2, "one above all bounds, one of clocks that differ");
    }
}
