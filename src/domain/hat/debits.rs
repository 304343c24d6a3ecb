//! Data debits: proposed by the client, enabled and disabled by the owner.

use super::state::Hat;
use crate::domain::event::DebitTerms;
use crate::domain::exchange::Sender;
use crate::domain::exchange::check::not_in_force;
use crate::domain::records::is_endpoint;
use crate::domain::{Action, Cause, Command, Context, Draft, Event, Id, Kind, Reason};

/// Most endpoints that a bundle names.
const ENDPOINTS_MAX: usize = 256;

pub(super) fn decide(
    ctx: &Context<'_>,
    hat: &Hat,
    sender: &Sender,
    command: &Command,
    cause: &Cause,
) -> Result<Vec<Draft>, Reason> {
    let event = match &command.action {
        Action::DebitPropose { debit, terms } => {
            client(sender, cause, terms)?;
            hat.in_force()?;
            valid(terms)?;
            room(ctx, hat, command, debit)?;
            proposed(debit, terms)
        }
        Action::DebitAmend { debit, terms } => {
            client(sender, cause, terms)?;
            hat.in_force()?;
            let known = hat.debits.get(debit).filter(|known| *known.client() == cause.from);
            let known = known.ok_or(Reason::DebitNotFound)?;
            valid(terms)?;
            if known.revisions.len() >= ctx.limits.revisions_per_debit {
                return Err(Reason::OverQuota);
            }
            proposed(debit, terms)
        }
        Action::DebitEnable { debit } => {
            owner(ctx, hat, cause)?;
            enabled(ctx, hat, command, debit)?
        }
        Action::DebitDisable { debit, at_period_end } => {
            owner(ctx, hat, cause)?;
            let known = hat.debits.get(debit).ok_or(Reason::DebitNotFound)?;
            // One that is accepted and starts later can be disabled before it does.
            if !known.live(command.stored_at) {
                return Err(if known.ended(command.stored_at) { Reason::DebitEnded } else { Reason::DebitNotActive });
            }
            Event::DebitDisabled { debit: debit.clone(), at_period_end: *at_period_end, client: known.client().clone() }
        }
        _ => return Err(Reason::NotPermitted),
    };
    Ok(vec![Draft::new(event)])
}

fn proposed(debit: &Id, terms: &DebitTerms) -> Event {
    Event::DebitProposed { debit: debit.clone(), terms: Box::new(terms.clone()), offer: None }
}

/// The proposer is the client: an org, an app or another HAT, in force.
fn client(sender: &Sender, cause: &Cause, terms: &DebitTerms) -> Result<(), Reason> {
    let may = matches!(cause.from.kind, Kind::Org | Kind::App | Kind::Hat);
    if !may || terms.client != cause.from {
        return Err(Reason::NotPermitted);
    }
    not_in_force(sender.registration.standing, Reason::NotApproved).map_or(Ok(()), Err)
}

fn owner(ctx: &Context<'_>, hat: &Hat, cause: &Cause) -> Result<(), Reason> {
    if cause.from != *ctx.entity {
        return Err(Reason::NotPermitted);
    }
    hat.in_force()
}

/// A debit that could release nothing, or never end its period, is refused when it is proposed.
pub(super) fn valid(terms: &DebitTerms) -> Result<(), Reason> {
    let mut endpoints = 0;
    for property in terms.bundle.bundle.values() {
        for query in &property.endpoints {
            endpoints += 1;
            if !is_endpoint(&query.endpoint) {
                return Err(Reason::Malformed);
            }
        }
    }
    let sized = (1..=ENDPOINTS_MAX).contains(&endpoints);
    if sized && terms.period_seconds > 0 { Ok(()) } else { Err(Reason::Malformed) }
}

/// Whether one more debit of this id may be held.
pub(super) fn room(ctx: &Context<'_>, hat: &Hat, command: &Command, debit: &Id) -> Result<(), Reason> {
    // A claim has its debit's place and name already.
    if hat.debits.contains_key(debit) || hat.claims.contains(debit) {
        return Err(Reason::AlreadyExists);
    }
    let held = hat.debits.values().filter(|debit| !debit.ended(command.stored_at)).count();
    if held + hat.claims.len() >= ctx.limits.debits_per_hat { Err(Reason::OverQuota) } else { Ok(()) }
}

fn enabled(ctx: &Context<'_>, hat: &Hat, command: &Command, id: &Id) -> Result<Event, Reason> {
    let debit = hat.debits.get(id).ok_or(Reason::DebitNotFound)?;
    let latest = debit.latest().ok_or(Reason::DebitNotFound)?;
    let at = command.stored_at;
    if latest.live(at) && latest.disabled.is_none() {
        return Err(Reason::AlreadyExists);
    }
    let active = hat.debits.iter().filter(|(other, debit)| *other != id && debit.live(at)).count();
    if active >= ctx.limits.active_debits_per_hat {
        return Err(Reason::OverQuota);
    }
    let revision = u32::try_from(debit.revisions.len()).map_err(|_| Reason::OverQuota)?;
    Ok(Event::DebitEnabled { debit: id.clone(), revision, client: debit.client().clone(), offer: debit.offer.clone() })
}
