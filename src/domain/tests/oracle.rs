//! What the ledger must never show, worked out of the entries alone and in another way than the core
//! does: no state machine, only searches backwards through the history.

use std::collections::{BTreeMap, BTreeSet};

use super::world::a;
use crate::domain::event::{Authority, Direction};
use crate::domain::time::SECOND;
use crate::domain::*;

/// The newest entry of `entity` before `end` that `pick` answers to.
fn newest<'e, T>(
    entries: &'e [Entry],
    end: usize,
    entity: &Address,
    pick: impl Fn(&'e Entry) -> Option<T>,
) -> Option<T> {
    entries[..end].iter().rev().filter(|entry| entry.entity == *entity).find_map(pick)
}

/// Whether `party` is in force after the entries before `end`.
fn in_force(entries: &[Entry], end: usize, party: &Address) -> bool {
    newest(entries, end, party, |entry| match &entry.event {
        Event::Registered { .. } if matches!(party.kind, Kind::Hat | Kind::Platform) => Some(true),
        Event::Approved { .. } | Event::Resumed | Event::OperatorDeclared { .. } => Some(true),
        Event::Suspended | Event::Retired => Some(false),
        _ => None,
    })
    .unwrap_or(false)
}

fn connected(entries: &[Entry], end: usize, hat: &Address, party: &Address) -> bool {
    newest(entries, end, hat, |entry| match &entry.event {
        Event::PlugConnected { plug, .. } if party.kind == Kind::Plug => (*plug == party.id).then_some(true),
        Event::PlugDisconnected { plug } if party.kind == Kind::Plug => (*plug == party.id).then_some(false),
        Event::AppSetUp { app, .. } if party.kind == Kind::App => (*app == party.id).then_some(true),
        Event::AppDisabled { app } if party.kind == Kind::App => (*app == party.id).then_some(false),
        _ => None,
    })
    .unwrap_or(false)
}

/// The bridge that the HAT is entrusted to after the entries before `end`.
fn entrusted<'e>(entries: &'e [Entry], end: usize, hat: &Address) -> Option<&'e Id> {
    newest(entries, end, hat, |entry| match &entry.event {
        Event::Registered { profile: Profile::Hat { bridge, .. }, .. } | Event::Entrusted { bridge, .. } => {
            Some(bridge.as_ref())
        }
        _ => None,
    })
    .flatten()
}

/// Since when the revision of the acceptance at `accepted` is accepted without a break: an owner who takes a
/// cancellation back before the period's end goes on.
fn unbroken(
    entries: &[Entry],
    accepted: usize,
    hat: &Address,
    debit: &Id,
    revision: u32,
    terms: &event::DebitTerms,
    since: Timestamp,
) -> Timestamp {
    let before = entries[..accepted].iter().enumerate().rev().filter(|(_, entry)| entry.entity == *hat);
    let mut cancelled: Option<(Timestamp, bool)> = None;
    for (i, entry) in before {
        match &entry.event {
            Event::DebitDisabled { debit: d, at_period_end, .. } if d == debit && cancelled.is_none() => {
                cancelled = Some((entry.at, *at_period_end));
            }
            Event::DebitProposed { debit: d, until: Some(_), .. } if d == debit => return since,
            Event::DebitEnabled { debit: d, revision: r, .. } if d == debit => {
                if *r != revision {
                    return since;
                }
                let earlier = unbroken(entries, i, hat, debit, revision, terms, entry.at);
                let start = terms.start.map_or(earlier, |start| start.max(earlier));
                let period = i64::from(terms.period_seconds) * SECOND;
                let over = match cancelled {
                    _ if terms.cancel_at_period_end && since >= start.plus(period) => true,
                    Some((_, false)) => true,
                    Some((then, true)) => {
                        let mut stop = start;
                        while stop < then {
                            stop = stop.plus(period);
                        }
                        since >= stop
                    }
                    None => false,
                };
                return if over { since } else { earlier };
            }
            _ => {}
        }
    }
    since
}

/// The client of the debit when it is active at `at`, by walking through its periods.
fn active_client<'e>(
    entries: &'e [Entry],
    end: usize,
    hat: &Address,
    debit: &Id,
    at: Timestamp,
) -> Option<&'e Address> {
    let (accepted, revision, since) = entries[..end]
        .iter()
        .enumerate()
        .rev()
        .filter(|(_, entry)| entry.entity == *hat)
        .find_map(|(i, entry)| {
            match &entry.event {
                Event::DebitEnabled { debit: d, revision, .. } if d == debit => Some(Some((i, *revision, entry.at))),
                // A claim made anew waits for the owner anew.
                Event::DebitProposed { debit: d, until: Some(_), .. } if d == debit => Some(None),
                Event::ClaimLapsed { offer, .. } | Event::ClaimWithdrawn { offer, .. } if offer == debit => Some(None),
                _ => None,
            }
        })??;
    let terms = entries[..accepted]
        .iter()
        .filter(|entry| entry.entity == *hat)
        .filter_map(|entry| match &entry.event {
            Event::DebitProposed { debit: d, terms, .. } if d == debit => Some(terms),
            _ => None,
        })
        .nth(revision as usize - 1)?;
    let since = unbroken(entries, accepted, hat, debit, revision, terms, since);
    let start = terms.start.map_or(since, |start| start.max(since));
    let period = i64::from(terms.period_seconds) * SECOND;
    let mut active = at >= start && !(terms.cancel_at_period_end && at >= start.plus(period));
    let cancelled =
        entries[accepted..end].iter().rev().filter(|entry| entry.entity == *hat).find_map(|entry| match &entry.event {
            Event::DebitDisabled { debit: d, at_period_end, .. } if d == debit => Some((entry.at, *at_period_end)),
            _ => None,
        });
    if let Some((then, at_period_end)) = cancelled {
        let mut stop = then;
        if at_period_end {
            stop = start;
            while stop < then {
                stop = stop.plus(period);
            }
        }
        active &= at < stop;
    }
    active.then_some(&terms.client)
}

