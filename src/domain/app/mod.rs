//! Applications: what they say of themselves, version by version, and what follows from it.

mod feed;
mod info;
mod manifest;
mod setup;
mod version;

pub use feed::FeedItem;
pub use info::{Developer, Info};
pub use manifest::{AppKind, Dependencies, Manifest, ManifestFault, Permissions, RoleGranted};
pub use setup::{Setup, Status};
pub use version::Version;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::bytes::Digest;
use super::time::Timestamp;

/// Most versions of one app.
pub const VERSIONS_MAX: usize = 200;

/// One published version of an app. Its whole manifest stands in the entry that registered it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Its version.
    pub version: SmolStr,
    /// SHA-256 of its manifest as compact JSON; absent for what was registered without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// When it was published.
    pub at: Timestamp,
    /// Number of the entry that registered it.
    pub registered: u64,
    /// Number of the entry that published it.
    pub n: u64,
}

/// The version of an app that a HAT's owner has accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The version.
    pub version: SmolStr,
    /// The namespaces that it asked to write.
    pub namespaces: Vec<SmolStr>,
    /// When it was accepted.
    pub at: Timestamp,
}

#[cfg(test)]
mod tests;
