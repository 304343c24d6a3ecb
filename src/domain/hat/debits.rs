//! Data debits on a HAT: proposed and amended by the client, enabled and disabled by the owner.

use super::state::Hat;
use super::turns::due;
use crate::domain::debit::{Debit, well_formed};
use crate::domain::entity::Draft;
use crate::domain::entry::Basis;
use crate::domain::event::{DebitTerms, Event};
use crate::domain::exchange::check::{Case, permit};
use crate::domain::id::{Address, Id, Kind};
use crate::domain::verdict::Reason;

/// Whether this party can receive under a debit of somebody else.
fn can_receive(from: &Address) -> bool {
    matches!(from.kind, Kind::Org | Kind::App | Kind::Hat)
}

/// The proposal of `terms` by the party that speaks: its approval and key are the basis.
fn proposal(
    hat: &Hat,
    case: &Case<'_>,
    debit: &Id,
    terms: &DebitTerms,
    offer: Option<&Id>,
) -> Result<Vec<Draft>, Reason> {
    let n = case.sender_approved()?;
    hat.quota(case, 0)?;
    if !well_formed(terms) {
        return Err(Reason::Malformed);
    }
    let entity = case.from().clone();
    let mut basis = vec![Basis { entity, n }];
    if case.key_n != Some(n) {
        basis.extend(case.key_basis());
    }
    let event = Event::DebitProposed {
        debit: debit.clone(),
        terms: Box::new(terms.clone()),
        offer: offer.cloned(),
        claim: None,
        until: None,
    };
    Ok(vec![Draft::caused(event).on(basis)])
}

/// Decides `hat.<hat>.debit-propose.<debit>`.
pub(super) fn propose(hat: &Hat, case: &Case<'_>, debit: &Id, terms: &DebitTerms) -> Result<Vec<Draft>, Reason> {
    let from = case.from();
    // Without personal data only by an offer: whoever proposes knows the HAT.
    permit(can_receive(from) && !case.is_self() && terms.client == *from && !terms.without_pii)?;
    hat.registration.active()?;
    case.sender_standing()?;
    let drafts = proposal(hat, case, debit, terms, None)?;
    if hat.debits.contains_key(debit) || hat.claims.contains_key(debit) {
        return Err(Reason::AlreadyExists);
    }
    if hat.debits_held(case.at()) >= case.ctx.limits.debits_per_hat {
        return Err(Reason::RecipientOverQuota);
    }
    Ok(drafts)
}

/// Decides `hat.<hat>.debit-amend.<debit>`: a further revision, which waits for the owner while the
/// accepted one stays as it is.
pub(super) fn amend(hat: &Hat, case: &Case<'_>, id: &Id, terms: &DebitTerms) -> Result<Vec<Draft>, Reason> {
    let from = case.from();
    let debit = hat.debits.get(id).filter(|debit| !debit.without_pii());
    permit(match debit {
        Some(debit) => debit.client == *from && terms.client == *from && !terms.without_pii,
        None => can_receive(from) && !case.is_self(),
    })?;
    hat.registration.active()?;
    case.sender_standing()?;
    let debit = debit.ok_or(Reason::DebitNotFound)?;
    if debit.lost() {
        return Err(Reason::DebitEnded);
    }
    let terms = match debit.revisions.first() {
        Some(first) => &terms.clone().following(&first.terms)?,
        None => terms,
    };
    let drafts = proposal(hat, case, id, terms, debit.offer.as_ref())?;
    if debit.revisions.len() >= case.ctx.limits.revisions_per_debit {
        return Err(Reason::OverQuota);
    }
    Ok(drafts)
}

/// The debit that the owner speaks about.
fn owned<'a>(hat: &'a Hat, id: &Id) -> Result<&'a Debit, Reason> {
    hat.debits.get(id).map(|debit| &**debit).ok_or(Reason::DebitNotFound)
}

/// Decides `hat.<hat>.debit-enable.<debit>`: the owner accepts the newest revision.
pub(super) fn enable(hat: &Hat, case: &Case<'_>, id: &Id, revision: Option<u32>) -> Result<Vec<Draft>, Reason> {
    permit(case.is_owner())?;
    hat.registration.active()?;
    let debit = owned(hat, id)?;
    let at = case.at();
    let newest = debit.newest();
    // It was amended since the owner looked: who accepts has to see what.
    if revision.is_some_and(|seen| seen != newest) {
        return Err(Reason::Conflict);
    }
    // A place that was not taken up in time is on its way to somebody else.
    let late = debit.enabled.is_none() && debit.place.is_some_and(|place| at >= place.until);
    if debit.lost() || late {
        return Err(Reason::DebitEnded);
    }
    let accepted = debit.enabled.is_some_and(|e| e.revision == newest);
    if accepted && debit.cancelled.is_none() && debit.live(at) {
        return Err(Reason::WrongState);
    }
    let others = hat.debits.iter().filter(|(other, _)| *other != id);
    let live = others.filter(|(_, debit)| debit.live(at)).count();
    if live >= case.ctx.limits.active_debits_per_hat {
        return Err(Reason::OverQuota);
    }
    let event = Event::DebitEnabled {
        debit: id.clone(),
        revision: newest,
        client: debit.client.clone(),
        offer: debit.offer.clone(),
        claim: debit.place.map(|place| place.claim),
    };
    let mut basis = Vec::with_capacity(2);
    basis.extend(case.key_basis());
    basis.extend(debit.revisions.last().map(|revision| Basis { entity: case.ctx.entity.clone(), n: revision.n }));
    // What the clock did before is told before.
    let mut drafts = due(id, debit, at);
    drafts.push(Draft::caused(event).on(basis));
    Ok(drafts)
}

/// Decides `hat.<hat>.debit-disable.<debit>`.
pub(super) fn disable(hat: &Hat, case: &Case<'_>, id: &Id, at_period_end: bool) -> Result<Vec<Draft>, Reason> {
    permit(case.is_owner())?;
    hat.not_retired()?;
    let debit = owned(hat, id)?;
    let ending = debit.cancelled.is_some_and(|c| c.at_period_end);
    if !debit.live(case.at()) || (ending && at_period_end) {
        return Err(Reason::WrongState);
    }
    let event = Event::DebitDisabled { debit: id.clone(), at_period_end, client: debit.client.clone() };
    let mut drafts = due(id, debit, case.at());
    drafts.push(Draft::caused(event));
    Ok(drafts)
}
