//! Which data is asked for: the bundle format of HATs, of which the list of endpoints is understood.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// One endpoint named in a bundle. Mapping, filters and links of the full bundle language are refused
/// as unknown fields, never silently dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointQuery {
    /// `namespace/path`.
    pub endpoint: SmolStr,
}

/// What one property of a bundle asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PropertyQuery {
    /// At least one.
    pub endpoints: Vec<EndpointQuery>,
}

/// Which data: the HAT's bundle format, of which the list of endpoints is understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// The bundle's name, `[0-9a-zA-Z-]+`.
    pub name: SmolStr,
    /// Property → query.
    pub bundle: BTreeMap<SmolStr, PropertyQuery>,
}

impl Bundle {
    /// Whether the bundle names this endpoint.
    pub fn selects(&self, endpoint: &str) -> bool {
        self.bundle.values().flat_map(|property| &property.endpoints).any(|query| query.endpoint == endpoint)
    }
}
