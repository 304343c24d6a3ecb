//! What an app shows of itself and of who made it.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::feed::FeedItem;

/// A picture in up to four sizes, by address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drawable {
    /// The usual size.
    pub normal: SmolStr,
    /// Smaller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub small: Option<SmolStr>,
    /// Larger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub large: Option<SmolStr>,
    /// Largest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xlarge: Option<SmolStr>,
}

/// A text for people, in up to three forms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormattedText {
    /// Plain.
    pub text: String,
    /// As Markdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub markdown: Option<String>,
    /// As HTML.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
}

/// What is new in a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateNotes {
    /// In a line.
    pub header: String,
    /// In several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<Vec<String>>,
}

/// How users rate it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rating {
    /// In a word or a letter.
    pub score: SmolStr,
    /// In points.
    pub points: i64,
}

/// Its pictures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Graphics {
    /// Across the top.
    pub banner: Drawable,
    /// Its logo.
    pub logo: Drawable,
    /// What it looks like; at most 32.
    pub screenshots: Vec<Drawable>,
}

/// What an app shows of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Info {
    /// `x.y.z`.
    pub version: SmolStr,
    /// What is new in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_notes: Option<UpdateNotes>,
    /// What the maker says of its being published. The exchange goes by the registry, not by this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<bool>,
    /// Its name.
    pub name: SmolStr,
    /// In a line.
    pub headline: String,
    /// In words.
    pub description: FormattedText,
    /// The same, for the page that asks for consent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hmi_description: Option<FormattedText>,
    /// Where its terms stand.
    pub terms_url: SmolStr,
    /// Where its privacy policy stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privacy_policy_url: Option<SmolStr>,
    /// Why it processes data: the purpose of its data debit.
    pub data_use_purpose: String,
    /// Whom to ask.
    pub support_contact: SmolStr,
    /// How users rate it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rating: Option<Rating>,
    /// What its data looks like; at most 64 items.
    #[serde(default)]
    pub data_preview: Vec<FeedItem>,
    /// Its pictures.
    pub graphics: Graphics,
    /// `#rrggbb` or a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_color: Option<SmolStr>,
    /// Called by the HAT after set-up. The exchange calls nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<SmolStr>,
    /// Its page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<SmolStr>,
}

/// Who made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Developer {
    /// Its id.
    pub id: SmolStr,
    /// Its name.
    pub name: SmolStr,
    /// Its page.
    pub url: SmolStr,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<SmolStr>,
    /// Its logo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logo: Option<Drawable>,
}
