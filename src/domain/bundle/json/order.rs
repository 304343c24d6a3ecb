//! The total order of values: object > array > boolean > number > string > null.
//!
//! Strings are ordered by code point; a database may use its collation.

use std::cmp::Ordering;

use super::Json;
use super::number;

impl Json<'_> {
    fn rank(&self) -> u8 {
        match self {
            Json::Null => 0,
            Json::String(_) => 1,
            Json::Number(_) => 2,
            Json::Bool(_) => 3,
            Json::Array(_) => 4,
            Json::Object(_) => 5,
        }
    }

    /// The order of two whole values. For reasons of history an empty array is less than any single value there.
    pub fn order(&self, other: &Self) -> Ordering {
        let empty = |value: &Self| matches!(value, Json::Array(items) if items.is_empty());
        let container = |value: &Self| matches!(value, Json::Array(_) | Json::Object(_));
        match (empty(self), empty(other)) {
            (true, false) if !container(other) => Ordering::Less,
            (false, true) if !container(self) => Ordering::Greater,
            _ => self.inner_order(other),
        }
    }

    /// The order of two values inside others.
    fn inner_order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Json::String(a), Json::String(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Json::Number(a), Json::Number(b)) => number::compare(a, b),
            (Json::Bool(a), Json::Bool(b)) => a.cmp(b),
            (Json::Array(a), Json::Array(b)) => a.len().cmp(&b.len()).then_with(|| {
                let unequal = a.iter().zip(b).map(|(a, b)| a.inner_order(b)).find(|order| order.is_ne());
                unequal.unwrap_or(Ordering::Equal)
            }),
            (Json::Object(a), Json::Object(b)) => a.len().cmp(&b.len()).then_with(|| {
                let member = |((ka, va), (kb, vb)): (&(_, Self), &(_, Self))| -> Ordering {
                    let (ka, kb): (&std::borrow::Cow<'_, str>, &std::borrow::Cow<'_, str>) = (ka, kb);
                    ka.as_bytes().cmp(kb.as_bytes()).then_with(|| va.inner_order(vb))
                };
                a.iter().zip(b).map(member).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
            }),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}
