//! The registry read model: every party's registration, folded from committed entries.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use dashmap::DashMap;

use super::compact::Held;
use crate::domain::pii::Catalogue;
use crate::domain::{Address, Entry, Kind, Registration, RegistryView, Standing};
use crate::wire::trust_bundle::LISTED;

/// Registrations by party. Written by the partition that owns the party, read by all; no guard leaves a method.
///
/// Memory: of a HAT with one key [`Held`] keeps some 100 to 250 bytes, table included; of any other party the whole.
#[derive(Default)]
pub struct Registry {
    parties: DashMap<Address, Held>,
    generation: AtomicU64,
    catalogue: RwLock<Arc<Catalogue>>,
    /// Version of the catalogue, to be read without its lock.
    catalogued: AtomicU64,
}

impl Registry {
    /// Sets a registration as a whole (at start, from rows).
    pub fn set(&self, party: Address, registration: Registration) {
        self.learn(&party, &registration);
        self.parties.insert(party, Held::new(registration));
    }

    /// Takes in what a party says of the fields of endpoints.
    fn learn(&self, party: &Address, registration: &Registration) {
        if !matches!(party.kind, Kind::Plug | Kind::Dex) {
            return;
        }
        let mut catalogue = self.catalogue.write().unwrap_or_else(PoisonError::into_inner);
        if Arc::make_mut(&mut catalogue).learn(party, registration) {
            self.catalogued.store(catalogue.version(), Ordering::Release);
        }
    }

    /// Folds a committed entry in, if it says anything about a registration.
    pub fn fold(&self, entry: &Entry) {
        if !entry.event.touches_registry() {
            return;
        }
        let mut registration = match self.registration(&entry.entity) {
            Some(known) => Arc::unwrap_or_clone(known),
            None => Registration::default(),
        };
        registration.apply(entry);
        self.set(entry.entity.clone(), registration);
        if LISTED.contains(&entry.entity.kind) {
            // After the change: who reads the number first finds all that it counts.
            self.counted(1);
        }
    }

    /// So many entries that change what a trust bundle lists were folded elsewhere (at start, into rows).
    pub fn counted(&self, entries: u64) {
        self.generation.fetch_add(entries, Ordering::AcqRel);
    }

    /// How many entries of the ledger have changed what a trust bundle lists: the same after a restart.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The parties of the kinds that a trust bundle lists.
    pub fn listed(&self) -> Vec<(Address, Arc<Registration>)> {
        let listed = self.parties.iter().filter(|party| LISTED.contains(&party.key().kind));
        listed.map(|party| (party.key().clone(), party.whole())).collect()
    }

    /// The parties of a kind. For kinds with few parties.
    pub fn of_kind(&self, kind: Kind) -> Vec<Address> {
        self.parties.iter().map(|party| party.key().clone()).filter(|party| party.kind == kind).collect()
    }

    /// How many parties of a kind stand like this.
    pub fn count(&self, kind: Kind, standing: Standing) -> usize {
        self.parties.iter().filter(|party| party.key().kind == kind && party.standing() == standing).count()
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
        self.parties.get(party).map(|found| found.whole())
    }

    fn catalogue(&self) -> Arc<Catalogue> {
        Arc::clone(&self.catalogue.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn catalogue_version(&self) -> u64 {
        self.catalogued.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Event, Key, Profile, Timestamp};

    #[test]
    fn a_hat_is_folded_as_its_own_entity_folds_it_whatever_form_it_is_held_in() {
        let hat: Address = "hat:bob.hubat.net".parse().expect("an address");
        let (first, second) = (Key([1; 32]), Key([2; 32]));
        let events = [
            Event::Registered { key: Some(first), profile: Profile::HAT, by: hat.clone() },
            Event::Suspended,
            Event::Resumed,
            Event::KeyRotated { key: second },
            Event::KeyRevoked { key: first, since: Timestamp(1) },
            Event::Retired,
        ];
        let (registry, mut own) = (Registry::default(), Registration::default());
        for (n, event) in (1..).zip(events) {
            let at = Timestamp(i64::try_from(n).expect("few"));
            let entry = Entry { v: 1, entity: hat.clone(), n, at, cause: None, basis: Vec::new(), event };
            registry.fold(&entry);
            own.apply(&entry);
            assert_eq!(registry.registration(&hat).as_deref(), Some(&own), "after entry {n}");
            assert_eq!((registry.count(Kind::Hat, own.standing), registry.len()), (1, 1));
        }
    }
}
