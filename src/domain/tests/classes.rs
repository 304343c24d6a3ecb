//! Classes of personal data and offers without it, in what a HAT releases.

use std::sync::Arc;

use serde_json::{Value, json};

use super::world::*;
use crate::domain::command::{PullAsk, Receipt};
use crate::domain::event::{DebitTerms, OfferTerms, Opened, Verdict};
use crate::domain::pii::{Class, ClassSet, Dropped, Word, pseudonym};
use crate::domain::time::SECOND;
use crate::domain::*;

const BOB: &str = "hat:bob.hubat.net";
const EVE: &str = "hat:eve.hubat.net";
const ROOT: &str = "operator:root";
const DEX: &str = "dex:dex.test";
const ACME: &str = "org:acme";
const OFFER: &str = "offer:o";

pub(super) fn classify(w: &mut World, endpoint: &str, word: Value) -> Decision {
    let word: Word = serde_json::from_value(word).expect("a word");
    w.tell(DEX, ROOT, Action::Classify { endpoint: endpoint.into(), word: Box::new(word) })
}

/// Posts with a name (direct), a day (quasi) and a number of likes (none).
pub(super) fn known(w: &mut World) {
    let fields = json!({ "name": { "class": "direct" }, "day": { "class": "quasi" }, "likes": { "class": "none" } });
    let told = classify(w, "facebook/feed", json!({ "fields": fields, "description": "posts" }));
    assert!(matches!(told, Decision::Record(_)), "{told:?}");
}

pub(super) fn post() -> Records {
    let data = json!({ "name": "Bob", "day": 3, "likes": 1 });
    let body = json!([{ "endpoint": "facebook/feed", "recordId": "r1", "sourceUniqueId": "fb-1", "data": data }]);
    Records::parse(body.to_string().into(), 10).expect("records")
}

fn content(w: &World) -> Value {
    let content = w.ledger.iter().rev().find_map(|(_, content)| content.clone()).expect("content is spooled");
    serde_json::from_slice(&content).expect("JSON")
}

fn granting(classes: &[Class]) -> DebitTerms {
    DebitTerms { classes: Some(ClassSet::of(classes.iter().copied())), ..terms(ACME, &["facebook/feed"]) }
}

fn release(debit: &str) -> Action {
    Action::Release { debit: id(debit), records: post() }
}

#[test]
fn what_is_not_granted_is_left_out_counted_and_founded() {
    let mut w = World::new();
    known(&mut w);
    w.debit("d9", ACME, granting(&[Class::Quasi]));
    w.must(BOB, BOB, release("d9"));
    assert_eq!(content(&w)[0]["data"], json!({ "day": 3, "likes": 1 }));
    let opened = w.last_opened();
    let dropped = Dropped { direct: 1, ..Dropped::default() };
    assert_eq!((opened.dropped, opened.count_out), (dropped, 1));
    let (_, outcome, first) = w.outcomes.last().expect("told");
    assert_eq!((outcome.dropped, *first), (dropped, true));
    let (entry, spooled) = w.ledger.last().expect("an entry");
    assert_eq!(opened.digest_out, Digest::of(spooled.as_ref().expect("content")));
    let classified = w.ledger.iter().find(|(entry, _)| matches!(entry.event, Event::Classified { .. })).expect("there");
    let basis = Basis { entity: a(DEX), n: classified.0.n };
    assert!(entry.basis.contains(&basis), "{:?}", entry.basis);
    // Nothing is left of what says only who it is.
    let body = json!([{ "endpoint": "facebook/feed", "data": { "name": "Bob" } }]);
    let records = Records::parse(body.to_string().into(), 10).expect("records");
    let only = Action::Release { debit: id("d9"), records };
    assert_eq!(w.refuses(BOB, BOB, only), Reason::PiiNotGranted);
}

#[test]
fn a_fan_out_gives_each_client_what_it_is_granted() {
    let mut w = World::new();
    known(&mut w);
    w.debit("d8", "org:other", DebitTerms { client: a("org:other"), ..granting(&[]) });
    let events = w.must(BOB, BOB, Action::Data { records: post() });
    let Event::Fanned { parts, .. } = &events[0] else { panic!("{events:?}") };
    // d1 was made without a grant: what its bundle names passes.
    let dropped: Vec<(&str, Dropped)> = parts.iter().map(|part| (part.debit.as_str(), part.dropped)).collect();
    assert_eq!(dropped, [("d1", Dropped::default()), ("d8", Dropped { quasi: 1, direct: 1, special: 0 })]);
    w.must(BOB, BOB, Action::DebitDisable { debit: id("d1"), at_period_end: false });
    let body = json!([{ "endpoint": "facebook/feed", "data": { "name": "Bob" } }]);
    let records = Records::parse(body.to_string().into(), 10).expect("records");
    assert_eq!(w.refuses(BOB, BOB, Action::Data { records }), Reason::PiiNotGranted);
}

