//! Applications: versions that follow one another, operators who look, owners who accept a version.

use std::sync::Arc;

use serde_json::{Value, json};

use super::world::*;
use crate::domain::app::Manifest;
use crate::domain::*;

const APP: &str = "app:notables";
const BOB: &str = "hat:bob.hubat.net";
const ROOT: &str = "operator:root";
const SECOND: &str = "operator:second";

fn manifest(version: &str, compatible: &str, namespaces: &[&str]) -> Profile {
    let mut value: Value = serde_json::from_str(include_str!("../app/notables.json")).expect("JSON");
    value["info"]["version"] = json!(version);
    value["status"]["compatibility"] = json!(compatible);
    let granted = |namespace: &&str| json!({ "role": "namespacewrite", "detail": namespace });
    value["permissions"]["rolesGranted"] = namespaces.iter().map(granted).collect();
    let manifest = Manifest::read(&id("notables"), &value).expect("a manifest");
    let (name, namespaces) = (manifest.info.name.clone(), manifest.namespaces());
    Profile::App { name, version: version.into(), namespaces, manifest: Some(Arc::new(manifest)) }
}

fn bring(version: &str, namespaces: &[&str]) -> Action {
    Action::Register { key: Some(key(APP)), profile: manifest(version, "0.1.0", namespaces) }
}

fn publish(version: &str) -> Action {
    Action::Publish { key: key(APP), version: version.into() }
}

fn setup(version: Option<&str>) -> Action {
    Action::AppSetup { app: id("notables"), version: version.map(Into::into) }
}

fn write(endpoint: &str) -> Action {
    Action::Credit { by: id("notables"), records: records(&[endpoint]) }
}

/// The world with the app's first manifest published; Bob had set the app up before there were versions.
fn world() -> World {
    let mut w = World::new();
    w.must(APP, APP, bring("1.0.0", &["rumpel"]));
    w.must(APP, ROOT, publish("1.0.0"));
    w
}

fn registration(w: &World) -> Arc<Registration> {
    w.registry.registration(&a(APP)).expect("registered")
}

fn versions(w: &World) -> Vec<String> {
    registration(w).versions.iter().map(|published| published.version.to_string()).collect()
}

#[test]
fn versions_follow_one_another_and_the_published_one_stays_in_force_meanwhile() {
    let mut w = world();
    assert_eq!(w.refuses(APP, APP, bring("0.9.0", &["rumpel"])), Reason::WrongState, "lower");
    assert_eq!(
        w.refuses(APP, APP, bring("1.0.0", &["rumpel", "more"])),
        Reason::WrongState,
        "other rights, same version"
    );
    w.must(APP, APP, bring("1.10.0", &["rumpel", "more"]));
    assert_eq!(w.refuses(APP, APP, bring("1.10.0", &["rumpel", "more"])), Reason::AlreadyExists);
    // It may be changed while it waits; the operator who looked at another one publishes nothing.
    w.must(APP, APP, bring("1.11.0", &["rumpel", "notes"]));
    assert_eq!(w.refuses(APP, ROOT, publish("1.10.0")), Reason::NotFound);
    let held = registration(&w);
    assert!(matches!(&held.profile, Some(Profile::App { version, .. }) if version == "1.0.0"));
    assert_eq!(held.active(), Ok(held.standing_n));
    w.must(APP, ROOT, publish("1.11.0"));
    assert_eq!(versions(&w).last().map(String::as_str), Some("1.11.0"));
    assert_eq!(w.refuses(APP, APP, bring("1.10.0", &["rumpel"])), Reason::WrongState, "between");
    let plain = Profile::App { name: "N".into(), version: "9".into(), namespaces: vec![], manifest: None };
    let plain = Action::Register { key: Some(key(APP)), profile: plain };
    assert_eq!(w.refuses(APP, APP, plain), Reason::WrongState, "no way back to none");
    let published = registration(&w).versions.last().cloned().expect("one");
    assert!(published.digest.is_some() && published.registered < published.n);
}

#[test]
fn an_owner_accepts_one_version_and_no_more() {
    let mut w = world();
    assert_eq!(w.refuses(BOB, BOB, setup(Some("0.1.0"))), Reason::NotFound);
    w.must(BOB, BOB, setup(Some("1.0.0")));
    assert_eq!(w.refuses(BOB, BOB, setup(None)), Reason::AlreadyExists);
    w.must(APP, APP, bring("2.0.0", &["rumpel", "notes"]));
    assert_eq!(w.refuses(BOB, BOB, setup(Some("2.0.0"))), Reason::NotFound, "it waits");
    w.must(APP, ROOT, publish("2.0.0"));
    w.must(BOB, APP, write("rumpel/a"));
    assert_eq!(w.refuses(BOB, APP, write("notes/a")), Reason::OutsideNamespace, "the owner has not accepted that");
    w.must(BOB, BOB, setup(Some("2.0.0")));
    w.must(BOB, APP, write("notes/a"));
    // A version that may do less counts at once.
    w.must(APP, APP, bring("3.0.0", &["notes"]));
    w.must(APP, ROOT, publish("3.0.0"));
    assert_eq!(w.refuses(BOB, APP, write("rumpel/a")), Reason::OutsideNamespace);
    w.must(BOB, BOB, Action::AppDisable { app: id("notables") });
    assert_eq!(w.refuses(BOB, APP, write("notes/a")), Reason::NotConnected);
    assert!(w.hat(BOB).accepted.is_empty());
}

