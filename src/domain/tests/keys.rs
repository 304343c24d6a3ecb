//! Keys of a party: rotated, revoked, declared.

use super::world::*;
use crate::domain::*;

const BOB: &str = "hat:bob.hubat.net";

fn signed(w: &mut World, key: Key) -> Decision {
    let app = id("notables");
    let mut command = w.message(&a(BOB), &a(BOB), Action::AppDisable { app });
    command.cause.as_mut().unwrap().key = Some(key);
    w.run(&a(BOB), command)
}

#[test]
fn a_rotated_key_takes_over_from_its_store_time_on() {
    let mut w = World::new();
    w.pass(10);
    let new = key("new");
    w.must(BOB, BOB, Action::RotateKey { key: new });
    assert_eq!(reason(&signed(&mut w, key(BOB))), Reason::RevokedKey);
    w.pass(-1);
    assert_eq!(reason(&signed(&mut w, new)), Reason::RevokedKey, "not yet in force");
    assert!(matches!(signed(&mut w, key(BOB)), Decision::Record(_)));
    let registration = &w.hat(BOB).registration;
    assert!(registration.ever_held(&key(BOB)) && registration.ever_held(&new));
}

#[test]
fn a_key_once_held_does_not_come_back() {
    let mut w = World::new();
    let old = key("org:acme");
    w.must("org:acme", "org:acme", Action::RotateKey { key: key("new") });
    let profile = Profile::Org { name: "n".into() };
    let register = Action::Register { key: Some(old), profile };
    assert_eq!(w.refuses("org:acme", "org:acme", register), Reason::RevokedKey);
    let mut command = w.message(&a("org:acme"), &a("org:acme"), Action::RotateKey { key: old });
    command.cause.as_mut().unwrap().key = Some(key("new"));
    assert_eq!(reason(&w.run(&a("org:acme"), command)), Reason::AlreadyExists);
}

#[test]
fn keys_of_a_party_are_bounded() {
    let mut w = World::new();
    let mut last = key(BOB);
    for i in 1..w.limits.keys_per_party {
        let next = key(&format!("k{i}"));
        let mut command = w.message(&a(BOB), &a(BOB), Action::RotateKey { key: next });
        command.cause.as_mut().unwrap().key = Some(last);
        w.run(&a(BOB), command);
        last = next;
        w.pass(1);
    }
    assert_eq!(w.hat(BOB).registration.keys.len(), w.limits.keys_per_party);
    let action = Action::RotateKey { key: key("more") };
    let mut command = w.message(&a(BOB), &a(BOB), action);
    command.cause.as_mut().unwrap().key = Some(last);
    assert_eq!(reason(&w.run(&a(BOB), command)), Reason::OverQuota);
}

#[test]
fn operators_are_as_declared() {
    let mut w = World::bare();
    let root = a("operator:root");
    let declare = |keys: &[&str]| Action::OperatorDeclare { keys: keys.iter().map(|k| key(k)).collect() };
    assert_eq!(w.local(&root, declare(&["operator:root"])), Decision::Nothing);
    w.pass(1);
    w.local(&root, declare(&["b", "operator:root"]));
    assert_eq!(w.local(&root, declare(&["operator:root", "b", "b"])), Decision::Nothing);
    w.pass(1);
    w.local(&root, declare(&["b"]));
    let registration = w.registry.registration(&root).unwrap();
    assert!(registration.in_force(&key("operator:root"), w.now).is_none());
    assert!(registration.in_force(&key("operator:root"), w.now.plus(-1)).is_some());
    assert!(registration.in_force(&key("b"), w.now).is_some());
    w.local(&root, declare(&["operator:root"]));
    let registration = w.registry.registration(&root).unwrap();
    assert!(registration.in_force(&key("operator:root"), w.now).is_some(), "declared again");
    assert_eq!(w.local(&a("org:x"), declare(&["b"])), Decision::Nothing);
}
