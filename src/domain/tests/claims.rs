//! Claims over their lives: held back below the minimum, released at it, lapsed, given back, completed.

use super::world::*;
use crate::domain::debit::DebitStanding;
use crate::domain::offer::{ClaimStanding, OfferStanding};
use crate::domain::*;

const OFFER: &str = "offer:o";
const BOB: &str = "hat:bob.hubat.net";
const EVE: &str = "hat:eve.hubat.net";
const DAY: i64 = 86_400;

/// An approved offer.
fn offered(min: u32, max: u32) -> World {
    let mut w = World::new();
    let mut terms = offer_terms("org:acme", max);
    terms.min_claims = min;
    terms.debit.bundle = bundle(&["facebook/likes"]);
    w.must(OFFER, "org:acme", Action::OfferRegister { terms });
    w.must(OFFER, "operator:root", Action::Approve { key: None });
    w
}

fn claim(w: &mut World, hat: &str) {
    w.must(hat, hat, Action::Claim { offer: id("o") });
    w.settle_sends();
}

fn enable(w: &mut World, hat: &str) {
    w.must(hat, hat, Action::DebitEnable { debit: id("o"), revision: None });
    w.settle_sends();
}

fn confirmed(w: &mut World, hat: &str) {
    claim(w, hat);
    enable(w, hat);
}

/// Released under the offer's debit: what is told first, and the exchange.
fn release(w: &mut World, hat: &str) -> (Status, Option<Reason>, MessageId) {
    w.tell(hat, hat, Action::Release { debit: id("o"), records: records(&["facebook/likes"]) });
    let (_, outcome, _) = w.outcomes.iter().rfind(|(to, _, first)| *to == a(hat) && *first).expect("told");
    (outcome.status, outcome.reason, outcome.exchange)
}

/// What the sender of the exchange is told after the first outcome.
fn later(w: &World, exchange: MessageId) -> Vec<(Status, Option<Reason>)> {
    let of = |(_, outcome, first): &(Address, Outcome, bool)| {
        (outcome.exchange == exchange && !first).then_some((outcome.status, outcome.reason))
    };
    w.outcomes.iter().filter_map(of).collect()
}

fn standing(w: &World) -> OfferStanding {
    w.offer(OFFER).standing
}

fn claim_of(w: &World, hat: &str) -> ClaimStanding {
    w.offer(OFFER).claims[&a(hat).id].standing
}

fn debit_of(w: &World, hat: &str) -> DebitStanding {
    w.hat(hat).debits[&id("o")].standing(w.now)
}

fn pass(w: &mut World, seconds: i64) {
    w.pass(seconds);
    w.settle_sends();
}

#[test]
fn what_goes_below_the_minimum_is_held_and_released_at_it() {
    let mut w = offered(2, 2);
    confirmed(&mut w, BOB);
    assert_eq!((standing(&w), debit_of(&w, BOB)), (OfferStanding::Approved, DebitStanding::Waiting));
    let (status, reason, exchange) = release(&mut w, BOB);
    assert_eq!((status, reason), (Status::Pending, Some(Reason::OfferBelowMinimum)));
    let pull = Action::Pull { debit: id("o"), ask: Default::default() };
    w.must(BOB, "org:acme", pull);
    assert_eq!((w.hat(BOB).held.len(), w.hat(BOB).open.len()), (2, 2));
    confirmed(&mut w, EVE);
    assert_eq!(standing(&w), OfferStanding::Oversubscribed);
    assert!(w.hat(BOB).held.is_empty());
    assert_eq!(w.hat(BOB).open.len(), 2, "on their way");
    assert_eq!(later(&w, exchange), [(Status::Accepted, None)]);
    let at_once = release(&mut w, EVE);
    assert_eq!((at_once.0, at_once.1), (Status::Accepted, None));
    let names: Vec<&Event> =
        w.ledger.iter().filter(|(entry, _)| entry.entity == a(OFFER)).map(|(entry, _)| &entry.event).collect();
    assert!(names.contains(&&Event::OfferSatisfied) && names.contains(&&Event::OfferOversubscribed));
}