#[test]
fn an_app_suspends_itself_but_does_not_undo_the_operator() {
    let mut w = world();
    w.must(APP, APP, Action::Suspend);
    assert_eq!(w.refuses(BOB, APP, write("rumpel/a")), Reason::Suspended);
    w.must(APP, APP, Action::Resume);
    w.must(APP, ROOT, Action::Suspend);
    assert_eq!(w.refuses(APP, APP, Action::Resume), Reason::NotPermitted);
    w.must(APP, ROOT, Action::Resume);
    // Nor by having been first.
    w.must(APP, APP, Action::Suspend);
    w.must(APP, ROOT, Action::Suspend);
    assert_eq!(w.refuses(APP, APP, Action::Resume), Reason::NotPermitted);
    assert_eq!(w.refuses(APP, ROOT, Action::Suspend), Reason::WrongState);
    w.must(APP, ROOT, Action::Resume);
    assert_eq!(w.refuses("plug:facebook", "plug:facebook", Action::Suspend), Reason::NotPermitted);
}

/// An operator who has read one manifest does not publish another under its number.
#[test]
fn what_waits_does_not_change_under_its_number() {
    let mut w = world();
    w.must(APP, APP, bring("2.0.0", &["rumpel"]));
    assert_eq!(w.refuses(APP, APP, bring("2.0.0", &["health", "rumpel"])), Reason::WrongState);
    w.must(APP, APP, bring("2.0.1", &["health", "rumpel"]));
    assert_eq!(w.refuses(APP, ROOT, publish("2.0.0")), Reason::NotFound);
    w.must(APP, ROOT, publish("2.0.1"));
}

#[test]
fn what_waits_can_be_declined() {
    let mut w = world();
    w.must(APP, APP, bring("2.0.0", &["rumpel"]));
    let decline = || Action::Decline { key: key(APP), why: "no privacy policy".into() };
    assert_eq!(w.refuses(APP, APP, decline()), Reason::NotPermitted);
    w.must(APP, ROOT, decline());
    assert_eq!(w.refuses(APP, ROOT, publish("2.0.0")), Reason::AlreadyExists);
    assert_eq!(w.refuses(APP, ROOT, decline()), Reason::NotFound);
    assert_eq!(registration(&w).standing, Standing::Active, "the published one is not touched");
}

#[test]
fn four_eyes_are_those_of_two_operators_who_look_at_the_same() {
    let mut w = world();
    w.local(&a(SECOND), Action::OperatorDeclare { keys: vec![key(SECOND)] });
    w.limits.four_eyes = true;
    w.must(APP, APP, bring("2.0.0", &["rumpel"]));
    let events = w.must(APP, ROOT, publish("2.0.0"));
    assert!(matches!(events[0], Event::Seconded { .. }), "{events:?}");
    let (_, outcome, _) = w.outcomes.last().expect("an outcome");
    assert_eq!((outcome.status, outcome.reason), (Status::Pending, Some(Reason::NotApproved)));
    assert_eq!(w.refuses(APP, ROOT, publish("2.0.0")), Reason::AlreadyExists, "the same operator twice");
    // What changed since must be looked at by two again.
    w.must(APP, APP, bring("2.1.0", &["rumpel"]));
    let events = w.must(APP, SECOND, publish("2.1.0"));
    assert!(matches!(events[0], Event::Seconded { .. }), "{events:?}");
    let events = w.must(APP, ROOT, publish("2.1.0"));
    assert!(matches!(events[0], Event::Approved { .. }), "{events:?}");
    assert_eq!(versions(&w).last().map(String::as_str), Some("2.1.0"));
    assert!(registration(&w).seconded.is_none());
}

mod laws {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever is said in whatever order: with four eyes nothing is approved without the words of two operators
        /// for that very registration; versions only rise.
        #[test]
        fn no_order_of_words_gets_round_them(steps in prop::collection::vec((0u8..7, 1u32..6), 1..40)) {
            let mut w = world();
            w.local(&a(SECOND), Action::OperatorDeclare { keys: vec![key(SECOND)] });
            w.limits.four_eyes = true;
            let mut words: Vec<&str> = Vec::new();
            for (what, n) in steps {
                let version = format!("{n}.0.0");
                let (from, action) = match what {
                    0 | 1 => (APP, bring(&version, &["rumpel"])),
                    2 => (ROOT, publish(&version)),
                    3 => (SECOND, publish(&version)),
                    4 => (ROOT, Action::Approve { key: Some(key(APP)) }),
                    5 => (ROOT, Action::Decline { key: key(APP), why: "no".into() }),
                    _ => (APP, Action::RevokeKey { key: key("other"), since: w.now }),
                };
                let before = versions(&w).len();
                let command = w.message(&a(APP), &a(from), action);
                let decision = w.run(&a(APP), command);
                let Decision::Record(drafts) = decision else { continue };
                match &drafts[0].event {
                    Event::Registered { .. } | Event::Declined { .. } => words.clear(),
                    Event::Seconded { .. } => words = vec![from],
                    Event::Approved { .. } => {
                        words.push(from);
                        prop_assert!(words.contains(&ROOT) && words.contains(&SECOND), "{words:?}");
                        words.clear();
                        prop_assert!(versions(&w).len() > before);
                    }
                    _ => {}
                }
            }
            let numbers: Vec<app::Version> = versions(&w).iter().filter_map(|text| text.parse().ok()).collect();
            prop_assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
        }
    }
}
