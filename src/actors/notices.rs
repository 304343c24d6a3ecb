//! The read model of notices that stand, folded from committed entries. At most
//! [`OPEN_MAX`](crate::domain::notice::OPEN_MAX) of each party; texts stay in the spool.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use uuid::Uuid;

use super::shared::Shared;
use crate::domain::notice::{Notice, Notices, Standing};
use crate::domain::{Address, Event};
use crate::ledger::SpoolRef;
use crate::store::{OpenRow, Sealed, SpoolPlace, StateDb, StoreError};

/// One notice that stands.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenNotice {
    /// Who posted it.
    pub poster: Address,
    /// What is known of it.
    pub standing: Standing,
    /// Where its body lies.
    pub place: Option<SpoolPlace>,
}

/// The notices of all parties.
#[derive(Default)]
pub struct OpenNotices(Mutex<BTreeMap<Uuid, OpenNotice>>);

/// Of a party's row only this is read.
#[derive(Deserialize)]
struct OfParty {
    #[serde(default)]
    notices: Notices,
}

impl OpenNotices {
    /// Reads off the rows which notices stand: of the parties that have something open. Once, before any entry is
    /// folded in.
    ///
    /// # Errors
    /// [`StoreError`] when a row cannot be read.
    pub fn begin(&self, db: &StateDb, open: &[(Uuid, OpenRow)]) -> Result<(), StoreError> {
        use crate::domain::Kind::{App, Operator, Org, Plug};
        let mut held = self.lock();
        for (id, row) in open.iter().filter(|(_, row)| matches!(row.entity.kind, App | Operator | Org | Plug)) {
            let Some(of) = db.row(&row.entity)? else { continue };
            let of: OfParty = rmp_serde::from_slice(&of.state).map_err(|error| StoreError::Decode {
                what: "the state",
                key: row.entity.to_string(),
                detail: error.to_string(),
            })?;
            if let Some(standing) = of.notices.open.get(id) {
                let notice = OpenNotice { poster: row.entity.clone(), standing: standing.clone(), place: row.spool };
                held.insert(*id, notice);
            }
        }
        Ok(())
    }

    /// Folds a committed entry in, if it says anything of a notice.
    pub fn fold(&self, sealed: &Sealed) {
        let (id, place) = match &sealed.entry.event {
            Event::NoticePosted(posted) => (posted.notice, sealed.spool),
            Event::NoticeTold { notice, .. } | Event::NoticeEnded { notice } => (*notice, None),
            _ => return,
        };
        let mut held = self.lock();
        // The same fold as that of the party's own state, of this notice alone.
        let before = held.remove(&id);
        let place = place.or_else(|| before.as_ref().and_then(|it| it.place));
        let mut one = Notices::default();
        one.open.extend(before.map(|before| (id, before.standing)));
        one.apply(&sealed.entry);
        if let Some(standing) = one.open.remove(&id) {
            held.insert(id, OpenNotice { poster: sealed.entry.entity.clone(), standing, place });
        }
    }

    /// The notice of this id, while it stands.
    pub fn get(&self, id: &Uuid) -> Option<OpenNotice> {
        self.lock().get(id).cloned()
    }

    /// Those after this id, in the order of their ids, which is that of their times.
    pub fn after(&self, after: Option<Uuid>) -> Vec<(Uuid, OpenNotice)> {
        let held = self.lock();
        held.iter().filter(|(id, _)| after.is_none_or(|after| **id > after)).map(|(id, it)| (*id, it.clone())).collect()
    }

    /// The next one after `last`, round and round, that not every HAT was looked at for.
    pub fn next_untold(&self, last: Option<Uuid>) -> Option<Uuid> {
        let held = self.lock();
        let mut untold = held.iter().filter(|(_, notice)| !notice.standing.told.done).map(|(id, _)| *id);
        let later = untold.clone().find(|id| last.is_none_or(|last| *id > last));
        later.or_else(|| untold.next())
    }

    /// How many stand.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// True when none stands.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Uuid, OpenNotice>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenNotice {
    /// Its body, from the spool.
    ///
    /// # Errors
    /// A text that says why it cannot be read.
    pub fn body(&self, shared: &Shared) -> Result<Notice, String> {
        let (segment, offset, len) = self.place.ok_or("the notice has no place in the spool")?;
        let body = shared.spool.read(SpoolRef { segment, offset, len }).map_err(|error| error.to_string())?;
        serde_json::from_slice(&body).map_err(|error| error.to_string())
    }
}
