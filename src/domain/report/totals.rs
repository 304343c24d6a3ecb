//! Sums of what HATs have reported.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Reported, StatsKind};

/// Sums of reports.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Events by kind, repeats not counted.
    pub kinds: BTreeMap<StatsKind, u64>,
    /// Events that had been reported before.
    pub repeated: u64,
    /// Events that could not be read.
    pub unreadable: u64,
    /// Values that came into HATs.
    pub values_in: u64,
    /// Values that went out of HATs.
    pub values_out: u64,
}

impl Totals {
    /// Adds an entry.
    pub fn add(&mut self, added: &Reported) {
        for (kind, count) in &added.kinds {
            *self.kinds.entry(*kind).or_default() += u64::from(*count);
        }
        self.repeated += u64::from(added.repeated);
        self.unreadable += u64::from(added.unreadable);
        self.values_in = self.values_in.saturating_add(added.values_in);
        self.values_out = self.values_out.saturating_add(added.values_out);
    }
}
