//! Exchanges from their opening to each of their ends, and what is told of them.

use super::world::*;
use crate::domain::command::{PullAsk, Receipt};
use crate::domain::event::{Authority, Direction, Verdict};
use crate::domain::{Action, Basis, Digest, Effect, Entry, Event, Outcome, Reason, Status, effects_of};

const FEED: &str = "facebook/feed";
const POSTS: &str = "facebook/posts";

fn told(entry: &Entry) -> Vec<(String, Outcome, bool)> {
    let outcomes = effects_of(entry).into_iter().filter_map(|effect| match effect {
        Effect::Outcome { to, outcome, first } => Some((to.to_string(), outcome, first)),
        _ => None,
    });
    outcomes.collect()
}

fn closes(entry: &Entry) -> Vec<uuid::Uuid> {
    let closed = effects_of(entry).into_iter().filter_map(|effect| match effect {
        Effect::Close { delivery } => Some(delivery),
        _ => None,
    });
    closed.collect()
}

#[test]
fn a_credit_is_delivered_to_the_hat_and_settles_by_its_receipt() {
    let mut world = World::new();
    let said = world.say(FACEBOOK, BOB, credit(FACEBOOK, &[POSTS, FEED, FEED]));
    let entry = said.clone().done().remove(0);
    let opened = said.opened();
    let cause = entry.cause.as_ref().expect("a message");
    assert_eq!(opened.direction, Direction::Credit);
    assert_eq!(opened.authority, Authority::Plug(id("facebook")));
    assert_eq!(opened.to, address(BOB));
    assert_eq!((opened.count_in, opened.count_out), (3, 3));
    assert_eq!(opened.digest_out, cause.body, "the very bytes that came");
    assert_eq!(opened.endpoints, vec![(FEED.into(), 2), (POSTS.into(), 1)]);
    assert_eq!(opened.deadline, world.now.plus(world.limits.deadline_default));
    assert_eq!(opened.delivery.get_version_num(), 8);
    assert_eq!(entry.basis.len(), 3, "approval, key, connection");
    let (to, outcome, first) = told(&entry).remove(0);
    assert_eq!((to.as_str(), outcome.status, first), (FACEBOOK, Status::Accepted, true));
    assert_eq!((outcome.exchange, outcome.delivery, outcome.count), (cause.id, Some(opened.delivery), 3));
    assert!(effects_of(&entry).contains(&Effect::Deliver(opened.clone())));

    let entry = world.receipt(BOB, &opened, Verdict::Accepted).done().remove(0);
    assert!(matches!(entry.event, Event::Settled(_)));
    let told = told(&entry);
    let receipt = entry.cause.as_ref().expect("a receipt").id;
    assert_eq!(told.len(), 2);
    assert_eq!(
        (told[0].0.as_str(), told[0].1.status, told[0].1.exchange, told[0].2),
        (BOB, Status::Settled, receipt, true)
    );
    assert_eq!((told[1].0.as_str(), told[1].1.exchange, told[1].2), (FACEBOOK, opened.exchange, false));
    assert_eq!(closes(&entry), vec![opened.delivery]);
    assert!(world.hat().open.is_empty());

    let late = world.receipt(BOB, &opened, Verdict::Refused).done().remove(0);
    assert!(matches!(late.event, Event::LateReceipt { .. }));
    assert!(closes(&late).is_empty());
}

#[test]
fn an_exchange_expires_at_its_deadline_and_not_before() {
    let mut world = World::new();
    let opened = world.say(FACEBOOK, BOB, credit(FACEBOOK, &[FEED])).opened();
    let deadline = Action::Deadline { delivery: opened.delivery };
    world.now = opened.deadline.plus(-1);
    assert_eq!(world.local(BOB, deadline.clone()), Said::Nothing);
    world.now = opened.deadline;
    let late = world.receipt(BOB, &opened, Verdict::Accepted).event();
    assert!(matches!(late, Event::LateReceipt { .. }), "late although it has not been seen to expire");
    let entry = world.local(BOB, deadline.clone()).done().remove(0);
    let told = told(&entry);
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].0.as_str(), told[0].1.status, told[0].2), (FACEBOOK, Status::Expired, false));
    assert_eq!(told[0].1.reason, Some(Reason::DeadlinePassed));
    assert_eq!(closes(&entry), vec![opened.delivery]);
    assert_eq!(world.local(BOB, deadline), Said::Nothing);
}

