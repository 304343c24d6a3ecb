//! Mappings: the shape that a record's data is given.

use std::collections::BTreeMap;

use serde::Serialize;
use smol_str::SmolStr;

/// Destination path → where its value comes from. What is not named is left out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Mapping(pub BTreeMap<SmolStr, Target>);

/// Where a destination's value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Target {
    /// This path in the data.
    Source(SmolStr),
    /// The object at this path, or each element of the array there when the destination ends in `[]`, mapped in turn.
    Nested {
        /// Path of the object or array.
        source: SmolStr,
        /// The mapping of it, its paths relative to it.
        mappings: Mapping,
    },
}
