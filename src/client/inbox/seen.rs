//! Which deliveries were answered already, and which are in hand: applied once though they come often.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::domain::MessageId;
use crate::domain::command::Receipt;

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
    /// Receipts under way and the ids they leave under.
    receipts: HashMap<Uuid, (Receipt, MessageId)>,
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
        Seen { sets: Mutex::default(), most: most.max(1) }
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

    /// The id under which this receipt leaves: the same as before when it is the same receipt.
    pub fn receipt(&self, receipt: Receipt, fresh: impl FnOnce() -> MessageId) -> MessageId {
        let mut sets = self.sets();
        if sets.receipts.len() >= self.most {
            // Their deadlines have long passed: nobody answered them and nobody will.
            sets.receipts.clear();
        }
        match sets.receipts.get(&receipt.delivery) {
            Some((known, id)) if *known == receipt => *id,
            _ => {
                let id = fresh();
                sets.receipts.insert(receipt.delivery, (receipt, id));
                id
            }
        }
    }

    /// It was answered, and the exchange knows.
    pub fn answered(&self, id: Uuid) {
        let mut sets = self.sets();
        sets.in_hand.remove(&id);
        sets.receipts.remove(&id);
        if sets.answered.insert(id) {
            sets.order.push_back(id);
            if sets.order.len() > self.most
                && let Some(oldest) = sets.order.pop_front()
            {
                sets.answered.remove(&oldest);
            }
        }
    }

    /// Its receipt was refused for now: the next one is a message of its own.
    pub fn refused(&self, id: Uuid) {
        self.sets().receipts.remove(&id);
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

    #[test]
    fn the_same_receipt_leaves_under_the_same_id() {
        let seen = Seen::new(2);
        let receipt = Receipt {
            delivery: Uuid::from_u128(1),
            digest: crate::domain::Digest([0; 32]),
            count: 1,
            verdict: crate::domain::event::Verdict::Accepted,
            reason: None,
        };
        let id = |n| MessageId(Uuid::from_u128(n));
        assert_eq!(seen.receipt(receipt.clone(), || id(7)), id(7));
        assert_eq!(seen.receipt(receipt.clone(), || id(8)), id(7));
        let other = Receipt { count: 2, ..receipt };
        assert_eq!(seen.receipt(other.clone(), || id(9)), id(9));
        seen.refused(other.delivery);
        assert_eq!(seen.receipt(other, || id(10)), id(10), "the first was answered, with a refusal");
    }
}
