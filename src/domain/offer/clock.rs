//! What the clock alone does to an offer: places lapse, its time is over, HATs are told what concerns all.

use super::{Offer, OfferStanding};
use crate::domain::entity::{Decision, Draft};
use crate::domain::event::Event;
use crate::domain::time::{SECOND, Timestamp};

/// How long after a place lapses, or the offer's time is over, it comes about: what an owner accepted just
/// before is still on its way here.
pub const GRACE: i64 = 60 * SECOND;

/// Most HATs named by one entry; the others follow in further ones.
const AT_ONCE: usize = 64;

/// When the offer's end comes about, as long as one is ahead of it.
fn end(offer: &Offer) -> Option<Timestamp> {
    let expires = offer.terms.as_ref()?.expires.plus(GRACE);
    match offer.standing {
        OfferStanding::Approved | OfferStanding::Satisfied | OfferStanding::Oversubscribed => Some(expires),
        OfferStanding::Closed if !offer.satisfied && offer.taken() > 0 => Some(expires),
        _ => None,
    }
}

/// When there is something to do next.
pub(super) fn next(offer: &Offer) -> Option<Timestamp> {
    let now = offer.standing == OfferStanding::Expired && offer.taken() > 0 || !offer.untold.is_empty();
    if now {
        return Some(Timestamp(i64::MIN));
    }
    let lapse = offer.lapses.first().map(|(until, _)| until.plus(GRACE));
    lapse.into_iter().chain(end(offer)).min()
}

/// Decides the local command: the first of what is due.
pub(super) fn wake(offer: &Offer, now: Timestamp) -> Decision {
    let places = || offer.confirmed.iter().chain(&offer.reserved).take(AT_ONCE);
    if offer.standing == OfferStanding::Expired && offer.taken() > 0 {
        return Decision::one(Draft::further(Event::OfferLapsed { claims: offer.claims_of(places()) }));
    }
    if !offer.untold.is_empty() {
        let claims = offer.claims_of(offer.untold.iter().take(AT_ONCE));
        return Decision::one(Draft::further(Event::OfferReleased { claims }));
    }
    let due = offer.lapses.iter().take_while(|(until, _)| until.plus(GRACE) <= now).take(AT_ONCE);
    let lapsed = offer.claims_of(due.map(|(_, hat)| hat));
    if !lapsed.is_empty() {
        let mut drafts = vec![Draft::further(Event::OfferLapsed { claims: lapsed })];
        drafts.extend(offer.reopened());
        return Decision::Record(drafts);
    }
    match end(offer) {
        Some(end) if end <= now => {
            let event = if offer.satisfied { Event::OfferClosed } else { Event::OfferExpired };
            Decision::one(Draft::further(event))
        }
        _ => Decision::Nothing,
    }
}
