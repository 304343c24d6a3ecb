//! A party's registration: standing, keys and profile. The registry read model holds one per party,
//! and the party's own entity folds the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::app::{Manifest, Published, VERSIONS_MAX};
use super::bytes::{Digest, Key};
use super::entry::Entry;
use super::event::Event;
use super::id::{Address, Id, Kind};
use super::job::Hold;
use super::pii::{Allowed, ClassSet, Classified};
use super::pin::Pin;
use super::plug;
use super::time::Timestamp;
use super::verdict::Reason;

/// Most key records kept of one party whatever the limits say: beyond it the oldest that is not in
/// force is dropped, so that a registration stays bounded.
pub const KEYS_KEPT_MAX: usize = 64;

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

/// How a HAT is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// It speaks NATS itself.
    #[default]
    Nats,
    /// It speaks only HTTP: its bridge carries to and from it.
    Http,
}

impl Transport {
    /// Whether it speaks NATS itself.
    pub fn is_nats(&self) -> bool {
        *self == Transport::Nats
    }
}

/// What a party says of itself, by kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
#[allow(missing_docs)] // each variant's own text tells what its fields are
pub enum Profile {
    /// A HAT: the key that its tokens over HTTP are checked by, how it is spoken to, and the bridge that may speak for it.
    Hat {
        #[serde(default, skip_serializing_if = "Option::is_none", rename = "publicKey")]
        public_key: Option<Pin>,
        #[serde(default, skip_serializing_if = "Transport::is_nats")]
        transport: Transport,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bridge: Option<Id>,
    },
    /// A plug, the namespace that it may write, and its whole manifest when it brought one.
    Plug {
        name: SmolStr,
        namespace: SmolStr,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        manifest: Option<Arc<plug::Manifest>>,
    },
    /// An app, the namespaces that it may write, and its whole manifest when it brought one.
    App {
        name: SmolStr,
        version: SmolStr,
        namespaces: Vec<SmolStr>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        manifest: Option<Arc<Manifest>>,
    },
    /// An organisation.
    Org { name: SmolStr },
    /// A HAT provider for a domain (its id).
    Platform { name: SmolStr },
    /// A bridge that registered itself.
    Bridge { name: SmolStr },
    /// An operator.
    Operator,
}

impl Profile {
    /// A HAT that speaks NATS for itself and nothing else.
    pub const HAT: Profile = Profile::Hat { public_key: None, transport: Transport::Nats, bridge: None };
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
    /// Of an app: its published versions, oldest first, at most [`VERSIONS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<Published>,
    /// The first of two operators' words for what waits, where two are needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconded: Option<Box<Seconded>>,
    /// Whether it suspended itself: then it may resume itself.
    #[serde(default)]
    pub suspended_itself: bool,
    /// Of a plug: number of the entry that approved its manifest; 0 when that is the one of `standing_n`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub approved_n: u64,
    /// Of an org or app: the classes of personal data that it may ever be given; any when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Allowed>,
    /// Of the exchange itself: what operators say of the fields of endpoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classified: Option<Arc<BTreeMap<SmolStr, Classified>>>,
    /// Of a plug: whether, and until when, its jobs are held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<Hold>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// An operator's word that waits for another operator's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seconded {
    /// Who gave it.
    pub by: Address,
    /// For which key.
    pub key: Key,
    /// Number of the entry of the registration that it is for.
    pub registered: u64,
}

impl Profile {
    /// An app's manifest.
    pub fn manifest(&self) -> Option<&Arc<Manifest>> {
        match self {
            Profile::App { manifest, .. } => manifest.as_ref(),
            _ => None,
        }
    }

    /// A plug's manifest.
    pub fn plug_manifest(&self) -> Option<&Arc<plug::Manifest>> {
        match self {
            Profile::Plug { manifest, .. } => manifest.as_ref(),
            _ => None,
        }
    }
}

impl Registration {
    /// Whether the party ever held `key`. Before a first approval the key of each pending registration
    /// counts as held, so that whoever waits is told so; once a party is approved a pending key does not
    /// speak for it.
    pub fn ever_held(&self, key: &Key) -> bool {
        self.keys.iter().any(|held| held.key == *key) || self.waiting(key).is_some()
    }

    /// Number of the entry that brought `key`, when it is in force at `at`.
    pub fn in_force(&self, key: &Key, at: Timestamp) -> Option<u64> {
        let held = self.keys.iter().rev().find(|held| held.key == *key && held.covers(at));
        held.map(|held| held.n).or_else(|| self.waiting(key).map(|pending| pending.n))
    }

    /// The keys in force at `at`, oldest first.
    pub fn keys_at(&self, at: Timestamp) -> impl Iterator<Item = &KeyRecord> {
        self.keys.iter().filter(move |held| held.covers(at))
    }

