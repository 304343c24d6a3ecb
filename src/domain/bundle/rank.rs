//! In which order a property's records are given.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::json::Json;

/// Which way a property's records are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Direction {
    /// By a value; else by age.
    pub ordered: bool,
    /// Largest first.
    pub descending: bool,
}

/// What a record that a query selects is ordered by.
#[derive(Debug)]
pub(super) struct Rank<'a> {
    /// The value that the property orders by; `None` is last, whichever way.
    pub key: Option<Json<'a>>,
    /// Its place: records are given oldest first.
    pub place: usize,
    /// Its `recordId`, as JSON text.
    pub record_id: Option<Cow<'a, str>>,
    /// The query's place among the property's.
    pub query: usize,
}

impl Rank<'_> {
    /// By the key, then by record, so that the order is the same each time; a record's queries stay in theirs.
    pub fn order(&self, other: &Rank<'_>, by: Direction) -> Ordering {
        let turned = |order: Ordering| if by.descending { order.reverse() } else { order };
        let by_key = match (&self.key, &other.key) {
            (Some(a), Some(b)) => turned(a.order(b)),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) if by.ordered => Ordering::Equal,
            (None, None) => turned(self.place.cmp(&other.place)),
        };
        by_key
            .then_with(|| self.record_id.cmp(&other.record_id))
            .then_with(|| self.place.cmp(&other.place))
            .then_with(|| self.query.cmp(&other.query))
    }
}
