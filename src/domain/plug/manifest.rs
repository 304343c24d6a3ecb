//! A plug's manifest: what it acquires, what of that is personal, and how fresh it is; read strictly.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use smol_str::SmolStr;

use crate::domain::job::JobLimits;
use crate::domain::pii::Class;

/// Most bytes of a manifest as compact JSON: the approved one and eight that wait fit in one answer of 512 KiB.
pub const MANIFEST_BYTES_MAX: usize = 32 * 1024;
/// Most endpoints of one plug.
pub const ENDPOINTS_MAX: usize = 64;
/// Most field paths of one endpoint.
const FIELDS_MAX: usize = 256;
/// Most bytes of a field's path.
const PATH_BYTES_MAX: usize = 256;
/// Shortest refresh interval, in seconds.
const REFRESH_SECONDS_MIN: u32 = 60;
/// Longest refresh interval and freshness limit, in seconds: 366 days.
const SECONDS_MAX: u32 = 366 * 86_400;
/// Deepest nesting of the settings.
const SETTINGS_DEPTH_MAX: usize = 16;
/// Ends of a setting's name, without case and punctuation, which say that its value opens a door.
const SECRET_ENDS: [&str; 8] =
    ["password", "passphrase", "secret", "token", "apikey", "privatekey", "authorization", "credential"];
/// How a setting refers to a secret that is kept elsewhere.
const REFERENCES: [&str; 3] = ["env:", "file:", "credential:"];

/// What is wrong with a manifest, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {why}")]
pub struct ManifestFault {
    /// Where, like `manifest.endpoints[2].fields`.
    pub at: String,
    /// Why.
    pub why: String,
}

/// One endpoint that the plug writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EndpointOf {
    /// Its name below the plug's namespace.
    pub name: SmolStr,
    /// What it holds, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The class of each field, by its dotted path.
    #[serde(default)]
    pub fields: BTreeMap<SmolStr, Class>,
    /// How often it is read anew, in seconds: 60 to 366 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_seconds: Option<u32>,
}

/// A plug's manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// What the plug does, for people; 1 to 4,096 bytes.
    pub description: String,
    /// Its page, `https://…` or `http://…`.
    pub url: SmolStr,
    /// Its picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub illustration_url: Option<SmolStr>,
    /// Whom to ask: an address of a page or of mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<SmolStr>,
    /// What it writes; 1 to [`ENDPOINTS_MAX`], each name once.
    pub endpoints: Vec<EndpointOf>,
    /// The plug is not healthy when no job has succeeded for so many seconds: 60 to 366 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fresh_for_seconds: Option<u32>,
    /// How its jobs are handed out; needed by none, and none is planned of an endpoint without `refreshSeconds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<JobLimits>,
    /// What its connector is set to; opaque to the exchange, without secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Value>,
}

fn refuse<T>(at: impl Into<String>, why: impl Into<String>) -> Result<T, ManifestFault> {
    Err(ManifestFault { at: at.into(), why: why.into() })
}

