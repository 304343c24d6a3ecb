//! A message that names its content: sender, right and quotas are judged before anything of it is read.

use super::{Fetching, Object};
use crate::domain::entity::Draft;
use crate::domain::entry::Basis;
use crate::domain::event::{Authority, Direction, Event};
use crate::domain::exchange::check::{self, Case, permit};
use crate::domain::exchange::credit::Writer;
use crate::domain::exchange::delivery_id::delivery_id;
use crate::domain::exchange::release::under;
use crate::domain::hat::Hat;
use crate::domain::id::{Id, Kind};
use crate::domain::registration::Transport;
use crate::domain::time::Timestamp;
use crate::domain::verdict::Reason;

/// That so much may be fetched for this HAT; the exchange's deadline.
fn admit(hat: &Hat, case: &Case<'_>, object: &Object) -> Result<Timestamp, Reason> {
    let limits = case.ctx.limits;
    if !object.is_sound() || case.command.pull.is_some() {
        return Err(Reason::Malformed);
    }
    if object.size > limits.large_bytes {
        return Err(Reason::TooLarge);
    }
    hat.quota(case, 1)?;
    let open = hat.open.values().filter(|open| open.large).map(|open| u64::from(open.bytes));
    if open.sum::<u64>().saturating_add(object.size) > limits.large_per_hat {
        return Err(Reason::RecipientOverQuota);
    }
    check::deadline(case)
}

fn fetching(hat: &Hat, fetching: Fetching, basis: Vec<Basis>) -> Result<Vec<Draft>, Reason> {
    hat.free(fetching.delivery)?;
    Ok(vec![Draft::caused(Event::Fetching(Box::new(fetching))).on(basis)])
}

/// Decides `hat.<hat>.credit.<by>` whose content is an object.
pub(crate) fn credit(hat: &Hat, case: &Case<'_>, by: &Id, object: &Object) -> Result<Vec<Draft>, Reason> {
    let from = case.from();
    permit(matches!(from.kind, Kind::Plug | Kind::App) && from.id == *by)?;
    hat.registration.active()?;
    case.sender_standing()?;
    let approved = case.sender_approved()?;
    let writer = Writer::of(hat, from, by, case.sender.profile.as_ref())?;
    // Who carries over HTTP takes it in one piece.
    if hat.registration.transport() == Transport::Http {
        return Err(Reason::TooLarge);
    }
    let deadline = admit(hat, case, object)?;
    let to = case.ctx.entity;
    let mut basis = Vec::with_capacity(3);
    basis.push(Basis { entity: from.clone(), n: approved });
    if case.key_n != Some(approved) {
        basis.extend(case.key_basis());
    }
    basis.push(Basis { entity: to.clone(), n: writer.connected });
    let begun = Fetching {
        exchange: case.cause.id,
        from: from.clone(),
        by: from.clone(),
        to: to.clone(),
        direction: Direction::Credit,
        authority: writer.authority,
        delivery: delivery_id(case.ctx.delivery_key, to, from, case.cause.id, None),
        deadline,
        object: *object,
    };
    fetching(hat, begun, basis)
}

/// Decides `hat.<hat>.release.<debit>` whose content is an object.
pub(crate) fn release(hat: &Hat, case: &Case<'_>, id: &Id, object: &Object) -> Result<Vec<Draft>, Reason> {
    permit(case.is_owner())?;
    hat.registration.active()?;
    let debit = hat.debits.get(id).ok_or(Reason::DebitNotFound)?;
    let (under, _) = under(case, id, debit)?;
    // What is this large is not read field by field.
    if !under.gate.is_open() {
        return Err(Reason::TooLarge);
    }
    let client = case.ctx.registry.registration(under.client);
    if client.is_some_and(|client| client.transport() == Transport::Http) {
        return Err(Reason::TooLarge);
    }
    let deadline = admit(hat, case, object)?;
    let from = case.ctx.entity;
    let begun = Fetching {
        exchange: case.cause.id,
        from: from.clone(),
        by: case.from().clone(),
        to: under.client.clone(),
        direction: Direction::Release,
        authority: Authority::Debit(id.clone()),
        delivery: delivery_id(case.ctx.delivery_key, under.client, from, case.cause.id, Some(id)),
        deadline,
        object: *object,
    };
    let basis = under.basis(case, std::iter::empty());
    fetching(hat, begun, basis)
}
