//! When each entity of a partition has something to do by the clock alone.

use std::collections::{BTreeSet, HashMap};

use crate::domain::{Address, Kind, Timestamp};

/// At most one instant per entity. Bounded by the entities that have a live debit, a plug's wish, an open offer or a plug's health to look after.
#[derive(Default)]
pub struct Wakes {
    at: HashMap<Address, Timestamp>,
    order: BTreeSet<(Timestamp, Address)>,
}

impl Wakes {
    /// The entity's next instant; none: it has nothing to do.
    pub fn set(&mut self, entity: &Address, wake: Option<Timestamp>) {
        let old = match wake {
            Some(at) => self.at.insert(entity.clone(), at),
            None => self.at.remove(entity),
        };
        if let Some(old) = old {
            self.order.remove(&(old, entity.clone()));
        }
        if let Some(at) = wake {
            self.order.insert((at, entity.clone()));
        }
    }

    /// The entity is asked at the next occasion: what its state says of the time is not known here.
    pub fn ask(&mut self, entity: &Address) {
        if matches!(entity.kind, Kind::Hat | Kind::Plug | Kind::Offer) {
            self.set(entity, Some(Timestamp(i64::MIN)));
        }
    }

    /// The earliest instant.
    pub fn next(&self) -> Option<Timestamp> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes out at most `most` entities whose instant has passed at `now`. Each says a new one when it is asked.
    pub fn due(&mut self, now: Timestamp, most: usize) -> Vec<Address> {
        let mut due = Vec::new();
        while due.len() < most
            && let Some((at, entity)) = self.order.first().cloned()
            && at <= now
        {
            self.set(&entity, None);
            due.push(entity);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_entity_has_one_instant_and_is_taken_once() {
        let (bob, eve): (Address, Address) = ("hat:bob".parse().expect("ok"), "hat:eve".parse().expect("ok"));
        let mut wakes = Wakes::default();
        wakes.set(&bob, Some(Timestamp(5)));
        wakes.set(&bob, Some(Timestamp(9)));
        wakes.set(&eve, Some(Timestamp(7)));
        assert_eq!(wakes.next(), Some(Timestamp(7)));
        assert!(wakes.due(Timestamp(6), 9).is_empty());
        assert_eq!(wakes.due(Timestamp(20), 1), [eve]);
        wakes.ask(&bob);
        wakes.ask(&"org:acme".parse().expect("ok"));
        assert_eq!(wakes.due(Timestamp(i64::MIN), 9), std::slice::from_ref(&bob));
        wakes.set(&bob, None);
        assert_eq!((wakes.next(), wakes.at.len()), (None, 0));
    }
}
