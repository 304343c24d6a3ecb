//! Offers taken up: the owner claims, the exchange brings the offer's answer.

use super::state::Hat;
use crate::domain::debit::well_formed;
use crate::domain::entity::Draft;
use crate::domain::event::{DebitTerms, Event};
use crate::domain::exchange::check::{Case, permit};
use crate::domain::id::Id;
use crate::domain::verdict::Reason;

/// Decides `hat.<hat>.claim.<offer>`. Whether there is a place only the offer knows; it is asked.
pub(super) fn claim(hat: &Hat, case: &Case<'_>, offer: &Id) -> Result<Vec<Draft>, Reason> {
    permit(case.is_owner())?;
    hat.registration.active()?;
    hat.quota(case, 0)?;
    // The debit that a claim becomes has the offer's id.
    if hat.claims.contains_key(offer) || hat.debits.contains_key(offer) {
        return Err(Reason::AlreadyExists);
    }
    if hat.debits_held(case.at()) >= case.ctx.limits.debits_per_hat {
        return Err(Reason::OverQuota);
    }
    let offer = offer.clone();
    let mut draft = Draft::caused(Event::Claimed { offer });
    draft.basis.extend(case.key_basis());
    Ok(vec![draft])
}

/// Decides `hat.<hat>.claim-reserved.<offer>`: the debit is proposed on the offer's behalf.
pub(super) fn reserved(hat: &Hat, case: &Case<'_>, offer: &Id, terms: &DebitTerms) -> Result<Vec<Draft>, Reason> {
    permit(case.is_dex())?;
    hat.not_retired()?;
    case.sender_approved()?;
    let claim = hat.claims.get(offer).ok_or(Reason::WrongState)?;
    if !well_formed(terms) {
        return Err(Reason::Malformed);
    }
    let event = Event::DebitProposed {
        debit: offer.clone(),
        terms: Box::new(terms.clone()),
        offer: Some(offer.clone()),
        claim: Some(claim.id),
    };
    Ok(vec![Draft::caused(event)])
}

/// Decides `hat.<hat>.claim-refused.<offer>`.
pub(super) fn refused(hat: &Hat, case: &Case<'_>, offer: &Id) -> Result<Vec<Draft>, Reason> {
    permit(case.is_dex())?;
    case.sender_approved()?;
    let claim = hat.claims.get(offer).ok_or(Reason::WrongState)?;
    Ok(vec![Draft::caused(Event::ClaimRefused { offer: offer.clone(), claim: claim.id })])
}