/// Every opened exchange had its right at that moment, moved between the parties of that right, and
/// nothing was opened on a HAT or with a party that was not in force.
pub fn authority(entries: &[Entry]) {
    for (i, entry) in entries.iter().enumerate() {
        let Some(opened) = entry.event.left() else {
            continue;
        };
        let hat = &entry.entity;
        assert!(in_force(entries, i, hat), "{hat} is not in force: {opened:?}");
        assert!(!entry.basis.is_empty());
        if let Some(cause) = &entry.cause
            && entry.event.began().is_some()
        {
            let carried = cause.from.kind == Kind::Bridge
                && opened.from == *hat
                && entrusted(entries, i, hat) == Some(&cause.from.id)
                && in_force(entries, i, &cause.from);
            assert!(cause.from == opened.from || carried, "{} speaks for {}", cause.from, opened.from);
        }
        match (&opened.authority, opened.direction) {
            (Authority::Plug(id) | Authority::App(id), Direction::Credit) => {
                let kind = match opened.authority {
                    Authority::Plug(_) => Kind::Plug,
                    _ => Kind::App,
                };
                let by = Address::new(kind, id.clone());
                assert_eq!((&opened.from, &opened.to), (&by, hat));
                assert!(in_force(entries, i, &by), "{by} is not approved");
                assert!(connected(entries, i, hat, &by), "{by} is not connected");
                let namespace = if kind == Kind::Plug { "facebook/" } else { "rumpel/" };
                assert!(opened.endpoints.iter().all(|(e, _)| e.starts_with(namespace)));
            }
            (Authority::Debit(debit), direction) => {
                let client = active_client(entries, i, hat, debit, entry.at);
                let (receiver, sender) = match direction {
                    Direction::Release => (&opened.to, &opened.from),
                    _ => (&opened.from, &opened.to),
                };
                assert_eq!(client, Some(receiver), "no active debit {debit}");
                minimum(entries, i, hat, debit);
                assert_eq!(sender, hat);
                assert!(in_force(entries, i, receiver), "{receiver} is not in force");
            }
            other => panic!("no right moves this way: {other:?}"),
        }
    }
}

/// What moves under the debit of an offer moves only once the offer was satisfied by as many confirmed claims
/// as it needs, and the HAT was told so about the claim that holds now.
fn minimum(entries: &[Entry], end: usize, hat: &Address, debit: &Id) {
    let told = newest(entries, end, hat, |entry| match &entry.event {
        Event::DebitProposed { debit: d, until: Some(_), .. } if d == debit => Some(false),
        Event::ClaimReleased { offer, .. } if offer == debit => Some(true),
        _ => None,
    });
    let Some(told) = told else { return };
    // The entry that releases stands just before what it releases.
    assert!(told, "{debit} is below its minimum");
    let offer = Address::new(Kind::Offer, debit.clone());
    let mut confirmed: BTreeSet<&Id> = BTreeSet::new();
    let mut min = 0;
    for entry in entries[..end].iter().filter(|entry| entry.entity == offer) {
        match &entry.event {
            Event::OfferRegistered { terms } => min = terms.min_claims as usize,
            Event::OfferConfirmed { hat } => {
                confirmed.insert(hat);
            }
            Event::OfferLapsed { claims } => claims.iter().for_each(|of| {
                confirmed.remove(&of.hat);
            }),
            Event::OfferLeft { hat, completed: false } => {
                confirmed.remove(hat);
            }
            Event::OfferSatisfied => {
                assert!(confirmed.len() >= min, "satisfied below its minimum");
                return;
            }
            _ => {}
        }
    }
    panic!("{offer} was never satisfied");
}

/// Where an exchange stands in its life.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Life {
    Held { deadline: Timestamp },
    Open { recalled: bool, deadline: Timestamp },
    Final,
}

