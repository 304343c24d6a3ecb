//! The places of an offer: reserved when a HAT claims, confirmed when its owner enables the debit, free again
//! when they lapse or are given back.

use super::{Offer, OfferStanding};
use crate::domain::entity::Draft;
use crate::domain::event::{Event, HatClaim, OfferTerms};
use crate::domain::exchange::check::{self, Case, permit};
use crate::domain::id::Address;
use crate::domain::time::Timestamp;
use crate::domain::verdict::Reason;

impl Offer {
    fn max(&self) -> usize {
        let max = self.terms.as_ref().map_or(0, |terms| terms.max_claims);
        usize::try_from(max).unwrap_or(usize::MAX)
    }

    /// A place becomes free: of an offer that had none there is one to tell.
    pub(super) fn reopened(&self) -> Option<Draft> {
        (self.standing == OfferStanding::Oversubscribed).then(|| Draft::further(Event::OfferReopened))
    }

    /// All `taken` places of a satisfied offer are taken, as it has not been told yet.
    fn oversubscribed(&self, satisfied: bool, taken: usize) -> Option<Draft> {
        let open = matches!(self.standing, OfferStanding::Approved | OfferStanding::Satisfied);
        (open && satisfied && taken >= self.max()).then(|| Draft::further(Event::OfferOversubscribed))
    }
}

/// The terms under which this HAT gets a place, and until when it is kept.
fn place<'a>(offer: &'a Offer, case: &Case<'_>, of: &HatClaim) -> Result<(&'a OfferTerms, Timestamp), Reason> {
    let terms = offer.terms.as_deref().ok_or(Reason::NotFound)?;
    let until = case.at().plus(case.ctx.limits.claim_lapse).min(terms.expires);
    // A claim that holds a place is told so again, whatever has changed since.
    if offer.holds(&of.hat, of.claim) {
        let kept = offer.claims.get(&of.hat).and_then(|record| record.until);
        return Ok((terms, kept.unwrap_or(until)));
    }
    match offer.standing {
        OfferStanding::Approved | OfferStanding::Satisfied => {}
        OfferStanding::Oversubscribed => return Err(Reason::OfferFull),
        OfferStanding::Unknown => return Err(Reason::NotFound),
        OfferStanding::Draft | OfferStanding::Paid | OfferStanding::Rejected => return Err(Reason::NotApproved),
        OfferStanding::Closed | OfferStanding::Expired => return Err(Reason::WrongState),
    }
    check::active(case.ctx, &terms.owner)?;
    if case.at() < terms.starts || case.at() >= terms.expires {
        return Err(Reason::WrongState);
    }
    // A newer claim of a HAT that holds a place takes that one over.
    let own = usize::from(offer.reserved.contains(&of.hat) || offer.confirmed.contains(&of.hat));
    if offer.taken() - own >= offer.max() {
        return Err(Reason::OfferFull);
    }
    Ok((terms, until))
}

/// Decides `offer.<offer>.reserve`, from the exchange. A refusal is the offer's answer to the HAT, so it
/// is an event of its own.
///
/// `by` asks in the owner's place and must be the acquirer.
pub(super) fn reserve(
    offer: &Offer,
    case: &Case<'_>,
    of: &HatClaim,
    by: Option<&Address>,
) -> Result<Vec<Draft>, Reason> {
    permit(case.is_dex())?;
    case.sender_approved()?;
    let HatClaim { hat, claim } = of.clone();
    let owner = offer.terms.as_ref().map(|terms| &terms.owner);
    // Who is not to know whose data it is given names no HAT.
    let unnamed = by.is_some() && offer.terms.as_ref().is_some_and(|terms| terms.debit.without_pii);
    if unnamed || (by.is_some() && owner.is_some() && by != owner) {
        return Ok(vec![Draft::caused(Event::OfferRefused { hat, reason: Reason::NotPermitted, claim })]);
    }
    let (terms, until) = match place(offer, case, of) {
        Ok(place) => place,
        Err(reason) => return Ok(vec![Draft::caused(Event::OfferRefused { hat, reason, claim })]),
    };
    let holds = offer.holds(&of.hat, of.claim) || offer.reserved.contains(&hat) || offer.confirmed.contains(&hat);
    let terms = Box::new(terms.debit.clone());
    let mut drafts = vec![Draft::caused(Event::OfferReserved { hat, terms, claim, until: Some(until) })];
    drafts.extend(offer.oversubscribed(offer.satisfied, offer.taken() + usize::from(!holds)));
    Ok(drafts)
}

/// Decides `offer.<offer>.confirm`, from the exchange. Confirmed twice is confirmed.
pub(super) fn confirm(offer: &Offer, case: &Case<'_>, of: &HatClaim) -> Result<Vec<Draft>, Reason> {
    permit(case.is_dex())?;
    case.sender_approved()?;
    if !offer.holds(&of.hat, of.claim) || offer.standing == OfferStanding::Expired {
        return Err(Reason::WrongState);
    }
    let mut drafts = vec![Draft::caused(Event::OfferConfirmed { hat: of.hat.clone() })];
    let confirmed = offer.confirmed.len() + usize::from(!offer.confirmed.contains(&of.hat));
    let min = offer.terms.as_ref().map_or(0, |terms| terms.min_claims);
    let enough = confirmed >= usize::try_from(min).unwrap_or(usize::MAX);
    if enough && !offer.satisfied {
        drafts.push(Draft::further(Event::OfferSatisfied));
    }
    drafts.extend(offer.oversubscribed(enough || offer.satisfied, offer.taken()));
    Ok(drafts)
}

/// Decides `offer.<offer>.lapse`, from the exchange: a HAT's claim is over by its own doing.
pub(super) fn lapse(offer: &Offer, case: &Case<'_>, of: &HatClaim, completed: bool) -> Result<Vec<Draft>, Reason> {
    permit(case.is_dex())?;
    case.sender_approved()?;
    if !offer.holds(&of.hat, of.claim) {
        return Err(Reason::WrongState);
    }
    let mut drafts = vec![Draft::caused(Event::OfferLeft { hat: of.hat.clone(), completed })];
    drafts.extend(offer.reopened().filter(|_| !completed));
    Ok(drafts)
}
