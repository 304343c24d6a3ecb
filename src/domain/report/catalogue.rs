//! What all HATs together have reported: totals, and every field with how many HATs hold it.

use std::collections::BTreeMap;
use std::ops::Bound;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::{Reported, Reports, StatsKind};

/// Most fields of the catalogue; further ones count in the totals only.
pub const FIELDS_MAX: usize = 20_000;

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

    fn sum(&mut self, of: &Totals) {
        for (kind, count) in &of.kinds {
            *self.kinds.entry(*kind).or_default() += count;
        }
        self.repeated += of.repeated;
        self.unreadable += of.unreadable;
        self.values_in = self.values_in.saturating_add(of.values_in);
        self.values_out = self.values_out.saturating_add(of.values_out);
    }
}

/// A field of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen {
    /// HATs that have reported it.
    pub hats: u32,
    /// Values that were reported.
    pub count: u64,
}

/// All that HATs have reported. A fold of [`Reported`] entries, or the sum of [`Reports`] by HAT.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Catalogue {
    /// Sums of everything.
    pub totals: Totals,
    fields: BTreeMap<SmolStr, BTreeMap<SmolStr, Seen>>,
    held: usize,
}

impl Catalogue {
    fn field(&mut self, endpoint: &SmolStr, path: &SmolStr, first: bool, count: u64) {
        let held = self.fields.get(endpoint).is_some_and(|fields| fields.contains_key(path));
        if !held {
            if self.held >= FIELDS_MAX {
                return;
            }
            self.held += 1;
        }
        let seen = self.fields.entry(endpoint.clone()).or_default().entry(path.clone()).or_default();
        seen.hats += u32::from(first);
        seen.count = seen.count.saturating_add(count);
    }

    /// Folds an entry in.
    pub fn add(&mut self, added: &Reported) {
        self.totals.add(added);
        for field in &added.fields {
            self.field(&field.endpoint, &field.path, field.first, field.count);
        }
    }

    /// Adds all that one HAT has reported.
    pub fn add_hat(&mut self, reports: &Reports) {
        self.totals.sum(&reports.totals);
        for (endpoint, fields) in &reports.fields {
            for (path, count) in fields {
                self.field(endpoint, path, true, *count);
            }
        }
    }

    /// Endpoints after `after`, in order, each with those of its fields that at least `hats` HATs hold; endpoints
    /// without any are left out.
    pub fn shown(
        &self,
        after: Option<&str>,
        hats: u32,
    ) -> impl Iterator<Item = (&SmolStr, impl Iterator<Item = (&SmolStr, Seen)>)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.fields.range::<str, _>((from, Bound::Unbounded)).filter_map(move |(endpoint, fields)| {
            if !fields.values().any(|seen| seen.hats >= hats) {
                return None;
            }
            let shown = fields.iter().filter(move |(_, seen)| seen.hats >= hats);
            Some((endpoint, shown.map(|(path, seen)| (path, *seen))))
        })
    }
}