impl Manifest {
    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// [`ManifestFault`]: the first place that is wrong.
    pub fn read(value: &Value) -> Result<Self, ManifestFault> {
        // serde would take an array for the fields in their order.
        if !value.is_object() {
            return refuse("manifest", "is no object");
        }
        if value.to_string().len() > MANIFEST_BYTES_MAX {
            return refuse("manifest", format!("more than {MANIFEST_BYTES_MAX} bytes"));
        }
        let listed = value["endpoints"].as_array();
        if let Some(n) = listed.and_then(|listed| listed.iter().position(|endpoint| !endpoint.is_object())) {
            return refuse(format!("manifest.endpoints[{n}]"), "is no object");
        }
        let manifest: Manifest = serde_path_to_error::deserialize(value).map_err(|error| ManifestFault {
            at: format!("manifest.{}", error.path()),
            why: error.inner().to_string(),
        })?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The endpoint of this name below the plug's namespace.
    pub fn endpoint(&self, name: &str) -> Option<&EndpointOf> {
        self.endpoints.iter().find(|endpoint| endpoint.name == name)
    }

    /// The endpoints that are read at intervals.
    pub fn scheduled(&self) -> impl Iterator<Item = (&EndpointOf, u32)> {
        self.endpoints.iter().filter_map(|endpoint| Some((endpoint, endpoint.refresh_seconds?)))
    }

    /// Whether any endpoint is read at intervals.
    pub fn has_jobs(&self) -> bool {
        self.scheduled().next().is_some()
    }

    fn check(&self) -> Result<(), ManifestFault> {
        length("manifest.description", &self.description, 4096)?;
        page("manifest.url", &self.url)?;
        self.illustration_url.as_ref().map_or(Ok(()), |url| page("manifest.illustrationUrl", url))?;
        self.contact.as_ref().map_or(Ok(()), |contact| length("manifest.contact", contact, 256))?;
        if self.endpoints.is_empty() || self.endpoints.len() > ENDPOINTS_MAX {
            return refuse("manifest.endpoints", format!("has {} elements, not 1 to 64", self.endpoints.len()));
        }
        for (n, endpoint) in self.endpoints.iter().enumerate() {
            endpoint.check(&format!("manifest.endpoints[{n}]"))?;
            if self.endpoints[..n].iter().any(|other| other.name == endpoint.name) {
                return refuse(format!("manifest.endpoints[{n}].name"), format!("{:?} is there twice", endpoint.name));
            }
        }
        seconds("manifest.freshForSeconds", self.fresh_for_seconds)?;
        if let Some((field, value, (least, most))) = self.jobs.as_ref().and_then(JobLimits::out_of_range) {
            return refuse(format!("manifest.jobs.{field}"), format!("{value} is not {least} to {most}"));
        }
        self.settings.as_ref().map_or(Ok(()), |settings| no_secrets("manifest.settings", settings, 0))
    }
}

impl EndpointOf {
    fn check(&self, at: &str) -> Result<(), ManifestFault> {
        let allowed = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'_' | b'/');
        let plain = self.name.bytes().all(allowed) && self.name.split('/').all(|part| !part.is_empty());
        if self.name.len() > 128 || !plain {
            return refuse(
                format!("{at}.name"),
                "is not the name of an endpoint below the namespace, like `feed/posts`",
            );
        }
        self.description.as_ref().map_or(Ok(()), |text| length(&format!("{at}.description"), text, 1024))?;
        if self.fields.len() > FIELDS_MAX {
            return refuse(format!("{at}.fields"), format!("has {} fields, more than {FIELDS_MAX}", self.fields.len()));
        }
        let whole = |path: &str| path.len() <= PATH_BYTES_MAX && path.split('.').all(|part| !part.is_empty());
        if let Some(path) = self.fields.keys().find(|path| !whole(path)) {
            let path: String = path.chars().take(64).collect();
            return refuse(format!("{at}.fields"), format!("{path:?} is no dotted path of at most 256 bytes"));
        }
        seconds(&format!("{at}.refreshSeconds"), self.refresh_seconds)
    }
}

fn length(at: &str, text: &str, most: usize) -> Result<(), ManifestFault> {
    match text.len() {
        n if n == 0 || n > most => refuse(at, format!("has {n} bytes, not 1 to {most}")),
        _ => Ok(()),
    }
}

/// That it is a page's address, without a password in it.
fn page(at: &str, text: &str) -> Result<(), ManifestFault> {
    length(at, text, 256)?;
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
    match host {
        Some(host) if !host.is_empty() && !host.contains('@') => Ok(()),
        Some(host) if host.contains('@') => refuse(at, "names a user in the address; a manifest is public"),
        _ => refuse(at, "is not an address of the web, https://…"),
    }
}

fn seconds(at: &str, value: Option<u32>) -> Result<(), ManifestFault> {
    match value {
        Some(n) if !(REFRESH_SECONDS_MIN..=SECONDS_MAX).contains(&n) => {
            refuse(at, format!("{n} is not {REFRESH_SECONDS_MIN} to {SECONDS_MAX}"))
        }
        _ => Ok(()),
    }
}

