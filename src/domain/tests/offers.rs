//! Offers and claims: the exact maximum, and both sides in step.

use super::world::*;
use crate::domain::event::{Event, OfferTerms};
use crate::domain::offer::{Offer, OfferStanding};
use crate::domain::time::SECOND;
use crate::domain::{Action, Reason};

const FEED: &str = "facebook/feed";
const OFFER: &str = "offer:o1";

fn offer_terms(world: &World, max_claims: u32) -> OfferTerms {
    OfferTerms {
        owner: address(ACME),
        title: "A voucher".into(),
        starts: world.now,
        expires: world.now.plus(1000 * SECOND),
        max_claims,
        min_claims: 1,
        debit: terms(ACME, &[FEED]),
    }
}

fn offered(max_claims: u32) -> World {
    let mut world = World::new();
    let terms = offer_terms(&world, max_claims);
    world.say(ACME, OFFER, Action::OfferRegister { terms }).done();
    world.say(OPERATOR, OFFER, Action::Approve { key: None }).done();
    world
}

fn claim(world: &mut World, hat: &str) {
    let entries = world.say(hat, hat, Action::Claim { offer: id("o1") }).done();
    world.carry(&entries);
}

fn offer(world: &World) -> &Offer {
    match &world.states[&address(OFFER)] {
        State::Offer(offer) => offer,
        other => panic!("no offer: {other:?}"),
    }
}

#[test]
fn a_claim_is_reserved_proposed_enabled_and_confirmed() {
    let mut world = offered(1);
    claim(&mut world, BOB);
    assert_eq!(offer(&world).places[&id("bob.hubat.net")], false);
    assert!(world.hat().claims.is_empty());
    assert_eq!(world.hat().debits[&id("o1")].offer, Some(id("o1")));
    assert_eq!(world.say(BOB, BOB, release("o1", &[FEED])).refused(), Reason::DebitNotActive);
    let entries = world.say(BOB, BOB, Action::DebitEnable { debit: id("o1") }).done();
    world.carry(&entries);
    assert!(offer(&world).places[&id("bob.hubat.net")]);
    world.say(BOB, BOB, release("o1", &[FEED])).opened();
    assert_eq!(world.say(BOB, BOB, Action::Claim { offer: id("o1") }).refused(), Reason::AlreadyExists);
}

#[test]
fn the_maximum_is_exact_and_who_finds_no_place_is_told() {
    let mut world = offered(1);
    claim(&mut world, ANN);
    let entries = world.say(BOB, BOB, Action::Claim { offer: id("o1") }).done();
    assert_eq!(world.say(BOB, BOB, Action::Claim { offer: id("o1") }).refused(), Reason::AlreadyExists);
    world.carry(&entries);
    assert_eq!(offer(&world).places.len(), 1);
    let refused = world
        .log
        .iter()
        .any(|(entry, _)| entry.event == Event::OfferRefused { hat: id("bob.hubat.net"), reason: Reason::OfferFull });
    assert!(refused);
    assert!(world.hat().claims.is_empty() && world.hat().debits.is_empty());
}

#[test]
fn a_place_asked_for_twice_is_one_place() {
    let mut world = offered(1);
    for _ in 0..2 {
        let event = world.say(DEX, OFFER, Action::OfferReserve { hat: id("ann.hubat.net") }).event();
        assert!(matches!(event, Event::OfferReserved { .. }));
    }
    assert_eq!(offer(&world).places.len(), 1);
}

#[test]
fn only_the_exchange_reserves_and_confirms() {
    let mut world = offered(1);
    let hat = || id("ann.hubat.net");
    assert_eq!(world.say(ANN, OFFER, Action::OfferReserve { hat: hat() }).refused(), Reason::NotPermitted);
    assert_eq!(world.say(DEX, OFFER, Action::OfferConfirm { hat: hat() }).refused(), Reason::NotFound);
    world.say(DEX, OFFER, Action::OfferReserve { hat: hat() }).done();
    assert_eq!(world.say(ACME, OFFER, Action::OfferConfirm { hat: hat() }).refused(), Reason::NotPermitted);
    world.say(DEX, OFFER, Action::OfferConfirm { hat: hat() }).done();
    assert_eq!(world.say(DEX, OFFER, Action::OfferConfirm { hat: hat() }).refused(), Reason::AlreadyExists);
}

