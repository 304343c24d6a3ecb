//! One refusal for each reason that the core gives, on an otherwise good message.

use super::world::*;
use crate::domain::command::PullAsk;
use crate::domain::time::SECOND;
use crate::domain::*;

const BOB: &str = "hat:bob.hubat.net";
const EVE: &str = "hat:eve.hubat.net";
const PLUG: &str = "plug:facebook";
const ROOT: &str = "operator:root";

fn credit() -> Action {
    Action::Credit { by: id("facebook"), records: records(&["facebook/feed"]) }
}

fn release(debit: &str) -> Action {
    Action::Release { debit: id(debit), records: records(&["facebook/feed", "rumpel/notes"]) }
}

#[test]
fn senders_nobody_knows_and_keys_never_held_are_not_ledgered() {
    let mut w = World::new();
    let entries = w.ledger.len();
    let unknown = Decision::Anonymous(Reason::UnknownParty);
    assert_eq!(w.tell(BOB, "plug:nobody", credit()), unknown);
    assert_eq!(w.tell("hat:new.hubat.net", "hat:new.hubat.net", Action::Retire), unknown);
    let mut command = w.message(&a(BOB), &a(PLUG), credit());
    command.cause.as_mut().unwrap().key = Some(key("somebody else"));
    let bad = Decision::Anonymous(Reason::BadSignature);
    assert_eq!(w.run(&a(BOB), command.clone()), bad);
    command.cause.as_mut().unwrap().key = None;
    assert_eq!(w.run(&a(BOB), command.clone()), bad, "unsigned");
    assert_eq!(w.ledger.len(), entries);
    w.trusted_broker = true;
    assert!(matches!(w.run(&a(BOB), command), Decision::Record(_)));
}

#[test]
fn self_registration_needs_the_key_it_brings() {
    let mut w = World::bare();
    let profile = Profile::Org { name: "n".into() };
    let action = Action::Register { key: Some(key("another")), profile };
    let bad = Decision::Anonymous(Reason::BadSignature);
    assert_eq!(w.tell("org:new", "org:new", action), bad);
}

#[test]
fn conflict_stale_and_repeat() {
    let mut w = World::new();
    let mut command = w.message(&a(BOB), &a(PLUG), credit());
    assert!(matches!(w.run(&a(BOB), command.clone()), Decision::Record(_)));
    assert_eq!(w.run(&a(BOB), command.clone()), Decision::Repeat);
    command.cause.as_mut().unwrap().body = Digest::of(b"other");
    assert_eq!(reason(&w.run(&a(BOB), command.clone())), Reason::Conflict);
    for (seconds, stale) in [(3600, false), (3602, true), (-300, false), (-302, true)] {
        let mut command = w.message(&a(BOB), &a(PLUG), credit());
        command.stored_at = w.now.plus(seconds * SECOND);
        let decision = w.run(&a(BOB), command);
        let is_stale = matches!(&decision, Decision::Record(drafts)
            if drafts[0].event == Event::Rejected { reason: Reason::Stale });
        assert_eq!(is_stale, stale, "{seconds} s");
    }
}

#[test]
fn revoked_key() {
    let mut w = World::new();
    let since = w.now;
    let revoke = Action::RevokeKey { key: key(PLUG), since };
    w.must(PLUG, ROOT, revoke);
    assert_eq!(w.refuses(BOB, PLUG, credit()), Reason::RevokedKey);
}

