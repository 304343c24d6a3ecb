//! A client that is not to know whose data it is given asks for it by the id under which it knows a debit; and what is
//! held back below an offer's minimum is judged by classes once more when it leaves.

use serde_json::json;
use uuid::Uuid;

use super::classes::{anonymous, classify, known, post};
use super::world::*;
use crate::domain::command::PullAsk;
use crate::domain::event::{DebitTerms, Direction, OfferTerms};
use crate::domain::exchange::large::Object;
use crate::domain::pii::pseudonym;
use crate::domain::*;

const BOB: &str = "hat:bob.hubat.net";
const EVE: &str = "hat:eve.hubat.net";
const ROOT: &str = "operator:root";
const ACME: &str = "org:acme";
const OFFER: &str = "offer:o";

/// The id under which acme knows a HAT's debit.
fn name(hat: &str) -> Id {
    pseudonym::debit(&[7; 32], &a(hat).id, &id("o"))
}

fn pull(hat: &str) -> Action {
    Action::OfferPull { debit: name(hat), ask: PullAsk { limit: Some(5), ..PullAsk::default() } }
}

/// What acme was told of this exchange: how it stood each time.
fn told(w: &World, exchange: MessageId) -> Vec<(Status, Option<Reason>)> {
    let own = w.outcomes.iter().filter(|(to, outcome, _)| *to == a(ACME) && outcome.exchange == exchange);
    own.map(|(_, outcome, _)| (outcome.status, outcome.reason)).collect()
}

/// Acme asks; the id of its message.
fn asked(w: &mut World, hat: &str) -> MessageId {
    let events = w.must(OFFER, ACME, pull(hat));
    let Event::OfferPulled { hat: found, pull } = &events[0] else { panic!("{events:?}") };
    assert_eq!(*found, a(hat).id);
    w.settle_sends();
    pull.pull
}

#[test]
fn a_client_pulls_by_the_id_that_it_knows_and_learns_no_address() {
    let mut w = anonymous();
    for hat in [BOB, EVE] {
        let pull = asked(&mut w, hat);
        let request = w.last_opened();
        assert_eq!((request.direction, request.to.clone(), request.without_pii), (Direction::Pull, a(hat), true));
        assert_eq!((request.exchange, request.from.clone(), request.limit), (pull, a(ACME), Some(5)));
        let mut answer = w.message(&a(hat), &a(hat), Action::Release { debit: id("o"), records: post() });
        answer.pull = Some(pull);
        let Decision::Record(drafts) = w.run(&a(hat), answer) else { panic!("not answered") };
        let Event::Opened(opened) = &drafts[0].event else { panic!("{drafts:?}") };
        assert_eq!((opened.pull, opened.without_pii), (Some(pull), true));
        assert_eq!(told(&w, pull), [(Status::Accepted, None), (Status::Settled, None)]);
    }
    for (to, outcome, _) in w.outcomes.iter().filter(|(to, _, _)| *to == a(ACME)) {
        let text = serde_json::to_string(outcome).expect("JSON");
        assert!(!text.contains("hubat"), "{to}: {text}");
    }
    assert_eq!(w.entities[&a(OFFER)].restored(), w.entities[&a(OFFER)]);
}

#[test]
fn nobody_else_asks_by_way_of_an_offer_and_a_refusal_is_told() {
    let mut w = anonymous();
    assert_eq!(w.refuses(OFFER, "org:other", pull(BOB)), Reason::NotPermitted);
    assert_eq!(w.refuses(OFFER, BOB, pull(BOB)), Reason::NotPermitted);
    let nobody = Action::OfferPull { debit: id("nobody"), ask: PullAsk::default() };
    assert_eq!(w.refuses(OFFER, ACME, nobody), Reason::DebitNotFound);
    assert_eq!(w.refuses("offer:none", ACME, pull(BOB)), Reason::NotFound);
    let many = Action::OfferPull { debit: name(BOB), ask: PullAsk { limit: Some(0), ..PullAsk::default() } };
    assert_eq!(w.refuses(OFFER, ACME, many), Reason::Malformed);
    // Where HATs have names they are asked themselves.
    w.must("offer:p", ACME, Action::OfferRegister { terms: offer_terms(ACME, 2) });
    assert_eq!(w.refuses("offer:p", ACME, pull(BOB)), Reason::NotPermitted);
    // What the exchange says to itself nobody else says.
    let made = w.must(OFFER, ACME, pull(BOB));
    let Event::OfferPulled { pull: of, .. } = &made[0] else { panic!("{made:?}") };
    let forged = Action::PullAsked { offer: id("o"), pull: of.clone() };
    assert_eq!(w.refuses(BOB, ACME, forged), Reason::NotPermitted);
    w.settle_sends();
    // The owner has ended the debit.
    w.must(EVE, EVE, Action::DebitDisable { debit: id("o"), at_period_end: false });
    let pull = asked(&mut w, EVE);
    assert_eq!(told(&w, pull), [(Status::Accepted, None), (Status::Rejected, Some(Reason::DebitEnded))]);
    // Not answered, it expires; no address that is tried leads to it.
    let pull = asked(&mut w, BOB);
    let delivery = w.last_opened().delivery;
    for hat in [BOB, EVE] {
        assert_eq!(w.refuses(hat, ACME, Action::Recall { exchange: pull }), Reason::NotFound);
        let verdict = event::Verdict::Refused;
        let receipt = command::Receipt { delivery, digest: Digest::of(b""), count: 0, verdict, reason: None };
        let told = w.must(hat, ACME, Action::Receipt(receipt));
        assert!(matches!(told[0], Event::LateReceipt { .. }), "{told:?}");
    }
    w.now = w.hat(BOB).open[&delivery].deadline;
    w.local(&a(BOB), Action::Deadline { delivery });
    assert_eq!(told(&w, pull).last(), Some(&(Status::Expired, Some(Reason::DeadlinePassed))));
}

