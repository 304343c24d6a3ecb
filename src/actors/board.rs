//! What the daemon tells of its actors while they work: mailboxes, restarts, quarantines, queues. Everything here is a
//! word that its owner stores and anybody reads; no actor is asked, so one that hangs is shown like any other.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::mpsc::WeakSender;

use super::dispatch::Publish;
use crate::domain::Kind;

const KINDS: usize = Kind::ALL.len();

/// Restarts and quarantines of one kind of entity in one partition, since the daemon's start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// Times that an entity was loaded anew after its actor had failed.
    pub restarts: u64,
    /// Times that one was quarantined.
    pub quarantines: u64,
}

/// What a partition last said of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stand {
    /// Messages that entities have in their mailboxes or are working on, now.
    pub mailbox: usize,
    /// Messages held back for an entity's fresh state, about a second ago.
    pub held: usize,
    /// Batches between decision and commit, about a second ago.
    pub in_flight: u64,
    /// Messages that wait in the input behind the last one read, about a second ago.
    pub lag: u64,
    /// Exchanges that have not ended, about a second ago.
    pub open: usize,
}

struct Partition {
    mailbox: AtomicUsize,
    held: AtomicUsize,
    in_flight: AtomicU64,
    lag: AtomicU64,
    open: AtomicUsize,
    restarts: [AtomicU64; KINDS],
    quarantines: [AtomicU64; KINDS],
}

/// A bounded queue: how much waits in it, and how much can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// What waits.
    pub waiting: usize,
    /// Its bound.
    pub most: usize,
}

/// The board of one daemon, as large as its partitions are many.
pub struct Board {
    partitions: Vec<Partition>,
    dispatch: OnceLock<WeakSender<Publish>>,
}

impl Board {
    /// A board for so many partitions.
    pub fn new(partitions: usize) -> Self {
        let none = || std::array::from_fn(|_| AtomicU64::new(0));
        let partition = || Partition {
            mailbox: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            in_flight: AtomicU64::new(0),
            lag: AtomicU64::new(0),
            open: AtomicUsize::new(0),
            restarts: none(),
            quarantines: none(),
        };
        Board { partitions: (0..partitions).map(|_| partition()).collect(), dispatch: OnceLock::new() }
    }

    fn at(&self, partition: u16) -> Option<&Partition> {
        self.partitions.get(usize::from(partition))
    }

    /// So many messages go into mailboxes of the partition's entities.
    pub fn handed(&self, partition: u16, messages: usize) {
        if let Some(at) = self.at(partition) {
            at.mailbox.fetch_add(messages, Ordering::Relaxed);
        }
    }

    /// They are answered, or lost with their actor.
    pub fn answered(&self, partition: u16, messages: usize) {
        if let Some(at) = self.at(partition) {
            at.mailbox.fetch_sub(messages, Ordering::Relaxed);
        }
    }

    /// An entity of this kind is loaded anew after a failure.
    pub fn restarted(&self, partition: u16, kind: Kind) {
        if let Some(at) = self.at(partition) {
            at.restarts[kind as usize].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// An entity of this kind is quarantined.
    pub fn quarantined(&self, partition: u16, kind: Kind) {
        if let Some(at) = self.at(partition) {
            at.quarantines[kind as usize].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How the partition stands; its mailboxes are counted apart.
    pub fn stands(&self, partition: u16, stand: Stand) {
        let Some(at) = self.at(partition) else { return };
        at.held.store(stand.held, Ordering::Relaxed);
        at.in_flight.store(stand.in_flight, Ordering::Relaxed);
        at.lag.store(stand.lag, Ordering::Relaxed);
        at.open.store(stand.open, Ordering::Relaxed);
    }

    /// What a partition stands like.
    pub fn stand(&self, partition: u16) -> Stand {
        self.at(partition).map_or_else(Stand::default, |at| Stand {
            mailbox: at.mailbox.load(Ordering::Relaxed),
            held: at.held.load(Ordering::Relaxed),
            in_flight: at.in_flight.load(Ordering::Relaxed),
            lag: at.lag.load(Ordering::Relaxed),
            open: at.open.load(Ordering::Relaxed),
        })
    }

    /// What went wrong with entities of this kind.
    pub fn faults(&self, partition: u16, kind: Kind) -> Faults {
        self.at(partition).map_or_else(Faults::default, |at| Faults {
            restarts: at.restarts[kind as usize].load(Ordering::Relaxed),
            quarantines: at.quarantines[kind as usize].load(Ordering::Relaxed),
        })
    }

    /// From now on the queue before the dispatch actor is watched.
    pub fn watch_dispatch(&self, queue: WeakSender<Publish>) {
        // There is one dispatch actor in the life of a daemon.
        drop(self.dispatch.set(queue));
    }

    /// The queue before the dispatch actor; none before it has started and once it has ended.
    pub fn dispatch(&self) -> Option<Queue> {
        let queue = self.dispatch.get()?.upgrade()?;
        Some(Queue { waiting: queue.max_capacity() - queue.capacity(), most: queue.max_capacity() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_the_places_of_their_list() {
        for (place, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place);
        }
    }

    #[test]
    fn each_partition_has_its_own_figures_and_others_are_ignored() {
        let board = Board::new(2);
        board.handed(1, 5);
        board.answered(1, 2);
        board.restarted(1, Kind::Hat);
        board.quarantined(0, Kind::Plug);
        board.restarted(2, Kind::Hat);
        let stand = Stand { held: 1, in_flight: 2, lag: 3, open: 4, mailbox: 99 };
        board.stands(1, stand);
        assert_eq!(board.stand(1), Stand { mailbox: 3, ..stand });
        assert_eq!(board.stand(0), Stand::default());
        assert_eq!(board.stand(7), Stand::default());
        assert_eq!(board.faults(1, Kind::Hat), Faults { restarts: 1, quarantines: 0 });
        assert_eq!(board.faults(0, Kind::Plug), Faults { restarts: 0, quarantines: 1 });
        assert_eq!(board.dispatch(), None);
    }

    #[tokio::test]
    async fn the_queue_is_seen_while_somebody_holds_it() {
        let board = Board::new(1);
        let (send, mut take) = tokio::sync::mpsc::channel(4);
        board.watch_dispatch(send.downgrade());
        assert_eq!(board.dispatch(), Some(Queue { waiting: 0, most: 4 }));
        let share = Publish {
            sealed: Vec::new(),
            contents: Vec::new(),
            repeats: Vec::new(),
            refusals: Vec::new(),
            lane: 0,
            tree_size: 0,
            checkpoint: "".into(),
        };
        send.send(share).await.expect("room");
        assert_eq!(board.dispatch(), Some(Queue { waiting: 1, most: 4 }));
        take.recv().await.expect("sent");
        drop(send);
        assert_eq!(board.dispatch(), None, "watching keeps nothing alive");
    }
}