#[test]
fn not_permitted() {
    let mut w = World::new();
    let mine = Action::Credit { by: id("notables"), records: records(&["facebook/feed"]) };
    let debit = id("d1");
    let offer = id("o");
    let plug = id("facebook");
    let since = w.now;
    let opened = match &w.must(BOB, PLUG, credit())[0] {
        Event::Opened(opened) => (**opened).clone(),
        other => panic!("{other:?}"),
    };
    let exchange = opened.exchange;
    let propose = |client: &str| Action::DebitPropose { debit: id("d9"), terms: terms(client, &["a/b"]) };
    let hat = id("bob.hubat.net");
    let k = key("k");
    let profile = Profile::HAT;
    for (to, from, action) in [
        (BOB, PLUG, mine),
        (BOB, "org:acme", release("d1")),
        (BOB, EVE, Action::Data { records: records(&["a/b"]) }),
        (BOB, "org:other", Action::Pull { debit: debit.clone(), ask: PullAsk::default() }),
        (BOB, "org:acme", Action::Receipt(agreeing(&opened))),
        (BOB, "org:acme", Action::Recall { exchange }),
        (BOB, BOB, Action::Register { key: Some(k), profile: profile.clone() }),
        ("hat:a.elsewhere.net", "platform:hubat.net", Action::Register { key: Some(k), profile: profile.clone() }),
        ("hat:xhubat.net", "platform:hubat.net", Action::Register { key: Some(k), profile }),
        (BOB, BOB, Action::Suspend),
        (BOB, EVE, Action::Resume),
        (BOB, ROOT, Action::RotateKey { key: k }),
        (BOB, "org:acme", Action::RevokeKey { key: k, since }),
        (BOB, "org:acme", Action::PlugConnect { plug: plug.clone() }),
        (BOB, PLUG, Action::PlugDisconnect { plug }),
        (BOB, "app:notables", Action::AppSetup { app: id("notables"), version: None }),
        (BOB, ROOT, Action::AppDisable { app: id("notables") }),
        (BOB, "org:other", propose("org:acme")),
        (BOB, PLUG, propose(PLUG)),
        (BOB, BOB, propose(BOB)),
        (BOB, "org:other", Action::DebitAmend { debit: debit.clone(), terms: terms("org:other", &["a/b"]) }),
        (BOB, "org:acme", Action::DebitEnable { debit: debit.clone(), revision: None }),
        (BOB, "org:acme", Action::DebitDisable { debit, at_period_end: false }),
        (BOB, ROOT, Action::Claim { offer: offer.clone() }),
        (
            BOB,
            ROOT,
            Action::ClaimReserved {
                offer: offer.clone(),
                terms: terms("org:acme", &["a/b"]),
                claim: None,
                until: None,
            },
        ),
        (BOB, "org:acme", Action::ClaimRefused { offer: offer.clone(), claim: None }),
        (BOB, ROOT, Action::ClaimReleased { offer: offer.clone(), claim: None }),
        (BOB, BOB, Action::ClaimLapsed { offer: offer.clone(), claim: None }),
        (BOB, "org:acme", Action::Withdraw { offer }),
        (BOB, ROOT, Action::Deadline { delivery: opened.delivery }),
        (PLUG, PLUG, Action::Approve { key: Some(k) }),
        (PLUG, "platform:hubat.net", Action::Suspend),
        ("org:acme", "org:other", Action::RotateKey { key: k }),
        ("org:acme", "org:other", Action::Register { key: Some(k), profile: Profile::Org { name: "n".into() } }),
        (ROOT, ROOT, Action::OperatorDeclare { keys: vec![k] }),
        (ROOT, ROOT, Action::Suspend),
        (
            "platform:new.net",
            "org:acme",
            Action::Register { key: Some(k), profile: Profile::Platform { name: "n".into() } },
        ),
        ("offer:o", "org:other", Action::OfferRegister { terms: offer_terms("org:acme", 1) }),
        ("offer:o", "org:acme", Action::Approve { key: None }),
        (
            "offer:o",
            "org:acme",
            Action::OfferReserve { of: event::HatClaim { hat: hat.clone(), claim: None }, by: None },
        ),
        ("offer:o", BOB, Action::OfferConfirm(event::HatClaim { hat: hat.clone(), claim: None })),
        ("offer:o", BOB, Action::OfferLapse { of: event::HatClaim { hat, claim: None }, completed: false }),
        ("offer:o", "org:acme", Action::OfferClose),
        ("lane:a7", "org:acme", Action::Retire),
    ] {
        let what = format!("{to} from {from}: {action:?}");
        assert_eq!(w.refuses(to, from, action), Reason::NotPermitted, "{what}");
    }
}

