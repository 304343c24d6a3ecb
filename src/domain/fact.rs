//! What a party was at a time: which of its entries say so, and their fold.

use std::collections::BTreeMap;

use super::entry::Entry;
use super::event::Event;
use super::id::{Id, Kind};
use super::registration::Registration;
use super::time::Timestamp;

/// What kind of right an entry speaks about. The number is on disk, in the history of parties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Fact {
    /// Standing, keys, profile.
    Registration = 0,
    /// A plug or an app connected to a HAT, or no longer.
    Connection = 1,
    /// A revision of a data debit, or the owner's word on one.
    Debit = 2,
}

impl Event {
    /// The kind of right that the event speaks about; none for what only moves or refuses.
    pub const fn fact(&self) -> Option<Fact> {
        match self {
            Event::PlugConnected { .. }
            | Event::PlugDisconnected { .. }
            | Event::AppSetUp { .. }
            | Event::AppDisabled { .. } => Some(Fact::Connection),
            Event::DebitProposed { .. } | Event::DebitEnabled { .. } | Event::DebitDisabled { .. } => Some(Fact::Debit),
            _ if self.touches_registry() => Some(Fact::Registration),
            _ => None,
        }
    }
}

/// A party as its entries up to some time tell it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AsOf {
    /// Standing, keys and profile.
    pub registration: Registration,
    /// The platform that vouched for the HAT.
    pub platform: Option<Id>,
    /// Connected plugs, with the number of the entry that connected each.
    pub plugs: BTreeMap<Id, u64>,
    /// Apps set up, likewise.
    pub apps: BTreeMap<Id, u64>,
}

impl AsOf {
    /// Folds the entries whose event time is not after `at`; `entries` come in order of their numbers.
    /// Those without a [`Fact`] change nothing. What the party learnt later, such as that a key was
    /// revoked for a time before `at`, is not in it: it is what the exchange went by then.
    pub fn fold<'a>(entries: impl IntoIterator<Item = &'a Entry>, at: Timestamp) -> AsOf {
        let mut party = AsOf::default();
        for entry in entries.into_iter().filter(|entry| entry.at <= at) {
            party.apply(entry);
        }
        party
    }

    /// Folds one entry in.
    pub fn apply(&mut self, entry: &Entry) {
        if entry.event.touches_registry() {
            self.registration.apply(entry);
        }
        match &entry.event {
            Event::Registered { by, .. } if entry.entity.kind == Kind::Hat && by.kind == Kind::Platform => {
                self.platform = Some(by.id.clone());
            }
            Event::PlugConnected { plug, .. } => {
                self.plugs.insert(plug.clone(), entry.n);
            }
            Event::PlugDisconnected { plug } => {
                self.plugs.remove(plug);
            }
            Event::AppSetUp { app, .. } => {
                self.apps.insert(app.clone(), entry.n);
            }
            Event::AppDisabled { app } => {
                self.apps.remove(app);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Key, Profile, Standing};

    fn entry(n: u64, at: i64, event: Event) -> Entry {
        let entity = "plug:facebook".parse().expect("an address");
        Entry { v: 1, entity, n, at: Timestamp(at), cause: None, basis: Vec::new(), event }
    }

    fn life() -> Vec<Entry> {
        let (first, second) = (Key([1; 32]), Key([2; 32]));
        let profile = Profile::Plug { name: "Facebook".into(), namespace: "facebook".into(), manifest: None };
        let by = "plug:facebook".parse().expect("an address");
        vec![
            entry(1, 10, Event::Registered { key: Some(first), profile, by }),
            entry(2, 20, Event::Approved { key: Some(first) }),
            entry(4, 30, Event::KeyRotated { key: second }),
            entry(5, 40, Event::Suspended),
            entry(6, 50, Event::KeyRevoked { key: first, since: Timestamp(15) }),
            entry(7, 60, Event::Resumed),
        ]
    }

    #[test]
    fn a_party_is_told_as_it_stood_then() {
        let life = life();
        let standing = |at| AsOf::fold(&life, Timestamp(at)).registration.standing;
        let seen: Vec<Standing> = [9, 10, 20, 39, 40, 59, 60].map(standing).into();
        use Standing::{Active, Pending, Suspended, Unknown};
        assert_eq!(seen, [Unknown, Pending, Active, Active, Suspended, Suspended, Active]);
        // The old key's revocation came at 50, for a time before.
        let in_force = |told: i64, at: i64| {
            AsOf::fold(&life, Timestamp(told)).registration.in_force(&Key([1; 32]), Timestamp(at)).is_some()
        };
        assert!(in_force(49, 25));
        assert!(!in_force(50, 25));
    }

    #[test]
    fn a_fold_up_to_now_is_what_the_registry_holds() {
        let mut live = Registration::default();
        for entry in &life() {
            live.apply(entry);
        }
        assert_eq!(AsOf::fold(&life(), Timestamp(i64::MAX)).registration, live);
    }
}
