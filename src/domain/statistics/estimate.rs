//! How many HATs could satisfy a bundle, as a range that holds whoever's data it is.
//!
//! It is made of nothing but figures that outsiders are told anyway, so it tells no more of a single HAT than they do.
//! Which records a HAT has is not known here: filters and conditions can only make it fewer.

use serde::Serialize;
use smol_str::SmolStr;

use super::catalogue::Catalogue;
use crate::domain::bundle::{Bundle, PropertyQuery};

/// Up to so many HATs a count is exact for all that matters.
const EXACT: u64 = 20;
/// Three standard errors of a count, per mille.
const SLACK: u64 = 70;

/// A number of HATs, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Range {
    /// Surely so many.
    pub at_least: u64,
    /// Surely not more.
    pub at_most: u64,
}

/// What a bundle could find.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// HATs that hold something for every property.
    pub hats: Range,
    /// HATs of which any data is known.
    pub known: Range,
    /// The same for each property alone, in order of their names.
    pub properties: Vec<(SmolStr, Range)>,
}

impl Catalogue {
    /// The range around a count that was told. Up to `k` - 1 HATs may have come since.
    fn around(&self, told: u64) -> Range {
        let slack = if told > EXACT { (told * SLACK).div_ceil(1000) } else { 0 };
        let since = u64::from(self.k()).saturating_sub(1);
        Range { at_least: told.saturating_sub(slack), at_most: told.saturating_add(slack).saturating_add(since) }
    }

    fn of_property(&self, property: &PropertyQuery) -> Range {
        let mut range = Range { at_least: 0, at_most: 0 };
        for query in &property.endpoints {
            let one = self.around(self.held(&query.endpoint).map_or(0, |held| held.hats));
            // Any of its endpoints will do: as many as the most frequent has, at most as many as all of them.
            range.at_least = range.at_least.max(one.at_least);
            range.at_most = range.at_most.saturating_add(one.at_most);
        }
        range
    }

    /// How many HATs hold data of at least one endpoint of every property.
    pub fn estimate(&self, bundle: &Bundle) -> Estimate {
        let known = self.around(self.sums().shown_hats);
        let capped = |range: Range| Range { at_least: range.at_least, at_most: range.at_most.min(known.at_most) };
        let properties: Vec<(SmolStr, Range)> =
            bundle.bundle.iter().map(|(name, property)| (name.clone(), capped(self.of_property(property)))).collect();
        // Of what is known alone: they are at most those of the rarest, and at least those that must be in all.
        let at_most = properties.iter().map(|(_, range)| range.at_most).min().unwrap_or(0);
        let sum: u64 = properties.iter().map(|(_, range)| range.at_least).sum();
        let others = (properties.len() as u64).saturating_sub(1).saturating_mul(known.at_most);
        let hats = Range { at_least: sum.saturating_sub(others).min(at_most), at_most };
        Estimate { hats, known, properties }
    }
}
