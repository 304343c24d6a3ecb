//! The read model of how many HATs each plug is connected to, folded from committed entries.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::domain::{Address, Entry, Event, Hat, Id, Kind, Registration, Standing};
use crate::store::{StateDb, StoreError, Tail, load};

/// How many HATs a plug has to do with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// HATs that have it connected and have not retired.
    pub connected: u64,
    /// HATs whose owner it has asked and who have not answered.
    pub connecting: u64,
}

/// Connections of all plugs, for all partitions. Bounded by the plugs that were ever connected or asked to be.
#[derive(Default)]
pub struct Connections(Mutex<HashMap<Id, Counts>>);

/// Of a HAT's row only this is read.
#[derive(Deserialize)]
struct OfHat {
    registration: Registration,
    plugs: BTreeMap<Id, IgnoredAny>,
    #[serde(default)]
    connecting: BTreeMap<Id, IgnoredAny>,
}

impl Connections {
    /// Reads off the rows what is connected. Once, before any entry is folded in.
    ///
    /// # Errors
    /// [`StoreError`] when a row cannot be read.
    pub fn begin(&self, db: &StateDb) -> Result<(), StoreError> {
        let mut counts = self.counts();
        for row in db.rows(Some(Kind::Hat))? {
            let (party, row) = row?;
            let of: OfHat = rmp_serde::from_slice(&row.state).map_err(|error| StoreError::Decode {
                what: "the state",
                key: party.to_string(),
                detail: error.to_string(),
            })?;
            for plug in of.connecting.into_keys() {
                counts.entry(plug).or_default().connecting += 1;
            }
            if of.registration.standing != Standing::Retired {
                for plug in of.plugs.into_keys() {
                    counts.entry(plug).or_default().connected += 1;
                }
            }
        }
        Ok(())
    }

    /// Folds a committed entry in, if it says anything of a connection. The state of a HAT that retires is read, with
    /// what the tail has of it.
    pub fn fold(&self, entry: &Entry, db: &StateDb, tail: &Tail) {
        let change = |plug: &Id, connected: i64, connecting: i64| {
            let mut counts = self.counts();
            let of = counts.entry(plug.clone()).or_default();
            of.connected = of.connected.saturating_add_signed(connected);
            of.connecting = of.connecting.saturating_add_signed(connecting);
        };
        match &entry.event {
            Event::PlugAsked { plug, .. } => change(plug, 0, 1),
            Event::PlugUnanswered { plug, .. } => change(plug, 0, -1),
            Event::PlugConnected { plug, asked } => change(plug, 1, -i64::from(asked.is_some())),
            Event::PlugDisconnected { plug } => change(plug, -1, 0),
            Event::Retired if entry.entity.kind == Kind::Hat => match connected(&entry.entity, db, tail) {
                Ok(plugs) => plugs.iter().for_each(|plug| change(plug, -1, 0)),
                Err(error) => tracing::error!(%error, "the connections of a HAT that retires cannot be counted"),
            },
            _ => {}
        }
    }

    /// How many HATs this plug has to do with.
    pub fn of(&self, plug: &Id) -> Counts {
        self.counts().get(plug).copied().unwrap_or_default()
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<Id, Counts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn connected(hat: &Address, db: &StateDb, tail: &Tail) -> Result<Vec<Id>, StoreError> {
    // Nothing connects or disconnects a plug afterwards, so that later entries of the tail do not matter.
    Ok(load::<Hat>(db, tail, hat)?.plugs.into_keys().collect())
}
