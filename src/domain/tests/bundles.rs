//! A debit's bundle on what leaves a HAT: released unasked, fanned out, in answer to a pull, brought by a bridge.

use serde_json::{Value, json};

use super::world::*;
use crate::domain::bundle::Bundle;
use crate::domain::command::PullAsk;
use crate::domain::event::DebitTerms;
use crate::domain::*;

const BOB: &str = "hat:bob.hubat.net";
const ROOT: &str = "operator:root";
const BRIDGE: &str = "bridge:dex.test";

fn bundle(properties: Value) -> Bundle {
    Bundle::read(&json!({ "name": "b", "bundle": properties })).expect("a bundle")
}

fn big(endpoint: &str) -> Value {
    json!({
        "endpoint": endpoint,
        "filters": [{ "field": "n", "operator": { "operator": "between", "lower": 2, "upper": 9 } }],
        "mapping": { "number": "n" },
    })
}

fn asked() -> DebitTerms {
    let property = json!({ "endpoints": [big("rumpel/a")], "orderBy": "number", "ordering": "descending", "limit": 2 });
    DebitTerms::new(a("org:acme"), "research", bundle(json!({ "p": property })), 3600)
}

fn numbers(of: &[u32]) -> Records {
    let record = |n: &u32| json!({ "endpoint": "rumpel/a", "data": { "n": n, "secret": "s" } });
    let list: Vec<Value> = of.iter().map(record).collect();
    Records::parse(json!(list).to_string().into(), 100).expect("records")
}

fn content(w: &World) -> Value {
    let content = w.ledger.iter().rev().find_map(|(_, content)| content.clone()).expect("content is spooled");
    serde_json::from_slice(&content).expect("JSON")
}

fn seen(w: &World) -> Vec<u64> {
    let body = content(w);
    assert!(!body.to_string().contains("secret"), "{body}");
    body.as_array().expect("an array").iter().map(|record| record["data"]["number"].as_u64().expect("mapped")).collect()
}

fn answer(w: &mut World, by: &str, debit: &str, records: Records) -> Decision {
    answer_to(w, by, debit, PullAsk::default(), records)
}

fn answer_to(w: &mut World, by: &str, debit: &str, ask: PullAsk, records: Records) -> Decision {
    let pull = Action::Pull { debit: id(debit), ask };
    w.must(BOB, "org:acme", pull);
    let asked = w.last_opened();
    let mut command = w.message(&a(BOB), &a(by), Action::Release { debit: id(debit), records });
    command.pull = Some(asked.exchange);
    w.run(&a(BOB), command)
}

#[test]
fn what_streams_out_is_filtered_and_mapped_in_its_order() {
    let mut w = World::new();
    w.debit("d9", "org:acme", asked());
    w.must(BOB, BOB, Action::Release { debit: id("d9"), records: numbers(&[3, 1, 7, 5]) });
    assert_eq!(seen(&w), [3, 7, 5]);
    let opened = w.last_opened();
    assert_eq!((opened.count_in, opened.count_out), (4, 3));
    let spooled = w.ledger.last().and_then(|(_, content)| content.clone()).expect("content");
    assert_eq!((opened.digest_out, opened.bytes_out as usize), (Digest::of(&spooled), spooled.len()));
    let none = Action::Release { debit: id("d9"), records: numbers(&[1, 10]) };
    assert_eq!(w.refuses(BOB, BOB, none), Reason::NothingSelected);
    w.must(BOB, BOB, Action::Data { records: numbers(&[4, 0]) });
    assert_eq!(seen(&w), [4]);
}

#[test]
fn an_answer_is_ordered_and_limited() {
    let mut w = World::new();
    w.debit("d9", "org:acme", asked());
    answer(&mut w, BOB, "d9", numbers(&[3, 1, 7, 5]));
    assert_eq!(seen(&w), [7, 5]);
    assert_eq!(w.last_opened().endpoints, vec![("rumpel/a".into(), 2)]);
}

