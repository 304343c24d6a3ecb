//! Offers taken up: the owner claims and withdraws, the exchange brings the offer's answers.

use super::state::Hat;
use crate::domain::debit::well_formed;
use crate::domain::entity::Draft;
use crate::domain::entry::Basis;
use crate::domain::event::{Authority, DebitTerms, Event, Opened};
use crate::domain::exchange::check::{Case, permit};
use crate::domain::exchange::release::gate;
use crate::domain::id::{Id, Kind, MessageId};
use crate::domain::time::Timestamp;
use crate::domain::verdict::Reason;

/// Decides `hat.<hat>.claim.<offer>`. Whether there is a place only the offer knows; it is asked.
pub(super) fn claim(hat: &Hat, case: &Case<'_>, offer: &Id) -> Result<Vec<Draft>, Reason> {
    let by = (!case.is_owner()).then(|| case.from().clone());
    // The offer's acquirer may ask for a HAT: whether it is the acquirer only the offer knows. The owner enables the debit
    // or does not.
    permit(by.as_ref().is_none_or(|by| by.kind == Kind::Org))?;
    let mut basis = Vec::new();
    if let Some(by) = &by {
        basis.push(Basis { entity: by.clone(), n: case.sender_approved()? });
    }
    hat.registration.active()?;
    hat.quota(case, 0)?;
    // The debit that a claim becomes has the offer's id. One whose place was lost may be claimed anew, by its owner.
    let held = hat.debits.get(offer);
    if hat.claims.contains_key(offer) || held.is_some_and(|debit| by.is_some() || !debit.lost()) {
        return Err(Reason::AlreadyExists);
    }
    let full = held.is_some_and(|debit| debit.revisions.len() >= case.ctx.limits.revisions_per_debit);
    if full || hat.debits_held(case.at()) >= case.ctx.limits.debits_per_hat {
        return Err(Reason::OverQuota);
    }
    let offer = offer.clone();
    let mut draft = Draft::caused(Event::Claimed { offer, by }).on(basis);
    draft.basis.extend(case.key_basis());
    Ok(vec![draft])
}

/// That the exchange speaks, of this claim and no earlier one. What was kept without the claim fits any.
fn about(case: &Case<'_>, own: MessageId, said: Option<MessageId>) -> Result<(), Reason> {
    permit(case.is_dex())?;
    case.sender_approved()?;
    if said.is_none_or(|said| said == own) { Ok(()) } else { Err(Reason::WrongState) }
}

/// Decides `hat.<hat>.claim-reserved.<offer>`: the debit is proposed on the offer's behalf.
pub(super) fn reserved(
    hat: &Hat,
    case: &Case<'_>,
    offer: &Id,
    terms: &DebitTerms,
    said: Option<MessageId>,
    until: Option<Timestamp>,
) -> Result<Vec<Draft>, Reason> {
    permit(case.is_dex())?;
    hat.not_retired()?;
    let claim = hat.claims.get(offer).ok_or(Reason::WrongState)?;
    about(case, claim.id, said)?;
    if !well_formed(terms) {
        return Err(Reason::Malformed);
    }
    let event = Event::DebitProposed {
        debit: offer.clone(),
        terms: Box::new(terms.clone()),
        offer: Some(offer.clone()),
        claim: Some(claim.id),
        until,
    };
    Ok(vec![Draft::caused(event)])
}

/// Decides `hat.<hat>.claim-refused.<offer>`.
pub(super) fn refused(hat: &Hat, case: &Case<'_>, offer: &Id, said: Option<MessageId>) -> Result<Vec<Draft>, Reason> {
    permit(case.is_dex())?;
    let claim = hat.claims.get(offer).ok_or(Reason::WrongState)?;
    about(case, claim.id, said)?;
    Ok(vec![Draft::caused(Event::ClaimRefused { offer: offer.clone(), claim: claim.id })])
}

/// The claim that holds a place here, or wants one.
fn standing(hat: &Hat, offer: &Id) -> Result<MessageId, Reason> {
    if let Some(claim) = hat.claims.get(offer) {
        return Ok(claim.id);
    }
    let debit = hat.debits.get(offer).ok_or(Reason::NotFound)?;
    let place = debit.place.ok_or(Reason::NotFound)?;
    if debit.lost() { Err(Reason::WrongState) } else { Ok(place.claim) }
}

