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
    let pull = Action::Pull { debit: id(debit), ask: PullAsk::default() };
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