#[test]
fn asked_too_often_is_refused_and_counted_against_who_asks() {
    let mut w = anonymous();
    // What it has proposed counts in the minute in which it did.
    w.pass(60);
    w.limits.messages_per_minute = 3;
    let mut refused = 0;
    for _ in 0..5 {
        let pull = asked(&mut w, BOB);
        refused += usize::from(told(&w, pull).contains(&(Status::Rejected, Some(Reason::OverQuota))));
    }
    assert_eq!(refused, 2);
}

#[test]
fn large_content_names_nobody_either() {
    let mut w = anonymous();
    let object = Object { id: Uuid::from_u128(5), size: 9, digest: Digest::of(b"content"), count: 3, chunks: 1 };
    let events = w.must(BOB, BOB, Action::ReleaseObject { debit: id("o"), object });
    let Event::Fetching(fetching) = &events[0] else { panic!("{events:?}") };
    assert!(fetching.without_pii && fetching.deadline.0 % (60 * time::SECOND) == 0);
    let key = [7; 32];
    assert_eq!(fetching.delivery, pseudonym::delivery(&key, &a(ACME), &a(BOB), fetching.exchange, &id("o")));
    assert!(w.hat(BOB).open[&fetching.delivery].without_pii);
}

/// An offer that is satisfied with two, taken up by bob alone, who has released a record.
fn held_back() -> World {
    let mut w = World::new();
    known(&mut w);
    let debit = DebitTerms { classes: None, ..terms(ACME, &["facebook/feed"]) };
    let terms = OfferTerms { debit, min_claims: 2, ..offer_terms(ACME, 5) };
    w.must(OFFER, ACME, Action::OfferRegister { terms });
    w.must(OFFER, ROOT, Action::Approve { key: None });
    join(&mut w, BOB);
    w.must(BOB, BOB, Action::Release { debit: id("o"), records: post() });
    assert_eq!(w.hat(BOB).held.len(), 1);
    w
}

fn join(w: &mut World, hat: &str) {
    w.must(hat, hat, Action::Claim { offer: id("o") });
    w.settle_sends();
    w.must(hat, hat, Action::DebitEnable { debit: id("o"), revision: None });
    w.settle_sends();
}

#[test]
fn what_was_held_back_is_judged_by_classes_again() {
    let ends = |w: &World| {
        let mut events = w.ledger.iter().rev().map(|(entry, _)| &entry.event);
        events.find_map(|event| match event {
            Event::Released(_) => Some(None),
            Event::Dropped { reason, .. } => Some(Some(*reason)),
            _ => None,
        })
    };
    let mut w = held_back();
    join(&mut w, EVE);
    assert_eq!(ends(&w), Some(None), "as it was");
    // Something else is classified meanwhile: it has nothing to do with it.
    let mut w = held_back();
    classify(&mut w, "facebook/events", json!({ "class": "special" }));
    join(&mut w, EVE);
    assert_eq!(ends(&w), Some(None));
    // What it holds is special by now, and nobody has named it.
    let mut w = held_back();
    classify(&mut w, "facebook/feed", json!({ "fields": { "name": { "class": "special" } } }));
    join(&mut w, EVE);
    assert_eq!(ends(&w), Some(Some(Reason::PiiNotGranted)));
    assert!(w.hat(BOB).held.is_empty() && w.hat(BOB).held_gates.is_empty());
}
