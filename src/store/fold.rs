//! The persistence thread's work: rows and tail become the next snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;

use super::db::StateDb;
use super::error::StoreError;
use super::key::index_keys;
use super::load::{after, apply, check_number, state_of};
use super::row::{FORMAT, Header, OpenRow, Row};
use super::tail::{Sealed, Tail};
use super::write::Batch;
use crate::domain::{Address, Entity, Entry, Event, Registration, Timestamp};

/// How registrations are folded.
#[derive(Debug, Clone, Copy)]
pub struct RegistryFold {
    /// Whether an event changes its party's registration.
    pub touches: fn(&Event) -> bool,
    /// Folds an entry into the registration of its entity.
    pub apply: fn(&mut Registration, &Entry),
}

/// The next row of an entity with a state: what a `fold` of [`fold_rows`] calls for its kind.
///
/// # Errors
/// As [`state_of`], and [`StoreError::Number`] when the state does not count along.
pub fn fold_entity<E: Entity>(entity: &Address, row: Option<&Row>, fresh: &[Arc<Sealed>]) -> Result<Row, StoreError> {
    let mut state: E = state_of(entity, row)?;
    apply(entity, &mut state, fresh)?;
    let bytes = rmp_serde::to_vec_named(&state).map_err(|source| StoreError::Encode { what: "a state", source })?;
    Ok(Row { n: state.n(), state: bytes, wake: Some(state.wake()) })
}

/// The next row of an entity that has entries but no state (a partition's own): its number only.
///
/// # Errors
/// None; a `Result` so that it fits where [`fold_entity`] does.
pub fn fold_stateless(_entity: &Address, row: Option<&Row>, fresh: &[Arc<Sealed>]) -> Result<Row, StoreError> {
    let n = row.map_or(0, |row| row.n);
    Ok(Row { n: fresh.last().map_or(n, |last| last.entry.n), state: Vec::new(), wake: None })
}

/// What [`fold_rows`] gathers about open exchanges.
#[derive(Default)]
struct Exchanges {
    opened: BTreeMap<Uuid, OpenRow>,
    /// Of these an earlier snapshot may hold a row: they were opened while their content was fetched.
    again: BTreeSet<Uuid>,
    released: Vec<(Uuid, u64)>,
    closed: BTreeSet<Uuid>,
}

impl Exchanges {
    fn take(&mut self, sealed: &Sealed) {
        let entry = &sealed.entry;
        if let Some((delivery, deadline)) = entry.event.opens() {
            let row = OpenRow {
                entity: entry.entity.clone(),
                partition: sealed.partition,
                deadline,
                leaf: sealed.leaf,
                spool: sealed.spool,
                published_at: None,
            };
            let began = matches!(entry.event, Event::Fetching(_));
            let large = began || entry.event.began().is_some_and(|opened| opened.large.is_some());
            if self.opened.insert(delivery, row).is_none() && large && !began {
                self.again.insert(delivery);
            }
        } else if let Some(delivery) = entry.event.ends() {
            // Opened and closed within one snapshot: it is never written.
            if self.opened.remove(&delivery).is_none() || self.again.contains(&delivery) {
                self.closed.insert(delivery);
            }
        } else if let Event::Released(opened) = &entry.event {
            match self.opened.get_mut(&opened.delivery) {
                Some(row) => row.leaf = sealed.leaf,
                None => self.released.push((opened.delivery, sealed.leaf)),
            }
        }
    }
}

/// Makes the snapshot of the ledger's first `through` entries out of the last one and the tail. For each
/// entity with entries `fold` makes the next row of the last one and the entries that follow it, which
/// come in order and without a gap ([`fold_entity`] does it for a type of entity).
///
/// Every entry with a leaf below `through` must have been pushed before; entries from `through` on stay
/// for the next snapshot. After [`StateDb::write`] call [`Tail::written`]. Memory: the tail's bound.
///
/// # Errors
/// [`StoreError::Gap`] when entries are missing, [`StoreError::Backward`] when `through` lies behind the
/// last snapshot, and what `fold` and the database return.
pub fn fold_rows(
    db: &StateDb,
    tail: &Tail,
    registry: RegistryFold,
    fold: impl Fn(&Address, Option<&Row>, &[Arc<Sealed>]) -> Result<Row, StoreError>,
    through: u64,
    made_at: Timestamp,
) -> Result<Batch, StoreError> {
    let held = db.known_through();
    if through < held {
        return Err(StoreError::Backward { held, new: through });
    }
    let view = db.view()?;
    let mut batch = Batch::new(Header { format: FORMAT, origin: db.origin().into(), through, made_at });
    let mut exchanges = Exchanges::default();
    let mut new: Vec<Arc<Sealed>> = Vec::new();
    for entity in tail.dirty() {
        let pending = tail.of(&entity);
        let now = &pending[..pending.partition_point(|it| it.leaf < through)];
        if now.is_empty() {
            continue;
        }
        let row = view.row(&entity)?;
        let n = row.as_ref().map_or(0, |row| row.n);
        let fresh = after(&entity, n, now)?;
        let next = match (fresh.last(), row) {
            (Some(last), row) => {
                let next = fold(&entity, row.as_ref(), fresh)?;
                check_number(&entity, last.entry.n, next.n)?;
                next
            }
            // Replayed entries that are in the row already; it is named again so that they leave.
            (None, Some(row)) => row,
            (None, None) => continue,
        };
        if fresh.iter().any(|it| (registry.touches)(&it.entry.event)) {
            let mut registration = view.registration(&entity)?.unwrap_or_default();
            for sealed in fresh.iter().filter(|it| (registry.touches)(&it.entry.event)) {
                (registry.apply)(&mut registration, &sealed.entry);
            }
            batch.registrations.push((entity.clone(), registration));
        }
        for sealed in fresh {
            let keys = index_keys(&sealed.entry);
            batch.index.extend(keys.iter().map(|key| (*key, sealed.leaf)));
            exchanges.take(sealed);
            new.push(Arc::clone(sealed));
            if sealed.entry.event.fact().is_some() {
                batch.facts.push(Arc::clone(sealed));
            }
        }
        batch.rows.push((entity, next));
    }
    batch.statistics = db.fold_statistics(new, through)?;
    batch.moved = tail.moves_through(through);
    batch.opened = exchanges.opened.into_iter().collect();
    batch.released = exchanges.released;
    batch.closed = exchanges.closed.into_iter().collect();
    Ok(batch)
}
