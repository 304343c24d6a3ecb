//! The trust bundle: who may take part in an exchange and with which rules, signed, to be used without asking until it ends.

mod check;
mod make;
mod rights;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::domain::app::Manifest;
use crate::domain::registration::KeyRecord;
use crate::domain::{Address, Digest, Key, Kind, Profile, Registration, Signature, Standing, Timestamp};

pub use check::{BundleError, Root, check, named};
pub use make::{Made, make};
pub use rights::Ruling;

/// First line of the text that a bundle's signature is over.
pub const VERSION: &str = "dex-trust-bundle-v1";
/// Largest bundle that is read, bytes: as much as the broker lets through.
pub const BYTES_MAX: usize = 1 << 20;
/// The kinds that are listed, in the order in which they are. HATs are not: a platform's keys and domain tell its HATs.
pub const LISTED: [Kind; 6] = [Kind::Operator, Kind::Platform, Kind::Bridge, Kind::Plug, Kind::App, Kind::Org];

/// The tree that a bundle stands on: all that it says was committed below this size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stand {
    /// Leaves in the tree.
    pub tree_size: u64,
    /// Its root.
    pub root: Digest,
    /// The signed note (C2SP tlog-checkpoint) that says so.
    pub note: String,
}

/// Most bytes that the roles of one app may take in a bundle, as JSON; beyond them they are not told.
pub const ROLES_BYTES_MAX: usize = 8 * 1024;

/// A role that an app asks a HAT for, as its published manifest says it (`permissions.rolesGranted`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Role {
    /// Its name on the HAT, such as `namespaceread`.
    pub role: SmolStr,
    /// Of what: a namespace, an app, a debit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<SmolStr>,
}

/// What a party may, as far as it is the same for all HATs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Rules {
    /// Namespaces that a plug or an app may write, in HATs that have connected it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<SmolStr>,
    /// A platform vouches for the HATs whose name ends in a dot and this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<SmolStr>,
    /// The version of an app that is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<SmolStr>,
    /// The roles of that version, in order. Absent when they are not known: in bundles made before they were told, for an
    /// app without a manifest, and when they would take more than [`ROLES_BYTES_MAX`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<Role>>,
}

/// A key of a party. One with an end was replaced, or revoked as of then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartyKey {
    /// The key.
    pub key: Key,
    /// Its short name.
    pub fingerprint: SmolStr,
    /// In force from then on.
    pub from: Timestamp,
    /// Not in force from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// A party that takes or took part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// Who.
    pub party: Address,
    /// `active`, `suspended` or `retired`.
    pub standing: Standing,
    /// What it may.
    #[serde(default)]
    pub rules: Rules,
    /// Its keys, oldest first.
    pub keys: Vec<PartyKey>,
}

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrustBundle {
    /// The form's version: 1.
    pub v: u32,
    /// The exchange.
    pub origin: SmolStr,
    /// Registry changes of listed parties that are in it: grows with each.
    pub generation: u64,
    /// When it was made.
    pub issued: Timestamp,
    /// It says nothing from then on.
    pub expires: Timestamp,
    /// The tree that it stands on.
    pub checkpoint: Stand,
    /// The exchange's signing keys.
    pub keys: Vec<Key>,
    /// False when not all parties had room.
    pub complete: bool,
    /// How many had none: the last in order.
    pub omitted: u64,
    /// The parties: by kind in the order of [`LISTED`], then by id.
    pub parties: Vec<Party>,
}

/// A bundle with its signature: what is sent and saved, as canonical JSON (RFC 8785).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    bundle: serde_json::Value,
    key: Key,
    signature: Signature,
}

impl Party {
    /// A party as the registry knows it; none when it only waits for approval, or is of a kind that is not listed.
    pub fn of(party: &Address, registration: &Registration) -> Option<Party> {
        let listed = LISTED.contains(&party.kind);
        if !listed || matches!(registration.standing, Standing::Unknown | Standing::Pending) {
            return None;
        }
        let rules = match &registration.profile {
            Some(Profile::Plug { namespace, .. }) => Rules { namespaces: vec![namespace.clone()], ..Rules::default() },
            Some(Profile::App { namespaces, version, manifest, .. }) => Rules {
                namespaces: namespaces.clone(),
                version: Some(version.clone()),
                roles: manifest.as_ref().and_then(|manifest| roles(manifest)),
                domain: None,
            },
            Some(Profile::Platform { .. }) => Rules { domain: Some(party.id.as_str().into()), ..Rules::default() },
            _ => Rules::default(),
        };
        let keys = registration.keys.iter().map(PartyKey::of).collect();
        Some(Party { party: party.clone(), standing: registration.standing, rules, keys })
    }

    /// Where it stands in the order of a bundle.
    fn place(&self) -> (usize, &str) {
        let kind = LISTED.iter().position(|kind| *kind == self.party.kind).unwrap_or(LISTED.len());
        (kind, self.party.id.as_str())
    }
}

/// The roles of a manifest, each once; none when they are too long.
fn roles(manifest: &Manifest) -> Option<Vec<Role>> {
    let granted = manifest.permissions.roles_granted.iter();
    let mut roles: Vec<Role> = granted.map(|it| Role { role: it.role.clone(), detail: it.detail.clone() }).collect();
    roles.sort_unstable();
    roles.dedup();
    let bytes = serde_json::to_vec(&roles).map_or(usize::MAX, |text| text.len());
    (bytes <= ROLES_BYTES_MAX).then_some(roles)
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.detail {
            Some(detail) => write!(f, "{} {detail}", self.role),
            None => f.write_str(&self.role),
        }
    }
}

impl PartyKey {
    fn of(held: &KeyRecord) -> PartyKey {
        PartyKey { key: held.key, fingerprint: held.key.fingerprint().into(), from: held.from, until: held.until }
    }
}

/// The text that the signature of a bundle with this digest is over.
fn signed_text(origin: &str, digest: &Digest) -> Vec<u8> {
    format!("{VERSION}\n{origin}\n{digest}").into_bytes()
}
