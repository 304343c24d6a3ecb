//! An app's manifest, in the format of HATs: read strictly, and what the exchange takes from it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use smol_str::SmolStr;

use super::info::{Developer, Info};
use super::setup::{Setup, Status};
use super::version::Version;
use crate::domain::bundle::Bundle;
use crate::domain::event::DebitTerms;
use crate::domain::id::{Address, Id, Kind};

/// Most bytes of a manifest as compact JSON: the published one and eight that wait fit in one answer of 512 KiB.
pub const MANIFEST_BYTES_MAX: usize = 48 * 1024;
/// Most elements of each of its lists.
const LIST_MAX: usize = 64;
/// Seconds of a period of the debit that follows from it: 30 days.
const PERIOD_SECONDS: u32 = 30 * 86_400;
/// Most bytes of a purpose, as a debit's.
const PURPOSE_BYTES_MAX: usize = 256;

/// What is wrong with a manifest, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {why}")]
pub struct ManifestFault {
    /// Where, like `manifest.info.version`.
    pub at: String,
    /// Why.
    pub why: String,
}

/// What an app is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all_fields = "camelCase", deny_unknown_fields)]
#[allow(missing_docs)] // the names are those of the HAT's own format
pub enum AppKind {
    /// An app with pages or programs of its own.
    App {
        url: SmolStr,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ios_url: Option<SmolStr>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        android_url: Option<SmolStr>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        provisioning_service: Option<SmolStr>,
    },
    /// A plug that is set up like an app.
    DataPlug { url: SmolStr },
    /// A tool that the HAT runs.
    Tool { url: SmolStr },
    /// A contract; its id is a UUID.
    Contract { url: SmolStr },
}

impl AppKind {
    /// Its name.
    pub const fn name(&self) -> &'static str {
        match self {
            AppKind::App { .. } => "App",
            AppKind::DataPlug { .. } => "DataPlug",
            AppKind::Tool { .. } => "Tool",
            AppKind::Contract { .. } => "Contract",
        }
    }
}

/// A role that the app asks the owner for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleGranted {
    /// Which.
    pub role: SmolStr,
    /// Of what: a namespace, a debit, an app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<SmolStr>,
}

/// The roles of HATs, and whether each needs a detail. `owner` and `platform` are never granted to an app.
const ROLES: [(&str, bool); 10] = [
    ("validate", false),
    ("datadebit", true),
    ("datacredit", false),
    ("namespacewrite", true),
    ("namespaceread", true),
    ("retrieveapplicationtoken", true),
    ("applicationmanage", true),
    ("applicationstatusread", true),
    ("applicationlist", false),
    ("managefiles", true),
];

/// What the app may do on a HAT that has set it up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Permissions {
    /// Its roles.
    pub roles_granted: Vec<RoleGranted>,
    /// The data that it reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_retrieved: Option<Bundle>,
}

/// What must be set up with it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dependencies {
    /// Plugs, by id.
    #[serde(default)]
    pub plugs: Vec<SmolStr>,
    /// Tools, by id.
    #[serde(default)]
    pub tools: Vec<SmolStr>,
    /// Contracts, by id.
    #[serde(default)]
    pub contracts: Vec<SmolStr>,
}

/// An app's manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Its id, that of the party.
    pub id: SmolStr,
    /// What it is.
    pub kind: AppKind,
    /// What it shows of itself.
    pub info: Info,
    /// Who made it.
    pub developer: Developer,
    /// What it may do.
    pub permissions: Permissions,
    /// What must be set up with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dependencies: Option<Dependencies>,
    /// How it is set up.
    pub setup: Setup,
    /// How it is told whether it runs.
    pub status: Status,
}

fn refuse<T>(at: impl Into<String>, why: impl Into<String>) -> Result<T, ManifestFault> {
    Err(ManifestFault { at: at.into(), why: why.into() })
}

impl Manifest {
    /// Reads and checks the manifest of `app:<id>`.
    ///
    /// # Errors
    /// [`ManifestFault`]: the first place that is wrong.
    pub fn read(id: &Id, value: &Value) -> Result<Self, ManifestFault> {
        if value.to_string().len() > MANIFEST_BYTES_MAX {
            return refuse("manifest", format!("more than {MANIFEST_BYTES_MAX} bytes"));
        }
        if value.pointer("/permissions/dataRequired").is_some() {
            let why = "the debit request of the first version is not taken: say dataRetrieved, a bundle";
            return refuse("manifest.permissions.dataRequired", why);
        }
        let manifest: Manifest = serde_path_to_error::deserialize(value).map_err(|error| ManifestFault {
            at: format!("manifest.{}", error.path()),
            why: error.inner().to_string(),
        })?;
        manifest.check(id)?;
        Ok(manifest)
    }