/// What is held back under the offer's debit.
fn held<'a>(hat: &'a Hat, offer: &'a Id) -> impl Iterator<Item = &'a Opened> {
    let under = Authority::Debit(offer.clone());
    hat.held.values().map(|opened| &**opened).filter(move |opened| opened.authority == under)
}

fn dropped(hat: &Hat, opened: &Opened, reason: Reason) -> Option<Draft> {
    let closed = hat.open.get(&opened.delivery)?.close(opened.delivery);
    Some(Draft::further(Event::Dropped { closed, reason }))
}

/// Decides `hat.<hat>.claim-released.<offer>`: what was held back under the debit goes on its way, as far as
/// its right still stands.
pub(super) fn released(hat: &Hat, case: &Case<'_>, offer: &Id, said: Option<MessageId>) -> Result<Vec<Draft>, Reason> {
    permit(case.is_dex())?;
    let claim = standing(hat, offer)?;
    about(case, claim, said)?;
    let debit = hat.debits.get(offer).ok_or(Reason::WrongState)?;
    if !debit.holds_back() {
        return Err(Reason::WrongState);
    }
    let mut drafts = vec![Draft::caused(Event::ClaimReleased { offer: offer.clone(), claim })];
    for opened in held(hat, offer) {
        let Some(open) = hat.open.get(&opened.delivery) else { continue };
        // Its deadline has an entry of its own.
        if case.at() >= open.deadline {
            continue;
        }
        let still = || {
            hat.registration.active()?;
            let client = case.ctx.registry.registration(&debit.client).ok_or(Reason::UnknownParty)?;
            let standing = client.active()?;
            let (revision, enabled) = debit.in_force(case.at())?;
            // Selected by terms that the owner has replaced since, or under an acceptance taken back since.
            let since = debit.enabled.map(|enabled| enabled.since.unwrap_or(enabled.at));
            if since.is_some_and(|since| since > open.opened_at) {
                return Err(Reason::DebitNotActive);
            }
            let own = Basis { entity: case.ctx.entity.clone(), n: enabled };
            let mut basis = vec![own, Basis { entity: debit.client.clone(), n: standing }];
            if let Some(held_by) = hat.held_gates.get(&opened.delivery) {
                let endpoints = || opened.endpoints.iter().map(|(endpoint, _)| endpoint);
                let gate = gate(case.ctx.registry, &client, revision);
                // What was selected may hold what its client may not have any more.
                if gate.fingerprint(endpoints()) != *held_by {
                    return Err(Reason::PiiNotGranted);
                }
                basis.extend(gate.basis(endpoints()));
            }
            Ok(basis)
        };
        drafts.extend(match still() {
            Ok(basis) => Some(Draft::further(Event::Released(Box::new(opened.clone()))).on(basis)),
            Err(reason) => dropped(hat, opened, reason),
        });
    }
    Ok(drafts)
}

/// Decides `hat.<hat>.claim-lapsed.<offer>`: the debit is over, enabled or not.
pub(super) fn lapsed(hat: &Hat, case: &Case<'_>, offer: &Id, said: Option<MessageId>) -> Result<Vec<Draft>, Reason> {
    permit(case.is_dex())?;
    let claim = standing(hat, offer)?;
    about(case, claim, said)?;
    let offer_id = offer.clone();
    let mut drafts = vec![Draft::caused(Event::ClaimLapsed { offer: offer_id, claim })];
    drafts.extend(held(hat, offer).filter_map(|opened| dropped(hat, opened, Reason::OfferBelowMinimum)));
    Ok(drafts)
}

/// Decides `hat.<hat>.withdraw.<offer>`: the owner gives the place back; the debit is over.
pub(super) fn withdraw(hat: &Hat, case: &Case<'_>, offer: &Id) -> Result<Vec<Draft>, Reason> {
    permit(case.is_self())?;
    hat.not_retired()?;
    let claim = standing(hat, offer)?;
    let offer_id = offer.clone();
    let mut draft = Draft::caused(Event::ClaimWithdrawn { offer: offer_id, claim });
    draft.basis.extend(case.key_basis());
    let mut drafts = vec![draft];
    drafts.extend(held(hat, offer).filter_map(|opened| dropped(hat, opened, Reason::DebitEnded)));
    Ok(drafts)
}
