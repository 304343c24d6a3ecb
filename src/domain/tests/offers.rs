//! Offers and claims.

use super::world::*;
use crate::domain::*;

const OFFER: &str = "offer:o";
const BOB: &str = "hat:bob.hubat.net";
const EVE: &str = "hat:eve.hubat.net";

fn offered(max: u32) -> World {
    let mut w = World::new();
    let terms = offer_terms("org:acme", max);
    w.must(OFFER, "org:acme", Action::OfferRegister { terms });
    w
}

fn approved(max: u32) -> World {
    let mut w = offered(max);
    w.must(OFFER, "operator:root", Action::Approve { key: None });
    w
}

fn claim(w: &mut World, hat: &str) {
    w.must(hat, hat, Action::Claim { offer: id("o") });
    w.settle_sends();
}

fn of(hat: &str) -> event::HatClaim {
    event::HatClaim { hat: id(hat), claim: None }
}

fn last(w: &World, to: &str) -> (Status, Option<Reason>, bool) {
    let (_, outcome, first) = w.outcomes.iter().rev().find(|(t, ..)| *t == a(to)).unwrap();
    (outcome.status, outcome.reason, *first)
}

#[test]
fn a_claim_becomes_a_debit_and_is_confirmed_when_enabled() {
    let mut w = approved(1);
    claim(&mut w, BOB);
    assert_eq!(last(&w, BOB), (Status::Settled, None, false));
    assert!(w.offer(OFFER).reserved.contains(&id("bob.hubat.net")));
    let debit = &w.hat(BOB).debits[&id("o")];
    assert_eq!((&debit.client, &debit.offer), (&a("org:acme"), &Some(id("o"))));
    assert!(w.hat(BOB).claims.is_empty());
    claim(&mut w, EVE);
    assert_eq!(last(&w, EVE), (Status::Rejected, Some(Reason::OfferFull), false));
    w.must(BOB, BOB, Action::DebitEnable { debit: id("o"), revision: None });
    w.settle_sends();
    assert!(w.offer(OFFER).confirmed.contains(&id("bob.hubat.net")));
    assert_eq!(w.offer(OFFER).taken(), 1);
    assert_eq!(w.refuses(BOB, BOB, Action::Claim { offer: id("o") }), Reason::AlreadyExists);
}

#[test]
fn reserving_twice_takes_one_place() {
    let mut w = approved(2);
    for _ in 0..3 {
        w.send(a(OFFER), Action::OfferReserve { of: of("bob.hubat.net"), by: None });
    }
    assert_eq!(w.offer(OFFER).taken(), 1);
    let confirm = w.send(a(OFFER), Action::OfferConfirm(of("eve.hubat.net")));
    assert_eq!(reason(&confirm), Reason::WrongState);
}

#[test]
fn offers_not_open_give_no_place() {
    fn refusal(w: &mut World) -> Reason {
        match w.send(a(OFFER), Action::OfferReserve { of: of("bob.hubat.net"), by: None }) {
            Decision::Record(drafts) => match &drafts[0].event {
                Event::OfferRefused { reason, .. } => *reason,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(refusal(&mut World::new()), Reason::NotFound);
    assert_eq!(refusal(&mut offered(1)), Reason::NotApproved);
    let mut w = World::new();
    let mut terms = offer_terms("org:acme", 1);
    terms.starts = START.plus(1);
    w.must(OFFER, "org:acme", Action::OfferRegister { terms });
    w.must(OFFER, "operator:root", Action::Approve { key: None });
    assert_eq!(refusal(&mut w), Reason::WrongState);
    w.pass(30 * 86_400);
    assert_eq!(refusal(&mut w), Reason::WrongState);
    let mut w = approved(1);
    w.must("org:acme", "operator:root", Action::Suspend);
    assert_eq!(refusal(&mut w), Reason::Suspended);
    w.must("org:acme", "operator:root", Action::Resume);
    w.must(OFFER, "org:acme", Action::OfferClose);
    assert_eq!(refusal(&mut w), Reason::WrongState);
    assert_eq!(w.refuses(OFFER, "org:acme", Action::OfferClose), Reason::WrongState);
    let mut w = offered(1);
    w.must(OFFER, "operator:root", Action::OfferReject);
    assert_eq!(refusal(&mut w), Reason::NotApproved);
    let approve = Action::Approve { key: None };
    assert_eq!(w.refuses(OFFER, "operator:root", approve), Reason::WrongState);
}

#[test]
fn terms_that_cannot_be_held_are_refused() {
    let mut w = World::new();
    let good = offer_terms("org:acme", 5);
    let mut never = good.clone();
    never.expires = never.starts;
    let mut none = good.clone();
    none.max_claims = 0;
    let mut many = good.clone();
    many.max_claims = offer::CLAIMS_MAX + 1;
    let mut minimum = good.clone();
    minimum.min_claims = 6;
    let mut foreign = good.clone();
    foreign.debit.client = a("org:other");
    for terms in [never, none, many, minimum, foreign] {
        let register = Action::OfferRegister { terms };
        assert_eq!(w.refuses(OFFER, "org:acme", register), Reason::Malformed);
    }
    w.must(OFFER, "org:acme", Action::OfferRegister { terms: good.clone() });
    let again = Action::OfferRegister { terms: good };
    assert_eq!(w.refuses(OFFER, "org:acme", again), Reason::AlreadyExists);
}
