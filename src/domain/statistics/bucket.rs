//! What is known of the entries of one span of time, in bounded room, to be merged with that of others.

use serde::{Deserialize, Serialize};
use sketches_ddsketch::{Config, DDSketch};

use super::hll::{Hll, hash, hash_of};
use super::tally::Tally;
use super::top::Top;
use crate::domain::entry::Entry;
use crate::domain::event::{Direction, Event};
use crate::domain::id::Kind;
use crate::domain::time::Timestamp;

/// Bins of a sketch of times: at a relative error of 1 %, from a nanosecond to some years.
const BINS: u32 = 2048;
/// Relative error of quantiles.
const ERROR: f64 = 0.01;
/// Shorter times count as zero, seconds.
const SHORTEST: f64 = 1e-9;

/// Times in seconds, of which quantiles are told within 1 %.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Times(DDSketch);

impl std::fmt::Debug for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Times({})", self.count())
    }
}

impl Default for Times {
    fn default() -> Self {
        Times(DDSketch::new(Config::new(ERROR, BINS, SHORTEST)))
    }
}

impl Times {
    /// Takes in a time, nanoseconds; a negative one, of clocks that differ, as none.
    fn add(&mut self, nanoseconds: i64) {
        let span = std::time::Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(0));
        self.0.add(span.as_secs_f64());
    }

    fn merge(&mut self, other: &Times) {
        if other.is_empty() {
            return;
        }
        // They only differ in a file of a program with another error; then the newer are told.
        if self.0.merge(&other.0).is_err() {
            self.0 = other.0.clone();
        }
    }

    fn is_empty(&self) -> bool {
        self.0.count() == 0
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.0.count() as u64
    }

    /// The time, seconds, that the share `q` (0 to 1) of them does not exceed; none of none.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        self.0.quantile(q).ok().flatten()
    }
}

/// Counts, uniques, quantiles and tops of a span of time. At most about 50 KiB.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Bucket {
    /// Counts.
    #[serde(default)]
    pub tally: Tally,
    /// HATs of which an exchange began.
    #[serde(default, skip_serializing_if = "Hll::is_empty")]
    pub hats: Hll,
    /// Plugs and apps that wrote into a HAT.
    #[serde(default, skip_serializing_if = "Hll::is_empty")]
    pub sources: Hll,
    /// Clients of debits that data was let out to, or that asked for some.
    #[serde(default, skip_serializing_if = "Hll::is_empty")]
    pub acquirers: Hll,
    /// From an exchange's opening to its settlement.
    #[serde(default, skip_serializing_if = "Times::is_empty")]
    pub settle: Times,
    /// From a message's store time to the commit of what was decided of it.
    #[serde(default, skip_serializing_if = "Times::is_empty")]
    pub outcome: Times,
    /// Records that went into HATs, by endpoint.
    #[serde(default, skip_serializing_if = "Top::is_empty")]
    pub top_in: Top,
    /// Records that were let out of HATs, by endpoint.
    #[serde(default, skip_serializing_if = "Top::is_empty")]
    pub top_out: Top,
}

impl Bucket {
    /// Takes in one entry, committed at `committed`.
    pub fn add(&mut self, entry: &Entry, committed: Timestamp) {
        self.tally.count(entry);
        if entry.cause.as_ref().is_some_and(|cause| cause.from.kind != Kind::Dex) {
            self.outcome.add(committed.since(entry.at));
        }
        if let Event::Settled(closed) = &entry.event {
            self.settle.add(entry.at.since(closed.opened_at));
        }
        if let Some(opened) = entry.event.began() {
            self.hats.add(hash_of(&entry.entity));
            match opened.direction {
                Direction::Credit => self.sources.add(hash_of(&opened.from)),
                Direction::Release => self.acquirers.add(hash_of(&opened.to)),
                Direction::Pull => self.acquirers.add(hash_of(&opened.from)),
            }
        }
        if let Some(opened) = entry.event.left() {
            let top = match opened.direction {
                Direction::Credit => &mut self.top_in,
                Direction::Release => &mut self.top_out,
                Direction::Pull => return,
            };
            // Those beyond the bound of an entry have no name.
            for (endpoint, records) in opened.endpoints.iter().filter(|(endpoint, _)| !endpoint.is_empty()) {
                top.add(endpoint, hash(endpoint), u64::from(*records));
            }
        }
    }

    /// Adds what another bucket knows of other entries.
    pub fn merge(&mut self, other: &Bucket) {
        self.tally.merge(&other.tally);
        self.hats.merge(&other.hats);
        self.sources.merge(&other.sources);
        self.acquirers.merge(&other.acquirers);
        self.settle.merge(&other.settle);
        self.outcome.merge(&other.outcome);
        self.top_in.merge(&other.top_in);
        self.top_out.merge(&other.top_out);
    }
}
