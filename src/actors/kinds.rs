//! Which state machine serves which kind of address, in one place.

use std::sync::Arc;

use actix::prelude::*;

use super::entity::{Batch, EntityActor};
use super::shared::Shared;
use crate::domain::hat::Hat;
use crate::domain::lane::Lane;
use crate::domain::member::Member;
use crate::domain::offer::Offer;
use crate::domain::plug::Plug;
use crate::domain::{Address, Entity, Kind, Timestamp};
use crate::store::{Row, Sealed, StoreError, load};

/// One HAT.
pub type HatActor = EntityActor<Hat>;
/// One plug.
pub type PlugActor = EntityActor<Plug>;
/// One offer.
pub type OfferActor = EntityActor<Offer>;
/// One app, organisation, platform or operator.
pub type RegistryActor = EntityActor<Member>;

fn start<E: Entity + Unpin + 'static>(shared: &Arc<Shared>, entity: &Address) -> Result<Recipient<Batch>, StoreError> {
    let state: E = load(&shared.db, &shared.tail, entity)?;
    Ok(EntityActor::new(entity.clone(), state, Arc::clone(shared)).start().recipient())
}

/// Loads the entity's committed state and starts its actor on this arbiter.
///
/// # Errors
/// [`StoreError`] when the row cannot be read or entries are missing between row and tail.
pub fn spawn(shared: &Arc<Shared>, entity: &Address) -> Result<Recipient<Batch>, StoreError> {
    match entity.kind {
        Kind::Hat => start::<Hat>(shared, entity),
        Kind::Plug => start::<Plug>(shared, entity),
        Kind::Offer => start::<Offer>(shared, entity),
        Kind::App | Kind::Org | Kind::Platform | Kind::Bridge | Kind::Operator | Kind::Dex => {
            start::<Member>(shared, entity)
        }
        // Nothing is ever addressed to a pseudonym: it has the state of nothing.
        Kind::Lane | Kind::Pseudonym => start::<Lane>(shared, entity),
    }
}

fn fold_as<E: Entity>(entity: &Address, row: Option<&Row>, tail: &[Arc<Sealed>]) -> Result<Row, StoreError> {
    crate::store::fold_entity::<E>(entity, row, tail)
}

/// The entity's next row: the old one with the entries of the tail folded in.
///
/// # Errors
/// [`StoreError`] when the row cannot be read or an entry is missing.
pub fn fold(entity: &Address, row: Option<&Row>, tail: &[Arc<Sealed>]) -> Result<Row, StoreError> {
    match entity.kind {
        Kind::Hat => fold_as::<Hat>(entity, row, tail),
        Kind::Plug => fold_as::<Plug>(entity, row, tail),
        Kind::Offer => fold_as::<Offer>(entity, row, tail),
        Kind::App | Kind::Org | Kind::Platform | Kind::Bridge | Kind::Operator | Kind::Dex => {
            fold_as::<Member>(entity, row, tail)
        }
        Kind::Lane | Kind::Pseudonym => fold_as::<Lane>(entity, row, tail),
    }
}

/// When the entity of a stored row has something to do by the clock.
///
/// # Errors
/// [`StoreError`] when the row cannot be read.
pub fn wake_of(entity: &Address, row: &Row) -> Result<Option<Timestamp>, StoreError> {
    Ok(match entity.kind {
        Kind::Hat => crate::store::state_of::<Hat>(entity, Some(row))?.wake(),
        Kind::Plug => crate::store::state_of::<Plug>(entity, Some(row))?.wake(),
        Kind::Offer => crate::store::state_of::<Offer>(entity, Some(row))?.wake(),
        _ => None,
    })
}
