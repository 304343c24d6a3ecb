//! Whether a list of pages goes in a circle, told with one mark (Brent): of a circle of n pages after m others, the end
//! is found within 3 · max(m, n) pages.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The mark, and how long it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Circle {
    #[serde(rename = "m")]
    mark: String,
    #[serde(rename = "p")]
    power: u32,
    #[serde(rename = "s")]
    steps: u32,
}

impl Default for Circle {
    fn default() -> Self {
        Circle { mark: String::new(), power: 1, steps: 0 }
    }
}

impl Circle {
    /// One page further; none when this page was there before.
    pub fn step(self, page: &str) -> Option<Circle> {
        let mark = data_encoding::BASE64URL_NOPAD.encode(&Sha256::digest(page)[..12]);
        if mark == self.mark {
            return None;
        }
        if self.steps + 1 >= self.power {
            return Some(Circle { mark, power: self.power.saturating_mul(2), steps: 0 });
        }
        Some(Circle { steps: self.steps + 1, ..self })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_circle_is_found_and_nothing_else(lead in 0_u32..40, round in 1_u32..40) {
            let mut circle = Circle::default();
            let mut pages = 0;
            let found = (0..1000).find(|n| {
                pages = *n;
                let page = if *n < lead { *n } else { lead + (n - lead) % round };
                match circle.clone().step(&page.to_string()) {
                    Some(next) => { circle = next; false }
                    None => true,
                }
            });
            prop_assert!(found.is_some() && pages >= round && pages <= 3 * lead.max(round) + 3, "{pages}");
        }

        #[test]
        fn a_list_without_a_circle_goes_on(length in 0_u32..500) {
            let end = (0..length).try_fold(Circle::default(), |circle, n| circle.step(&n.to_string()));
            prop_assert!(end.is_some());
        }
    }
}