/// The HAT may send more than was asked for: the exchange keeps the pull's own words.
#[test]
fn an_answer_is_cut_to_what_the_pull_asks_for() {
    let mut w = World::new();
    let property = json!({ "endpoints": [big("rumpel/a")], "orderBy": "number", "ordering": "descending", "limit": 4 });
    w.debit("d9", "org:acme", DebitTerms::new(a("org:acme"), "research", bundle(json!({ "p": property })), 3600));
    let sent = || numbers(&[3, 1, 7, 5, 2, 9]);
    let mut asks = |skip, limit| {
        let decision = answer_to(&mut w, BOB, "d9", PullAsk { since: None, skip, limit }, sent());
        if matches!(&decision, Decision::Record(drafts) if matches!(drafts[0].event, Event::Rejected { .. })) {
            assert_eq!(reason(&decision), Reason::NothingSelected);
            return Vec::new();
        }
        assert_eq!(w.last_opened().count_out as usize, seen(&w).len());
        assert_eq!(w.last_opened().endpoints, vec![("rumpel/a".into(), w.last_opened().count_out)]);
        seen(&w)
    };
    assert_eq!(asks(None, None), [9, 7, 5, 3], "the bundle's own limit");
    assert_eq!(asks(None, Some(1)), [9]);
    assert_eq!(asks(None, Some(9)), [9, 7, 5, 3]);
    assert_eq!(asks(Some(1), None), [7, 5, 3]);
    assert_eq!(asks(Some(1), Some(2)), [7, 5]);
    assert_eq!(asks(Some(3), Some(2)), [3], "what the bundle's limit leaves");
    assert_eq!(asks(Some(4), Some(2)), [0u64; 0]);
}

/// The limit is one of the whole answer, not of each property.
#[test]
fn a_pull_s_limit_counts_all_properties() {
    let mut w = World::new();
    let property = |endpoint: &str| json!({ "endpoints": [{ "endpoint": endpoint, "mapping": { "number": "n" } }] });
    let both = bundle(json!({ "p": property("rumpel/a"), "q": property("rumpel/b") }));
    w.debit("d9", "org:acme", DebitTerms::new(a("org:acme"), "research", both, 3600));
    let record = |endpoint: &str, n: u32| json!({ "endpoint": endpoint, "data": { "n": n } });
    let list = json!([record("rumpel/b", 3), record("rumpel/a", 1), record("rumpel/b", 4), record("rumpel/a", 2)]);
    let sent = || Records::parse(list.to_string().into(), 10).expect("records");
    let ask = |skip, limit| PullAsk { since: None, skip: Some(skip), limit: Some(limit) };
    answer_to(&mut w, BOB, "d9", ask(0, 3), sent());
    assert_eq!(seen(&w), [1, 2, 3]);
    answer_to(&mut w, BOB, "d9", ask(3, 3), sent());
    assert_eq!(seen(&w), [4]);
}

#[test]
fn an_answer_holds_nothing_that_says_it_is_older_than_asked() {
    let mut w = World::new();
    let adult = bundle(json!({ "adult": { "endpoints": [{ "endpoint": "rumpel/age" }] } }));
    w.debit("d9", "org:acme", DebitTerms { conditions: Some(adult), ..asked() });
    let since = "2026-01-01T00:00:00Z".parse().expect("a time");
    let ask = || PullAsk { since: Some(since), skip: None, limit: None };
    let record = |n: u32, time: Value| json!({ "endpoint": "rumpel/a", "sourceTimestamp": time, "data": { "n": n } });
    let sent = |records: Vec<Value>| Records::parse(json!(records).to_string().into(), 20).expect("records");
    // A condition may be met by what is older.
    let age = json!({ "endpoint": "rumpel/age", "sourceTimestamp": "2001-01-01T00:00:00Z", "data": {} });
    let times = ["2025-12-31T23:59:59.999Z", "2026-01-01T00:00:00Z", "2026-01-01T01:30:00+02:00"].map(Value::from);
    let old: Vec<Value> = times.into_iter().map(|time| record(8, time)).chain([age.clone()]).collect();
    assert_eq!(reason(&answer_to(&mut w, BOB, "d9", ask(), sent(old.clone()))), Reason::NothingSelected);
    let new = [record(5, json!("2026-01-01T00:00:00.001Z")), record(4, json!("2026-01-01T01:30:00+01:00"))];
    answer_to(&mut w, BOB, "d9", ask(), sent(old.iter().chain(&new).cloned().collect()));
    assert_eq!(seen(&w), [5, 4]);
    // Of what does not say when it is from only the HAT knows.
    let silent = json!({ "endpoint": "rumpel/a", "data": { "n": 6 } });
    answer_to(
        &mut w,
        BOB,
        "d9",
        ask(),
        sent(vec![silent, record(7, json!("yesterday")), record(8, json!("2001-01-01T00:00:00Z")), age]),
    );
    assert_eq!(seen(&w), [7, 6]);
    answer(&mut w, BOB, "d9", sent(old));
    assert_eq!(seen(&w), [8, 8], "without `since` age does not count");
}

