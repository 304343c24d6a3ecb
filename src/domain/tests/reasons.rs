//! Every reason that the core gives, each by the least that makes it.

use super::world::*;
use crate::domain::command::{PullAsk, Receipt};
use crate::domain::event::Verdict;
use crate::domain::time::SECOND;
use crate::domain::{Action, Digest, Event, Profile, Reason, Standing};

const FEED: &str = "facebook/feed";

#[test]
fn a_sender_that_never_registered_is_unknown() {
    let mut world = World::new();
    assert_eq!(world.say("org:nobody", BOB, data(&[FEED])), Said::Anonymous(Reason::UnknownParty));
}

#[test]
fn a_key_that_the_sender_never_held_is_a_bad_signature() {
    let mut world = World::new();
    let message = world.message(FACEBOOK, BOB, credit(FACEBOOK, &[FEED])).signed_by("somebody else");
    assert_eq!(world.put(&message), Said::Anonymous(Reason::BadSignature));
    let mut unsigned = message;
    unsigned.cause().key = None;
    assert_eq!(world.put(&unsigned), Said::Anonymous(Reason::BadSignature));
    world.trusted = true;
    world.put(&unsigned).opened();
}

#[test]
fn a_message_to_an_address_that_was_never_a_hat_is_for_an_unknown_party() {
    let mut world = World::new();
    assert_eq!(world.say(FACEBOOK, "hat:eve.hubat.net", credit(FACEBOOK, &[FEED])).refused(), Reason::UnknownParty);
}

#[test]
fn the_same_id_with_another_body_is_a_conflict_and_with_the_same_body_a_repeat() {
    let mut world = World::new();
    let first = world.message(FACEBOOK, BOB, credit(FACEBOOK, &[FEED]));
    world.put(&first).opened();
    let mut other = first.clone();
    other.cause().body = Digest::of(b"other");
    assert_eq!(world.put(&other).refused(), Reason::Conflict);
    let length = world.log.len();
    world.pass(30 * 86_400);
    assert_eq!(world.put(&first), Said::Repeat, "however old");
    assert_eq!(world.log.len(), length);
}

#[test]
fn an_id_outside_its_horizon_is_stale() {
    let mut world = World::new();
    for (seconds, stale) in [(-3601, true), (-3599, false), (299, false), (301, true)] {
        let now = world.now;
        world.pass(seconds);
        let id = world.fresh();
        world.now = now;
        let mut message = world.message(FACEBOOK, BOB, credit(FACEBOOK, &[FEED]));
        message.cause().id = id;
        let said = world.put(&message);
        if stale {
            assert_eq!(said.refused(), Reason::Stale, "{seconds}");
        } else {
            said.opened();
        }
    }
}

#[test]
fn a_key_out_of_force_is_revoked_while_the_party_is_still_known() {
    let mut world = World::new();
    world.pass(10);
    world.say(FACEBOOK, FACEBOOK, Action::RotateKey { key: key("new") }).done();
    world.pass(1);
    assert_eq!(world.say(FACEBOOK, BOB, credit(FACEBOOK, &[FEED])).refused(), Reason::RevokedKey);
    let message = world.message(FACEBOOK, BOB, credit(FACEBOOK, &[FEED])).signed_by("new");
    world.put(&message).opened();
    let since = world.now;
    world.say(OPERATOR, FACEBOOK, Action::RevokeKey { key: key("new"), since }).done();
    let message = world.message(FACEBOOK, BOB, credit(FACEBOOK, &[FEED])).signed_by("new");
    assert_eq!(world.put(&message).refused(), Reason::RevokedKey);
}

#[test]
fn a_party_speaks_only_where_it_may() {
    let mut world = World::new();
    world.debit("d1", ACME, &[FEED]);
    let refused = [
        (NOTABLES, BOB, credit(FACEBOOK, &[FEED])),
        (ACME, BOB, release("d1", &[FEED])),
        (ANN, BOB, data(&[FEED])),
        (ACME, BOB, Action::DebitEnable { debit: id("d1") }),
        (PLATFORM, BOB, Action::DebitDisable { debit: id("d1"), at_period_end: false }),
        (FACEBOOK, BOB, Action::PlugConnect { plug: id("facebook") }),
        (FACEBOOK, BOB, Action::DebitPropose { debit: id("d2"), terms: terms(FACEBOOK, &[FEED]) }),
        (ACME, BOB, Action::DebitPropose { debit: id("d2"), terms: terms(NOTABLES, &[FEED]) }),
        (ACME, ACME, Action::Suspend),
        (PLATFORM, ACME, Action::Suspend),
        (PLATFORM, "hat:bob.other.net", Action::Register { key: key("bob"), profile: Profile::Hat }),
        (PLATFORM, "hat:bobhubat.net", Action::Register { key: key("bob"), profile: Profile::Hat }),
        (OPERATOR, "hat:eve.hubat.net", Action::Register { key: key("eve"), profile: Profile::Hat }),
        (ACME, "org:other", Action::Register { key: key(ACME), profile: profile(ACME) }),
        (ACME, ACME, Action::Approve { key: Some(key(ACME)) }),
        (BOB, BOB, Action::ClaimReserved { offer: id("o1"), terms: terms(ACME, &[FEED]) }),
        (OPERATOR, BOB, Action::RotateKey { key: key("stolen") }),
        (ACME, BOB, Action::RevokeKey { key: key(BOB), since: world.now }),
    ];
    for (from, to, action) in refused {
        let text = format!("{from} {to} {action:?}");
        assert_eq!(world.say(from, to, action).refused(), Reason::NotPermitted, "{text}");
    }
}

