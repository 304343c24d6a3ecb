//! Which data is asked for: the bundle format of HATs, read strictly, compiled once, run on every record.
//!
//! A bundle names properties; each takes records of some endpoints, may filter them, may map their data into
//! another shape, and may let linked records come along. What HATs would silently half-ignore (a search without
//! its transformation, a mapping that is no object, an unknown word) is refused here with its path and the
//! reason: silence there would release more than was agreed.

mod compile;
mod evaluate;
mod evaluated;
mod explain;
mod fault;
mod filter;
mod json;
mod mapping;
mod ordered;
mod path;
mod program;
mod rank;
mod read;
mod stop_words;
mod time_part;
mod words;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Deserializer, Serialize};
use smol_str::SmolStr;

pub use evaluate::{Conditions, Values};
pub use explain::{Explained, Fate};
pub use fault::BundleFault;
pub use filter::{Filter, Operator, Transformation};
pub use mapping::{Mapping, Target};
pub use ordered::{Ordered, Scratch, Unordered};
pub use program::{Program, Row, Taken, TooLarge};
pub use time_part::Part;

/// Most properties of a bundle, and most endpoint queries of a property.
pub const PARTS_MAX: usize = 64;
/// Most endpoint queries of a whole bundle, linked ones too.
pub const QUERIES_MAX: usize = 256;
/// Most filters of one endpoint query.
pub const FILTERS_MAX: usize = 32;
/// Most searches (`find`) of a whole bundle: each takes a text apart into words.
pub const SEARCHES_MAX: usize = 8;
/// Most destinations of one endpoint query's mapping, nested ones too.
pub const TARGETS_MAX: usize = 512;
/// How deep a mapping, a path and a filter's value may go.
pub const DEPTH_MAX: usize = 16;
/// Most bytes of one path, and of a text to search for.
pub const PATH_BYTES_MAX: usize = 256;
/// Most bytes of a filter's value, as compact JSON.
pub const VALUE_BYTES_MAX: usize = 8 * 1024;
/// Largest `limit` of a property.
pub const LIMIT_MAX: u32 = 1_000_000;

/// One endpoint that a property takes records of.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct EndpointQuery {
    /// `namespace/path`, matched exactly: `a/b` does not stand for `a/b/c`.
    pub endpoint: SmolStr,
    /// The shape that the data is given; as it is when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping: Option<Mapping>,
    /// All must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<Filter>,
    /// Linked records that may come along, by endpoint. One level.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<EndpointQuery>,
}

impl EndpointQuery {
    /// All records of an endpoint, as they are.
    pub fn all(endpoint: impl Into<SmolStr>) -> Self {
        EndpointQuery { endpoint: endpoint.into(), ..EndpointQuery::default() }
    }
}

/// Which way a property's records are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ordering {
    /// Smallest first.
    #[default]
    Ascending,
    /// Largest first.
    Descending,
}

/// What one property of a bundle asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PropertyQuery {
    /// At least one.
    pub endpoints: Vec<EndpointQuery>,
    /// Ordered by what: a key of the mapping, else a path in the data. By age when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_by: Option<SmolStr>,
    /// Which way; ascending when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordering: Option<Ordering>,
    /// At most so many records in one answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

impl PropertyQuery {
    /// All records of these endpoints, as they are.
    pub fn all<E: Into<SmolStr>>(endpoints: impl IntoIterator<Item = E>) -> Self {
        let endpoints = endpoints.into_iter().map(EndpointQuery::all).collect();
        PropertyQuery { endpoints, ..PropertyQuery::default() }
    }
}

/// Which data, in the HAT's bundle format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bundle {
    /// The bundle's name, `[0-9a-zA-Z-]+`.
    pub name: SmolStr,
    /// Property → query.
    pub bundle: BTreeMap<SmolStr, PropertyQuery>,
}

impl Bundle {
    /// Reads and checks a bundle.
    ///
    /// # Errors
    /// [`BundleFault`]: the first place that is wrong, and why.
    pub fn read(value: &serde_json::Value) -> Result<Self, BundleFault> {
        read::bundle(fault::At::root("bundle"), value)
    }

    /// Every endpoint query, not the linked ones.
    pub fn queries(&self) -> impl Iterator<Item = &EndpointQuery> {
        self.bundle.values().flat_map(|property| &property.endpoints)
    }

    /// Whether the bundle names this endpoint.
    pub fn selects(&self, endpoint: &str) -> bool {
        self.queries().any(|query| query.endpoint == endpoint)
    }
}

/// By way of [`Bundle::read`], so that no bundle is held that was not checked.
impl<'de> Deserialize<'de> for Bundle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        Bundle::read(&value).map_err(serde::de::Error::custom)
    }
}

/// A bundle's programs, kept beside it: made when they are first asked for, equal to any other.
#[derive(Debug, Clone, Default)]
pub struct Compiled {
    whole: OnceLock<Arc<Program>>,
    evaluated: OnceLock<Arc<Program>>,
    conditions: OnceLock<Arc<Program>>,
}

impl Compiled {
    /// The program of `bundle`, which is the same one each time.
    pub fn of(&self, bundle: &Bundle) -> &Program {
        self.whole.get_or_init(|| Arc::new(Program::compile(bundle)))
    }

    /// The program for records that the HAT has taken through the same bundle already: what the bundle does not name
    /// is left out all the same.
    pub fn of_evaluated(&self, bundle: &Bundle) -> &Program {
        self.evaluated.get_or_init(|| Arc::new(Program::compile(&bundle.evaluated())))
    }

    /// The program of the debit's conditions, which are the same ones each time.
    pub fn of_conditions(&self, conditions: &Bundle) -> &Program {
        self.conditions.get_or_init(|| Arc::new(Program::compile(conditions)))
    }
}

impl PartialEq for Compiled {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Compiled {}

/// Reads a debit's conditions, a bundle of their own.
pub(super) fn conditions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Bundle>, D::Error> {
    let Some(value) = Option::<serde_json::Value>::deserialize(deserializer)? else {
        return Ok(None);
    };
    read::bundle(fault::At::root("conditions"), &value).map(Some).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests;