#[test]
fn a_recalled_exchange_ends_by_its_return_or_is_settled_all_the_same() {
    for verdict in [Verdict::Returned, Verdict::Accepted] {
        let mut world = World::new();
        let opened = world.say(FACEBOOK, BOB, credit(FACEBOOK, &[FEED])).opened();
        let recall = || Action::Recall { exchange: opened.exchange };
        assert_eq!(world.say(NOTABLES, BOB, recall()).refused(), Reason::NotFound, "not its sender");
        let entry = world.say(FACEBOOK, BOB, recall()).done().remove(0);
        let ask = Effect::RecallRequest { to: address(BOB), exchange: opened.exchange, delivery: opened.delivery };
        assert!(effects_of(&entry).contains(&ask));
        assert_eq!(world.say(FACEBOOK, BOB, recall()).refused(), Reason::WrongState);
        let entry = world.receipt(BOB, &opened, verdict).done().remove(0);
        let expected = if verdict == Verdict::Returned { Status::Recalled } else { Status::Settled };
        assert_eq!(told(&entry)[1].1.status, expected);
        assert_eq!(world.say(FACEBOOK, BOB, recall()).refused(), Reason::NotFound, "final");
    }
}

#[test]
fn a_release_holds_only_what_the_bundle_names() {
    let mut world = World::new();
    world.debit("d1", ACME, &[FEED]);
    let said = world.say(BOB, BOB, release("d1", &[POSTS, FEED]));
    let entry = said.clone().done().remove(0);
    let opened = said.opened();
    assert_eq!((opened.count_in, opened.count_out), (2, 1));
    assert_eq!(opened.endpoints, vec![(FEED.into(), 1)]);
    let (_, content) = world.log.last().expect("an entry");
    let content = content.as_ref().expect("content");
    assert_eq!(Digest::of(content), opened.digest_out);
    assert_eq!(content, &format!("[{}]", r#"{"endpoint":"facebook/feed","data":{"v":1}}"#));
    assert_eq!(opened.bytes_out as usize, content.len());
    let enabled = world.hat().debits[&id("d1")].revisions[0].enabled_n;
    assert!(entry.basis.contains(&Basis { entity: address(BOB), n: enabled }));
    assert!(entry.basis.iter().any(|basis| basis.entity == address(ACME)));
    assert_eq!(world.say(BOB, BOB, release("d1", &[POSTS])).refused(), Reason::NothingSelected);
    let event = world.receipt(ACME, &opened, Verdict::Accepted).event();
    assert!(matches!(event, Event::Settled(_)));
}

#[test]
fn a_fan_out_is_one_exchange_for_each_debit_that_selects_anything() {
    let mut world = World::new();
    world.debit("d1", ACME, &[FEED]);
    world.debit("d2", NOTABLES, &[FEED, POSTS]);
    world.debit("d3", ACME, &["fitbit/sleep"]);
    let message = world.message(BOB, BOB, data(&[FEED, POSTS]));
    let entries = world.put(&message).done();
    let (first, parts) = entries.split_first().expect("entries");
    let Event::Fanned { parts: named, count: 2, .. } = &first.event else { panic!("{:?}", first.event) };
    assert_eq!(named.iter().map(|part| part.debit.as_str()).collect::<Vec<_>>(), ["d1", "d2"]);
    assert_eq!(parts.len(), 2);
    for (entry, named) in parts.iter().zip(named) {
        let Event::Opened(opened) = &entry.event else { panic!("{:?}", entry.event) };
        assert_eq!((opened.exchange, &opened.authority), (named.exchange, &Authority::Debit(named.debit.clone())));
        assert_eq!(opened.parent, Some(first.cause.as_ref().expect("a message").id));
        assert!(entry.cause.is_none());
        assert_eq!(effects_of(entry), vec![Effect::Deliver((**opened).clone())], "a part has no first outcome");
    }
    let (to, outcome, _) = told(first).remove(0);
    assert_eq!((to.as_str(), outcome.status, &outcome.parts), (BOB, Status::Accepted, named));
    assert_eq!(effects_of(first).len(), 1);

    world.say(BOB, BOB, Action::DebitDisable { debit: id("d1"), at_period_end: false }).done();
    assert_eq!(world.put(&message), Said::Repeat, "whatever has changed since");
    world.say(OPERATOR, NOTABLES, Action::Suspend).done();
    assert_eq!(world.say(BOB, BOB, data(&[FEED])).refused(), Reason::NothingSelected);
}

#[test]
fn two_recipients_cannot_link_their_deliveries() {
    let mut world = World::new();
    world.debit("d1", ACME, &[FEED]);
    world.debit("d2", NOTABLES, &[FEED]);
    let entries = world.say(BOB, BOB, data(&[FEED])).done();
    let mut tails: Vec<_> = entries
        .iter()
        .filter_map(|entry| match &entry.event {
            Event::Opened(opened) => Some(opened.delivery.as_bytes()[6..].to_vec()),
            _ => None,
        })
        .collect();
    tails.dedup();
    assert_eq!(tails.len(), 2);
}

#[test]
fn a_pull_is_settled_by_the_release_that_answers_it() {
    let mut world = World::new();
    world.debit("d1", ACME, &[FEED]);
    let ask = PullAsk { since: Some(world.now), limit: Some(5) };
    let pull = |debit: &str| Action::Pull { debit: id(debit), ask: ask.clone() };
    assert_eq!(world.say(NOTABLES, BOB, pull("d1")).refused(), Reason::DebitNotFound, "not its client");
    assert_eq!(world.say(ACME, BOB, pull("d2")).refused(), Reason::DebitNotFound);
    let said = world.say(ACME, BOB, pull("d1"));
    let entry = said.clone().done().remove(0);
    let asked = said.opened();
    assert_eq!((asked.direction, asked.to.clone(), asked.limit), (Direction::Pull, address(BOB), Some(5)));
    assert!(effects_of(&entry).contains(&Effect::Request(asked.clone())));

    let answer = world.message(BOB, BOB, release("d1", &[FEED])).answers(asked.exchange);
    let entries = world.put(&answer).done();
    assert_eq!(entries.len(), 2);
    let Event::Opened(opened) = &entries[0].event else { panic!("{:?}", entries[0]) };
    assert_eq!(opened.pull, Some(asked.exchange));
    assert_eq!(closes(&entries[1]), vec![asked.delivery]);
    let told = told(&entries[1]);
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].0.as_str(), told[0].1.exchange, told[0].1.status), (ACME, asked.exchange, Status::Settled));
    let again = world.message(BOB, BOB, release("d1", &[FEED])).answers(asked.exchange);
    assert_eq!(world.put(&again).refused(), Reason::NotFound, "answered");
}

