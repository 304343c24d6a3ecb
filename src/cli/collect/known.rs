//! Which deliveries are done with: remembered until nothing could come of them any more.

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use crate::domain::Timestamp;

/// Most ids that are remembered; of more, those with the earliest deadlines go first.
pub const KNOWN_MAX: usize = 262_144;
/// How far this clock may differ from the exchange's, nanoseconds.
pub const SKEW: i64 = 600 * 1_000_000_000;

/// Whether a delivery's deadline is over by any clock: nothing settles it any more, so it is not taken.
pub fn is_over(deadline: Timestamp, now: Timestamp) -> bool {
    now.since(deadline) > SKEW
}

/// The ids, each with its deadline.
#[derive(Debug, Default)]
pub struct Known {
    deadlines: HashMap<Uuid, Timestamp>,
    order: BTreeSet<(Timestamp, Uuid)>,
}

impl Known {
    /// Whether it is done with.
    pub fn has(&self, id: Uuid) -> bool {
        self.deadlines.contains_key(&id)
    }

    /// It is done with.
    pub fn add(&mut self, id: Uuid, deadline: Timestamp) {
        if let Some(before) = self.deadlines.insert(id, deadline) {
            self.order.remove(&(before, id));
        }
        self.order.insert((deadline, id));
        if self.order.len() > KNOWN_MAX {
            self.forget_first();
        }
    }

    /// Forgets those whose deadlines have been over for a while: what comes of them is not taken for that.
    pub fn prune(&mut self, now: Timestamp) {
        while self.order.first().is_some_and(|(deadline, _)| now.since(*deadline) > 2 * SKEW) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some((_, id)) = self.order.pop_first() {
            self.deadlines.remove(&id);
        }
    }

    /// All of them.
    pub fn all(&self) -> Vec<(Uuid, Timestamp)> {
        self.order.iter().map(|(deadline, id)| (*id, *deadline)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_remembered_until_a_delivery_of_it_would_not_be_taken() {
        let mut known = Known::default();
        let (id, deadline) = (Uuid::from_u128(1), Timestamp(1_000));
        known.add(id, deadline);
        known.add(id, deadline);
        for now in [0, 1_000, SKEW + 1_000, 2 * SKEW + 1_000] {
            known.prune(Timestamp(now));
            assert!(known.has(id) || is_over(deadline, Timestamp(now)), "{now}");
            assert!(known.has(id), "{now}");
        }
        known.prune(Timestamp(2 * SKEW + 1_001));
        assert!(!known.has(id) && is_over(deadline, Timestamp(2 * SKEW + 1_001)));
        assert_eq!(known.all(), []);
    }

    #[test]
    fn there_is_a_bound() {
        let mut known = Known::default();
        for n in 0..KNOWN_MAX + 10 {
            known.add(Uuid::from_u128(n as u128), Timestamp(n as i64));
        }
        assert_eq!(known.all().len(), KNOWN_MAX);
        assert!(!known.has(Uuid::from_u128(9)) && known.has(Uuid::from_u128(10)));
    }
}
