//! What may still come of a bundle that was evaluated elsewhere.
//!
//! A HAT that speaks only HTTP evaluates the debit's bundle itself. What it says came of it is held to the bundle again:
//! only its endpoints, of mapped data only the mapping's destinations. Its filters can't be asked again, for what
//! they look at may be mapped away.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use smol_str::SmolStr;

use super::mapping::{Mapping, Target};
use super::{Bundle, EndpointQuery, PropertyQuery, compile};

impl Mapping {
    /// The mapping of every destination to itself.
    fn projected(&self) -> Mapping {
        let target = |key: &SmolStr, target: &Target| match target {
            Target::Source(_) => Target::Source(key.clone()),
            Target::Nested { mappings, .. } => Target::Nested { source: key.clone(), mappings: mappings.projected() },
        };
        Mapping(self.0.iter().map(|(key, held)| (key.clone(), target(key, held))).collect())
    }

    /// Takes the destinations of another projection in.
    fn join(&mut self, other: Mapping) {
        for (key, target) in other.0 {
            match (self.0.entry(key), target) {
                (Entry::Vacant(vacant), target) => drop(vacant.insert(target)),
                (Entry::Occupied(mut held), Target::Nested { mappings, .. }) => {
                    if let Target::Nested { mappings: own, .. } = held.get_mut() {
                        own.join(mappings);
                    }
                }
                (Entry::Occupied(_), Target::Source(_)) => {}
            }
        }
    }
}

/// Queries by endpoint, none of them with filters: which of several it was can't be told any more.
fn by_endpoint(queries: &[EndpointQuery]) -> Vec<EndpointQuery> {
    let mut joined: BTreeMap<SmolStr, EndpointQuery> = BTreeMap::new();
    for query in queries {
        let mapping = query.mapping.as_ref().map(Mapping::projected);
        let links = by_endpoint(&query.links);
        match joined.entry(query.endpoint.clone()) {
            Entry::Vacant(vacant) => {
                let endpoint = query.endpoint.clone();
                vacant.insert(EndpointQuery { endpoint, mapping, filters: Vec::new(), links });
            }
            Entry::Occupied(mut held) => {
                let held = held.get_mut();
                held.links = by_endpoint(&[std::mem::take(&mut held.links), links].concat());
                held.mapping = match (held.mapping.take(), mapping) {
                    (Some(own), Some(other)) => {
                        let mut both = own.clone();
                        both.join(other);
                        // Where one has a value and another an object: no more than the first allows.
                        Some(if compile::shape(&both).is_ok() { both } else { own })
                    }
                    _ => None,
                };
            }
        }
    }
    joined.into_values().collect()
}

impl Bundle {
    /// This bundle as it holds for records that it was applied to already.
    pub(super) fn evaluated(&self) -> Bundle {
        let property = |query: &PropertyQuery| PropertyQuery {
            endpoints: by_endpoint(&query.endpoints),
            ..PropertyQuery::default()
        };
        let properties = self.bundle.iter().map(|(name, query)| (name.clone(), property(query)));
        Bundle { name: self.name.clone(), bundle: properties.collect() }
    }
}
