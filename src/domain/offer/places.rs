//! The places of an offer: reserved when a HAT claims, confirmed when its owner enables the debit.

use super::{Offer, OfferStanding};
use crate::domain::entity::Draft;
use crate::domain::event::{Event, OfferTerms};
use crate::domain::exchange::check::{self, Case, permit};
use crate::domain::id::Id;
use crate::domain::verdict::Reason;

/// The terms under which this HAT gets a place.
fn place<'a>(offer: &'a Offer, case: &Case<'_>, hat: &Id) -> Result<&'a OfferTerms, Reason> {
    let terms = offer.terms.as_deref().ok_or(Reason::NotFound)?;
    // A claim that holds a place is told so again, whatever has changed since.
    if offer.reserved.contains(hat) || offer.confirmed.contains(hat) {
        return Ok(terms);
    }
    match offer.standing {
        OfferStanding::Approved => {}
        OfferStanding::Unknown => return Err(Reason::NotFound),
        OfferStanding::Registered | OfferStanding::Rejected => return Err(Reason::NotApproved),
        OfferStanding::Closed => return Err(Reason::WrongState),
    }
    check::active(case.ctx, &terms.owner)?;
    if case.at() < terms.starts || case.at() >= terms.expires {
        return Err(Reason::WrongState);
    }
    let max = usize::try_from(terms.max_claims).unwrap_or(usize::MAX);
    if offer.taken() >= max {
        return Err(Reason::OfferFull);
    }
    Ok(terms)
}

/// Decides `offer.<offer>.reserve`, from the exchange. A refusal is the offer's answer to the HAT, so it
/// is an event of its own.
pub(super) fn reserve(offer: &Offer, case: &Case<'_>, hat: &Id) -> Result<Vec<Draft>, Reason> {
    permit(case.is_dex())?;
    case.sender_approved()?;
    let hat_id = hat.clone();
    Ok(vec![Draft::caused(match place(offer, case, hat) {
        Ok(terms) => Event::OfferReserved { hat: hat_id, terms: Box::new(terms.debit.clone()) },
        Err(reason) => Event::OfferRefused { hat: hat_id, reason },
    })])
}

/// Decides `offer.<offer>.confirm`, from the exchange. Confirmed twice is confirmed.
pub(super) fn confirm(offer: &Offer, case: &Case<'_>, hat: &Id) -> Result<Vec<Draft>, Reason> {
    permit(case.is_dex())?;
    case.sender_approved()?;
    if !offer.reserved.contains(hat) && !offer.confirmed.contains(hat) {
        return Err(Reason::WrongState);
    }
    let hat = hat.clone();
    Ok(vec![Draft::caused(Event::OfferConfirmed { hat })])
}
