//! Registration and approval: nobody can squat on an id.

use super::world::*;
use crate::domain::*;

const ROOT: &str = "operator:root";

fn org(name: &str) -> Profile {
    Profile::Org { name: name.into() }
}

/// `org:x` registers with this key and name.
fn claim(w: &mut World, k: &str, name: &str) -> Decision {
    let action = Action::Register { key: Some(key(k)), profile: org(name) };
    let mut command = w.message(&a("org:x"), &a("org:x"), action);
    command.cause.as_mut().unwrap().key = Some(key(k));
    w.run(&a("org:x"), command)
}

fn registration(w: &World) -> std::sync::Arc<Registration> {
    w.registry.registration(&a("org:x")).expect("registered")
}

#[test]
fn the_operator_approves_the_key_it_names() {
    let mut w = World::bare();
    claim(&mut w, "squatter", "bad");
    claim(&mut w, "owner", "good");
    let approve = |k: &str| Action::Approve { key: Some(key(k)) };
    assert_eq!(w.refuses("org:x", ROOT, approve("nobody")), Reason::NotFound);
    assert_eq!(w.refuses("org:x", ROOT, Action::Approve { key: None }), Reason::Malformed);
    w.must("org:x", ROOT, approve("owner"));
    let held = registration(&w);
    assert_eq!((held.standing, &held.profile), (Standing::Active, &Some(org("good"))));
    assert!(!held.ever_held(&key("squatter")) && held.pending.is_empty());
    // A claim on an approved id waits and speaks for nobody.
    claim(&mut w, "squatter", "bad");
    let mut command = w.message(&a("org:x"), &a("org:x"), Action::RotateKey { key: key("z") });
    command.cause.as_mut().unwrap().key = Some(key("squatter"));
    let bad = Decision::Anonymous(Reason::BadSignature);
    assert_eq!(w.run(&a("org:x"), command), bad);
    assert_eq!(registration(&w).active(), Ok(5));
    let since = w.now;
    w.must("org:x", ROOT, Action::RevokeKey { key: key("squatter"), since });
    assert!(registration(&w).pending.is_empty());
}

#[test]
fn pending_registrations_are_bounded_and_renewed() {
    let mut w = World::bare();
    for i in 0..w.limits.pending_per_id {
        claim(&mut w, &format!("k{i}"), "n");
    }
    assert_eq!(reason(&claim(&mut w, "more", "n")), Reason::OverQuota);
    assert_eq!(reason(&claim(&mut w, "k0", "n")), Reason::AlreadyExists);
    claim(&mut w, "k0", "another name");
    assert_eq!(registration(&w).pending[&key("k0")].profile, org("another name"));
}

#[test]
fn a_new_profile_waits_for_approval_and_keeps_the_key() {
    let mut w = World::bare();
    claim(&mut w, "org:x", "one");
    let approve = || Action::Approve { key: Some(key("org:x")) };
    w.must("org:x", ROOT, approve());
    assert_eq!(reason(&claim(&mut w, "org:x", "one")), Reason::AlreadyExists);
    claim(&mut w, "org:x", "two");
    assert_eq!(registration(&w).profile, Some(org("one")));
    w.must("org:x", ROOT, approve());
    let held = registration(&w);
    assert_eq!((held.profile.clone(), held.keys.len()), (Some(org("two")), 1));
    assert_eq!(w.refuses("org:x", ROOT, approve()), Reason::AlreadyExists);
}

#[test]
fn profiles_are_of_their_kind() {
    let mut w = World::new();
    let k = key("org:x");
    let register = |profile| Action::Register { key: Some(k), profile };
    assert_eq!(w.refuses("org:x", "org:x", register(Profile::HAT)), Reason::Malformed);
    let to = "hat:new.hubat.net";
    let by = "platform:hubat.net";
    assert_eq!(w.refuses(to, by, register(org("n"))), Reason::Malformed);
    assert_eq!(w.refuses("platform:new.net", ROOT, register(org("n"))), Reason::Malformed);
    assert_eq!(w.refuses("hat:bob.hubat.net", by, register(Profile::HAT)), Reason::AlreadyExists);
}

#[test]
fn suspension_has_its_states() {
    let mut w = World::new();
    assert_eq!(w.refuses("org:acme", ROOT, Action::Resume), Reason::WrongState);
    w.must("org:acme", ROOT, Action::Suspend);
    assert_eq!(w.refuses("org:acme", ROOT, Action::Suspend), Reason::WrongState);
    w.must("org:acme", ROOT, Action::Resume);
    assert_eq!(w.refuses("org:none", ROOT, Action::Suspend), Reason::UnknownParty);
    w.must("platform:hubat.net", ROOT, Action::Suspend);
    let register = Action::Register { key: Some(key("k")), profile: Profile::HAT };
    assert_eq!(w.refuses("hat:new.hubat.net", "platform:hubat.net", register), Reason::Suspended);
}
