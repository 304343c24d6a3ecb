//! Exchanges from their opening to their end.

use super::world::*;
use crate::domain::command::PullAsk;
use crate::domain::event::{Direction, Verdict};
use crate::domain::time::SECOND;
use crate::domain::*;

const BOB: &str = "hat:bob.hubat.net";

fn release() -> Action {
    Action::Release { debit: id("d1"), records: records(&["rumpel/a", "facebook/feed", "rumpel/b"]) }
}

fn finals(w: &World) -> Vec<(Address, Status, Option<Reason>)> {
    let last = w.outcomes.iter().filter(|(_, _, first)| !first);
    last.map(|(to, o, _)| (to.clone(), o.status, o.reason)).collect()
}

#[test]
fn a_release_delivers_what_the_bundle_selects_and_settles_by_its_receipt() {
    let mut w = World::new();
    w.must(BOB, BOB, release());
    let opened = w.last_opened();
    let content = w.ledger.last().unwrap().1.clone().expect("content is spooled");
    assert_eq!((opened.count_in, opened.count_out), (3, 1));
    assert_eq!(opened.digest_out, Digest::of(&content));
    assert_ne!(opened.digest_out, opened.digest_in);
    assert_eq!(opened.endpoints, vec![("facebook/feed".into(), 1)]);
    assert_eq!(opened.to, a("org:acme"));
}

#[test]
fn receipts_end_an_exchange_as_they_say() {
    type Change = fn(&mut crate::domain::command::Receipt);
    let cases: [(Change, Status, Option<Reason>); 4] = [
        (|_| {}, Status::Settled, None),
        (|r| r.digest = Digest::of(b"x"), Status::Disputed, Some(Reason::DigestMismatch)),
        (|r| r.count += 1, Status::Disputed, Some(Reason::CountMismatch)),
        (|r| r.verdict = Verdict::Refused, Status::Disputed, Some(Reason::RefusedByRecipient)),
    ];
    for (change, status, reason) in cases {
        let mut w = World::new();
        w.must(BOB, BOB, release());
        let opened = w.last_opened();
        let mut receipt = agreeing(&opened);
        change(&mut receipt);
        let message = w.message(&a("lane:a7"), &a("org:acme"), Action::Receipt(receipt.clone()));
        w.run(&a(BOB), message.clone());
        assert_eq!(finals(&w), vec![(a(BOB), status, reason)]);
        let first = &w.outcomes[w.outcomes.len() - 2];
        assert_eq!((&first.0, first.1.status, first.2), (&a("org:acme"), status, true));
        assert_eq!(first.1.exchange, message.cause.as_ref().unwrap().id);
        assert!(w.hat(BOB).open.is_empty());
        assert_eq!(w.run(&a(BOB), message), Decision::Repeat);
        let again = w.must(BOB, "org:acme", Action::Receipt(receipt));
        assert!(matches!(again[0], Event::LateReceipt { .. }));
        assert_eq!(finals(&w).len(), 1);
    }
}

#[test]
fn a_receipt_counts_before_the_deadline_and_is_late_at_it() {
    for (early, settled) in [(1, true), (0, false)] {
        let mut w = World::new();
        w.must(BOB, BOB, release());
        let opened = w.last_opened();
        w.now = opened.deadline.plus(-early);
        let delivery = opened.delivery;
        if early > 0 {
            assert_eq!(w.local(&a(BOB), Action::Deadline { delivery }), Decision::Nothing);
        }
        let events = w.must(BOB, "org:acme", Action::Receipt(agreeing(&opened)));
        assert_eq!(matches!(events[0], Event::Settled(_)), settled);
        w.now = opened.deadline;
        let decision = w.local(&a(BOB), Action::Deadline { delivery });
        assert_eq!(decision == Decision::Nothing, settled);
        if !settled {
            let expired = (a(BOB), Status::Expired, Some(Reason::DeadlinePassed));
            assert_eq!(finals(&w), vec![expired]);
        }
    }
}

#[test]
fn a_recall_asks_the_recipient_who_gives_it_back() {
    let mut w = World::new();
    w.must(BOB, BOB, release());
    let opened = w.last_opened();
    let exchange = opened.exchange;
    let mut returned = agreeing(&opened);
    returned.verdict = Verdict::Returned;
    let early = Action::Receipt(returned.clone());
    assert_eq!(w.refuses(BOB, "org:acme", early), Reason::WrongState);
    w.must(BOB, BOB, Action::Recall { exchange });
    assert_eq!(w.refuses(BOB, BOB, Action::Recall { exchange }), Reason::WrongState);
    let back = w.must(BOB, "org:acme", Action::Receipt(returned));
    assert!(matches!(back[0], Event::Recalled(_)));
    assert_eq!(w.refuses(BOB, BOB, Action::Recall { exchange }), Reason::NotFound);
    let recalled = (a(BOB), Status::Recalled, Some(Reason::RecalledBySender));
    assert_eq!(finals(&w), vec![recalled]);
}

