//! One window's slots of time.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::bucket::Bucket;
use super::window::Window;
use crate::domain::time::Timestamp;

/// The slots of one window, by their beginnings. Those that hold nothing are not there.
#[derive(Debug, Clone)]
pub struct Ring {
    window: Window,
    slots: BTreeMap<i64, Arc<Bucket>>,
    version: u64,
}

impl Ring {
    /// Without anything.
    pub fn new(window: Window) -> Self {
        Ring { window, slots: BTreeMap::new(), version: 0 }
    }

    /// Puts a stored slot back.
    pub fn put(&mut self, begins: i64, bucket: Arc<Bucket>) {
        self.version += 1;
        self.slots.insert(begins, bucket);
    }

    /// Changes with its slots; counts from 0 at each start.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Its slots, the earliest first.
    pub fn slots(&self) -> &BTreeMap<i64, Arc<Bucket>> {
        &self.slots
    }

    /// Adds what is known of the second that begins at `second`, while the last commit was at `now`. What is further
    /// from that than the window is long is left out, and so are slots that have come to be.
    pub fn add(&mut self, second: i64, bucket: &Bucket, now: Timestamp) {
        self.version += 1;
        let (first, last) = (self.window.begins(now), self.window.slot_of(now).saturating_add(self.window.length()));
        let slot = self.window.slot_of(Timestamp(second));
        if (first..=last).contains(&slot) {
            Arc::make_mut(self.slots.entry(slot).or_default()).merge(bucket);
        }
        while self.slots.first_key_value().is_some_and(|(begins, _)| *begins < first) {
            self.slots.pop_first();
        }
        while self.slots.last_key_value().is_some_and(|(begins, _)| *begins > last) {
            self.slots.pop_last();
        }
    }

    /// The slots from `first` to the one that `at` lies in.
    pub fn within(&self, first: i64, at: Timestamp) -> impl Iterator<Item = (i64, &Arc<Bucket>)> {
        self.slots.range(first..=at.0.max(first)).map(|(begins, bucket)| (*begins, bucket))
    }
}