#[test]
fn not_approved_and_not_connected() {
    let mut w = World::new();
    let profile = Profile::Plug { name: "n".into(), namespace: "x".into(), manifest: None };
    w.register("plug:new", "plug:new", profile);
    let credit = || Action::Credit { by: id("new"), records: records(&["x/y"]) };
    assert_eq!(w.refuses(BOB, "plug:new", credit()), Reason::NotApproved);
    let connect = || Action::PlugConnect { plug: id("new") };
    assert_eq!(w.refuses(BOB, BOB, connect()), Reason::NotApproved);
    let k = Some(key("plug:new"));
    w.must("plug:new", ROOT, Action::Approve { key: k });
    assert_eq!(w.refuses(BOB, "plug:new", credit()), Reason::NotConnected);
    assert_eq!(w.refuses(BOB, BOB, Action::PlugDisconnect { plug: id("new") }), Reason::NotConnected);
    w.must(BOB, BOB, connect());
    w.must(BOB, "plug:new", credit());
    w.must(BOB, BOB, Action::PlugDisconnect { plug: id("new") });
    assert_eq!(w.refuses(BOB, "plug:new", credit()), Reason::NotConnected);
}

#[test]
fn suspended_and_retired_parties_move_nothing_but_may_take_rights_back() {
    let mut w = World::new();
    w.must(PLUG, ROOT, Action::Suspend);
    assert_eq!(w.refuses(BOB, PLUG, credit()), Reason::Suspended);
    w.must(PLUG, ROOT, Action::Resume);
    w.must(BOB, PLUG, credit());
    let opened = w.last_opened();
    w.must("org:acme", ROOT, Action::Suspend);
    assert_eq!(w.refuses(BOB, BOB, release("d1")), Reason::Suspended);
    w.must("org:acme", ROOT, Action::Resume);
    w.must(BOB, "platform:hubat.net", Action::Suspend);
    assert_eq!(w.refuses(BOB, PLUG, credit()), Reason::Suspended);
    assert_eq!(w.refuses(BOB, BOB, release("d1")), Reason::Suspended);
    w.must(BOB, BOB, Action::PlugDisconnect { plug: id("facebook") });
    assert_eq!(w.refuses(BOB, BOB, Action::Receipt(agreeing(&opened))), Reason::Suspended);
    w.must(BOB, BOB, Action::Retire);
    let settled = w.must(BOB, BOB, Action::Receipt(agreeing(&opened)));
    assert!(matches!(settled[0], Event::Settled(_)));
    assert_eq!(w.refuses(BOB, PLUG, credit()), Reason::Retired);
    let again = Action::Register { key: Some(key("k")), profile: Profile::HAT };
    assert_eq!(w.refuses(BOB, "platform:hubat.net", again), Reason::Retired);
    assert_eq!(w.refuses(BOB, ROOT, Action::Resume), Reason::Retired);
}

#[test]
fn unknown_addressed_hat() {
    let mut w = World::new();
    let to = "hat:none.hubat.net";
    assert_eq!(w.refuses(to, PLUG, credit()), Reason::UnknownParty);
}

#[test]
fn outside_namespace() {
    let mut w = World::new();
    for endpoint in ["rumpel/notes", "facebookx/feed", "face/book"] {
        let action = Action::Credit { by: id("facebook"), records: records(&["facebook/feed", endpoint]) };
        assert_eq!(w.refuses(BOB, PLUG, action), Reason::OutsideNamespace);
    }
}