    /// The bridge that a HAT is entrusted to.
    pub fn bridge(&self) -> Option<&Id> {
        match &self.profile {
            Some(Profile::Hat { bridge, .. }) => bridge.as_ref(),
            _ => None,
        }
    }

    /// The key that a HAT's tokens over HTTP are checked by.
    pub fn pin(&self) -> Option<&Pin> {
        match &self.profile {
            Some(Profile::Hat { public_key, .. }) => public_key.as_ref(),
            _ => None,
        }
    }

    /// How a HAT is spoken to.
    pub fn transport(&self) -> Transport {
        match &self.profile {
            Some(Profile::Hat { transport, .. }) => *transport,
            _ => Transport::Nats,
        }
    }

    /// That the party is in force; the number of the entry that made it so.
    ///
    /// # Errors
    /// The reason that its standing stands for.
    pub fn active(&self) -> Result<u64, Reason> {
        match self.standing {
            Standing::Active => Ok(self.standing_n),
            Standing::Unknown => Err(Reason::UnknownParty),
            Standing::Pending => Err(Reason::NotApproved),
            Standing::Suspended => Err(Reason::Suspended),
            Standing::Retired => Err(Reason::Retired),
        }
    }

    /// The entry that approved a plug's manifest.
    pub(crate) fn manifest_n(&self) -> u64 {
        if self.approved_n == 0 { self.standing_n } else { self.approved_n }
    }

    /// The classes of personal data that the party may ever be given.
    pub fn classes(&self) -> ClassSet {
        self.allowed.map_or(ClassSet::ALL, |allowed| allowed.classes)
    }

    fn waiting(&self, key: &Key) -> Option<&PendingRegistration> {
        match self.standing {
            Standing::Pending => self.pending.get(key),
            _ => None,
        }
    }

    /// Folds an entry of the party in. Total; an entry that says nothing of the registration leaves it.
    pub fn apply(&mut self, entry: &Entry) {
        if self.standing == Standing::Retired {
            // Receipts for what was delivered still come, so its keys may still change; it never returns.
            return match &entry.event {
                Event::KeyRotated { key } => self.rotate(key, entry),
                Event::KeyRevoked { key, since } => self.revoke(key, *since),
                _ => {}
            };
        }
        match &entry.event {
            Event::Registered { key, profile, .. } => match entry.entity.kind {
                Kind::Hat | Kind::Platform => {
                    if let Some(key) = key {
                        self.add_key(*key, entry);
                    }
                    self.profile = Some(profile.clone());
                    self.stand(Standing::Active, entry);
                }
                _ => {
                    if let Some(key) = key {
                        self.wait(*key, profile.clone(), entry);
                    }
                }
            },
            Event::Approved { key: Some(key) } => {
                if let Some(pending) = self.pending.remove(key) {
                    self.publish(&pending, entry);
                    self.approved_n = if pending.profile.plug_manifest().is_some() { entry.n } else { 0 };
                    self.profile = Some(pending.profile);
                }
                self.seconded = None;
                // The approval settles whose the id is: other claims on it fall.
                self.pending.clear();
                if !self.keys.iter().any(|k| k.key == *key && k.covers(entry.at)) {
                    self.end_keys(entry.at);
                    self.add_key(*key, entry);
                }
                self.stand(Standing::Active, entry);
            }
            Event::Declined { key, .. } => self.decline(key),
            Event::Seconded { key, registered, by } => {
                self.seconded = Some(Box::new(Seconded { by: by.clone(), key: *key, registered: *registered }));
            }
            Event::Suspended => {
                self.suspended_itself = entry.cause.as_ref().is_some_and(|cause| cause.from == entry.entity);
                self.stand(Standing::Suspended, entry);
            }
            Event::Resumed => self.stand(Standing::Active, entry),
            Event::Retired => self.stand(Standing::Retired, entry),
            Event::KeyRotated { key } => self.rotate(key, entry),
            Event::KeyRevoked { key, since } => self.revoke(key, *since),
            Event::PinChanged { public_key } => self.pin_to(public_key),
            Event::Entrusted { transport, bridge } => self.entrust(*transport, bridge.as_ref()),
            Event::OperatorDeclared { keys } => self.declare(keys, entry),
            Event::JobsPaused { paused } => self.jobs.get_or_insert_default().pause(*paused, entry.at),
            Event::JobsHeld { until, why } => self.jobs.get_or_insert_default().hold(*until, *why, entry.at),
            Event::ClassesAllowed { classes } => {
                self.allowed = classes.map(|classes| Allowed { classes, n: entry.n });
            }
            Event::Classified { endpoint, word } => {
                let words = Arc::make_mut(self.classified.get_or_insert_default());
                if word.is_empty() {
                    words.remove(endpoint);
                } else {
                    words.insert(endpoint.clone(), Classified { n: entry.n, word: (**word).clone() });
                }
            }
            _ => {}
        }
    }

