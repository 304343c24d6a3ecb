//! Refusals before a sender is authenticated: counted, and ledgered as one entry per reason and second.

use std::collections::BTreeMap;

use crate::domain::time::SECOND;
use crate::domain::{Event, Reason, Timestamp};

/// Most refused messages that wait for their second to end.
pub const HELD_MAX: u64 = 20_000;

/// Refusals not in the ledger yet. The partition's position stays before the first of them, so that a
/// crash counts them again and none twice.
#[derive(Default)]
pub struct Anonymous {
    counts: BTreeMap<(i64, Reason), u32>,
    first: Option<(u64, Timestamp)>,
    held: u64,
}

impl Anonymous {
    /// Counts one refusal of the message `sequence`.
    pub fn count(&mut self, reason: Reason, sequence: u64, stored_at: Timestamp) {
        *self.counts.entry((stored_at.0.div_euclid(SECOND), reason)).or_insert(0) += 1;
        let (first, at) = self.first.unwrap_or((sequence, stored_at));
        self.first = Some((first.min(sequence), at.min(stored_at)));
        self.held += 1;
    }

    /// The first message that is held.
    pub fn first_sequence(&self) -> Option<u64> {
        self.first.map(|(sequence, _)| sequence)
    }

    /// True when the second of the first refusal is over at `now`, or the bound is reached.
    pub fn due(&self, now: Timestamp) -> bool {
        self.held >= HELD_MAX || self.first.is_some_and(|(_, at)| now.0.div_euclid(SECOND) > at.0.div_euclid(SECOND))
    }

    /// Hands out the events of all that is held.
    pub fn drain(&mut self) -> Vec<Event> {
        self.first = None;
        self.held = 0;
        std::mem::take(&mut self.counts)
            .into_iter()
            .map(|((second, reason), count)| Event::RefusedUnauthenticated { reason, count, second })
            .collect()
    }
}
