//! Which data there is: every endpoint with how many HATs hold it, and every field that HATs report of it.
//!
//! What HATs report and what the exchange saw pass are kept apart: a field and its values are reported, an endpoint's
//! records were seen. Of each figure the exact value is kept beside the one that outsiders are told ([`Gate`]).

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::gate::Gate;
use super::hll::{Hll, hash_of};
use crate::domain::entry::Entry;
use crate::domain::event::{Direction, Event};
use crate::domain::report::{Reported, Totals};
use crate::domain::time::Timestamp;

/// Most endpoints; records of further ones count in the totals only.
pub const ENDPOINTS_MAX: usize = 5_000;
/// Most fields of all endpoints; further ones count in the totals only.
pub const FIELDS_MAX: usize = 20_000;
/// Most fields of one endpoint.
pub const FIELDS_PER_ENDPOINT_MAX: usize = 2_000;
/// Deepest field: names joined by dots.
pub const DEPTH_MAX: usize = 16;

/// A field as outsiders are told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Seen {
    /// HATs that have reported it.
    pub hats: u32,
    /// Values that were reported.
    pub count: u64,
    /// When it was first reported.
    pub first: Timestamp,
    /// When it was last reported.
    pub last: Timestamp,
}

/// A field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// As it is.
    pub exact: Seen,
    /// As it is told; of no HATs: not at all.
    pub shown: Seen,
    #[serde(default)]
    gate: Gate,
}

/// An endpoint as outsiders are told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Held {
    /// HATs that hold data of it, about.
    pub hats: u64,
    /// Records of it that the exchange saw go into HATs.
    pub records: u64,
    /// When one of them first had to do with it.
    pub first: Timestamp,
    /// When one of them last had to do with it.
    pub last: Timestamp,
}

/// An endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    hats: Hll,
    records: u64,
    first: Timestamp,
    last: Timestamp,
    /// As it is told; of no HATs: not at all.
    pub shown: Held,
    #[serde(default)]
    gate: Gate,
    /// What HATs report of it, by path.
    #[serde(default)]
    pub fields: BTreeMap<SmolStr, Field>,
}

/// The part of the catalogue that is no endpoint's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sums {
    /// Sums of all reports.
    pub totals: Totals,
    /// The same as outsiders are told.
    pub shown: Totals,
    #[serde(default)]
    gate: Gate,
    hats: Hll,
    /// HATs of which any data is known, as outsiders are told.
    pub shown_hats: u64,
    #[serde(default)]
    hats_gate: Gate,
    /// Fields and endpoints that were left out for the bounds, each time that they came.
    #[serde(default)]
    pub left_out: u64,
}

/// The catalogue: a fold of entries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Catalogue {
    k: u32,
    sums: Sums,
    endpoints: BTreeMap<SmolStr, Arc<Endpoint>>,
    fields: usize,
}

impl Catalogue {
    /// An empty one, whose figures are told in steps of at least `k` HATs.
    pub fn new(k: u32) -> Self {
        Catalogue { k, ..Catalogue::default() }
    }

    /// One out of its stored parts.
    pub fn restored(k: u32, sums: Sums, endpoints: BTreeMap<SmolStr, Arc<Endpoint>>) -> Self {
        let fields = endpoints.values().map(|endpoint| endpoint.fields.len()).sum();
        Catalogue { k, sums, endpoints, fields }
    }

    /// In steps of how many HATs its figures are told.
    pub fn k(&self) -> u32 {
        self.k
    }

    /// What is no endpoint's.
    pub fn sums(&self) -> &Sums {
        &self.sums
    }

    /// Every endpoint, in order, as it is.
    pub fn endpoints(&self) -> &BTreeMap<SmolStr, Arc<Endpoint>> {
        &self.endpoints
    }

    /// How many fields are held.
    pub fn fields(&self) -> usize {
        self.fields
    }

    /// Folds a committed entry in.
    pub fn apply(&mut self, entry: &Entry) {
        if let Event::Reported(added) = &entry.event {
            let hat = hash_of(&entry.entity);
            self.reported(added, hat, entry.at);
        } else if let Some(opened) = entry.event.left() {
            let records = match opened.direction {
                Direction::Credit => true,
                Direction::Release => false,
                Direction::Pull => return,
            };
            let hat = hash_of(&entry.entity);
            for (name, count) in opened.endpoints.iter().filter(|(name, _)| !name.is_empty()) {
                let more = if records { u64::from(*count) } else { 0 };
                self.hold(name, hat, entry.at, more);
            }
            self.met(hat);
        }
    }