#[test]
fn a_pull_past_its_deadline_is_answered_by_nothing() {
    let mut world = World::new();
    world.debit("d1", ACME, &[FEED]);
    let asked = world.say(ACME, BOB, Action::Pull { debit: id("d1"), ask: PullAsk::default() }).opened();
    let receipt = Receipt {
        delivery: asked.delivery,
        digest: asked.digest_out,
        count: 0,
        verdict: Verdict::Accepted,
        reason: None,
    };
    assert_eq!(world.receipt_of(BOB, receipt).refused(), Reason::NotPermitted, "a request has no receipt");
    world.now = asked.deadline;
    let answer = world.message(BOB, BOB, release("d1", &[FEED])).answers(asked.exchange);
    assert_eq!(world.put(&answer).refused(), Reason::NotFound);
    world.local(BOB, Action::Deadline { delivery: asked.delivery }).done();
}

#[test]
fn a_refusal_is_told_with_its_reason_and_nothing_else_follows() {
    let mut world = World::new();
    let Said::Recorded(entries) = world.say(FACEBOOK, ANN, credit(FACEBOOK, &[FEED])) else { panic!("not recorded") };
    let effects = effects_of(&entries[0]);
    assert_eq!(effects.len(), 1);
    let Effect::Outcome { outcome, first: true, .. } = &effects[0] else { panic!("{effects:?}") };
    assert_eq!((outcome.status, outcome.reason), (Status::Rejected, Some(Reason::NotConnected)));
}
