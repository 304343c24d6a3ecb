//! Registrations: pending ones, keys in and out of force, who may take whom out of force.

use super::world::*;
use crate::domain::{Action, Address, Profile, Reason, Registration, Standing};

fn registration(world: &World, party: &str) -> Registration {
    let party: Address = address(party);
    match &world.states[&party] {
        State::Hat(hat) => hat.registration.clone(),
        State::Plug(plug) => plug.registration.clone(),
        State::Member(member) => member.registration.clone(),
        other => panic!("no party: {other:?}"),
    }
}

#[test]
fn nobody_can_squat_on_an_id() {
    let mut world = World::empty();
    let org = "org:late";
    for name in ["squatter", org] {
        let register = Action::Register { key: key(name), profile: profile(org) };
        let message = world.message(org, org, register).signed_by(name);
        world.put(&message).done();
    }
    assert_eq!(registration(&world, org).standing, Standing::Pending);
    assert_eq!(registration(&world, org).pending.len(), 2);
    world.pass(5);
    world.say(OPERATOR, org, Action::Approve { key: Some(key(org)) }).done();
    let known = registration(&world, org);
    assert_eq!(known.standing, Standing::Active);
    assert!(known.pending.is_empty());
    assert!(known.in_force(&key(org), world.now) && !known.in_force(&key(org), world.now.plus(-1)));
    let message = world.message(org, org, Action::RotateKey { key: key("x") }).signed_by("squatter");
    assert_eq!(world.put(&message), Said::Anonymous(Reason::BadSignature));
}

#[test]
fn a_registration_must_be_signed_with_the_key_that_it_brings() {
    let mut world = World::empty();
    let register = Action::Register { key: key("another"), profile: profile(ACME) };
    assert_eq!(world.say(ACME, ACME, register), Said::Anonymous(Reason::UnknownParty));
}

#[test]
fn pending_registrations_of_one_id_are_bounded() {
    let mut world = World::empty();
    world.limits.pending_per_id = 2;
    for (name, fits) in [("a", true), ("b", true), ("c", false)] {
        let register = Action::Register { key: key(name), profile: profile(ACME) };
        let message = world.message(ACME, ACME, register).signed_by(name);
        let said = world.put(&message);
        if fits {
            said.done();
        } else {
            assert_eq!(said.refused(), Reason::OverQuota);
        }
    }
}

#[test]
fn an_approval_names_a_key_that_waits() {
    let mut world = World::empty();
    assert_eq!(world.say(OPERATOR, ACME, Action::Approve { key: Some(key("x")) }).refused(), Reason::NotFound);
}

#[test]
fn a_rotated_key_takes_over_at_that_moment() {
    let mut world = World::new();
    world.pass(10);
    let then = world.now;
    world.say(BOB, BOB, Action::RotateKey { key: key("new") }).done();
    let known = registration(&world, BOB);
    assert!(known.in_force(&key(BOB), then.plus(-1)) && !known.in_force(&key(BOB), then));
    assert!(known.in_force(&key("new"), then) && !known.in_force(&key("new"), then.plus(-1)));
    assert_eq!(known.keys_in_force(then).count(), 1);
    assert!(known.key(&key(BOB)).is_some(), "still known");
}

#[test]
fn a_revocation_reaches_back_and_is_never_undone_by_a_later_one() {
    let mut world = World::new();
    let start = world.now;
    world.pass(100);
    let since = start.plus(50);
    world.say(PLATFORM, BOB, Action::RevokeKey { key: key(BOB), since }).done();
    assert!(!registration(&world, BOB).in_force(&key(BOB), since));
    assert!(registration(&world, BOB).in_force(&key(BOB), since.plus(-1)));
    let since = world.now;
    world.say(OPERATOR, BOB, Action::RevokeKey { key: key(BOB), since }).done();
    assert!(!registration(&world, BOB).in_force(&key(BOB), start.plus(50)));
    let ahead = world.now.plus(1);
    assert_eq!(
        world.say(OPERATOR, BOB, Action::RevokeKey { key: key(BOB), since: ahead }).refused(),
        Reason::Malformed
    );
    let since = world.now;
    assert_eq!(world.say(OPERATOR, BOB, Action::RevokeKey { key: key("x"), since }).refused(), Reason::NotFound);
}

#[test]
fn keys_of_one_party_are_bounded() {
    let mut world = World::new();
    world.limits.keys_per_party = 2;
    world.say(BOB, BOB, Action::RotateKey { key: key("second") }).done();
    let third = world.message(BOB, BOB, Action::RotateKey { key: key("third") }).signed_by("second");
    assert_eq!(world.put(&third).refused(), Reason::OverQuota);
}

#[test]
fn a_platform_stands_over_its_own_hats_only_while_it_is_in_force() {
    let mut world = World::new();
    world.say(PLATFORM, BOB, Action::Suspend).done();
    assert_eq!(world.say(PLATFORM, BOB, Action::Suspend).refused(), Reason::WrongState);
    world.say(PLATFORM, BOB, Action::Resume).done();
    world.say(OPERATOR, PLATFORM, Action::Suspend).done();
    assert_eq!(world.say(PLATFORM, BOB, Action::Suspend).refused(), Reason::Suspended);
    let eve = Action::Register { key: key("eve"), profile: Profile::Hat };
    assert_eq!(world.say(PLATFORM, "hat:eve.hubat.net", eve).refused(), Reason::Suspended);
    assert_eq!(world.say(OPERATOR, "hat:eve.hubat.net", Action::Suspend).refused(), Reason::UnknownParty);
}

#[test]
fn the_configuration_replaces_an_operators_keys() {
    let mut world = World::empty();
    world.pass(10);
    world.local(OPERATOR, Action::OperatorDeclare { keys: vec![key("a"), key("b")] }).done();
    let known = registration(&world, OPERATOR);
    assert!(!known.in_force(&key(OPERATOR), world.now));
    assert!(known.in_force(&key("a"), world.now) && known.in_force(&key("b"), world.now));
    assert_eq!(world.local(ACME, Action::OperatorDeclare { keys: vec![key("a")] }), Said::Nothing);
}
