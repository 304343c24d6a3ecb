//! Laws of the whole core over random histories.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::history::{start, steps, take};
use super::oracle;
use super::world::*;
use crate::domain::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn every_history_keeps_the_promises(steps in steps(160), cut in any::<usize>()) {
        let mut w = start();
        for step in &steps {
            take(&mut w, step);
        }
        let entries: Vec<Entry> = w.ledger.iter().map(|(entry, _)| entry.clone()).collect();
        oracle::authority(&entries);
        oracle::lifecycle(&entries);
        oracle::places(&entries);
        oracle::numbers(&entries);

        // The fold of the entries, written and read back in the middle, is the live state.
        let mut folded: BTreeMap<Address, Any> = BTreeMap::new();
        let cut = cut % (entries.len() + 1);
        for (i, entry) in entries.iter().enumerate() {
            if i == cut {
                for state in folded.values_mut() {
                    *state = state.restored();
                }
            }
            let state = folded.entry(entry.entity.clone());
            state.or_insert_with(|| Any::new(entry.entity.kind)).apply(entry);
        }
        prop_assert_eq!(&folded, &w.entities);

        // What is open is what was opened and has not ended; its content is the spool's.
        let mut open: BTreeSet<uuid::Uuid> = BTreeSet::new();
        for (entry, content) in &w.ledger {
            match &entry.event {
                Event::Opened(opened) | Event::Held { opened, .. } => {
                    open.insert(opened.delivery);
                    let moves = opened.direction != event::Direction::Pull;
                    prop_assert_eq!(content.is_some(), moves);
                    if let Some(content) = content {
                        prop_assert_eq!(Digest::of(content), opened.digest_out);
                        prop_assert_eq!(content.len(), opened.bytes_out as usize);
                        let parsed = Records::parse(content.clone(), 10_000);
                        let parsed = parsed.map(|records| records.count());
                        prop_assert_eq!(parsed, Ok(opened.count_out));
                    }
                }
                Event::Settled(closed) | Event::Disputed { closed, .. }
                | Event::Expired(closed) | Event::Recalled(closed) | Event::Dropped { closed, .. } => {
                    open.remove(&closed.delivery);
                }
                _ => prop_assert!(content.is_none()),
            }
        }
        let held: BTreeSet<uuid::Uuid> = w.entities.values().filter_map(|state| match state {
            Any::Hat(hat) => Some(hat.open.keys().copied()),
            _ => None,
        }).flatten().collect();
        prop_assert_eq!(held, open);
        for state in w.entities.values() {
            if let Any::Hat(hat) = state {
                prop_assert!(hat.held.keys().all(|delivery| hat.open.contains_key(delivery)));
            }
        }

        // The registry's registrations are the entities' own.
        for (party, registration) in &w.registry.0 {
            let own = match &w.entities[party] {
                Any::Hat(hat) => &hat.registration,
                Any::Plug(plug) => &plug.registration,
                Any::Member(member) => &member.registration,
                other => panic!("{party} has no registration: {other:?}"),
            };
            prop_assert_eq!(own, &**registration);
        }
    }

    #[test]
    fn outcomes_follow_entries(steps in steps(80)) {
        let mut w = start();
        for step in &steps {
            take(&mut w, step);
        }
        for (entry, _) in &w.ledger {
            let effects = effects_of(entry);
            let told = |is_first: bool| effects.iter().filter(
                |e| matches!(e, Effect::Outcome { first, .. } if *first == is_first)).count();
            let by_party = entry.cause.as_ref().is_some_and(|c| c.from.kind != Kind::Dex);
            prop_assert_eq!(told(true), usize::from(by_party), "{:?}", entry);
            let ends = matches!(entry.event, Event::Settled(_) | Event::Disputed { .. }
                | Event::Expired(_) | Event::Recalled(_) | Event::Dropped { .. });
            let answers = matches!(entry.event, Event::ClaimRefused { .. }
                | Event::PlugConnected { asked: Some(_), .. } | Event::PlugUnanswered { .. }
                | Event::DebitProposed { claim: Some(_), .. } | Event::Released(_));
            prop_assert_eq!(told(false), usize::from(ends || answers));
            let closes = effects.iter().filter(|e| matches!(e, Effect::Close { .. })).count();
            prop_assert_eq!(closes, usize::from(ends));
            let leaves = effects.iter().filter(
                |e| matches!(e, Effect::Deliver(_) | Effect::Request(_))).count();
            prop_assert_eq!(leaves, usize::from(entry.event.left().is_some()));
            for effect in &effects {
                if let Effect::Outcome { outcome, first: false, .. } = effect {
                    let leaves = entry.event.left().is_some();
                    prop_assert!(outcome.status.is_final() != leaves);
                }
                if let Effect::Outcome { outcome, .. } = effect {
                    let needs = matches!(outcome.status, Status::Rejected | Status::Disputed | Status::Expired);
                    prop_assert!(!needs || outcome.reason.is_some());
                }
            }
        }
    }
}

#[test]
fn the_histories_reach_every_state() {
    // The laws above say nothing if the histories do not get there.
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for _ in 0..150 {
        let steps = steps(160).new_tree(&mut runner).expect("a tree").current();
        let mut w = start();
        for step in &steps {
            take(&mut w, step);
        }
        for (entry, _) in &w.ledger {
            let text = format!("{:?}", entry.event);
            let name = text.split(|c: char| !c.is_alphanumeric()).next();
            seen.insert(name.unwrap_or_default().to_owned());
            if let Event::Rejected { reason } = entry.event {
                seen.insert(reason.to_string());
            }
        }
    }
    for name in [
        "Opened",
        "Fanned",
        "Settled",
        "Disputed",
        "Expired",
        "RecallRequested",
        "Recalled",
        "LateReceipt",
        "Suspended",
        "Resumed",
        "Retired",
        "KeyRotated",
        "KeyRevoked",
        "PlugAsked",
        "PlugAskedAgain",
        "PlugUnanswered",
        "PlugReported",
        "PlugStale",
        "Registered",
        "Approved",
        "Declined",
        "Entrusted",
        "OfferPaid",
        "OfferRejected",
        "OfferOversubscribed",
        "OfferReopened",
        "PlugConnected",
        "PlugDisconnected",
        "AppSetUp",
        "AppDisabled",
        "DebitProposed",
        "DebitEnabled",
        "DebitDisabled",
        "DebitRolled",
        "DebitEnded",
        "Claimed",
        "ClaimRefused",
        "OfferReserved",
        "OfferRefused",
        "OfferConfirmed",
        "OfferClosed",
        "OfferSatisfied",
        "OfferReleased",
        "OfferLapsed",
        "OfferLeft",
        "ClaimReleased",
        "ClaimLapsed",
        "ClaimWithdrawn",
        "Held",
        "Released",
        "Dropped",
        "revoked-key",
        "not-permitted",
        "not-connected",
        "suspended",
        "retired",
        "outside-namespace",
        "debit-not-found",
        "debit-not-active",
        "debit-ended",
        "nothing-selected",
        "wrong-state",
        "already-exists",
    ] {
        assert!(seen.contains(name), "{name} never happened; seen: {seen:?}");
    }
}