#[test]
fn data_fans_out_to_each_debit_that_selects_any() {
    let mut w = World::new();
    w.debit("d2", "org:other", terms("org:other", &["rumpel/a", "rumpel/b"]));
    w.debit("d3", "app:notables", terms("app:notables", &["no/thing"]));
    let records = records(&["rumpel/a", "facebook/feed", "rumpel/b"]);
    let command = w.message(&a(BOB), &a(BOB), Action::Data { records });
    let decision = w.run(&a(BOB), command.clone());
    let Decision::Record(drafts) = decision else { panic!("{decision:?}") };
    let Event::Fanned { parts, count: 3, .. } = &drafts[0].event else { panic!("{drafts:?}") };
    assert_eq!(parts.iter().map(|p| p.debit.as_str()).collect::<Vec<_>>(), ["d1", "d2"]);
    assert_eq!(drafts.len(), 3);
    for (part, draft) in parts.iter().zip(&drafts[1..]) {
        let Event::Opened(opened) = &draft.event else { panic!("{draft:?}") };
        assert_eq!(opened.parent, Some(command.cause.as_ref().unwrap().id));
        assert_eq!(opened.exchange, part.exchange);
        assert_eq!(opened.exchange.0.get_version_num(), 8);
        assert!(draft.content.is_some() && !draft.with_cause);
    }
    let (to, outcome, first) = w.outcomes.last().unwrap();
    assert_eq!((to, outcome.status, *first), (&a(BOB), Status::Accepted, true));
    assert_eq!(&outcome.parts, parts);
    let own = command.cause.as_ref().unwrap().id;
    assert_eq!(w.outcomes.iter().filter(|(_, o, _)| o.exchange == own).count(), 1);
    w.limits.active_debits_per_hat = 1;
    let again = w.message(&a(BOB), &a(BOB), command.action);
    assert_eq!(reason(&w.run(&a(BOB), again)), Reason::OverQuota);
}

#[test]
fn a_pull_is_asked_of_the_hat_and_settled_by_its_release() {
    let mut w = World::new();
    let ask = PullAsk { limit: Some(10), ..PullAsk::default() };
    let pull = Action::Pull { debit: id("d1"), ask };
    w.must(BOB, "org:acme", pull);
    let asked = w.last_opened();
    assert_eq!((asked.direction, &asked.to), (Direction::Pull, &a(BOB)));
    assert_eq!(asked.digest_out, Digest::of(br#"{"limit":10}"#));
    let receipt = Action::Receipt(agreeing(&asked));
    assert_eq!(w.refuses(BOB, BOB, receipt), Reason::WrongState);
    let mut command = w.message(&a(BOB), &a(BOB), release());
    command.pull = Some(MessageId(uuid::Uuid::from_u128(1)));
    assert_eq!(reason(&w.run(&a(BOB), command)), Reason::NotFound);
    let mut command = w.message(&a(BOB), &a(BOB), release());
    command.pull = Some(asked.exchange);
    w.run(&a(BOB), command);
    assert_eq!(w.last_opened().pull, Some(asked.exchange));
    assert_eq!(finals(&w), vec![(a("org:acme"), Status::Settled, None)]);
    assert_eq!(w.hat(BOB).open.len(), 1);
    let mut command = w.message(&a(BOB), &a(BOB), release());
    command.pull = Some(asked.exchange);
    assert_eq!(reason(&w.run(&a(BOB), command)), Reason::NotFound, "answered once");
    for limit in [0, 10_001] {
        let ask = PullAsk { limit: Some(limit), ..PullAsk::default() };
        let pull = Action::Pull { debit: id("d1"), ask };
        assert_eq!(w.refuses(BOB, "org:acme", pull), Reason::Malformed);
    }
}

#[test]
fn a_receipt_that_leads_nowhere_is_recorded_on_the_lane() {
    let mut w = World::new();
    w.must(BOB, BOB, release());
    let receipt = Action::Receipt(agreeing(&w.last_opened()));
    assert_eq!(w.refuses("lane:a7", "org:acme", receipt), Reason::NotFound);
    let draft = lane::refused_unauthenticated(Reason::BadSignature, 3, START.plus(SECOND - 1));
    let second = START.0 / SECOND;
    let (reason, count) = (Reason::BadSignature, 3);
    assert_eq!(draft.event, Event::RefusedUnauthenticated { reason, count, second });
}
