//! An offer registered by its owner, approved or rejected by an operator, closed by either.

use super::{CLAIMS_MAX, Offer, OfferStanding};
use crate::domain::bytes::Key;
use crate::domain::debit::well_formed;
use crate::domain::entity::Draft;
use crate::domain::entry::Basis;
use crate::domain::event::{Event, OfferTerms};
use crate::domain::exchange::check::{self, Case, permit};
use crate::domain::id::Kind;
use crate::domain::verdict::Reason;

/// Whether the terms can be held to.
fn can_be_held(terms: &OfferTerms) -> bool {
    terms.starts < terms.expires
        && (1..=CLAIMS_MAX).contains(&terms.max_claims)
        && terms.min_claims <= terms.max_claims
        && terms.debit.client == terms.owner
        && well_formed(&terms.debit)
}

/// Decides `offer.<offer>.register`.
pub(super) fn register(offer: &Offer, case: &Case<'_>, terms: &OfferTerms) -> Result<Vec<Draft>, Reason> {
    let from = case.from();
    permit(from.kind == Kind::Org && terms.owner == *from)?;
    case.sender_standing()?;
    let n = case.sender_approved()?;
    if offer.standing != OfferStanding::Unknown {
        return Err(Reason::AlreadyExists);
    }
    if !can_be_held(terms) {
        return Err(Reason::Malformed);
    }
    let terms = Box::new(terms.clone());
    let entity = from.clone();
    Ok(vec![Draft::caused(Event::OfferRegistered { terms }).on(vec![Basis { entity, n }])])
}

/// That the offer waits for the operator.
fn waits(offer: &Offer) -> Result<(), Reason> {
    match offer.standing {
        OfferStanding::Draft | OfferStanding::Paid => Ok(()),
        OfferStanding::Unknown => Err(Reason::NotFound),
        _ => Err(Reason::WrongState),
    }
}

fn by_operator(case: &Case<'_>) -> Result<Vec<Basis>, Reason> {
    permit(case.is_operator())?;
    case.sender_approved()?;
    Ok(case.key_basis().into_iter().collect())
}

/// Decides `offer.<offer>.approve`. Its owner must be in force.
pub(super) fn approve(offer: &Offer, case: &Case<'_>, key: Option<Key>) -> Result<Vec<Draft>, Reason> {
    let basis = by_operator(case)?;
    if let Some(terms) = &offer.terms {
        check::active(case.ctx, &terms.owner)?;
    }
    waits(offer)?;
    if key.is_some() {
        return Err(Reason::Malformed);
    }
    Ok(vec![Draft::caused(Event::Approved { key: None }).on(basis)])
}

/// Decides `offer.<offer>.pay`: the operator says that it is paid for. The exchange moves no money.
pub(super) fn pay(offer: &Offer, case: &Case<'_>) -> Result<Vec<Draft>, Reason> {
    let basis = by_operator(case)?;
    waits(offer)?;
    if offer.standing == OfferStanding::Paid {
        return Err(Reason::WrongState);
    }
    Ok(vec![Draft::caused(Event::OfferPaid).on(basis)])
}

/// Decides `offer.<offer>.reject`.
pub(super) fn reject(offer: &Offer, case: &Case<'_>) -> Result<Vec<Draft>, Reason> {
    let basis = by_operator(case)?;
    waits(offer)?;
    Ok(vec![Draft::caused(Event::OfferRejected).on(basis)])
}

/// Decides `offer.<offer>.close`. Places that are held stay held.
pub(super) fn close(offer: &Offer, case: &Case<'_>) -> Result<Vec<Draft>, Reason> {
    let owner = offer.terms.as_ref().map(|terms| &terms.owner);
    permit(case.is_operator() || owner == Some(case.from()))?;
    case.sender_approved()?;
    match offer.standing {
        OfferStanding::Draft
        | OfferStanding::Paid
        | OfferStanding::Approved
        | OfferStanding::Satisfied
        | OfferStanding::Oversubscribed => Ok(vec![Draft::caused(Event::OfferClosed)]),
        OfferStanding::Unknown => Err(Reason::NotFound),
        OfferStanding::Rejected | OfferStanding::Closed | OfferStanding::Expired => Err(Reason::WrongState),
    }
}