/// That nothing in the settings is named like a secret, unless it refers to one that is kept elsewhere: a manifest is
/// ledgered and public.
fn no_secrets(at: &str, value: &Value, depth: usize) -> Result<(), ManifestFault> {
    if depth > SETTINGS_DEPTH_MAX {
        return refuse(at, format!("is nested deeper than {SETTINGS_DEPTH_MAX}"));
    }
    match value {
        Value::Object(fields) => fields.iter().try_for_each(|(name, value)| {
            let at = format!("{at}.{name}");
            let refers = value.as_str().is_some_and(|text| REFERENCES.iter().any(|kind| text.starts_with(kind)));
            if names_secret(name) && !refers && !value.is_object() && !value.is_boolean() && !value.is_null() {
                let why = "is named like a secret, and a manifest is public: refer to it by env:, file: or credential:";
                return refuse(at, why);
            }
            no_secrets(&at, value, depth + 1)
        }),
        Value::Array(list) => {
            list.iter().enumerate().try_for_each(|(n, value)| no_secrets(&format!("{at}[{n}]"), value, depth + 1))
        }
        _ => Ok(()),
    }
}

fn names_secret(name: &str) -> bool {
    let plain: String = name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    SECRET_ENDS.iter().any(|end| plain.ends_with(end))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn whole() -> Value {
        serde_json::from_str(include_str!("facebook.json")).expect("JSON")
    }

    fn fault(change: impl FnOnce(&mut Value)) -> String {
        let mut value = whole();
        change(&mut value);
        Manifest::read(&value).expect_err("it is wrong").to_string()
    }

    #[test]
    fn a_manifest_is_read_and_written_the_same() {
        let manifest = Manifest::read(&whole()).expect("a manifest");
        assert_eq!(serde_json::to_value(&manifest).expect("JSON"), whole());
        assert_eq!(manifest.endpoints[0].fields["from.name"], Class::Direct);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (told, expected) in [
            (fault(|m| m["colour"] = json!("red")), "unknown field `colour`"),
            (fault(|m| *m = json!([1, 2])), "manifest: is no object"),
            (fault(|m| m["endpoints"][0] = json!(["feed"])), "manifest.endpoints[0]: is no object"),
            (fault(|m| m["endpoints"] = json!([])), "manifest.endpoints: has 0 elements"),
            (
                fault(|m| m["endpoints"][1]["name"] = json!("feed")),
                "manifest.endpoints[1].name: \"feed\" is there twice",
            ),
            (fault(|m| m["endpoints"][0]["name"] = json!("/feed")), "manifest.endpoints[0].name"),
            (fault(|m| m["endpoints"][0]["fields"]["a..b"] = json!("none")), "no dotted path"),
            (fault(|m| m["endpoints"][0]["fields"]["id"] = json!("secret")), "manifest.endpoints[0].fields.id"),
            (fault(|m| m["endpoints"][0]["refreshSeconds"] = json!(59)), "59 is not 60 to"),
            (fault(|m| m["freshForSeconds"] = json!(0)), "manifest.freshForSeconds"),
            (fault(|m| m["jobs"] = json!({"leaseSeconds": 9})), "manifest.jobs.leaseSeconds: 9 is not 10 to 3600"),
            (fault(|m| m["jobs"] = json!({"often": true})), "manifest.jobs.often"),
            (fault(|m| m["url"] = json!("https://joe:pw@plug.example/")), "names a user"),
            (fault(|m| m["illustrationUrl"] = json!("javascript:alert(1)")), "manifest.illustrationUrl"),
            (
                fault(|m| m["settings"]["oauth"]["client_secret"] = json!("abc")),
                "manifest.settings.oauth.client_secret",
            ),
            (fault(|m| m["settings"]["api-key"] = json!(["abc"])), "manifest.settings.api-key"),
            (fault(|m| m["settings"]["note"] = json!("x".repeat(40_000))), "more than 32768 bytes"),
        ] {
            assert!(told.contains(expected), "{told} does not say {expected}");
        }
    }

    #[test]
    fn a_secret_may_be_referred_to() {
        let mut value = whole();
        value["settings"]["clientSecret"] = json!("credential:facebook");
        value["settings"]["tokenUrl"] = json!("https://graph.example/token");
        Manifest::read(&value).expect("it refers to its secret");
    }
}
