//! A party's registration: standing, keys and profile. The registry read model holds one per party,
//! and the party's own entity folds the same.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::bytes::Key;
use super::time::Timestamp;

/// Where a party stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Never registered.
    #[default]
    Unknown,
    /// Registered, waits for the operator's approval.
    Pending,
    /// In force.
    Active,
    /// Taken out of force for now.
    Suspended,
    /// Gone for ever.
    Retired,
}

/// One key and when it is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// The key.
    pub key: Key,
    /// In force from then on.
    pub from: Timestamp,
    /// Not in force from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Number of the entity's entry that brought it.
    pub n: u64,
}

/// What a party says of itself, by kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Profile {
    /// A HAT, vouched for by this platform.
    Hat,
    /// A plug and the namespace that it may write.
    Plug { name: SmolStr, namespace: SmolStr },
    /// An app and the namespaces that it may write.
    App {
        name: SmolStr,
        version: SmolStr,
        namespaces: Vec<SmolStr>,
    },
    /// An organisation.
    Org { name: SmolStr },
    /// A HAT provider for a domain (its id).
    Platform { name: SmolStr },
    /// An operator.
    Operator,
}

/// A registration that waits for approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingRegistration {
    /// What the party said of itself.
    pub profile: Profile,
    /// When.
    pub at: Timestamp,
    /// Number of its entry.
    pub n: u64,
}

/// A party as the registry knows it. Folded from entries by [`Registration::apply`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Registration {
    /// Where it stands.
    pub standing: Standing,
    /// Its keys, oldest first.
    pub keys: Vec<KeyRecord>,
    /// What it says of itself; none before it is registered.
    pub profile: Option<Profile>,
    /// Registrations that wait, by key: nobody can squat on an id.
    pub pending: BTreeMap<Key, PendingRegistration>,
    /// Number of the entry that last changed the standing: the approval relied on.
    pub standing_n: u64,
}