    fn met(&mut self, hat: u64) {
        let sums = &mut self.sums;
        sums.hats.add(hat);
        if sums.hats_gate.opens(hat, self.k) {
            sums.shown_hats = sums.hats.estimate();
        }
    }

    /// The endpoint, after the HAT had to do with it; none beyond the bound.
    fn hold(&mut self, name: &SmolStr, hat: u64, at: Timestamp, records: u64) -> Option<&mut Endpoint> {
        if !self.endpoints.contains_key(name) {
            if self.endpoints.len() >= ENDPOINTS_MAX {
                self.sums.left_out += 1;
                return None;
            }
            let new = Endpoint {
                hats: Hll::default(),
                records: 0,
                first: at,
                last: at,
                shown: Held::default(),
                gate: Gate::default(),
                fields: BTreeMap::new(),
            };
            self.endpoints.insert(name.clone(), Arc::new(new));
        }
        let endpoint = Arc::make_mut(self.endpoints.get_mut(name)?);
        endpoint.hats.add(hat);
        endpoint.records = endpoint.records.saturating_add(records);
        endpoint.first = endpoint.first.min(at);
        endpoint.last = endpoint.last.max(at);
        if endpoint.gate.opens(hat, self.k) {
            endpoint.shown = Held {
                hats: endpoint.hats.estimate(),
                records: endpoint.records,
                first: endpoint.first,
                last: endpoint.last,
            };
        }
        Some(endpoint)
    }

    fn reported(&mut self, added: &Reported, hat: u64, at: Timestamp) {
        self.sums.totals.add(added);
        if self.sums.gate.opens(hat, self.k) {
            self.sums.shown = self.sums.totals.clone();
        }
        if added.fields.is_empty() {
            return;
        }
        self.met(hat);
        let (k, mut fields, mut left_out) = (self.k, self.fields, 0);
        let mut at_hand: Option<&SmolStr> = None;
        for field in &added.fields {
            // They come in order of their endpoints, each of which the HAT has to do with once.
            if at_hand != Some(&field.endpoint) {
                at_hand = Some(&field.endpoint);
                self.hold(&field.endpoint, hat, at, 0);
            }
            let Some(endpoint) = self.endpoints.get_mut(&field.endpoint) else { continue };
            let endpoint = Arc::make_mut(endpoint);
            if !endpoint.fields.contains_key(&field.path) {
                let room = fields < FIELDS_MAX && endpoint.fields.len() < FIELDS_PER_ENDPOINT_MAX;
                if !room || field.path.split('.').count() > DEPTH_MAX {
                    left_out += 1;
                    continue;
                }
                fields += 1;
                let exact = Seen { first: at, ..Seen::default() };
                let new = Field { exact, shown: Seen::default(), gate: Gate::default() };
                endpoint.fields.insert(field.path.clone(), new);
            }
            let Some(held) = endpoint.fields.get_mut(&field.path) else { continue };
            held.exact.hats += u32::from(field.first);
            held.exact.count = held.exact.count.saturating_add(field.count);
            held.exact.last = held.exact.last.max(at);
            held.exact.first = held.exact.first.min(at);
            if held.gate.opens(hat, k) {
                held.shown = held.exact;
            }
        }
        self.fields = fields;
        self.sums.left_out += left_out;
    }

    /// Endpoints after `after` that outsiders are told of, in order, each with those of its fields that they are told of.
    pub fn shown(
        &self,
        after: Option<&str>,
    ) -> impl Iterator<Item = (&SmolStr, &Endpoint, impl Iterator<Item = (&SmolStr, &Field)>)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.endpoints.range::<str, _>((from, Bound::Unbounded)).filter_map(|(name, endpoint)| {
            let told = endpoint.shown.hats > 0 || endpoint.fields.values().any(|field| field.shown.hats > 0);
            let fields = endpoint.fields.iter().filter(|(_, field)| field.shown.hats > 0);
            told.then_some((name, &**endpoint, fields))
        })
    }

    /// The endpoint, if outsiders are told of it.
    pub fn held(&self, endpoint: &str) -> Option<Held> {
        self.endpoints.get(endpoint).map(|endpoint| endpoint.shown).filter(|held| held.hats > 0)
    }
}