#[test]
fn an_unconfirmed_claim_lapses_and_its_place_is_free_again() {
    let mut w = offered(1, 1);
    claim(&mut w, BOB);
    pass(&mut w, DAY - 1);
    assert_eq!(claim_of(&w, BOB), ClaimStanding::Reserved);
    w.pass(1);
    assert_eq!(
        w.refuses(BOB, BOB, Action::DebitEnable { debit: id("o"), revision: None }),
        Reason::DebitEnded,
        "too late"
    );
    claim(&mut w, EVE);
    assert!(!w.hat(EVE).debits.contains_key(&id("o")), "full for a minute more: a confirmation may be on its way");
    pass(&mut w, 60);
    assert_eq!((claim_of(&w, BOB), debit_of(&w, BOB)), (ClaimStanding::Lapsed, DebitStanding::Lapsed));
    assert_eq!(w.refuses(BOB, BOB, Action::DebitEnable { debit: id("o"), revision: None }), Reason::DebitEnded);
    let amend = Action::DebitAmend { debit: id("o"), terms: terms("org:acme", &["facebook/likes"]) };
    assert_eq!(w.refuses(BOB, "org:acme", amend), Reason::DebitEnded, "nor by way of an amendment");
    confirmed(&mut w, EVE);
    assert_eq!((w.offer(OFFER).taken(), debit_of(&w, EVE)), (1, DebitStanding::Active));
    claim(&mut w, BOB);
    assert_eq!(debit_of(&w, BOB), DebitStanding::Lapsed, "no place left");
}

#[test]
fn a_confirmation_that_comes_in_the_last_moment_counts() {
    let mut w = offered(1, 1);
    claim(&mut w, BOB);
    w.pass(DAY - 1);
    w.must(BOB, BOB, Action::DebitEnable { debit: id("o"), revision: None });
    let confirm = w.sends.pop_front().expect("a confirmation");
    pass(&mut w, 30);
    w.send(confirm.0, confirm.1);
    w.settle_sends();
    assert_eq!((claim_of(&w, BOB), debit_of(&w, BOB)), (ClaimStanding::Confirmed, DebitStanding::Active));
}

#[test]
fn an_offer_that_ends_below_its_minimum_takes_all_back() {
    let mut w = offered(2, 5);
    pass(&mut w, 29 * DAY);
    confirmed(&mut w, BOB);
    claim(&mut w, EVE);
    let mut command =
        w.message(&a(BOB), &a(BOB), Action::Release { debit: id("o"), records: records(&["facebook/likes"]) });
    command.deadline = Some(w.now.plus(7 * DAY * 1_000_000_000));
    let exchange = command.cause.as_ref().expect("a message").id;
    w.run(&a(BOB), command);
    pass(&mut w, DAY + 60);
    assert_eq!((standing(&w), w.offer(OFFER).taken()), (OfferStanding::Expired, 0));
    for hat in [BOB, EVE] {
        assert_eq!((claim_of(&w, hat), debit_of(&w, hat)), (ClaimStanding::Lapsed, DebitStanding::Lapsed));
        assert_eq!(w.refuses(hat, hat, Action::DebitEnable { debit: id("o"), revision: None }), Reason::DebitEnded);
    }
    assert_eq!(later(&w, exchange), [(Status::Rejected, Some(Reason::OfferBelowMinimum))]);
    assert!(w.hat(BOB).open.is_empty() && w.hat(BOB).held.is_empty());
    assert_eq!(release(&mut w, BOB).1, Some(Reason::DebitEnded));
    assert_eq!(w.refuses(OFFER, "org:acme", Action::OfferClose), Reason::WrongState);
}

#[test]
fn a_satisfied_offer_closes_at_its_end_and_its_debits_go_on() {
    let mut w = offered(1, 5);
    confirmed(&mut w, BOB);
    pass(&mut w, 30 * DAY + 60);
    assert_eq!(standing(&w), OfferStanding::Closed);
    assert_eq!(release(&mut w, BOB).0, Status::Accepted);
}