#[test]
fn an_answer_depends_on_the_conditions() {
    let mut w = World::new();
    let adult = json!({ "endpoints": [{
        "endpoint": "rumpel/age",
        "filters": [{ "field": "years", "operator": { "operator": "between", "lower": 18, "upper": 200 } }],
    }] });
    let terms = DebitTerms { conditions: Some(bundle(json!({ "adult": adult }))), ..asked() };
    w.debit("d9", "org:acme", terms);
    assert_eq!(reason(&answer(&mut w, BOB, "d9", numbers(&[3]))), Reason::NothingSelected, "no age was sent");
    let with = |years: u32| {
        let list = json!([{ "endpoint": "rumpel/a", "data": { "n": 3 } }, { "endpoint": "rumpel/age", "data": { "years": years } }]);
        Records::parse(list.to_string().into(), 10).expect("records")
    };
    assert_eq!(reason(&answer(&mut w, BOB, "d9", with(17))), Reason::NothingSelected);
    answer(&mut w, BOB, "d9", with(18));
    assert_eq!(seen(&w), [3], "the age itself is not delivered");
}

/// What the HAT itself made of the bundle can't be made again; what the bundle does not name is left out all the same.
#[test]
fn what_a_bridge_brings_is_held_to_the_bundle_s_names() {
    let mut w = World::new();
    w.debit("d9", "org:acme", asked());
    w.local(&a(BRIDGE), Action::OperatorDeclare { keys: vec![key(BRIDGE)] });
    w.must(BOB, ROOT, Action::Entrust { transport: Transport::Nats, bridge: Some(id("dex.test")) });
    let list = json!([
        { "endpoint": "rumpel/a", "data": { "number": 8, "secret": "s" } },
        { "endpoint": "rumpel/other", "data": { "number": 9 } },
    ]);
    let made = Records::parse(list.to_string().into(), 10).expect("records");
    answer(&mut w, BRIDGE, "d9", made);
    assert_eq!(seen(&w), [8]);
    // Its order is the HAT's; the pull's own words hold all the same.
    let list: Vec<Value> = [3, 9, 4].map(|n| json!({ "endpoint": "rumpel/a", "data": { "number": n } })).into();
    let made = Records::parse(json!(list).to_string().into(), 10).expect("records");
    answer_to(&mut w, BRIDGE, "d9", PullAsk { since: None, skip: Some(1), limit: Some(1) }, made);
    assert_eq!(seen(&w), [9]);
}

#[test]
fn what_would_become_too_large_is_refused() {
    let mut w = World::new();
    let many: serde_json::Map<String, Value> = (0..40).map(|n| (format!("k{n}"), json!("n"))).collect();
    let property = json!({ "endpoints": [{ "endpoint": "rumpel/a", "mapping": many }] });
    let terms = DebitTerms::new(a("org:acme"), "research", bundle(json!({ "p": property })), 3600);
    w.debit("d9", "org:acme", terms);
    w.limits.body_bytes = 2000;
    let list = json!([{ "endpoint": "rumpel/a", "data": { "n": "x".repeat(100) } }]);
    let records = Records::parse(list.to_string().into(), 10).expect("records");
    assert_eq!(w.refuses(BOB, BOB, Action::Release { debit: id("d9"), records }), Reason::TooLarge);
}