    fn decline(&mut self, key: &Key) {
        self.pending.remove(key);
        self.seconded = self.seconded.take().filter(|seconded| seconded.key != *key);
        if self.standing == Standing::Pending && self.pending.is_empty() {
            self.standing = Standing::Unknown;
        }
    }

    fn publish(&mut self, pending: &PendingRegistration, entry: &Entry) {
        let Profile::App { version, manifest, .. } = &pending.profile else {
            return;
        };
        if self.versions.last().is_some_and(|last| last.version == *version) {
            // The same version again, for another key or developer: what it may do is as it was.
            self.versions.pop();
        }
        if self.versions.len() >= VERSIONS_MAX {
            return;
        }
        let digest = manifest.as_ref().and_then(|manifest| serde_json::to_vec(manifest).ok());
        self.versions.push(Published {
            version: version.clone(),
            digest: digest.map(|bytes| Digest::of(&bytes)),
            at: entry.at,
            registered: pending.n,
            n: entry.n,
        });
    }

    fn stand(&mut self, standing: Standing, entry: &Entry) {
        self.standing = standing;
        self.standing_n = entry.n;
    }

    fn wait(&mut self, key: Key, profile: Profile, entry: &Entry) {
        let (at, n) = (entry.at, entry.n);
        self.pending.insert(key, PendingRegistration { profile, at, n });
        if self.standing == Standing::Unknown {
            self.stand(Standing::Pending, entry);
        }
    }

    fn rotate(&mut self, key: &Key, entry: &Entry) {
        self.end_keys(entry.at);
        self.add_key(*key, entry);
    }

    fn revoke(&mut self, key: &Key, since: Timestamp) {
        self.pending.remove(key);
        for held in self.keys.iter_mut().filter(|held| held.key == *key) {
            held.until = Some(held.until.map_or(since, |until| until.min(since)));
        }
        if self.standing == Standing::Pending && self.pending.is_empty() {
            self.standing = Standing::Unknown;
        }
    }

    fn pin_to(&mut self, key: &Pin) {
        if let Some(Profile::Hat { public_key, .. }) = &mut self.profile {
            *public_key = Some(key.clone());
        }
    }

    fn entrust(&mut self, how: Transport, to: Option<&Id>) {
        if let Some(Profile::Hat { transport, bridge, .. }) = &mut self.profile {
            (*transport, *bridge) = (how, to.cloned());
        }
    }

    fn declare(&mut self, keys: &[Key], entry: &Entry) {
        for held in &mut self.keys {
            if held.until.is_none() && !keys.contains(&held.key) {
                held.until = Some(entry.at);
            }
        }
        for key in keys {
            if !self.keys.iter().any(|k| k.key == *key && k.until.is_none()) {
                self.add_key(*key, entry);
            }
        }
        match entry.entity.kind {
            Kind::Operator => self.profile = Some(Profile::Operator),
            Kind::Bridge => self.profile = Some(Profile::Bridge { name: entry.entity.id.as_str().into() }),
            _ => {}
        }
        self.stand(Standing::Active, entry);
    }

    fn add_key(&mut self, key: Key, entry: &Entry) {
        if self.keys.len() >= KEYS_KEPT_MAX {
            let ended = self.keys.iter().position(|held| held.until.is_some());
            self.keys.remove(ended.unwrap_or(0));
        }
        self.keys.push(KeyRecord { key, from: entry.at, until: None, n: entry.n });
    }

    fn end_keys(&mut self, at: Timestamp) {
        for held in self.keys.iter_mut().filter(|held| held.until.is_none()) {
            held.until = Some(at);
        }
    }
}

impl KeyRecord {
    /// Whether it is in force at `at`.
    pub fn covers(&self, at: Timestamp) -> bool {
        self.from <= at && self.until.is_none_or(|until| at < until)
    }
}

impl Event {
    /// Whether the event changes its party's [`Registration`].
    pub const fn touches_registry(&self) -> bool {
        matches!(
            self,
            Event::Registered { .. }
                | Event::Approved { key: Some(_) }
                | Event::Seconded { .. }
                | Event::Declined { .. }
                | Event::Suspended
                | Event::Resumed
                | Event::Retired
                | Event::KeyRotated { .. }
                | Event::KeyRevoked { .. }
                | Event::PinChanged { .. }
                | Event::Entrusted { .. }
                | Event::OperatorDeclared { .. }
                | Event::ClassesAllowed { .. }
                | Event::Classified { .. }
                | Event::JobsPaused { .. }
                | Event::JobsHeld { .. }
        )
    }
}
