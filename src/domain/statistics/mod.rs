//! Statistics as a fold of the ledger: rolling windows by event time, and the catalogue of available data.
//!
//! Entries are folded in the order of their leaves, so the state is a function of the ledger's first entries: whoever has
//! them can make it again, to the bit. An entry counts in the slot of its own time ([`crate::domain::Entry::at`]), however late it
//! is committed.
//!
//! Bounds: each window has at most [`Window::slots_max`] slots (as a rule half of them, about 400 in all) of at most
//! about 50 KiB each, mostly 3 to 10; the catalogue has those of [`catalogue`].

mod bucket;
pub mod catalogue;
mod estimate;
mod gate;
mod hll;
mod ring;
mod tally;
mod told;
mod top;
mod window;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use bucket::{Bucket, Times};
pub use catalogue::Catalogue;
pub use estimate::{Estimate, Range};
pub use gate::Gate;
pub use hll::{Hll, hash, hash_of};
pub use ring::Ring;
pub use tally::Tally;
pub use told::{Stand, broadcast, catalogue_page, cut, estimated, series, total, window};
pub use top::{Counted, TOP_MAX, Top};
pub use window::{NoWindow, Window};

use super::entry::Entry;
use super::time::{SECOND, Timestamp};

/// In steps of how many HATs public figures are told, when nothing else is said.
pub const K_DEFAULT: u32 = 5;

/// What of the statistics is neither a slot nor an endpoint.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Head {
    /// Entries with a leaf below this are folded in, and no others.
    pub through: u64,
    /// In steps of how many HATs public figures are told.
    pub k: u32,
    /// When the last of them was committed.
    pub now: Timestamp,
    /// The second that is being counted, and what is known of it.
    #[serde(default)]
    pub second: Option<(i64, Arc<Bucket>)>,
    /// Everything since the first entry.
    #[serde(default)]
    pub total: Tally,
    /// Of the catalogue.
    #[serde(default)]
    pub sums: catalogue::Sums,
}

/// The statistics of a ledger's first entries. A clone shares its slots and endpoints.
#[derive(Debug, Clone)]
pub struct Statistics {
    through: u64,
    now: Timestamp,
    /// Entries of one second are gathered here first, so that most of them touch one bucket and not five.
    second: Option<(i64, Arc<Bucket>)>,
    rings: [Ring; Window::ALL.len()],
    total: Tally,
    catalogue: Catalogue,
}

impl Statistics {
    /// Of no entries.
    pub fn new(k: u32) -> Self {
        Statistics {
            through: 0,
            now: Timestamp::default(),
            second: None,
            rings: Window::ALL.map(Ring::new),
            total: Tally::default(),
            catalogue: Catalogue::new(k),
        }
    }

    /// Out of its stored parts.
    pub fn restored(
        head: Head,
        slots: impl IntoIterator<Item = (Window, i64, Arc<Bucket>)>,
        endpoints: impl IntoIterator<Item = (smol_str::SmolStr, Arc<catalogue::Endpoint>)>,
    ) -> Self {
        let mut rings = Window::ALL.map(Ring::new);
        for (window, begins, bucket) in slots {
            rings[window as usize].put(begins, bucket);
        }
        Statistics {
            through: head.through,
            now: head.now,
            second: head.second,
            rings,
            total: head.total,
            catalogue: Catalogue::restored(head.k, head.sums, endpoints.into_iter().collect()),
        }
    }

    /// What is stored beside slots and endpoints.
    pub fn head(&self) -> Head {
        Head {
            through: self.through,
            k: self.catalogue.k(),
            now: self.now,
            second: self.second.clone(),
            total: self.total.clone(),
            sums: self.catalogue.sums().clone(),
        }
    }

    /// Entries with a leaf below this are folded in.
    pub fn through(&self) -> u64 {
        self.through
    }

    /// When the last of them was committed.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The slots of a window.
    pub fn ring(&self, window: Window) -> &Ring {
        &self.rings[window as usize]
    }

    /// Counts of everything since the first entry.
    pub fn total(&self) -> &Tally {
        &self.total
    }

    /// Which data there is.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Folds the entry of a leaf in, which was committed at `committed`. Leaves come in order; one that is in already is
    /// passed over.
    pub fn apply(&mut self, leaf: u64, committed: Timestamp, entry: &Entry) {
        if leaf < self.through {
            return;
        }
        self.through = leaf + 1;
        self.now = committed;
        self.total.count(entry);
        self.catalogue.apply(entry);
        let begins = entry.at.0.div_euclid(SECOND) * SECOND;
        if self.second.as_ref().is_none_or(|(second, _)| *second != begins)
            && let Some((second, bucket)) = self.second.replace((begins, Arc::default()))
        {
            for ring in &mut self.rings {
                ring.add(second, &bucket, committed);
            }
        }
        if let Some((_, bucket)) = &mut self.second {
            Arc::make_mut(bucket).add(entry, committed);
        }
    }

    /// All entries with a leaf below this are folded in: those that are not there any more are in nothing.
    pub fn reach(&mut self, through: u64) {
        self.through = self.through.max(through);
    }

    /// What is known of the window that ends at `at`, without what [`Statistics::fresh`] adds: to be kept while
    /// [`Ring::version`] and the beginning are the same.
    pub fn settled(&self, window: Window, at: Timestamp) -> Bucket {
        let mut merged = Bucket::default();
        for (_, bucket) in self.ring(window).within(window.begins(at), at) {
            merged.merge(bucket);
        }
        merged
    }

    /// The second that is being counted, if it lies in the window that ends at `at`.
    pub fn fresh(&self, window: Window, at: Timestamp) -> Option<&Bucket> {
        let (second, bucket) = self.second.as_ref()?;
        (window.begins(at)..=at.0).contains(second).then_some(&**bucket)
    }

    /// All that is known of the window that ends at `at`.
    pub fn window(&self, window: Window, at: Timestamp) -> Bucket {
        let mut merged = self.settled(window, at);
        if let Some(fresh) = self.fresh(window, at) {
            merged.merge(fresh);
        }
        merged
    }
}
