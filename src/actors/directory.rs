//! Where each entity is: live with an address, quarantined, or (absent) cold.

use std::collections::BTreeMap;
use std::time::Instant;

use actix::Recipient;
use dashmap::DashMap;

use super::entity::Batch;
use crate::domain::Address;

/// How an entity stands with its supervisor.
#[derive(Clone)]
pub enum Seat {
    /// An actor holds its state.
    Live(Recipient<Batch>),
    /// It failed too often; its messages are answered `internal` until then or until released.
    Quarantined {
        /// Till then.
        until: Instant,
    },
}

/// The directory: one writer per entity (the supervisor of its partition), any reader.
///
/// Bounded by the live actors of all partitions plus quarantined entities. No guard leaves a method.
#[derive(Default)]
pub struct Directory {
    seats: DashMap<Address, Seat>,
}

/// Entities by how they stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Census {
    /// With an actor.
    pub live: usize,
    /// Quarantined.
    pub quarantined: usize,
}

impl Directory {
    /// The entity's seat; `None` when cold.
    pub fn seat(&self, entity: &Address) -> Option<Seat> {
        self.seats.get(entity).map(|seat| seat.value().clone())
    }

    /// Seats an entity.
    pub fn put(&self, entity: Address, seat: Seat) {
        self.seats.insert(entity, seat);
    }

    /// Makes an entity cold.
    pub fn clear(&self, entity: &Address) {
        self.seats.remove(entity);
    }

    /// Lets a quarantined entity work again; false when it was not quarantined.
    pub fn release(&self, entity: &Address) -> bool {
        self.seats.remove_if(entity, |_, seat| matches!(seat, Seat::Quarantined { .. })).is_some()
    }

    /// Counts the seats by what `group` says of each entity. One shard is locked at a time.
    pub fn census_by<G: Ord>(&self, group: impl Fn(&Address) -> G) -> BTreeMap<G, Census> {
        let mut groups: BTreeMap<G, Census> = BTreeMap::new();
        for seat in &self.seats {
            let census = groups.entry(group(seat.key())).or_default();
            match seat.value() {
                Seat::Live(_) => census.live += 1,
                Seat::Quarantined { .. } => census.quarantined += 1,
            }
        }
        groups
    }

    /// Counts the seats.
    pub fn census(&self) -> Census {
        self.census_by(|_| ()).remove(&()).unwrap_or_default()
    }
}