#[test]
fn answers_to_pulls_and_what_a_bridge_brings_pass_the_same_gate() {
    let mut w = World::new();
    known(&mut w);
    w.debit("d9", ACME, granting(&[]));
    let bridge = "bridge:dex.test";
    w.local(&a(bridge), Action::OperatorDeclare { keys: vec![key(bridge)] });
    w.must(BOB, ROOT, Action::Entrust { transport: Transport::Nats, bridge: Some(id("dex.test")) });
    for by in [BOB, bridge] {
        w.must(BOB, ACME, Action::Pull { debit: id("d9"), ask: PullAsk::default() });
        let mut command = w.message(&a(BOB), &a(by), release("d9"));
        command.pull = Some(w.last_opened().exchange);
        w.run(&a(BOB), command);
        assert_eq!(content(&w)[0]["data"], json!({ "likes": 1 }), "by {by}");
    }
}

#[test]
fn an_operators_bound_holds_whatever_is_granted_and_may_be_changed() {
    let mut w = World::new();
    known(&mut w);
    w.debit("d9", ACME, granting(&[Class::Quasi, Class::Direct]));
    let allow = |classes: Option<&[Class]>| Action::AllowClasses {
        classes: classes.map(|it| ClassSet::of(it.iter().copied())),
    };
    assert_eq!(w.refuses(ACME, ACME, allow(None)), Reason::NotPermitted);
    assert_eq!(w.refuses("org:new", ROOT, allow(None)), Reason::UnknownParty);
    w.must(ACME, ROOT, allow(Some(&[Class::Quasi])));
    let bound = w.ledger.last().expect("an entry").0.n;
    for debit in ["d9", "d1"] {
        w.must(BOB, BOB, release(debit));
        assert_eq!(content(&w)[0]["data"], json!({ "day": 3, "likes": 1 }), "{debit}");
        let basis = &w.ledger.last().expect("an entry").0.basis;
        assert!(basis.contains(&Basis { entity: a(ACME), n: bound }), "{basis:?}");
    }
    w.must(ACME, ROOT, allow(None));
    w.must(BOB, BOB, release("d9"));
    assert_eq!(content(&w)[0]["data"], json!({ "name": "Bob", "day": 3, "likes": 1 }));
}

#[test]
fn an_approved_manifest_speaks_and_an_operator_over_it() {
    let mut w = World::new();
    let manifest = |class: &str| {
        let endpoint = json!({ "name": "feed", "fields": { "name": class, "likes": "none" } });
        let value = json!({ "description": "d", "url": "https://p.example", "endpoints": [endpoint] });
        Some(Arc::new(plug::Manifest::read(&value).expect("a manifest")))
    };
    let plug = "plug:more";
    let profile = |class| Profile::Plug { name: "n".into(), namespace: "facebook".into(), manifest: manifest(class) };
    w.register(plug, plug, profile("none"));
    w.debit("d9", ACME, granting(&[]));
    let name = |w: &mut World| {
        w.must(BOB, BOB, release("d9"));
        content(w)[0]["data"]["name"].clone()
    };
    assert_eq!(w.refuses(BOB, BOB, release("d9")), Reason::PiiNotGranted, "what waits says nothing yet");
    let key = Some(key(plug));
    w.must(plug, ROOT, Action::Approve { key });
    let approved = w.ledger.last().expect("an entry").0.n;
    assert_eq!(name(&mut w), "Bob");
    assert!(w.ledger.last().expect("an entry").0.basis.contains(&Basis { entity: a(plug), n: approved }));
    w.must(plug, ROOT, Action::Suspend);
    assert_eq!(name(&mut w), "Bob", "what was approved was approved");
    assert!(w.ledger.last().expect("an entry").0.basis.contains(&Basis { entity: a(plug), n: approved }));
    classify(&mut w, "facebook/feed", json!({ "fields": { "name": { "class": "direct" } } }));
    assert_eq!(name(&mut w), Value::Null);
    classify(&mut w, "facebook/feed", json!({}));
    assert_eq!(name(&mut w), "Bob", "taken back");
    assert_eq!(reason(&classify(&mut w, "facebook/feed", json!({}))), Reason::NotFound);
    let word = Box::new(Word { class: Some(Class::None), ..Word::default() });
    let by_plug = Action::Classify { endpoint: "facebook/feed".into(), word };
    assert_eq!(w.refuses(DEX, "plug:facebook", by_plug.clone()), Reason::NotPermitted);
    assert_eq!(w.refuses(ACME, ROOT, by_plug), Reason::NotPermitted);
}

#[test]
fn what_operators_say_is_bounded() {
    let mut w = World::new();
    let text = "x".repeat(1024);
    let fields: serde_json::Map<String, Value> =
        (0..28).map(|n| (format!("f{n}"), json!({ "description": text }))).collect();
    let word = json!({ "fields": fields });
    let told = (0..40).map(|n| classify(&mut w, &format!("a/e{n}"), word.clone()));
    let refused = told.filter(|told| matches!(told, Decision::Record(drafts) if matches!(drafts[0].event, Event::Rejected { reason: Reason::OverQuota })));
    assert!(refused.count() > 0);
    classify(&mut w, "a/e0", json!({}));
    let again = classify(&mut w, "a/e0", word);
    assert!(matches!(again, Decision::Record(drafts) if matches!(drafts[0].event, Event::Classified { .. })));
}