#[test]
fn debit_reasons_and_nothing_selected() {
    let mut w = World::new();
    assert_eq!(w.refuses(BOB, BOB, release("none")), Reason::DebitNotFound);
    let ask = || Action::Pull { debit: id("none"), ask: PullAsk::default() };
    assert_eq!(w.refuses(BOB, "org:acme", ask()), Reason::DebitNotFound);
    let propose = Action::DebitPropose { debit: id("d2"), terms: terms("org:acme", &["x/y"]) };
    w.must(BOB, "org:acme", propose.clone());
    assert_eq!(w.refuses(BOB, "org:acme", propose), Reason::AlreadyExists);
    assert_eq!(w.refuses(BOB, BOB, release("d2")), Reason::DebitNotActive);
    w.must(BOB, BOB, Action::DebitEnable { debit: id("d2"), revision: None });
    assert_eq!(w.refuses(BOB, BOB, release("d2")), Reason::NothingSelected);
    let records = records(&["no/where"]);
    assert_eq!(w.refuses(BOB, BOB, Action::Data { records }), Reason::NothingSelected);
    let disable = Action::DebitDisable { debit: id("d1"), at_period_end: false };
    w.must(BOB, BOB, disable.clone());
    assert_eq!(w.refuses(BOB, BOB, release("d1")), Reason::DebitEnded);
    assert_eq!(w.refuses(BOB, BOB, disable), Reason::WrongState);
}

#[test]
fn quotas() {
    let mut w = World::new();
    w.pass(120);
    w.limits.messages_per_minute = 2;
    w.must(BOB, PLUG, credit());
    w.must(BOB, PLUG, credit());
    assert_eq!(w.refuses(BOB, PLUG, credit()), Reason::OverQuota);
    w.must(BOB, BOB, release("d1"));
    w.pass(60);
    w.must(BOB, PLUG, credit());
    w.limits.open_per_hat = w.hat(BOB).open.len();
    assert_eq!(w.refuses(BOB, PLUG, credit()), Reason::RecipientOverQuota);
    w.limits.debits_per_hat = 1;
    let propose = Action::DebitPropose { debit: id("d2"), terms: terms("org:acme", &["x/y"]) };
    assert_eq!(w.refuses(BOB, "org:acme", propose), Reason::RecipientOverQuota);
    w.limits.connections_per_hat = 1;
    w.approved("plug:b", Profile::Plug { name: "n".into(), namespace: "b".into(), manifest: None });
    assert_eq!(w.refuses(BOB, BOB, Action::PlugConnect { plug: id("b") }), Reason::OverQuota);
}

#[test]
fn malformed_deadlines_and_terms() {
    let mut w = World::new();
    for (ahead, good) in [(1, true), (0, false), (7 * 86_400, true), (7 * 86_400 + 1, false)] {
        let mut command = w.message(&a(BOB), &a(PLUG), credit());
        command.deadline = Some(w.now.plus(ahead * SECOND));
        let decision = w.run(&a(BOB), command);
        if good {
            let deadline = w.last_opened().deadline;
            assert_eq!(deadline, w.now.plus(ahead * SECOND));
        } else {
            assert_eq!(reason(&decision), Reason::Malformed, "{ahead} s");
        }
    }
    let mut bad = terms("org:acme", &["x/y"]);
    bad.period_seconds = 0;
    let no_endpoint = terms("org:acme", &["xy"]);
    let empty = terms("org:acme", &[]);
    for terms in [bad, no_endpoint, empty] {
        let propose = Action::DebitPropose { debit: id("d2"), terms };
        assert_eq!(w.refuses(BOB, "org:acme", propose), Reason::Malformed);
    }
    let since = w.now.plus(1);
    let revoke = Action::RevokeKey { key: key(PLUG), since };
    assert_eq!(w.refuses(PLUG, PLUG, revoke), Reason::Malformed);
}

#[test]
fn many_senders_crowd_out_others_but_not_the_hat() {
    let mut w = World::new();
    w.pass(60);
    let at = w.now;
    let mut minute = hat::Minute::default();
    let sender = |i: usize| a(&format!("org:o{i}"));
    for i in 0..hat::state::SENDERS_MAX + 10 {
        minute.count(&sender(i), false, at);
    }
    assert_eq!(minute.counts.len(), hat::state::SENDERS_MAX);
    assert!(minute.allows(&sender(0), false, at, 2));
    assert!(!minute.allows(&a("org:new"), false, at, 2));
    assert!(minute.allows(&a(BOB), true, at, 2));
    minute.count(&a(BOB), true, at);
    assert!(!minute.allows(&a(BOB), true, at, 1));
    assert!(minute.allows(&a("org:new"), false, at.plus(60 * SECOND), 1));
}
