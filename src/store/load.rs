//! An entity's current state: its row, and what the tail holds beyond it.

use std::sync::Arc;

use super::db::StateDb;
use super::error::StoreError;
use super::row::Row;
use super::tail::{Sealed, Tail};
use crate::domain::{Address, Entity};

/// The entries of `pending` that follow entry `n`, which must be without a gap.
///
/// # Errors
/// [`StoreError::Gap`] when an entry is missing.
pub(super) fn after<'a>(entity: &Address, n: u64, pending: &'a [Arc<Sealed>]) -> Result<&'a [Arc<Sealed>], StoreError> {
    let start = pending.partition_point(|sealed| sealed.entry.n <= n);
    let fresh = &pending[start..];
    for (expected, sealed) in (n + 1..).zip(fresh) {
        if sealed.entry.n != expected {
            return Err(StoreError::Gap { entity: entity.clone(), expected, found: sealed.entry.n });
        }
    }
    Ok(fresh)
}

/// The state in a row; the default one when there is no row.
///
/// # Errors
/// [`StoreError::Decode`] when the bytes are not of this type, [`StoreError::Number`] when the state
/// does not include just the entries that the row says.
pub fn state_of<E: Entity>(entity: &Address, row: Option<&Row>) -> Result<E, StoreError> {
    let Some(row) = row else {
        return Ok(E::default());
    };
    let state: E = rmp_serde::from_slice(&row.state).map_err(|error| StoreError::Decode {
        what: "the state",
        key: entity.to_string(),
        detail: error.to_string(),
    })?;
    check_number(entity, row.n, state.n())?;
    Ok(state)
}

pub(super) fn check_number(entity: &Address, expected: u64, found: u64) -> Result<(), StoreError> {
    if expected == found { Ok(()) } else { Err(StoreError::Number { entity: entity.clone(), expected, found }) }
}

/// Folds `fresh` into `state`, which must count along.
pub(super) fn apply<E: Entity>(entity: &Address, state: &mut E, fresh: &[Arc<Sealed>]) -> Result<(), StoreError> {
    for sealed in fresh {
        state.apply(&sealed.entry);
    }
    match fresh.last() {
        Some(last) => check_number(entity, last.entry.n, state.n()),
        None => Ok(()),
    }
}

/// The current state of an entity; the default one when nothing was ever decided by it.
///
/// # Errors
/// [`StoreError::Gap`] when row and tail do not meet, else as [`state_of`] and the database's own.
pub fn load<E: Entity>(db: &StateDb, tail: &Tail, entity: &Address) -> Result<E, StoreError> {
    load_around(db, tail, entity, || {})
}

/// [`load`], with what another thread may do `between` its two reads.
pub(super) fn load_around<E: Entity>(
    db: &StateDb,
    tail: &Tail,
    entity: &Address,
    between: impl FnOnce(),
) -> Result<E, StoreError> {
    // The tail first: between the two reads a snapshot may be written and its entries leave the tail,
    // so the other way round would miss them. What is then in both is skipped by its number.
    let pending = tail.of(entity);
    between();
    let row = db.row(entity)?;
    let mut state = state_of(entity, row.as_ref())?;
    let n = row.map_or(0, |row| row.n);
    apply(entity, &mut state, after(entity, n, &pending)?)?;
    Ok(state)
}
