//! Data debits as HAT 2.0's own tests have them: `tests/bundles/debits.json`.

use serde_json::{Value, json};

use super::world::*;
use crate::domain::bundle::Bundle;
use crate::domain::command::PullAsk;
use crate::domain::debit::Debit;
use crate::domain::event::DebitTerms;
use crate::domain::*;

const BOB: &str = "hat:bob.hubat.net";
const ACME: &str = "org:acme";
const CASES: &str = include_str!("../../../tests/bundles/debits.json");

/// One property, all of one endpoint; both of the bundle's name.
fn named(name: &Value) -> Bundle {
    let endpoint = format!("test/{}", name.as_str().expect("a name"));
    let bundle = json!({ "name": name, "bundle": { "p": { "endpoints": [{ "endpoint": endpoint }] } } });
    Bundle::read(&bundle).expect("a bundle")
}

fn terms_of(act: &Value) -> DebitTerms {
    let days = u32::try_from(act["days"].as_u64().expect("days")).expect("days");
    let conditions = act.get("conditions").map(named);
    DebitTerms { conditions, ..DebitTerms::new(a(ACME), "research", named(&act["bundle"]), days * 86_400) }
}

/// What was told; refused for the reason that the case names, or not at all.
fn told(w: &mut World, act: &Value, from: &str, action: Action, case: &str) {
    match act.get("refused") {
        Some(reason) => assert_eq!(json!(w.refuses(BOB, from, action).to_string()), *reason, "{case}"),
        None => drop(w.must(BOB, from, action)),
    }
}

fn debit_of<'w>(w: &'w World, name: &Value) -> &'w Debit {
    let name = id(name.as_str().expect("an id"));
    w.hat(BOB).debits.get(&name).expect("the debit")
}

/// A pull and the HAT's answer, where the pull is not refused already.
fn values(w: &mut World, act: &Value, case: &str) {
    let debit = id(act["values"].as_str().expect("an id"));
    let records = Records::parse(act["records"].to_string().into(), 10).expect("records");
    let pull = w.tell(BOB, ACME, Action::Pull { debit: debit.clone(), ask: PullAsk::default() });
    let refused = matches!(&pull, Decision::Record(drafts) if matches!(drafts[0].event, Event::Rejected { .. }));
    let answered = if refused {
        pull
    } else {
        let mut release = w.message(&a(BOB), &a(BOB), Action::Release { debit, records });
        release.pull = Some(w.last_opened().exchange);
        w.run(&a(BOB), release)
    };
    match act.get("refused") {
        Some(expected) => assert_eq!(json!(reason(&answered).to_string()), *expected, "{case}"),
        None => {
            let content = w.ledger.iter().rev().find_map(|(_, content)| content.clone()).expect("content is spooled");
            assert_eq!(serde_json::from_slice::<Value>(&content).expect("JSON"), act["delivered"], "{case}");
        }
    }
}

fn run(w: &mut World, act: &Value, case: &str) {
    let named = |key: &str| act.get(key).and_then(Value::as_str).map(id);
    if let Some(debit) = named("propose") {
        told(w, act, ACME, Action::DebitPropose { debit, terms: terms_of(act) }, case);
    } else if let Some(debit) = named("amend") {
        told(w, act, ACME, Action::DebitAmend { debit, terms: terms_of(act) }, case);
    } else if let Some(debit) = named("enable") {
        told(w, act, BOB, Action::DebitEnable { debit, revision: None }, case);
    } else if let Some(debit) = named("disable") {
        told(w, act, BOB, Action::DebitDisable { debit, at_period_end: false }, case);
    } else if act.get("values").is_some() {
        values(w, act, case);
    } else if act.get("listed").is_some() {
        // The world begins with a debit of its own.
        let listed: Vec<String> = w.hat(BOB).debits.keys().map(Id::to_string).filter(|name| name != "d1").collect();
        assert_eq!(json!(listed), act["listed"], "{case}");
    } else {
        let debit = debit_of(w, &act["debit"]);
        let revisions: Vec<&str> = debit.revisions.iter().map(|it| it.terms.bundle.name.as_str()).collect();
        assert_eq!(json!(revisions), act["revisions"], "{case}");
        let active = debit.in_force(w.now).ok().map(|(revision, _)| revision.terms.bundle.name.clone());
        assert_eq!(json!(active), act["active"], "{case}");
        if let Some(standing) = act.get("standing") {
            assert_eq!(json!(debit.standing(w.now)), *standing, "{case}");
        }
    }
}

#[test]
fn debits_come_out_as_in_hats() {
    let cases: Value = serde_json::from_str(CASES).expect("JSON");
    for case in cases["debits"].as_array().expect("cases") {
        let name = case["name"].as_str().expect("every case has a name");
        let mut w = World::new();
        for act in case["acts"].as_array().expect("acts") {
            run(&mut w, act, name);
        }
    }
}
