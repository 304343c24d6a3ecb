//! The live statistics: a fold of committed entries in the order of their leaves, always at the end of a group, so that
//! the group's checkpoint is over just what they hold.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::Timestamp;
use crate::domain::statistics::{Bucket, Stand, Statistics, Window};
use crate::store::Sealed;

/// Shares of groups that came before those in front of them. What partitions have in flight at a time bounds them: each
/// tells its shares in order, and all wait for the same queues.
type Ahead = BTreeMap<u64, Share>;

struct Share {
    sealed: Vec<Arc<Sealed>>,
    stand: Stand,
}

/// A window as it was last merged: good while its slots and its beginning are the same.
struct Merged {
    begins: i64,
    last: i64,
    version: u64,
    bucket: Arc<Bucket>,
}

struct Live {
    statistics: Statistics,
    stand: Stand,
    ahead: Ahead,
    /// Leaves below this have come.
    arrived: u64,
    merged: [Option<Merged>; Window::ALL.len()],
}

/// The statistics, for the whole daemon; empty when none are kept.
#[derive(Default)]
pub struct LiveStatistics(Mutex<Option<Live>>);

/// A look at the statistics, for a short while.
pub struct Look<'a> {
    live: &'a mut Live,
}

impl LiveStatistics {
    /// Begins with the statistics of all of the ledger's entries, over which `stand` is.
    pub fn begin(&self, statistics: Statistics, stand: Stand) {
        let arrived = stand.tree_size;
        let merged = Window::ALL.map(|_| None);
        *self.live() = Some(Live { statistics, stand, ahead: Ahead::new(), arrived, merged });
    }

    fn live(&self) -> MutexGuard<'_, Option<Live>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a partition's share of a group. It is counted once all shares before it and all of its group are there.
    pub fn take(&self, sealed: Vec<Arc<Sealed>>, stand: Stand) {
        let mut live = self.live();
        let (Some(live), Some(first)) = (&mut *live, sealed.first().map(|first| first.leaf)) else { return };
        live.ahead.insert(first, Share { sealed, stand });
        // How far there is no gap.
        let mut whole = None;
        for (first, share) in live.ahead.range(live.arrived..) {
            if *first != live.arrived {
                break;
            }
            live.arrived = first + share.sealed.len() as u64;
            if live.arrived == share.stand.tree_size {
                whole = Some(live.arrived);
            }
        }
        let Some(whole) = whole else { return };
        while live.ahead.first_key_value().is_some_and(|(first, _)| *first < whole) {
            let Some((_, share)) = live.ahead.pop_first() else { break };
            for sealed in &share.sealed {
                live.statistics.apply(sealed.leaf, sealed.committed, &sealed.entry);
            }
            live.stand = share.stand;
        }
    }

    /// Looks at the statistics; none when none are kept.
    pub fn look<T>(&self, work: impl FnOnce(Look<'_>) -> T) -> Option<T> {
        self.live().as_mut().map(|live| work(Look { live }))
    }

    /// A copy that shares what does not change, and what it stands on.
    pub fn copy(&self) -> Option<(Statistics, Stand)> {
        self.look(|look| (look.live.statistics.clone(), look.live.stand.clone()))
    }
}

impl Look<'_> {
    /// The statistics.
    pub fn statistics(&self) -> &Statistics {
        &self.live.statistics
    }

    /// What they stand on.
    pub fn stand(&self) -> &Stand {
        &self.live.stand
    }

    /// The window that ends at `at`. Of the same slots a second time only what is new is added.
    pub fn window(&mut self, window: Window, at: Timestamp) -> Bucket {
        let live = &mut *self.live;
        let (begins, last) = (window.begins(at), window.slot_of(at));
        let version = live.statistics.ring(window).version();
        let kept = &mut live.merged[window as usize];
        let held = kept.as_ref().filter(|it| (it.begins, it.last, it.version) == (begins, last, version));
        let settled = match held {
            Some(held) => Arc::clone(&held.bucket),
            None => {
                let bucket = Arc::new(live.statistics.settled(window, at));
                *kept = Some(Merged { begins, last, version, bucket: Arc::clone(&bucket) });
                bucket
            }
        };
        let mut whole = (*settled).clone();
        if let Some(fresh) = live.statistics.fresh(window, at) {
            whole.merge(fresh);
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Entry, Event, Reason, Status};

    fn share(leaves: std::ops::Range<u64>, tree_size: u64) -> (Vec<Arc<Sealed>>, Stand) {
        let sealed = leaves.map(|leaf| {
            let at = Timestamp(1_000_000_000 * i64::try_from(leaf).expect("small"));
            let entity = "hat:bob.hubat.net".parse().expect("an address");
            let event = Event::Rejected { reason: Reason::Stale };
            let entry = Entry { v: 1, entity, n: leaf + 1, at, cause: None, basis: Vec::new(), event };
            Arc::new(Sealed { leaf, committed: at, partition: 0, entry, spool: None })
        });
        (sealed.collect(), Stand { tree_size, checkpoint: format!("note {tree_size}").into() })
    }

    #[test]
    fn shares_are_counted_in_order_and_only_by_whole_groups() {
        let live = LiveStatistics::default();
        live.take(vec![], Stand { tree_size: 0, checkpoint: "".into() });
        assert!(live.copy().is_none(), "none are kept");
        live.begin(Statistics::new(5), Stand { tree_size: 0, checkpoint: "".into() });
        let through = || live.copy().map(|(it, stand)| (it.through(), stand.tree_size)).expect("kept");
        // Groups of 0..6 (three shares) and 6..8, told as three partitions would.
        for ((leaves, tree_size), expected) in
            [((2..4, 6), 0), ((6..8, 8), 0), ((0..2, 6), 0), ((4..6, 6), 8), ((8..9, 9), 9)]
        {
            let (sealed, stand) = share(leaves, tree_size);
            live.take(sealed, stand);
            assert_eq!(through(), (expected, expected));
        }
        let at = Timestamp(9_000_000_000);
        let kept = live.look(|mut look| look.window(Window::Minute, at)).expect("kept");
        assert_eq!(kept.tally.reached(Status::Rejected), 9);
        let (sealed, stand) = share(9..10, 10);
        live.take(sealed, stand);
        let again = live.look(|mut look| look.window(Window::Minute, at)).expect("kept");
        assert_eq!(again.tally.reached(Status::Rejected), 10);
        let fresh = live.copy().expect("kept").0.window(Window::Minute, at);
        assert_eq!(fresh.tally, again.tally);
    }
}