/// An offer's data and conditions are those of the debit that each claim makes.
#[test]
fn an_offer_s_data_and_conditions_hold_for_its_claims() {
    let mut w = World::new();
    let adult = bundle(json!({ "adult": { "endpoints": [{ "endpoint": "rumpel/age" }] } }));
    let mut terms = offer_terms("org:acme", 1);
    terms.debit = DebitTerms { conditions: Some(adult), ..asked() };
    w.must("offer:o", "org:acme", Action::OfferRegister { terms });
    w.must("offer:o", "operator:root", Action::Approve { key: None });
    w.must(BOB, BOB, Action::Claim { offer: id("o") });
    w.settle_sends();
    w.must(BOB, BOB, Action::DebitEnable { debit: id("o"), revision: None });
    w.settle_sends();
    assert_eq!(reason(&answer(&mut w, BOB, "o", numbers(&[3]))), Reason::NothingSelected, "no age was sent");
    let list = json!([
        { "endpoint": "rumpel/a", "data": { "n": 1 } }, { "endpoint": "rumpel/a", "data": { "n": 3 } },
        { "endpoint": "rumpel/a", "data": { "n": 4, "secret": "s" } }, { "endpoint": "rumpel/age", "data": {} },
    ]);
    answer(&mut w, BOB, "o", Records::parse(list.to_string().into(), 10).expect("records"));
    assert_eq!(seen(&w), [4, 3]);
}

/// A record that is linked with a released one does not slip out with it.
#[test]
fn linked_records_stay_behind() {
    let mut w = World::new();
    let linked = json!({ "endpoint": "health/tests", "data": { "secret": 1 } });
    let list = json!([{ "endpoint": "facebook/feed", "data": { "i": 1 }, "links": [linked] }]);
    let records = Records::parse(list.to_string().into(), 10).expect("records");
    w.must(BOB, BOB, Action::Release { debit: id("d1"), records });
    assert_eq!(content(&w), json!([{ "endpoint": "facebook/feed", "data": { "i": 1 } }]));
}

/// What goes to every debit was evaluated for none, so a bridge's `data` is filtered and mapped like the HAT's own.
#[test]
fn what_a_bridge_fans_out_is_filtered_too() {
    let mut w = World::new();
    w.debit("d9", "org:acme", asked());
    w.local(&a(BRIDGE), Action::OperatorDeclare { keys: vec![key(BRIDGE)] });
    w.must(BOB, ROOT, Action::Entrust { transport: Transport::Nats, bridge: Some(id("dex.test")) });
    assert_eq!(w.refuses(BOB, BRIDGE, Action::Data { records: numbers(&[1, 12]) }), Reason::NothingSelected);
    w.must(BOB, BRIDGE, Action::Data { records: numbers(&[1, 5]) });
    assert_eq!(seen(&w), [5]);
}

/// Whether conditions hold can't be told by what goes to everybody.
#[test]
fn a_debit_with_conditions_takes_no_part_in_a_fan_out() {
    let mut w = World::new();
    let adult = bundle(json!({ "adult": { "endpoints": [{ "endpoint": "rumpel/age" }] } }));
    w.debit("d9", "org:acme", DebitTerms { conditions: Some(adult), ..asked() });
    assert_eq!(w.refuses(BOB, BOB, Action::Data { records: numbers(&[5]) }), Reason::NothingSelected);
    w.must(BOB, BOB, Action::Release { debit: id("d9"), records: numbers(&[5]) });
    assert_eq!(seen(&w), [5]);
}

#[test]
fn one_client_s_mapping_does_not_keep_records_from_the_others() {
    let mut w = World::new();
    let many: serde_json::Map<String, Value> = (0..40).map(|n| (format!("k{n}"), json!("n"))).collect();
    let property = json!({ "endpoints": [{ "endpoint": "rumpel/a", "mapping": many }] });
    w.debit("d8", "org:acme", DebitTerms::new(a("org:acme"), "research", bundle(json!({ "p": property })), 3600));
    w.limits.body_bytes = 2000;
    let list = json!([{ "endpoint": "rumpel/a", "data": { "n": "x".repeat(100), "number": 1 } }]);
    let records = || Records::parse(list.to_string().into(), 10).expect("records");
    assert_eq!(w.refuses(BOB, BOB, Action::Data { records: records() }), Reason::TooLarge);
    let plain =
        bundle(json!({ "p": { "endpoints": [{ "endpoint": "rumpel/a", "mapping": { "number": "number" } }] } }));
    w.debit("d9", "org:acme", DebitTerms::new(a("org:acme"), "research", plain, 3600));
    w.must(BOB, BOB, Action::Data { records: records() });
    assert_eq!(seen(&w), [1]);
}
