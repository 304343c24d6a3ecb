//! A message that names its content: sender, right and quotas are judged before anything of it is read.

use super::{Fetching, Object};
use crate::domain::entity::Draft;
use crate::domain::entry::Basis;
use crate::domain::event::{Authority, Direction, Event};
use crate::domain::exchange::check::{self, Case, permit};
use crate::domain::exchange::credit::Writer;
use crate::domain::exchange::delivery_id::delivery_id;
use crate::domain::exchange::release::{Under, answered, blurred, delivery_of, under};
use crate::domain::hat::Hat;
use crate::domain::id::{Id, Kind};
use crate::domain::registration::Transport;
use crate::domain::time::Timestamp;
use crate::domain::verdict::Reason;

/// That so much may be fetched for this HAT and become so many exchanges; the exchange's deadline.
fn admit(hat: &Hat, case: &Case<'_>, object: &Object, opens: usize) -> Result<Timestamp, Reason> {
    let limits = case.ctx.limits;
    if !object.is_sound() {
        return Err(Reason::Malformed);
    }
    if object.size > limits.large_bytes {
        return Err(Reason::TooLarge);
    }
    hat.quota(case, opens)?;
    if hat.large_open().saturating_add(object.size) > limits.large_per_hat {
        return Err(Reason::RecipientOverQuota);
    }
    check::deadline(case)
}

fn fetching(hat: &Hat, fetching: Fetching, basis: Vec<Basis>) -> Result<Vec<Draft>, Reason> {
    hat.free(fetching.delivery)?;
    Ok(vec![Draft::caused(Event::Fetching(Box::new(fetching))).on(basis)])
}

/// Who receives is carried over HTTP, in one piece.
fn over_http(under: &Under<'_>) -> bool {
    under.registration.transport() == Transport::Http
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
    let deadline = admit(hat, case, object, 1)?;
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
        debits: Vec::new(),
        pull: None,
        without_pii: false,
    };
    fetching(hat, begun, basis)
}

/// Decides `hat.<hat>.release.<debit>` whose content is an object.
pub(crate) fn release(hat: &Hat, case: &Case<'_>, id: &Id, object: &Object) -> Result<Vec<Draft>, Reason> {
    permit(case.is_owner())?;
    hat.registration.active()?;
    let debit = hat.debits.get(id).ok_or(Reason::DebitNotFound)?;
    let (under, _) = under(case, id, debit)?;
    if over_http(&under) {
        return Err(Reason::TooLarge);
    }
    if let Some(pull) = case.command.pull {
        answered(hat, case.ctx, case.at(), under.client, pull, id)?;
    }
    let deadline = admit(hat, case, object, 1)?;
    let without_pii = under.gate.without_pii();
    let begun = Fetching {
        exchange: case.cause.id,
        from: case.ctx.entity.clone(),
        by: case.from().clone(),
        to: under.client.clone(),
        direction: Direction::Release,
        authority: Authority::Debit(id.clone()),
        delivery: delivery_of(&under.mask(case), without_pii, case.cause.id, id),
        deadline: if without_pii { blurred(deadline, case.at()) } else { deadline },
        object: *object,
        debits: Vec::new(),
        pull: case.command.pull,
        without_pii,
    };
    fetching(hat, begun, under.basis(case, &[]))
}

/// Decides `hat.<hat>.data` whose content is an object: it goes to the debits that are in force now.
pub(crate) fn data(hat: &Hat, case: &Case<'_>, object: &Object) -> Result<Vec<Draft>, Reason> {
    permit(case.is_owner() && case.command.pull.is_none())?;
    hat.registration.active()?;
    let mut debits = Vec::new();
    let mut carried = false;
    for (id, debit) in hat.debits.iter().filter(|(_, debit)| debit.in_force(case.at()).is_ok()) {
        // A debit whose client is not in force takes no part; nor does one with conditions, which only the HAT can look at.
        match under(case, id, debit) {
            Ok((_, revision)) if revision.terms.conditions.is_some() => {}
            Ok((under, _)) if over_http(&under) => carried = true,
            Ok(_) => debits.push(id.clone()),
            Err(_) => {}
        }
    }
    if debits.len() > case.ctx.limits.active_debits_per_hat {
        return Err(Reason::OverQuota);
    }
    if debits.is_empty() {
        return Err(if carried { Reason::TooLarge } else { Reason::NothingSelected });
    }
    let deadline = admit(hat, case, object, debits.len())?;
    let entity = case.ctx.entity;
    let begun = Fetching {
        exchange: case.cause.id,
        from: entity.clone(),
        by: case.from().clone(),
        to: entity.clone(),
        direction: Direction::Release,
        authority: Authority::Debits,
        delivery: delivery_id(case.ctx.delivery_key, entity, entity, case.cause.id, None),
        deadline,
        object: *object,
        debits,
        pull: None,
        without_pii: false,
    };
    fetching(hat, begun, case.key_basis().into_iter().collect())
}
