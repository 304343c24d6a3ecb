//! Which deliveries were answered already, and which are in hand: applied once though they come often.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

/// Answered ids remembered; older ones would be handed out again, and their receipts count as late.
pub const SEEN_MAX: usize = 65_536;

/// What to do with a delivery that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// New (or given up before): hand it out.
    HandOut,
    /// Somebody holds it: leave it, the broker brings it again if that one gives up.
    InHand,
    /// Answered: only the broker has still to be told.
    Answered,
}

#[derive(Debug, Default)]
struct Sets {
    in_hand: HashSet<Uuid>,
    answered: HashSet<Uuid>,
    order: VecDeque<Uuid>,
}

/// The ids of one inbox. `in_hand` is bounded by the consumer's unacknowledged messages.
#[derive(Debug)]
pub struct Seen {
    sets: Mutex<Sets>,
    most: usize,
}

impl Seen {
    /// Remembers at most `most` answered ids.
    pub fn new(most: usize) -> Self {
        Seen {
            sets: Mutex::default(),
            most: most.max(1),
        }
    }

    fn sets(&self) -> MutexGuard<'_, Sets> {
        self.sets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A delivery came.
    pub fn came(&self, id: Uuid) -> Turn {
        let mut sets = self.sets();
        if sets.answered.contains(&id) {
            Turn::Answered
        } else if sets.in_hand.insert(id) {
            Turn::HandOut
        } else {
            Turn::InHand
        }
    }

    /// It was answered, and the exchange knows.
    pub fn answered(&self, id: Uuid) {
        let mut sets = self.sets();
        sets.in_hand.remove(&id);
        if sets.answered.insert(id) {
            sets.order.push_back(id);
            if sets.order.len() > self.most
                && let Some(oldest) = sets.order.pop_front()
            {
                sets.answered.remove(&oldest);
            }
        }
    }

    /// Whoever held it gave up.
    pub fn given_up(&self, id: Uuid) {
        self.sets().in_hand.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_handed_out_until_it_is_answered() {
        let seen = Seen::new(2);
        let id = Uuid::from_u128;
        assert_eq!(seen.came(id(1)), Turn::HandOut);
        assert_eq!(seen.came(id(1)), Turn::InHand);
        seen.given_up(id(1));
        assert_eq!(seen.came(id(1)), Turn::HandOut);
        seen.answered(id(1));
        assert_eq!(seen.came(id(1)), Turn::Answered);
        // Giving up afterwards, as a dropped delivery does, changes nothing.
        seen.given_up(id(1));
        assert_eq!(seen.came(id(1)), Turn::Answered);
        seen.answered(id(2));
        seen.answered(id(2));
        assert_eq!(seen.came(id(1)), Turn::Answered);
        seen.answered(id(3));
        assert_eq!(seen.came(id(1)), Turn::HandOut);
    }
}