/// Every exchange takes only the steps of the closed set, ends at most once, and parts follow their
/// fan-out at once.
pub fn lifecycle(entries: &[Entry]) {
    let mut lives: BTreeMap<uuid::Uuid, Life> = BTreeMap::new();
    let mut parts: Vec<(Address, event::Part)> = Vec::new();
    for entry in entries {
        let due = parts.pop();
        match &entry.event {
            Event::Opened(opened) | Event::Held { opened, .. } => {
                let deadline = opened.deadline;
                let life = match &entry.event {
                    Event::Held { .. } => Life::Held { deadline },
                    _ => Life::Open { recalled: false, deadline },
                };
                assert_eq!(lives.insert(opened.delivery, life), None, "opened twice");
                assert_eq!(opened.parent.is_some(), due.is_some());
                if let Some((entity, part)) = due {
                    assert_eq!((&entity, part.exchange), (&entry.entity, opened.exchange));
                    assert_eq!(opened.authority, Authority::Debit(part.debit));
                }
                continue;
            }
            _ => assert_eq!(due, None, "a part is missing"),
        }
        if let Event::Released(opened) = &entry.event {
            let deadline = opened.deadline;
            let life = lives.insert(opened.delivery, Life::Open { recalled: false, deadline });
            assert_eq!(life, Some(Life::Held { deadline }), "released what was not held");
            assert!(entry.at < deadline);
        }
        let mut end = |closed: &event::Closed, allowed: fn(Life, Timestamp) -> bool| {
            let life = lives.insert(closed.delivery, Life::Final).expect("was opened");
            assert!(allowed(life, entry.at), "{life:?} → {:?}", entry.event);
        };
        match &entry.event {
            Event::Fanned { parts: of, .. } => {
                parts = of.iter().rev().map(|p| (entry.entity.clone(), p.clone())).collect();
            }
            Event::Settled(closed) | Event::Disputed { closed, .. } => {
                end(closed, |life, at| matches!(life, Life::Open { deadline, .. } if at < deadline));
            }
            Event::Recalled(closed) => end(
                closed,
                |life, at| matches!(life, Life::Open { recalled: true, deadline } | Life::Held { deadline } if at < deadline),
            ),
            Event::Dropped { closed, .. } => end(closed, |life, _| matches!(life, Life::Held { .. })),
            Event::Expired(closed) => {
                end(
                    closed,
                    |life, at| matches!(life, Life::Open { deadline, .. } | Life::Held { deadline } if at >= deadline),
                );
            }
            Event::RecallRequested { delivery, .. } => match lives.get_mut(delivery) {
                Some(Life::Open { recalled, .. }) if !*recalled => *recalled = true,
                other => panic!("recalled while {other:?}"),
            },
            Event::LateReceipt { delivery, .. } => {
                if let Some(Life::Open { deadline, .. }) = lives.get(delivery) {
                    assert!(entry.at >= *deadline, "late before its deadline");
                }
            }
            _ => {}
        }
    }
    assert!(parts.is_empty(), "a part is missing");
}

/// No offer has more HATs than places at any time, none is confirmed that was not reserved, and what is told
/// of the whole offer is so.
pub fn places(entries: &[Entry]) {
    let mut max: BTreeMap<&Address, usize> = BTreeMap::new();
    let mut held: BTreeMap<&Address, BTreeSet<&Id>> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.entity.kind == Kind::Offer) {
        let held = held.entry(&entry.entity).or_default();
        match &entry.event {
            Event::OfferRegistered { terms } => {
                max.insert(&entry.entity, terms.max_claims as usize);
            }
            Event::OfferReserved { hat, .. } => {
                held.insert(hat);
            }
            Event::OfferConfirmed { hat } => assert!(held.contains(hat), "{hat} holds no place"),
            Event::OfferLapsed { claims } => {
                for of in claims {
                    assert!(held.remove(&of.hat), "{} had no place to lose", of.hat);
                }
            }
            Event::OfferLeft { hat, completed } => {
                assert!(held.contains(hat), "{hat} had no place to give back");
                if !completed {
                    held.remove(hat);
                }
            }
            Event::OfferOversubscribed => assert_eq!(held.len(), max[&entry.entity], "not full"),
            Event::OfferReopened => assert!(held.len() < max[&entry.entity], "still full"),
            _ => {}
        }
        assert!(held.len() <= max.get(&entry.entity).copied().unwrap_or(0), "{}: {held:?}", entry.entity);
    }
}

/// A retired party is never in force again, and numbers have no gap.
pub fn numbers(entries: &[Entry]) {
    let mut last: BTreeMap<&Address, u64> = BTreeMap::new();
    for (i, entry) in entries.iter().enumerate() {
        let n = last.entry(&entry.entity).or_default();
        assert_eq!(entry.n, *n + 1);
        *n = entry.n;
        for basis in &entry.basis {
            let before = entries[..i].iter().any(|e| e.entity == basis.entity && e.n == basis.n);
            assert!(before, "rests on an entry that is not there: {basis:?}");
        }
    }
    let retired: Vec<&Address> =
        entries.iter().filter(|entry| entry.event == Event::Retired).map(|entry| &entry.entity).collect();
    for party in retired {
        assert!(!in_force(entries, entries.len(), party));
        assert_ne!(party, &a("operator:root"));
    }
}
