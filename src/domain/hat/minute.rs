//! How many messages each sender sent in the current minute of event time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::time::SECOND;
use crate::domain::{Address, Timestamp};

/// Most senders counted in one minute; further ones share one count.
const SENDERS_MAX: usize = 1024;

/// Counts of one minute. A new minute begins with nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Minute {
    minute: i64,
    counts: BTreeMap<Address, u32>,
    rest: u32,
}

fn minute_of(at: Timestamp) -> i64 {
    at.0.div_euclid(60 * SECOND)
}

impl Minute {
    /// Messages of `from` in the minute of `at`.
    pub fn of(&self, from: &Address, at: Timestamp) -> u32 {
        if minute_of(at) != self.minute {
            return 0;
        }
        match self.counts.get(from) {
            Some(count) => *count,
            None if self.counts.len() >= SENDERS_MAX => self.rest,
            None => 0,
        }
    }

    /// Counts one message.
    pub fn count(&mut self, from: &Address, at: Timestamp) {
        let minute = minute_of(at);
        if minute != self.minute {
            *self = Minute { minute, ..Minute::default() };
        }
        if let Some(count) = self.counts.get_mut(from) {
            *count = count.saturating_add(1);
        } else if self.counts.len() < SENDERS_MAX {
            self.counts.insert(from.clone(), 1);
        } else {
            self.rest = self.rest.saturating_add(1);
        }
    }
}
