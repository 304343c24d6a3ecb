//! An item of a feed, by which an app shows what its data looks like.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

macro_rules! parts {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $of:ty),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        #[allow(missing_docs)] // the names are those of the HAT's own format
        pub struct $name {
            $(#[serde(default, skip_serializing_if = "Option::is_none")] pub $field: Option<$of>),+
        }
    )+};
}

parts! {
    /// What it is called.
    FeedTitle { text: SmolStr, subtitle: SmolStr, action: SmolStr }
    /// What it holds.
    FeedContent { text: String, html: String, media: Vec<FeedMedia>, nested_structure: serde_json::Value }
    /// A picture of it.
    FeedMedia { thumbnail: SmolStr, url: SmolStr }
    /// Where it was.
    FeedLocation { geo: FeedGeo, address: FeedAddress, tags: Vec<SmolStr> }
    /// Where on a map, degrees.
    FeedGeo { longitude: serde_json::Number, latitude: serde_json::Number }
    /// Where in words.
    FeedAddress { country: SmolStr, city: SmolStr, name: SmolStr, street: SmolStr, zip: SmolStr }
}

/// When it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedDate {
    /// ISO 8601.
    pub iso: SmolStr,
    /// Seconds since 1970.
    pub unix: i64,
}

/// One item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedItem {
    /// Where it comes from.
    pub source: SmolStr,
    /// When it was.
    pub date: FeedDate,
    /// What it is.
    pub types: Vec<SmolStr>,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<FeedTitle>,
    /// What it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<FeedContent>,
    /// Where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<FeedLocation>,
}