#[test]
fn a_place_given_back_is_free_and_its_debit_over() {
    let mut w = offered(1, 1);
    confirmed(&mut w, BOB);
    assert_eq!(standing(&w), OfferStanding::Oversubscribed);
    assert_eq!(w.refuses(BOB, "org:acme", Action::Withdraw { offer: id("o") }), Reason::NotPermitted);
    w.must(BOB, BOB, Action::Withdraw { offer: id("o") });
    w.settle_sends();
    assert_eq!((standing(&w), claim_of(&w, BOB)), (OfferStanding::Satisfied, ClaimStanding::Withdrawn));
    assert_eq!((debit_of(&w, BOB), release(&mut w, BOB).1), (DebitStanding::Withdrawn, Some(Reason::DebitEnded)));
    assert_eq!(w.refuses(BOB, BOB, Action::Withdraw { offer: id("o") }), Reason::WrongState);
    assert_eq!(w.refuses(EVE, EVE, Action::Withdraw { offer: id("o") }), Reason::NotFound);
    confirmed(&mut w, EVE);
    assert_eq!(w.offer(OFFER).taken(), 1);
    // The minimum was reached once: what a new claimer releases is not held.
    assert_eq!(release(&mut w, EVE).0, Status::Accepted);
}

#[test]
fn a_message_about_an_earlier_claim_does_not_touch_a_newer_one() {
    let mut w = offered(1, 2);
    claim(&mut w, BOB);
    w.pass(DAY + 60);
    w.wake_all();
    let lapsed = w.sends.pop_front().expect("the lapse is told");
    w.must(BOB, BOB, Action::Withdraw { offer: id("o") });
    claim(&mut w, BOB);
    assert_eq!(claim_of(&w, BOB), ClaimStanding::Reserved);
    assert_eq!(reason(&w.send(lapsed.0, lapsed.1)), Reason::WrongState);
    enable(&mut w, BOB);
    assert_eq!((claim_of(&w, BOB), debit_of(&w, BOB)), (ClaimStanding::Confirmed, DebitStanding::Active));
}

#[test]
fn a_claim_is_completed_when_its_debit_has_run_to_its_end() {
    let mut w = offered(1, 1);
    confirmed(&mut w, BOB);
    w.must(BOB, BOB, Action::DebitDisable { debit: id("o"), at_period_end: true });
    pass(&mut w, 3600);
    assert_eq!((claim_of(&w, BOB), w.offer(OFFER).taken()), (ClaimStanding::Completed, 1));
    assert_eq!(standing(&w), OfferStanding::Oversubscribed, "the place was used");
}

#[test]
fn what_is_held_ends_in_every_way_that_an_exchange_can() {
    let mut w = offered(2, 2);
    confirmed(&mut w, BOB);
    let (_, _, recalled) = release(&mut w, BOB);
    w.must(BOB, BOB, Action::Recall { exchange: recalled });
    assert_eq!(later(&w, recalled), [(Status::Recalled, Some(Reason::RecalledBySender))]);
    let (_, _, expired) = release(&mut w, BOB);
    let delivery = *w.hat(BOB).held.keys().next().expect("held");
    w.pass(3600);
    w.local(&a(BOB), Action::Deadline { delivery });
    assert_eq!(later(&w, expired), [(Status::Expired, Some(Reason::DeadlinePassed))]);
    let (_, _, rejected) = release(&mut w, BOB);
    w.must(BOB, BOB, Action::DebitDisable { debit: id("o"), at_period_end: false });
    confirmed(&mut w, EVE);
    assert_eq!(later(&w, rejected), [(Status::Rejected, Some(Reason::DebitEnded))], "its right is gone");
    assert!(w.hat(BOB).open.is_empty());
}

#[test]
fn what_is_held_back_is_bounded() {
    let mut w = offered(2, 2);
    w.limits.held_per_hat = 2;
    confirmed(&mut w, BOB);
    assert_eq!([(); 3].map(|()| release(&mut w, BOB).1)[2], Some(Reason::OverQuota));
}

#[test]
fn an_offer_is_paid_for_once_before_it_is_approved() {
    let mut w = World::new();
    w.must(OFFER, "org:acme", Action::OfferRegister { terms: offer_terms("org:acme", 1) });
    assert_eq!(w.refuses(OFFER, "org:acme", Action::OfferPay), Reason::NotPermitted);
    w.must(OFFER, "operator:root", Action::OfferPay);
    assert_eq!(standing(&w), OfferStanding::Paid);
    assert_eq!(w.refuses(OFFER, "operator:root", Action::OfferPay), Reason::WrongState);
    w.must(OFFER, "operator:root", Action::Approve { key: None });
    assert_eq!(w.refuses(OFFER, "operator:root", Action::OfferPay), Reason::WrongState);
}
