//! A party's registration: standing, keys and profile. The registry read model holds one per party,
//! and the party's own entity folds the same.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::bytes::Key;
use super::entry::Entry;
use super::event::Event;
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

impl Registration {
    /// The record of a key that the party ever held.
    pub fn key(&self, key: &Key) -> Option<&KeyRecord> {
        self.keys.iter().find(|record| record.key == *key)
    }

    /// Whether `key` is in force at `at`.
    pub fn in_force(&self, key: &Key, at: Timestamp) -> bool {
        self.key(key).is_some_and(|record| {
            record.from <= at && record.until.is_none_or(|until| at < until)
        })
    }

    /// The keys that are in force at `at`.
    pub fn keys_in_force(&self, at: Timestamp) -> impl Iterator<Item = &KeyRecord> {
        self.keys
            .iter()
            .filter(move |record| record.from <= at && record.until.is_none_or(|until| at < until))
    }

    /// Folds one entry of the party in. Total: what does not fit changes nothing.
    pub fn apply(&mut self, entry: &Entry) {
        match &entry.event {
            Event::Registered { key, profile, .. } => self.registered(entry, *key, profile),
            Event::Approved { key } => self.approved(entry, key.as_ref()),
            Event::Suspended => self.stand(Standing::Suspended, entry.n),
            Event::Resumed => self.stand(Standing::Active, entry.n),
            Event::Retired => self.stand(Standing::Retired, entry.n),
            Event::KeyRotated { key } => {
                for record in self.keys.iter_mut().filter(|record| record.until.is_none()) {
                    record.until = Some(entry.at);
                }
                self.hold(*key, entry.at, entry.n);
            }
            Event::KeyRevoked { key, since } => {
                for record in self.keys.iter_mut().filter(|record| record.key == *key) {
                    let until = record.until.map_or(*since, |until| until.min(*since));
                    record.until = Some(until);
                }
            }
            Event::OperatorDeclared { keys } => {
                for record in &mut self.keys {
                    if record.until.is_none() && !keys.contains(&record.key) {
                        record.until = Some(entry.at);
                    }
                }
                for key in keys {
                    if !self.in_force(key, entry.at) {
                        self.hold(*key, entry.at, entry.n);
                    }
                }
                self.profile = Some(Profile::Operator);
                self.stand(Standing::Active, entry.n);
            }
            _ => {}
        }
    }

    fn stand(&mut self, standing: Standing, n: u64) {
        self.standing = standing;
        self.standing_n = n;
    }

    /// A key is in force from `from` on; a key that was held before is so again.
    fn hold(&mut self, key: Key, from: Timestamp, n: u64) {
        self.keys.retain(|record| record.key != key);
        self.keys.push(KeyRecord { key, from, until: None, n });
    }

    fn registered(&mut self, entry: &Entry, key: Key, profile: &Profile) {
        if matches!(profile, Profile::Hat | Profile::Platform { .. }) {
            self.profile = Some(profile.clone());
            self.hold(key, entry.at, entry.n);
            self.stand(Standing::Active, entry.n);
            return;
        }
        let pending = PendingRegistration { profile: profile.clone(), at: entry.at, n: entry.n };
        self.pending.insert(key, pending);
        if self.standing == Standing::Unknown {
            self.standing = Standing::Pending;
        }
    }

    fn approved(&mut self, entry: &Entry, key: Option<&Key>) {
        let Some(key) = key else { return };
        let Some(pending) = self.pending.remove(key) else { return };
        self.pending.clear();
        self.profile = Some(pending.profile);
        self.hold(*key, entry.at, pending.n);
        self.stand(Standing::Active, entry.n);
    }
}