    fn check(&self, id: &Id) -> Result<(), ManifestFault> {
        if self.id != id.as_str() {
            return refuse("manifest.id", format!("is {:?}, not that of the party, {:?}", self.id, id.as_str()));
        }
        if matches!(self.kind, AppKind::Contract { .. }) && uuid::Uuid::try_parse(&self.id).is_err() {
            return refuse("manifest.id", "a contract's id is a UUID");
        }
        let version = |at: &str, text: &str| text.parse::<Version>().or_else(|why| refuse(at, why));
        let own = version("manifest.info.version", &self.info.version)?;
        let compatible = version("manifest.status.compatibility", self.status.compatibility())?;
        if compatible > own {
            return refuse("manifest.status.compatibility", format!("is after the version itself, {own}"));
        }
        for (at, text, most) in [
            ("manifest.info.name", self.info.name.as_str(), 128),
            ("manifest.developer.name", self.developer.name.as_str(), 128),
            ("manifest.info.dataUsePurpose", self.info.data_use_purpose.as_str(), PURPOSE_BYTES_MAX),
            ("manifest.info.termsUrl", self.info.terms_url.as_str(), 256),
        ] {
            if text.is_empty() || text.len() > most {
                return refuse(at, format!("has {} bytes, not 1 to {most}", text.len()));
            }
        }
        let lists = [
            ("manifest.info.dataPreview", self.info.data_preview.len()),
            ("manifest.info.graphics.screenshots", self.info.graphics.screenshots.len()),
            ("manifest.permissions.rolesGranted", self.permissions.roles_granted.len()),
        ];
        if let Some((at, count)) = lists.into_iter().find(|(_, count)| *count > LIST_MAX) {
            return refuse(at, format!("has {count} elements, more than {LIST_MAX}"));
        }
        self.permissions.roles_granted.iter().enumerate().try_for_each(|(n, granted)| role(n, granted))
    }

    /// The namespaces that it may write.
    pub fn namespaces(&self) -> Vec<SmolStr> {
        let granted = self.permissions.roles_granted.iter().filter(|granted| granted.role == "namespacewrite");
        let mut namespaces: Vec<SmolStr> = granted.filter_map(|granted| granted.detail.clone()).collect();
        namespaces.sort_unstable();
        namespaces.dedup();
        namespaces
    }

    /// Id and terms of the data debit that follows from what it reads; none when it reads nothing.
    pub fn debit(&self, app: &Id) -> Option<(String, DebitTerms)> {
        let bundle = self.permissions.data_retrieved.clone()?;
        let client = Address::new(Kind::App, app.clone());
        let mut terms = DebitTerms::new(client, self.info.data_use_purpose.as_str(), bundle, PERIOD_SECONDS);
        terms.terms_url = Some(self.info.terms_url.clone());
        terms.request_client_name = Some(self.info.name.clone());
        terms.request_client_url = self.info.url.clone();
        terms.request_client_logo_url = Some(self.info.graphics.logo.normal.clone());
        terms.request_application_id = Some(self.id.clone());
        Some((format!("app-{app}"), terms))
    }

    /// Whether an owner who has accepted `version` must accept again.
    pub fn outdates(&self, version: &str) -> bool {
        let accepted: Result<Version, _> = version.parse();
        let wanted: Result<Version, _> = self.status.compatibility().parse();
        wanted.is_ok_and(|wanted| accepted.is_ok_and(|accepted| accepted < wanted))
    }
}

fn role(n: usize, granted: &RoleGranted) -> Result<(), ManifestFault> {
    let at = format!("manifest.permissions.rolesGranted[{n}]");
    let Some((_, detailed)) = ROLES.iter().find(|(name, _)| *name == granted.role) else {
        let known: Vec<&str> = ROLES.iter().map(|(name, _)| *name).collect();
        return refuse(format!("{at}.role"), format!("is none that an app is granted; known: {}", known.join(", ")));
    };
    match &granted.detail {
        None if *detailed => refuse(format!("{at}.detail"), format!("missing: {} is of something", granted.role)),
        Some(detail) if granted.role.starts_with("namespace") => {
            let allowed = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'z' | b'-');
            if detail.is_empty() || detail.len() > 128 || !detail.bytes().all(allowed) {
                return refuse(format!("{at}.detail"), "not a namespace of 0-9, a-z and '-'");
            }
            Ok(())
        }
        _ => Ok(()),
    }
}
