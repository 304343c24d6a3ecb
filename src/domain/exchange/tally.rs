//! Records per endpoint, as an entry holds them.

use std::collections::BTreeMap;

use smol_str::SmolStr;

use crate::domain::records::RecordSpan;

/// Most endpoints named in one entry; the records of the others stand under an empty name.
pub const ENDPOINTS_MAX: usize = 64;

/// Counts `items` per endpoint, in order of the endpoint's name: the first [`ENDPOINTS_MAX`], then the
/// rest under an empty name.
pub fn tally<'a>(items: impl Iterator<Item = &'a RecordSpan>) -> Vec<(SmolStr, u32)> {
    let mut counts: BTreeMap<&SmolStr, u32> = BTreeMap::new();
    let mut run: Option<(&SmolStr, u32)> = None;
    for item in items {
        match &mut run {
            Some((name, count)) if **name == item.endpoint => *count = count.saturating_add(1),
            _ => {
                if let Some((name, count)) = run.replace((&item.endpoint, 1)) {
                    add(&mut counts, name, count);
                }
            }
        }
    }
    let Some((name, count)) = run else {
        return Vec::new();
    };
    // Mostly all are of one endpoint.
    if counts.is_empty() {
        return vec![(name.clone(), count)];
    }
    add(&mut counts, name, count);
    bounded(counts.into_iter())
}

/// Counts in order of the endpoint's name: the first [`ENDPOINTS_MAX`], then the rest under an empty name.
pub fn bounded<'a>(mut counts: impl Iterator<Item = (&'a SmolStr, u32)>) -> Vec<(SmolStr, u32)> {
    let mut out: Vec<(SmolStr, u32)> = counts.by_ref().take(ENDPOINTS_MAX).map(|(name, n)| (name.clone(), n)).collect();
    let rest = counts.map(|(_, count)| count).fold(0, u32::saturating_add);
    if rest > 0 {
        out.push((SmolStr::default(), rest));
    }
    out
}

fn add<'a>(counts: &mut BTreeMap<&'a SmolStr, u32>, name: &'a SmolStr, more: u32) {
    let count = counts.entry(name).or_default();
    *count = count.saturating_add(more);
}
