//! How an app is set up on a HAT, and how it is told whether it runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::info::Drawable;

/// A page of its introduction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnboardingStep {
    /// Its title.
    pub title: String,
    /// Its picture.
    pub illustration: Drawable,
    /// Its text.
    pub description: String,
}

/// One setting that the owner may make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Preference {
    /// What it is called.
    pub setting: SmolStr,
    /// What it does.
    pub description: String,
    /// What kind of value it has.
    pub kind: SmolStr,
    /// Unless the owner says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_value: Option<serde_json::Value>,
    /// As it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<serde_json::Value>,
}

/// The settings, kept as data at an endpoint of the HAT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preferences {
    /// Where.
    pub endpoint: SmolStr,
    /// By key.
    pub preferences: BTreeMap<SmolStr, Preference>,
}

/// How it is set up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all_fields = "camelCase", deny_unknown_fields)]
#[allow(missing_docs)] // the names are those of the HAT's own format
#[allow(clippy::large_enum_variant)] // one of them in each manifest, which is shared
pub enum Setup {
    /// By its own pages or apps elsewhere.
    External {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<SmolStr>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ios_url: Option<SmolStr>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        android_url: Option<SmolStr>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        testing_url: Option<SmolStr>,
        #[serde(default)]
        valid_redirect_uris: Vec<SmolStr>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deauthorize_callback_url: Option<SmolStr>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        onboarding: Option<Vec<OnboardingStep>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        preferences: Option<Preferences>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dependencies: Option<Vec<SmolStr>>,
    },
    /// By the HAT alone.
    Internal {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        onboarding: Option<Vec<OnboardingStep>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        preferences: Option<Preferences>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dependencies: Option<Vec<SmolStr>>,
    },
}

/// How it is told whether it runs, and since which version an owner need not accept it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all_fields = "camelCase", deny_unknown_fields)]
#[allow(missing_docs)] // the names are those of the HAT's own format
pub enum Status {
    /// It always does.
    Internal {
        compatibility: SmolStr,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data_preview_endpoint: Option<SmolStr>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        static_data_preview_endpoint: Option<SmolStr>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        recent_data_check_endpoint: Option<SmolStr>,
        version_release_date: SmolStr,
    },
    /// The HAT asks it at an address.
    External {
        compatibility: SmolStr,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data_preview_endpoint: Option<SmolStr>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        static_data_preview_endpoint: Option<SmolStr>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        recent_data_check_endpoint: Option<SmolStr>,
        version_release_date: SmolStr,
        status_url: SmolStr,
        expected_status: u16,
    },
}

impl Status {
    /// Who has accepted an older version than this must accept again.
    pub fn compatibility(&self) -> &str {
        match self {
            Status::Internal { compatibility, .. } | Status::External { compatibility, .. } => compatibility,
        }
    }
}
