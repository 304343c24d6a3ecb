//! Records per endpoint, as an entry holds them.

use smol_str::SmolStr;

use crate::domain::records::RecordSpan;

/// Most endpoints named in one entry; the records of the others stand under an empty name.
pub const ENDPOINTS_MAX: usize = 64;

/// Counts `items` per endpoint, in order of the endpoint's name: the first [`ENDPOINTS_MAX`], then the
/// rest under an empty name.
pub fn tally<'a>(items: impl Iterator<Item = &'a RecordSpan> + Clone) -> Vec<(SmolStr, u32)> {
    let mut all = items.clone();
    let Some(first) = all.next() else {
        return Vec::new();
    };
    let mut count = 1u32;
    if all.all(|item| {
        count = count.saturating_add(1);
        item.endpoint == first.endpoint
    }) {
        return vec![(first.endpoint.clone(), count)];
    }
    let mut names: Vec<&SmolStr> = items.map(|item| &item.endpoint).collect();
    names.sort_unstable();
    let mut out: Vec<(SmolStr, u32)> = Vec::new();
    let mut rest = 0u32;
    let mut last: Option<&SmolStr> = None;
    let mut named = 0usize;
    for name in names {
        if last != Some(name) {
            last = Some(name);
            named += 1;
            if named <= ENDPOINTS_MAX {
                out.push((name.clone(), 0));
            }
        }
        match out.last_mut() {
            Some((_, count)) if named <= ENDPOINTS_MAX => *count = count.saturating_add(1),
            _ => rest = rest.saturating_add(1),
        }
    }
    if rest > 0 {
        out.push((SmolStr::default(), rest));
    }
    out
}