#[test]
fn what_waits_for_approval_is_not_approved_and_a_retry_adds_nothing() {
    let mut world = World::new();
    let plug = "plug:fitbit";
    world.say(plug, plug, Action::Register { key: key(plug), profile: profile(plug) }).done();
    let early = world.message(plug, BOB, credit(plug, &[FEED]));
    assert_eq!(world.put(&early).refused(), Reason::NotApproved);
    assert_eq!(world.put(&early), Said::Repeat);
    assert_eq!(world.say(BOB, BOB, Action::PlugConnect { plug: id("fitbit") }).refused(), Reason::NotApproved);
    assert_eq!(world.say(BOB, BOB, Action::PlugConnect { plug: id("nothing") }).refused(), Reason::NotFound);
}

#[test]
fn a_plug_that_is_not_connected_may_not_write() {
    let mut world = World::new();
    assert_eq!(world.say(FACEBOOK, ANN, credit(FACEBOOK, &[FEED])).refused(), Reason::NotConnected);
    world.say(BOB, BOB, Action::PlugDisconnect { plug: id("facebook") }).done();
    assert_eq!(world.say(FACEBOOK, BOB, credit(FACEBOOK, &[FEED])).refused(), Reason::NotConnected);
    assert_eq!(world.say(BOB, BOB, Action::PlugDisconnect { plug: id("facebook") }).refused(), Reason::NotConnected);
    world.say(BOB, BOB, Action::AppDisable { app: id("notables") }).done();
    assert_eq!(world.say(NOTABLES, BOB, credit(NOTABLES, &["rumpel/notes"])).refused(), Reason::NotConnected);
}

#[test]
fn what_is_suspended_takes_no_part_until_it_is_resumed() {
    let mut world = World::new();
    world.debit("d1", ACME, &[FEED]);
    let pull = || Action::Pull { debit: id("d1"), ask: PullAsk::default() };
    for (party, from, action) in [
        (FACEBOOK, FACEBOOK, credit(FACEBOOK, &[FEED])),
        (BOB, FACEBOOK, credit(FACEBOOK, &[FEED])),
        (BOB, BOB, data(&[FEED])),
        (ACME, BOB, release("d1", &[FEED])),
        (ACME, ACME, pull()),
    ] {
        world.say(OPERATOR, party, Action::Suspend).done();
        assert_eq!(world.say(from, BOB, action.clone()).refused(), Reason::Suspended, "{party} {action:?}");
        world.say(OPERATOR, party, Action::Resume).done();
        world.say(from, BOB, action).done();
    }
}

#[test]
fn a_retired_hat_is_gone_for_ever() {
    let mut world = World::new();
    world.say(BOB, BOB, Action::Retire).done();
    assert_eq!(world.say(FACEBOOK, BOB, credit(FACEBOOK, &[FEED])).refused(), Reason::Retired);
    assert_eq!(world.say(BOB, BOB, data(&[FEED])).refused(), Reason::Retired);
    assert_eq!(world.say(OPERATOR, BOB, Action::Resume).refused(), Reason::Retired);
    let again = Action::Register { key: key("bob again"), profile: Profile::Hat };
    assert_eq!(world.say(PLATFORM, BOB, again).refused(), Reason::Retired);
    assert_eq!(world.hat().registration.standing, Standing::Retired);
}

#[test]
fn records_stay_within_the_namespace() {
    let mut world = World::new();
    for outside in ["rumpel/notes", "facebooks/feed", "facebook-x/feed"] {
        assert_eq!(world.say(FACEBOOK, BOB, credit(FACEBOOK, &[FEED, outside])).refused(), Reason::OutsideNamespace);
    }
    assert_eq!(world.say(NOTABLES, BOB, credit(NOTABLES, &[FEED])).refused(), Reason::OutsideNamespace);
    world.say(NOTABLES, BOB, credit(NOTABLES, &["rumpel/notes"])).opened();
}

