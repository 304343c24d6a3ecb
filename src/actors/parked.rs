//! What does not leave: deliveries and requests to who is not in force. They wait until that changes, or until their
//! exchange ends by its deadline.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::outbox::Outbox;
use super::registry::Registry;
use crate::domain::event::{Direction, Opened};
use crate::domain::registration::KeyRecord;
use crate::domain::{Address, Entry, Hat, Id, Kind, Registration, RegistryView, Timestamp, Transport};
use crate::store::load;
use crate::telemetry::events::{EffectFailed, Parked};

/// Open exchanges by the recipient for whose sake they wait. Bounded by the open exchanges.
#[derive(Debug, Default)]
pub(super) struct Waiting(BTreeSet<(Address, Uuid)>);

impl Waiting {
    pub(super) fn insert(&mut self, to: Address, delivery: Uuid) -> bool {
        self.0.insert((to, delivery))
    }

    pub(super) fn remove(&mut self, to: &Address, delivery: Uuid) {
        self.0.remove(&(to.clone(), delivery));
    }

    /// Takes out what waits for the sake of this recipient.
    fn take(&mut self, to: &Address) -> Vec<Uuid> {
        let from = (to.clone(), Uuid::nil());
        let mine: Vec<Uuid> =
            self.0.range(from..).take_while(|(waits, _)| waits == to).map(|(_, delivery)| *delivery).collect();
        for delivery in &mine {
            self.0.remove(&(to.clone(), *delivery));
        }
        mine
    }

    /// The HATs for whose sake something waits.
    fn hats(&self) -> Vec<Address> {
        let mut hats: Vec<Address> =
            self.0.iter().map(|(to, _)| to).filter(|to| to.kind == Kind::Hat).cloned().collect();
        hats.dedup();
        hats
    }
}

/// Whether this registration can answer for itself: in force, and with a key where it ever had one. A key that begins a
/// moment from now counts: it does so by the broker's clock, which may be ahead of this one.
fn answers(of: &Registration, now: Timestamp) -> bool {
    let good = |key: &KeyRecord| key.until.is_none_or(|until| now < until);
    of.active().is_ok() && (of.keys.is_empty() || of.keys.iter().any(good))
}

fn bridge_of(of: &Registration) -> Option<Address> {
    of.bridge().filter(|_| of.transport() == Transport::Http).map(|id: &Id| Address::new(Kind::Bridge, id.clone()))
}

/// Whether something may leave for `party` now. What comes for a HAT over HTTP its bridge fetches and answers.
pub(in crate::actors) fn may_receive(registry: &Registry, party: &Address, now: Timestamp) -> bool {
    let in_force = |party: &Address| registry.registration(party).filter(|of| answers(of, now));
    match registry.registration(party) {
        Some(of) => match bridge_of(&of) {
            Some(bridge) => of.active().is_ok() && in_force(&bridge).is_some(),
            None => answers(&of, now),
        },
        None => false,
    }
}

impl Outbox {
    /// Whether the exchange's delivery or request may leave now; if not, it waits from here on. An answer to a request would
    /// be of no use to a client that is not in force itself.
    pub(super) fn may_leave(&mut self, opened: &Opened) -> bool {
        if self.items.get(&opened.delivery).is_some_and(|item| item.recalled) {
            return false;
        }
        let now = self.shared.clock.now();
        let able = |party: &Address| may_receive(&self.shared.registry, party, now);
        let asks = opened.direction == Direction::Pull;
        let waits_for = match () {
            () if !able(&opened.to) => &opened.to,
            () if asks && !able(&opened.from) => &opened.from,
            () => return true,
        };
        let Some(item) = self.items.get_mut(&opened.delivery) else { return false };
        self.due.remove(&(item.next, opened.delivery));
        if item.parked.as_ref() != Some(waits_for) {
            if let Some(other) = item.parked.replace(waits_for.clone()) {
                self.waiting.remove(&other, opened.delivery);
            }
            self.waiting.insert(waits_for.clone(), opened.delivery);
            Parked {}.emit();
        }
        false
    }

    /// An exchange is asked back: what waits of it does not leave any more, whoever is in force again.
    pub(super) fn recalled(&mut self, delivery: &Uuid) {
        if let Some(item) = self.items.get_mut(delivery) {
            item.recalled = item.parked.is_some();
        }
    }

    /// Whether a delivery that waited was asked back meanwhile. Of what was open before this start its HAT tells.
    pub(super) fn was_recalled(&self, delivery: &Uuid) -> bool {
        let Some(item) = self.items.get(delivery) else { return false };
        if item.recalled || !item.restored {
            return item.recalled;
        }
        let Some(sealed) = self.shared.entry(item.leaf) else { return false };
        let hat: Result<Hat, _> = load(&self.shared.db, &self.shared.tail, &sealed.entry.entity);
        match hat {
            Ok(hat) => hat.open.get(delivery).is_some_and(|open| open.recalled),
            Err(error) => {
                // What it may have asked back leaves.
                let detail = format!("whether a delivery that waited was asked back cannot be read: {error}");
                EffectFailed { what: "delivery", detail: &detail }.emit();
                false
            }
        }
    }

    /// A committed entry may have put somebody in force for whose sake something waits: it is due at once, and looked at
    /// again then.
    pub(super) fn unpark(&mut self, entry: &Entry) {
        if !entry.event.touches_registry() {
            return;
        }
        let mut parties = vec![entry.entity.clone()];
        if entry.entity.kind == Kind::Bridge {
            let carried = |hat: &Address| {
                let of = self.shared.registry.registration(hat);
                of.is_some_and(|of| bridge_of(&of).as_ref() == Some(&entry.entity))
            };
            parties.extend(self.waiting.hats().into_iter().filter(carried));
        }
        let now = self.shared.clock.now();
        for party in parties {
            if !may_receive(&self.shared.registry, &party, now) {
                continue;
            }
            for delivery in self.waiting.take(&party) {
                if self.was_recalled(&delivery) {
                    if let Some(item) = self.items.get_mut(&delivery) {
                        (item.parked, item.recalled) = (None, true);
                    }
                    continue;
                }
                if let Some(item) = self.items.get_mut(&delivery) {
                    (item.parked, item.next) = (None, now);
                    self.due.insert((now, delivery));
                }
            }
        }
    }
}
