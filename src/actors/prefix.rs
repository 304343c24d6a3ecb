//! How far a line of leaves is complete when its pieces come out of order.

use std::collections::BTreeMap;

/// Pieces of `[0, ∞)` that are done. Bounded by the pieces in flight: partitions times batches each.
#[derive(Debug, Default)]
pub struct Prefix {
    through: u64,
    ahead: BTreeMap<u64, u64>,
}

impl Prefix {
    /// Everything below `through` is done.
    pub fn from(through: u64) -> Self {
        Prefix { through, ahead: BTreeMap::new() }
    }

    /// `[from, to)` is done too. Returns how far everything is done.
    pub fn add(&mut self, from: u64, to: u64) -> u64 {
        if to > self.through && from < to {
            self.ahead.insert(from, to);
        }
        while let Some((&from, &to)) = self.ahead.first_key_value() {
            if from > self.through {
                break;
            }
            self.through = self.through.max(to);
            self.ahead.remove(&from);
        }
        self.through
    }

    /// How far everything is done.
    pub fn through(&self) -> u64 {
        self.through
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pieces_in_any_order_make_the_whole(mut cuts in proptest::collection::btree_set(1u64..500, 1..40), seed in any::<u64>()) {
            let end = 500;
            cuts.insert(end);
            let mut from = 0;
            let mut pieces: Vec<(u64, u64)> = cuts.into_iter().map(|to| { let piece = (from, to); from = to; piece }).collect();
            pieces.sort_by_key(|(from, _)| (from ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let mut prefix = Prefix::default();
            let mut done = vec![false; 500];
            for (from, to) in pieces {
                let through = prefix.add(from, to);
                done[from as usize..to as usize].fill(true);
                let expected = done.iter().position(|done| !done).unwrap_or(500) as u64;
                prop_assert_eq!(through, expected);
            }
        }
    }
}
