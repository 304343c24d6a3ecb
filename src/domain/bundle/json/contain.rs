//! Containment, `jsonb @> jsonb`: which value holds all that another one holds.

use std::borrow::Cow;

use super::Json;
use super::number;

impl Json<'_> {
    /// Whether this value contains `other`: equal single values; an array that holds the single value; every element
    /// of the other array in some element of this one, whatever their order and number; every member of the other
    /// object in this one.
    pub fn contains(&self, other: &Json<'_>) -> bool {
        match (self, other) {
            // An array of its own is not asked to hold a single value anywhere else than at the top.
            (Json::Array(items), single) if !single.is_container() => items.iter().any(|item| item.equals(single)),
            (this, single) if !single.is_container() => this.equals(single),
            _ => self.holds(other),
        }
    }

    fn is_container(&self) -> bool {
        matches!(self, Json::Array(_) | Json::Object(_))
    }

    /// Equality of single values; containers are never equal here.
    fn equals(&self, other: &Json<'_>) -> bool {
        match (self, other) {
            (Json::Null, Json::Null) => true,
            (Json::Bool(a), Json::Bool(b)) => a == b,
            (Json::String(a), Json::String(b)) => a == b,
            (Json::Number(a), Json::Number(b)) => number::compare(a, b).is_eq(),
            _ => false,
        }
    }

    /// Containment of a container in another one of its kind.
    fn holds(&self, other: &Json<'_>) -> bool {
        match (self, other) {
            (Json::Array(items), Json::Array(wanted)) => wanted.iter().all(|wanted| {
                if wanted.is_container() {
                    items.iter().any(|item| item.holds(wanted))
                } else {
                    items.iter().any(|item| item.equals(wanted))
                }
            }),
            (Json::Object(members), Json::Object(wanted)) => wanted.iter().all(|(key, wanted)| {
                let by_key = |(held, _): &(Cow<'_, str>, _)| {
                    held.len().cmp(&key.len()).then_with(|| held.as_bytes().cmp(key.as_bytes()))
                };
                let member = members.binary_search_by(by_key).ok().map(|at| &members[at].1);
                member.is_some_and(|held| if wanted.is_container() { held.holds(wanted) } else { held.equals(wanted) })
            }),
            _ => false,
        }
    }
}