#[test]
fn quotas_hold_to_the_message() {
    let mut world = World::new();
    world.limits.messages_per_minute = 2;
    for _ in 0..2 {
        world.say(FACEBOOK, BOB, credit(FACEBOOK, &[FEED])).opened();
    }
    assert_eq!(world.say(FACEBOOK, BOB, credit(FACEBOOK, &[FEED])).refused(), Reason::OverQuota);
    world.say(NOTABLES, BOB, credit(NOTABLES, &["rumpel/notes"])).opened();
    world.pass(60);
    world.say(FACEBOOK, BOB, credit(FACEBOOK, &[FEED])).opened();

    world.limits.messages_per_minute = 1000;
    world.limits.open_per_hat = world.hat().open.len() + 1;
    world.debit("d1", ACME, &[FEED]);
    world.debit("d2", NOTABLES, &[FEED]);
    assert_eq!(world.say(BOB, BOB, data(&[FEED])).refused(), Reason::RecipientOverQuota);
    world.say(BOB, BOB, Action::DebitDisable { debit: id("d2"), at_period_end: false }).done();
    world.say(BOB, BOB, data(&[FEED])).done();
    assert_eq!(world.say(FACEBOOK, BOB, credit(FACEBOOK, &[FEED])).refused(), Reason::RecipientOverQuota);
}

#[test]
fn a_deadline_too_near_or_too_far_is_malformed() {
    let mut world = World::new();
    for (seconds, fits) in [(-1, false), (0, false), (1, true), (7 * 86_400, true), (7 * 86_400 + 1, false)] {
        let due = world.now.plus(seconds * SECOND);
        let message = world.message(FACEBOOK, BOB, credit(FACEBOOK, &[FEED])).due(due);
        let said = world.put(&message);
        if fits {
            assert_eq!(said.opened().deadline, due);
        } else {
            assert_eq!(said.refused(), Reason::Malformed, "{seconds}");
        }
    }
}

#[test]
fn a_receipt_that_differs_is_disputed_with_what_differs() {
    let mut world = World::new();
    let other = Some(Digest::of(b"other"));
    let cases = [
        (Verdict::Accepted, other, 1, Reason::DigestMismatch),
        (Verdict::Accepted, None, 2, Reason::CountMismatch),
        (Verdict::Refused, None, 1, Reason::RefusedByRecipient),
    ];
    for (verdict, digest, count, expected) in cases {
        let opened = world.say(FACEBOOK, BOB, credit(FACEBOOK, &[FEED])).opened();
        let digest = digest.unwrap_or(opened.digest_out);
        let receipt = Receipt { delivery: opened.delivery, digest, count, verdict, reason: None };
        let event = world.receipt_of(BOB, receipt).event();
        let Event::Disputed { closed, reason } = event else { panic!("{event:?}") };
        assert_eq!((closed.exchange, reason), (opened.exchange, expected));
    }
}

#[test]
fn a_receipt_of_somebody_else_or_a_return_not_asked_for_changes_nothing() {
    let mut world = World::new();
    let opened = world.say(FACEBOOK, BOB, credit(FACEBOOK, &[FEED])).opened();
    assert_eq!(world.receipt(ANN, &opened, Verdict::Accepted).refused(), Reason::NotPermitted);
    assert_eq!(world.receipt(FACEBOOK, &opened, Verdict::Accepted).refused(), Reason::NotPermitted);
    assert_eq!(world.receipt(BOB, &opened, Verdict::Returned).refused(), Reason::WrongState);
    assert!(world.hat().open.contains_key(&opened.delivery));
}

#[test]
fn a_lane_leads_nowhere_by_itself() {
    let mut world = World::new();
    let receipt = Receipt {
        delivery: uuid::Uuid::nil(),
        digest: Digest::of(b""),
        count: 0,
        verdict: Verdict::Accepted,
        reason: None,
    };
    assert_eq!(world.say(BOB, LANE, Action::Receipt(receipt.clone())).refused(), Reason::NotFound);
    assert_eq!(world.say("org:nobody", LANE, Action::Receipt(receipt)), Said::Anonymous(Reason::UnknownParty));
}

#[test]
fn what_is_there_already_is_not_made_again() {
    let mut world = World::new();
    world.debit("d1", ACME, &[FEED]);
    let there = [
        (PLATFORM, BOB, Action::Register { key: key("other"), profile: Profile::Hat }),
        (OPERATOR, PLATFORM, Action::Register { key: key("other"), profile: profile(PLATFORM) }),
        (ACME, ACME, Action::Register { key: key(ACME), profile: profile(ACME) }),
        (ACME, ACME, Action::RotateKey { key: key(ACME) }),
        (OPERATOR, ACME, Action::Approve { key: Some(key(ACME)) }),
        (BOB, BOB, Action::PlugConnect { plug: id("facebook") }),
        (BOB, BOB, Action::AppSetup { app: id("notables") }),
        (ACME, BOB, Action::DebitPropose { debit: id("d1"), terms: terms(ACME, &[FEED]) }),
        (BOB, BOB, Action::DebitEnable { debit: id("d1") }),
    ];
    for (from, to, action) in there {
        let text = format!("{action:?}");
        assert_eq!(world.say(from, to, action).refused(), Reason::AlreadyExists, "{text}");
    }
}

#[test]
fn a_profile_of_another_kind_is_malformed() {
    let mut world = World::new();
    let org = "org:sly";
    let action = Action::Register { key: key(org), profile: Profile::Hat };
    assert_eq!(world.say(org, org, action).refused(), Reason::Malformed);
    assert_eq!(world.say(org, BOB, data(&[FEED])), Said::Anonymous(Reason::UnknownParty));
}
