//! The registry read model: every party's registration, folded from committed entries.

use std::sync::Arc;

use dashmap::DashMap;

use crate::domain::{Address, Entry, Kind, Registration, RegistryView, Standing};

/// Registrations by party. Written by the partition that owns the party, read by all; values are
/// cheap clones and no guard leaves a method.
#[derive(Default)]
pub struct Registry {
    parties: DashMap<Address, Arc<Registration>>,
}

impl Registry {
    /// Sets a registration as a whole (at start, from rows).
    pub fn set(&self, party: Address, mut registration: Registration) {
        // Most parties have one key for ever, and there are many parties.
        registration.keys.shrink_to_fit();
        self.parties.insert(party, Arc::new(registration));
    }

    /// Folds a committed entry in, if it says anything about a registration.
    pub fn fold(&self, entry: &Entry) {
        if !entry.event.touches_registry() {
            return;
        }
        let mut registration = match self.registration(&entry.entity) {
            Some(known) => (*known).clone(),
            None => Registration::default(),
        };
        registration.apply(entry);
        self.set(entry.entity.clone(), registration);
    }

    /// The parties of a kind. For kinds with few parties.
    pub fn of_kind(&self, kind: Kind) -> Vec<Address> {
        self.parties.iter().map(|party| party.key().clone()).filter(|party| party.kind == kind).collect()
    }

    /// How many parties of a kind stand like this.
    pub fn count(&self, kind: Kind, standing: Standing) -> usize {
        self.parties.iter().filter(|party| party.key().kind == kind && party.standing == standing).count()
    }

    /// How many parties are known.
    pub fn len(&self) -> usize {
        self.parties.len()
    }

    /// True when no party is known.
    pub fn is_empty(&self) -> bool {
        self.parties.is_empty()
    }
}

impl RegistryView for Registry {
    fn registration(&self, party: &Address) -> Option<Arc<Registration>> {
        self.parties.get(party).map(|found| Arc::clone(&found))
    }
}