/// An offer without personal data that both HATs have taken up.
pub(super) fn anonymous() -> World {
    let mut w = World::new();
    known(&mut w);
    let debit = DebitTerms { without_pii: true, ..terms(ACME, &["facebook/feed"]) };
    let terms = OfferTerms { debit, ..offer_terms(ACME, 2) };
    w.must(OFFER, ACME, Action::OfferRegister { terms });
    w.must(OFFER, ROOT, Action::Approve { key: None });
    for hat in [BOB, EVE] {
        w.must(hat, hat, Action::Claim { offer: id("o") });
        w.settle_sends();
        w.must(hat, hat, Action::DebitEnable { debit: id("o"), revision: None });
        w.settle_sends();
    }
    w
}

fn released(w: &mut World, hat: &str) -> Opened {
    w.must(hat, hat, release("o"));
    w.last_opened()
}

#[test]
fn a_debit_without_personal_data_comes_from_an_offer_alone_and_names_nobody() {
    let mut w = anonymous();
    let own = DebitTerms { without_pii: true, ..terms(ACME, &["facebook/feed"]) };
    assert_eq!(w.refuses(BOB, ACME, Action::DebitPropose { debit: id("x"), terms: own.clone() }), Reason::NotPermitted);
    let personal = DebitTerms { classes: Some(ClassSet::of([Class::Direct])), ..own.clone() };
    let terms = OfferTerms { debit: personal, ..offer_terms(ACME, 2) };
    assert_eq!(w.refuses("offer:p", ACME, Action::OfferRegister { terms }), Reason::Malformed);

    let (one, two) = (released(&mut w, BOB), released(&mut w, EVE));
    assert_eq!(content(&w)[0]["data"], json!({ "day": 3, "likes": 1 }));
    let body = content(&w).to_string();
    assert!(!body.contains("\"r1\"") && !body.contains("fb-1"), "{body}");
    assert!(one.without_pii && one.dropped.direct == 1);
    assert_ne!(one.delivery.as_bytes()[..6], one.exchange.0.as_bytes()[..6], "no time of the HAT's");
    assert_eq!(one.deadline.0 % (60 * SECOND), 0);
    let of = |hat: &str| pseudonym::source(&[7; 32], &a(hat), &a(ACME));
    assert_ne!(of(BOB), of(EVE));
    assert_eq!(released(&mut w, BOB).delivery.get_version_num(), 8);
    assert_ne!(one.delivery, two.delivery);

    // To its client there is no such debit on any HAT.
    for (to, action) in [
        (BOB, Action::Pull { debit: id("o"), ask: PullAsk::default() }),
        (BOB, Action::DebitAmend { debit: id("o"), terms: own }),
    ] {
        assert_eq!(w.refuses(to, ACME, action), Reason::DebitNotFound);
    }
    let of = event::HatClaim { hat: id("joe.hubat.net"), claim: None };
    let asked = w.send(a(OFFER), Action::OfferReserve { of, by: Some(a(ACME)) });
    let refused = matches!(&asked, Decision::Record(drafts) if matches!(drafts[0].event, Event::OfferRefused { reason: Reason::NotPermitted, .. }));
    assert!(refused, "{asked:?}");
}

/// A receipt by the lane that the delivery names.
fn answer(w: &mut World, receipt: Receipt) -> Event {
    let mut command = w.message(&a(BOB), &a(ACME), Action::Receipt(receipt));
    command.addressed = a("lane:k1");
    w.run(&a(BOB), command);
    w.ledger.last().expect("an entry").0.event.clone()
}

#[test]
fn receipts_recalls_disputes_and_deadlines_work_under_a_pseudonym() {
    let mut w = anonymous();
    let last = |w: &World| w.ledger.last().expect("an entry").0.event.clone();
    let settled = released(&mut w, BOB);
    for hat in [EVE, BOB] {
        w.must(hat, ACME, Action::Receipt(agreeing(&settled)));
        assert!(matches!(last(&w), Event::LateReceipt { .. }), "{hat}: an address tells nothing");
    }
    assert!(matches!(answer(&mut w, agreeing(&settled)), Event::Settled(closed) if closed.without_pii));
    let disputed = released(&mut w, BOB);
    let other = Receipt { count: 9, ..agreeing(&disputed) };
    assert!(matches!(answer(&mut w, other), Event::Disputed { closed, .. } if closed.without_pii));
    let recalled = released(&mut w, BOB);
    let asked = w.must(BOB, BOB, Action::Recall { exchange: recalled.exchange });
    assert!(matches!(asked[0], Event::RecallRequested { without_pii: true, .. }));
    let back = Receipt { verdict: Verdict::Returned, ..agreeing(&recalled) };
    assert!(matches!(answer(&mut w, back), Event::Recalled(closed) if closed.without_pii));
    let late = released(&mut w, BOB);
    w.pass(3600);
    w.local(&a(BOB), Action::Deadline { delivery: late.delivery });
    assert!(matches!(last(&w), Event::Expired(closed) if closed.without_pii));
}
