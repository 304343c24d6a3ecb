//! The names with the greatest counts, in bounded room: the space-saving summary of Metwally, Agrawal and El Abbadi (2005).

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::hll::hash;

/// Names that a summary holds: one that has more than a `1 / TOP_MAX` share of the whole is among them.
pub const TOP_MAX: usize = 32;

/// A name with its count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// The name.
    pub name: SmolStr,
    /// At most so many.
    pub count: u64,
    /// Of these, so many may be another name's that had to go.
    #[serde(default, skip_serializing_if = "zero")]
    pub over: u64,
    /// Of the name; not stored.
    #[serde(skip)]
    hash: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn zero(n: &u64) -> bool {
    *n == 0
}

/// Counts of the most frequent names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Top(Vec<Counted>);

impl<'de> Deserialize<'de> for Top {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut names = Vec::<Counted>::deserialize(deserializer)?;
        names.truncate(TOP_MAX);
        names.iter_mut().for_each(|it| it.hash = hash(&it.name));
        Ok(Top(names))
    }
}

impl Top {
    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn find(&mut self, hash: u64, name: &str) -> Option<&mut Counted> {
        self.0.iter_mut().find(|it| it.hash == hash && it.name == name)
    }

    /// Counts `by` more of a name whose [`hash`] is known.
    pub fn add(&mut self, name: &SmolStr, hash: u64, by: u64) {
        if let Some(held) = self.find(hash, name) {
            held.count = held.count.saturating_add(by);
            return;
        }
        let new = Counted { name: name.clone(), count: by, over: 0, hash };
        if self.0.len() < TOP_MAX {
            self.0.push(new);
            return;
        }
        // The least, of equal ones the first: the same whoever folds.
        if let Some(least) = self.0.iter_mut().min_by_key(|it| it.count) {
            let over = least.count;
            *least = Counted { count: over.saturating_add(by), over, ..new };
        }
    }

    /// Adds another summary, which was made of other events.
    pub fn merge(&mut self, other: &Top) {
        // A name that a full summary does not hold may have had as many as its least one.
        let least = |top: &[Counted]| match top.len() {
            TOP_MAX => top.iter().map(|it| it.count).min().unwrap_or(0),
            _ => 0,
        };
        let (ours, theirs) = (least(&self.0), least(&other.0));
        let mut met = [false; TOP_MAX];
        for held in &mut self.0 {
            let found = other.0.iter().position(|it| it.hash == held.hash && it.name == held.name);
            let (count, over) = match found {
                Some(at) => {
                    met[at] = true;
                    (other.0[at].count, other.0[at].over)
                }
                None => (theirs, theirs),
            };
            held.count = held.count.saturating_add(count);
            held.over = held.over.saturating_add(over);
        }
        for (it, _) in other.0.iter().zip(met).filter(|(_, met)| !met) {
            self.0.push(Counted {
                count: it.count.saturating_add(ours),
                over: it.over.saturating_add(ours),
                ..it.clone()
            });
        }
        if self.0.len() > TOP_MAX {
            self.0.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
            self.0.truncate(TOP_MAX);
        }
    }

    /// Greatest first, of equal counts by name.
    pub fn sorted(&self) -> Vec<&Counted> {
        let mut all: Vec<&Counted> = self.0.iter().collect();
        all.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
        all
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn check(top: &Top, exact: &BTreeMap<SmolStr, u64>) -> Result<(), TestCaseError> {
        let total: u64 = exact.values().sum();
        for it in top.sorted() {
            let true_count = exact.get(&it.name).copied().unwrap_or(0);
            prop_assert!(it.count >= true_count && it.count - it.over <= true_count, "{it:?} {true_count}");
        }
        for (name, count) in exact {
            let held = top.0.iter().any(|it| it.name == *name);
            // Twice the bound, as merged summaries may each have left it out.
            prop_assert!(held || *count <= 2 * total / TOP_MAX as u64, "{name} {count} of {total}");
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn a_count_lies_within_its_bounds_also_after_a_merge(
            counts in prop::collection::vec((0u32..80, 1u64..100), 0..400), cut in 0usize..400,
        ) {
            let mut exact = BTreeMap::new();
            let (mut left, mut right) = (Top::default(), Top::default());
            for (at, (number, by)) in counts.iter().enumerate() {
                let name: SmolStr = format!("ns/{number}").into();
                *exact.entry(name.clone()).or_default() += by;
                let part = if at < cut { &mut left } else { &mut right };
                part.add(&name, hash(&name), *by);
            }
            left.merge(&right);
            check(&left, &exact)?;
            let bytes = rmp_serde::to_vec_named(&left).expect("packs");
            prop_assert_eq!(rmp_serde::from_slice::<Top>(&bytes).expect("reads"), left);
        }
    }
}
