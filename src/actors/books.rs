//! What one partition keeps beside its entities: open deliveries, deadlines, recent ids.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use uuid::Uuid;

use super::recents::{Recents, key_of};
use super::wakes::Wakes;
use crate::domain::{Address, Timestamp};
use crate::store::Sealed;

/// Tables of one partition, changed only by committed entries (and by ids in flight).
/// Deliveries and deadlines are bounded by the open exchanges of the partition's HATs.
#[derive(Default)]
pub struct Books {
    /// Ids not in the index yet.
    pub recents: Recents,
    /// When entities have something to do by the clock.
    pub wakes: Wakes,
    deliveries: HashMap<Uuid, (Address, Timestamp)>,
    deadlines: BTreeMap<(Timestamp, Uuid), Address>,
    closed: HashMap<Uuid, Address>,
    closed_order: VecDeque<(u64, Uuid)>,
}

impl Books {
    /// An exchange of `entity` is open.
    pub fn open(&mut self, entity: &Address, delivery: Uuid, deadline: Timestamp) {
        self.deliveries.insert(delivery, (entity.clone(), deadline));
        self.deadlines.insert((deadline, delivery), entity.clone());
    }

    /// It is final, by the entry at `leaf`.
    fn close(&mut self, delivery: Uuid, leaf: u64) {
        if let Some((entity, deadline)) = self.deliveries.remove(&delivery) {
            self.deadlines.remove(&(deadline, delivery));
            self.closed.insert(delivery, entity);
            self.closed_order.push_back((leaf, delivery));
        }
    }

    /// Whose delivery this is, when it is open or was closed since the last snapshot.
    pub fn entity_of(&self, delivery: &Uuid) -> Option<Address> {
        let open = self.deliveries.get(delivery).map(|(entity, _)| entity);
        open.or_else(|| self.closed.get(delivery)).cloned()
    }

    /// Forgets what the index on disk holds now, at most `most` of each table.
    pub fn forget_below(&mut self, leaf: u64, most: usize) {
        self.recents.forget_below(leaf, most);
        for _ in 0..most {
            let Some((closed, delivery)) = self.closed_order.front() else { break };
            if *closed >= leaf {
                break;
            }
            self.closed.remove(delivery);
            self.closed_order.pop_front();
        }
    }

    /// Takes an entry in that was committed before this start.
    pub fn replay(&mut self, sealed: &Arc<Sealed>) {
        if let (Some(key), Some(cause)) = (key_of(&sealed.entry), &sealed.entry.cause) {
            self.recents.fly(key, cause);
        }
        if sealed.entry.event.touches_time() {
            self.wakes.ask(&sealed.entry.entity);
        }
        self.take(sealed);
    }

    /// Takes a committed entry in.
    pub fn take(&mut self, sealed: &Arc<Sealed>) {
        let entry = &sealed.entry;
        if let Some((delivery, deadline)) = entry.event.opens() {
            self.open(&entry.entity, delivery, deadline);
        } else if let Some(delivery) = entry.event.ends() {
            self.close(delivery, sealed.leaf);
        }
        if let Some(key) = key_of(entry) {
            self.recents.land(key, sealed);
        }
    }

    /// The earliest deadline.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.keys().next().map(|(at, _)| *at)
    }

    /// Takes out at most `most` deadlines that have passed at `now`. An entry about each follows, or
    /// the exchange is final already.
    pub fn due(&mut self, now: Timestamp, most: usize) -> Vec<(Address, Uuid)> {
        let mut due = Vec::new();
        while due.len() < most {
            let Some((&(at, delivery), _)) = self.deadlines.first_key_value() else {
                break;
            };
            if at > now {
                break;
            }
            if let Some(entity) = self.deadlines.remove(&(at, delivery)) {
                due.push((entity, delivery));
            }
        }
        due
    }

    /// An open exchange's deadline comes again at `until`.
    pub fn postpone(&mut self, delivery: Uuid, until: Timestamp) {
        if let Some((entity, deadline)) = self.deliveries.get_mut(&delivery) {
            self.deadlines.remove(&(*deadline, delivery));
            *deadline = until;
            self.deadlines.insert((until, delivery), entity.clone());
        }
    }

    /// Open exchanges.
    pub fn open_count(&self) -> usize {
        self.deliveries.len()
    }
}
