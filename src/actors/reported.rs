//! The read model of what HATs report of themselves, folded from committed entries.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Deserialize;

use crate::domain::report::{Catalogue, Reports};
use crate::domain::{Entry, Event, Kind};
use crate::store::{StateDb, StoreError};

/// The catalogue, for all partitions.
#[derive(Default)]
pub struct ReportedByHats(Mutex<Catalogue>);

/// Of a HAT's row only this is read.
#[derive(Deserialize)]
struct OfHat {
    #[serde(default)]
    reports: Option<Box<Reports>>,
}

impl ReportedByHats {
    /// Reads off the rows what HATs have reported. Once, before any entry is folded in.
    ///
    /// # Errors
    /// [`StoreError`] when a row cannot be read.
    pub fn begin(&self, db: &StateDb) -> Result<(), StoreError> {
        let mut catalogue = self.catalogue();
        for row in db.rows(Some(Kind::Hat))? {
            let (party, row) = row?;
            let of: OfHat = rmp_serde::from_slice(&row.state).map_err(|error| StoreError::Decode {
                what: "the state",
                key: party.to_string(),
                detail: error.to_string(),
            })?;
            if let Some(reports) = of.reports {
                catalogue.add_hat(&reports);
            }
        }
        Ok(())
    }

    /// Folds a committed entry in, if it is a report.
    pub fn fold(&self, entry: &Entry) {
        if let Event::Reported(added) = &entry.event {
            self.catalogue().add(added);
        }
    }

    /// The catalogue, to look at for a short while.
    pub fn catalogue(&self) -> MutexGuard<'_, Catalogue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
