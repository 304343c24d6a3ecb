//! Records per endpoint of a content that is never in memory as a whole.

use std::collections::BTreeMap;

use smol_str::SmolStr;

use crate::domain::exchange::tally::ENDPOINTS_MAX;

/// A running [`tally`](crate::domain::exchange::tally::tally): the first endpoints in order of their names, the rest
/// summed. A name that fell out never comes back, for the names before it stay.
#[derive(Debug, Default)]
pub(super) struct Spread {
    named: BTreeMap<SmolStr, u32>,
    rest: u32,
}

impl Spread {
    /// Counts `count` records of this endpoint; an empty name is the rest's.
    pub fn add(&mut self, endpoint: &str, count: u32) {
        if endpoint.is_empty() {
            self.rest = self.rest.saturating_add(count);
            return;
        }
        if let Some(held) = self.named.get_mut(endpoint) {
            *held = held.saturating_add(count);
            return;
        }
        self.named.insert(SmolStr::new(endpoint), count);
        if self.named.len() > ENDPOINTS_MAX
            && let Some((_, last)) = self.named.pop_last()
        {
            self.rest = self.rest.saturating_add(last);
        }
    }

    /// As an entry holds it.
    pub fn finish(self) -> Vec<(SmolStr, u32)> {
        let mut all: Vec<(SmolStr, u32)> = self.named.into_iter().collect();
        if self.rest > 0 {
            all.push((SmolStr::default(), self.rest));
        }
        all
    }
}