#[test]
fn claims_are_taken_within_the_window_of_an_approved_offer() {
    let mut world = World::new();
    let terms = offer_terms(&world, 9);
    let reserve = || Action::OfferReserve { hat: id("ann.hubat.net") };
    let why = |said: Said| match said.event() {
        Event::OfferRefused { reason, .. } => Some(reason),
        _ => None,
    };
    assert_eq!(why(world.say(DEX, OFFER, reserve())), Some(Reason::NotFound));
    world.say(ACME, OFFER, Action::OfferRegister { terms }).done();
    assert_eq!(why(world.say(DEX, OFFER, reserve())), Some(Reason::NotApproved));
    world.say(OPERATOR, OFFER, Action::Approve { key: None }).done();
    world.pass(1000);
    assert_eq!(why(world.say(DEX, OFFER, reserve())), Some(Reason::WrongState));
    world.pass(-1);
    assert_eq!(why(world.say(DEX, OFFER, reserve())), None);
    world.say(ACME, OFFER, Action::OfferClose).done();
    assert_eq!(
        why(world.say(DEX, OFFER, Action::OfferReserve { hat: id("bob.hubat.net") })),
        Some(Reason::NotApproved)
    );
    assert_eq!(offer(&world).standing, OfferStanding::Closed);
}

#[test]
fn an_offer_is_its_owners_and_the_operators() {
    let mut world = World::new();
    let terms = offer_terms(&world, 1);
    let register = |terms| Action::OfferRegister { terms };
    assert_eq!(world.say(OPERATOR, OFFER, Action::Approve { key: None }).refused(), Reason::NotFound);
    assert_eq!(world.say(NOTABLES, OFFER, register(terms.clone())).refused(), Reason::NotPermitted);
    let none = OfferTerms { max_claims: 0, min_claims: 0, ..terms.clone() };
    assert_eq!(world.say(ACME, OFFER, register(none)).refused(), Reason::Malformed);
    world.say(ACME, OFFER, register(terms.clone())).done();
    assert_eq!(world.say(ACME, OFFER, register(terms)).refused(), Reason::AlreadyExists);
    assert_eq!(world.say(ACME, OFFER, Action::Approve { key: None }).refused(), Reason::NotPermitted);
    assert_eq!(world.say(BOB, OFFER, Action::OfferClose).refused(), Reason::NotPermitted);
    world.say(OPERATOR, OFFER, Action::OfferReject).done();
    assert_eq!(world.say(OPERATOR, OFFER, Action::Approve { key: None }).refused(), Reason::WrongState);
}

#[test]
fn a_debit_cannot_take_the_name_of_a_claim_on_its_way() {
    let mut world = offered(1);
    let entries = world.say(BOB, BOB, Action::Claim { offer: id("o1") }).done();
    let sly = Action::DebitPropose { debit: id("o1"), terms: terms(NOTABLES, &[FEED]) };
    assert_eq!(world.say(NOTABLES, BOB, sly).refused(), Reason::AlreadyExists);
    world.carry(&entries);
    assert_eq!(*world.hat().debits[&id("o1")].client(), address(ACME));
}

#[test]
fn the_exchanges_own_messages_are_never_stale() {
    let mut world = offered(1);
    let message = world.message(DEX, OFFER, Action::OfferReserve { hat: id("ann.hubat.net") });
    world.pass(900);
    let mut late = message;
    late.command.stored_at = world.now.plus(-SECOND);
    late.cause().id = {
        let now = world.now;
        world.pass(-30 * 86_400);
        let id = world.fresh();
        world.now = now;
        id
    };
    assert!(matches!(world.put(&late).event(), Event::OfferReserved { .. }));
}
