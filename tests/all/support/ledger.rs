//! Looking into a ledger: what must hold whatever happened.

use std::collections::{BTreeMap, BTreeSet};

use dex::actors::shared::Shared;
use dex::domain::{Address, Entry, Event};

/// Every entry, in leaf order.
pub fn entries(shared: &Shared) -> Vec<Entry> {
    shared
        .reader
        .scan(0)
        .map(|stored| rmp_serde::from_slice(&stored.expect("readable").entry).expect("an entry"))
        .collect()
}

/// Numbers count 1, 2, 3… for each entity; every exchange is opened once and ends at most once.
/// Returns how many were opened and how many have ended.
pub fn sound(entries: &[Entry]) -> (usize, usize) {
    let mut numbers: BTreeMap<&Address, u64> = BTreeMap::new();
    let mut opened = BTreeSet::new();
    let mut ended = BTreeSet::new();
    for entry in entries {
        let n = numbers.entry(&entry.entity).or_default();
        *n += 1;
        assert_eq!(entry.n, *n, "{} counts without a gap", entry.entity);
        let closed = match &entry.event {
            Event::Opened(event) => {
                assert!(opened.insert(event.delivery), "opened once");
                continue;
            }
            Event::Settled(closed) | Event::Expired(closed) | Event::Recalled(closed) => closed,
            Event::Disputed { closed, .. } => closed,
            _ => continue,
        };
        assert!(opened.contains(&closed.delivery), "ended after it was opened");
        assert!(ended.insert(closed.delivery), "ended once");
    }
    (opened.len(), ended.len())
}
