//! Registrations that wait: what one who only claims an id can and cannot do to others.

use super::world::*;
use crate::domain::*;

const ORG: &str = "org:x";
const ROOT: &str = "operator:root";

fn org(name: &str) -> Profile {
    Profile::Org { name: name.into() }
}

/// `org:x` says this, signed with the key of this name.
fn signed(w: &mut World, by: &str, action: Action) -> Decision {
    let mut command = w.message(&a(ORG), &a(ORG), action);
    command.cause.as_mut().unwrap().key = Some(key(by));
    w.run(&a(ORG), command)
}

fn claim(w: &mut World, by: &str, name: &str) -> Decision {
    signed(w, by, Action::Register { key: Some(key(by)), profile: org(name) })
}

fn approve(by: &str) -> Action {
    Action::Approve { key: Some(key(by)) }
}

fn is_refused(decision: &Decision) -> bool {
    matches!(decision, Decision::Record(drafts) if matches!(drafts[0].event, Event::Rejected { .. }))
}

#[test]
fn one_claim_does_not_revoke_another() {
    let mut w = World::bare();
    claim(&mut w, "owner", "good");
    claim(&mut w, "squatter", "bad");
    let revoke = |w: &World, of: &str| Action::RevokeKey { key: key(of), since: w.now };
    let others = revoke(&w, "owner");
    assert_eq!(reason(&signed(&mut w, "squatter", others)), Reason::NotPermitted);
    let own = revoke(&w, "squatter");
    assert!(!is_refused(&signed(&mut w, "squatter", own)), "its own it may take back");
    w.must(ORG, ROOT, approve("owner"));
    assert_eq!(w.registry.registration(&a(ORG)).unwrap().profile, Some(org("good")));
}

#[test]
fn an_approval_brings_no_key_back_that_was_rotated_away() {
    let mut w = World::bare();
    claim(&mut w, "first", "one");
    w.must(ORG, ROOT, approve("first"));
    claim(&mut w, "first", "two");
    w.pass(1);
    assert!(!is_refused(&signed(&mut w, "first", Action::RotateKey { key: key("second") })));
    w.pass(1);
    assert_eq!(w.refuses(ORG, ROOT, approve("first")), Reason::RevokedKey);
    let held = w.registry.registration(&a(ORG)).unwrap();
    assert!(held.in_force(&key("second"), w.now).is_some() && held.in_force(&key("first"), w.now).is_none());
}

#[test]
fn claims_of_others_do_not_keep_a_party_from_a_new_profile() {
    let mut w = World::bare();
    claim(&mut w, "owner", "one");
    w.must(ORG, ROOT, approve("owner"));
    for i in 0..w.limits.pending_per_id {
        assert!(!is_refused(&claim(&mut w, &format!("squatter {i}"), "bad")));
    }
    assert_eq!(reason(&claim(&mut w, "one more", "bad")), Reason::OverQuota);
    assert!(!is_refused(&claim(&mut w, "owner", "two")));
    w.must(ORG, ROOT, approve("owner"));
    assert_eq!(w.registry.registration(&a(ORG)).unwrap().profile, Some(org("two")));
}
