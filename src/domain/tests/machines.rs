//! Every state machine takes only the steps of its own table: read off the entries of random histories by tables that
//! know nothing of the core's states.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::history::{FRESH_FOR, start, steps, take};
use super::world::a;
use crate::domain::plug::health::{FAILING_FROM, Standing as Does};
use crate::domain::time::SECOND;
use crate::domain::*;

type Found = Result<(), String>;

fn must(holds: bool, entry: &Entry, why: &str) -> Found {
    if holds { Ok(()) } else { Err(format!("{} {}: {why}: {:?}", entry.entity, entry.n, entry.event)) }
}

/// A registration: HATs and platforms are in force at once, the others wait for an operator.
#[derive(Default)]
struct Party {
    standing: Standing,
    waits: BTreeSet<Key>,
    held: BTreeSet<Key>,
}

impl Party {
    fn take(&mut self, entry: &Entry) -> Found {
        use Standing::{Active, Pending, Retired, Suspended, Unknown};
        let kind = entry.entity.kind;
        let at_once = matches!(kind, Kind::Hat | Kind::Platform);
        let is = self.standing;
        let ok = |holds: bool| must(holds, entry, &format!("a party that is {is:?}"));
        match &entry.event {
            Event::Registered { key, .. } if at_once => {
                ok(is == Unknown)?;
                self.held.extend(key);
                self.standing = Active;
            }
            Event::Registered { key, .. } => {
                ok(matches!(is, Unknown | Pending | Active))?;
                self.waits.extend(key);
                self.standing = if is == Active { Active } else { Pending };
            }
            Event::Approved { key: Some(key) } => {
                ok(!at_once && matches!(is, Pending | Active))?;
                must(self.waits.contains(key), entry, "nobody waits with this key")?;
                self.waits.clear();
                self.held.insert(*key);
                self.standing = Active;
            }
            Event::Declined { key, .. } => {
                must(self.waits.remove(key), entry, "nobody waits with this key")?;
                self.fall();
            }
            Event::Suspended => {
                ok(is == Active || (kind == Kind::App && is == Suspended))?;
                self.standing = Suspended;
            }
            Event::Resumed => {
                ok(is == Suspended)?;
                self.standing = Active;
            }
            Event::Retired => {
                ok(kind == Kind::Hat && matches!(is, Active | Suspended))?;
                self.standing = Retired;
            }
            Event::KeyRotated { key } => {
                ok(is == Active)?;
                must(self.held.insert(*key), entry, "held before")?;
            }
            Event::KeyRevoked { key, .. } => {
                self.waits.remove(key);
                self.fall();
            }
            Event::Entrusted { .. } | Event::PinChanged { .. } => ok(kind == Kind::Hat && is == Active)?,
            Event::OperatorDeclared { .. } => self.standing = Active,
            // What is asked for anew, or begun, is of somebody in force.
            Event::Opened(_)
            | Event::Held { .. }
            | Event::Released(_)
            | Event::Fanned { .. }
            | Event::PlugAsked { .. }
            | Event::PlugConnected { .. }
            | Event::PlugReported { .. }
            | Event::AppSetUp { .. }
            | Event::DebitEnabled { .. }
            | Event::Claimed { .. }
            | Event::Reported(_) => ok(is == Active)?,
            // The owner may still take rights back, unless it is gone for good.
            Event::PlugDisconnected { .. } | Event::AppDisabled { .. } | Event::DebitDisabled { .. } => {
                ok(matches!(is, Active | Suspended))?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Nobody waits any more for a party that never was in force.
    fn fall(&mut self) {
        if self.standing == Standing::Pending && self.waits.is_empty() {
            self.standing = Standing::Unknown;
        }
    }
}

/// How a plug stands to a HAT.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Tie {
    Asked(MessageId, u32),
    Connected,
}

/// A debit, as far as it is a machine.
#[derive(Default)]
struct Run {
    revisions: u32,
    enabled: bool,
    /// Over by time or by the owner's word at once, as the ledger tells it.
    told_end: bool,
    lost: bool,
    period: u64,
}

/// What stands on one HAT.
#[derive(Default)]
struct OnHat {
    plugs: BTreeMap<Id, Tie>,
    apps: BTreeSet<Id>,
    debits: BTreeMap<Id, Run>,
    claims: BTreeSet<Id>,
}

impl OnHat {
    fn take(&mut self, entry: &Entry) -> Found {
        let id = entry.cause.as_ref().map(|cause| cause.id);
        match &entry.event {
            Event::PlugAsked { plug, .. } => {
                let tie = Tie::Asked(id.expect("a plug asks by a message"), 0);
                must(self.plugs.insert(plug.clone(), tie).is_none(), entry, "there is something already")?;
            }
            Event::PlugAskedAgain { plug, times, .. } => match self.plugs.get_mut(plug) {
                Some(Tie::Asked(_, before)) if *before + 1 == *times => *before = *times,
                other => must(false, entry, &format!("asked again while {other:?}"))?,
            },
            Event::PlugUnanswered { plug, asked, .. } => {
                let was = self.plugs.remove(plug);
                must(matches!(was, Some(Tie::Asked(id, _)) if id == *asked), entry, "it does not wait")?;
            }
            Event::PlugConnected { plug, asked } => {
                let was = self.plugs.insert(plug.clone(), Tie::Connected);
                let wished = match was {
                    None => asked.is_none(),
                    Some(Tie::Asked(id, _)) => *asked == Some(id),
                    Some(Tie::Connected) => false,
                };
                must(wished, entry, "connected otherwise")?;
            }
            Event::PlugDisconnected { plug } => {
                must(self.plugs.remove(plug) == Some(Tie::Connected), entry, "it is not connected")?;
            }
            Event::AppSetUp { app, .. } => {
                self.apps.insert(app.clone());
            }
            Event::AppDisabled { app } => must(self.apps.remove(app), entry, "it is not set up")?,
            Event::Claimed { offer, .. } => {
                must(self.claims.insert(offer.clone()), entry, "it is claimed already")?;
                let held = self.debits.get(offer).is_none_or(|run| run.lost);
                must(held, entry, "it holds a place")?;
            }
            Event::ClaimRefused { offer, .. } => must(self.claims.remove(offer), entry, "nothing was claimed")?,
            Event::DebitProposed { debit, until: Some(_), .. } => {
                must(self.claims.remove(debit), entry, "nothing was claimed")?;
                let run = self.debits.entry(debit.clone()).or_default();
                *run = Run { revisions: run.revisions + 1, ..Run::default() };
            }
            Event::DebitProposed { debit, .. } => {
                let run = self.debits.entry(debit.clone()).or_default();
                must(!run.lost, entry, "its place is lost")?;
                run.revisions += 1;
            }
            Event::ClaimReleased { offer, .. } => {
                must(self.debits.get(offer).is_some_and(|run| !run.lost), entry, "it holds no place")?;
            }
            Event::ClaimLapsed { offer, .. } | Event::ClaimWithdrawn { offer, .. } => {
                let claimed = self.claims.remove(offer);
                let run = self.debits.get_mut(offer).filter(|run| !run.lost);
                must(claimed || run.is_some(), entry, "it holds no place")?;
                run.into_iter().for_each(|run| run.lost = true);
            }
            Event::DebitEnabled { debit, .. }
            | Event::DebitDisabled { debit, .. }
            | Event::DebitRolled { debit, .. }
            | Event::DebitEnded { debit, .. } => {
                let Some(run) = self.debits.get_mut(debit) else {
                    return must(false, entry, "it was never proposed");
                };
                must(!run.lost, entry, "its place is lost")?;
                run.take(entry)?;
            }
            _ => {}
        }
        Ok(())
    }
}

impl Run {
    fn take(&mut self, entry: &Entry) -> Found {
        match &entry.event {
            Event::DebitEnabled { revision, .. } => {
                must(*revision == self.revisions, entry, "it is not the newest revision")?;
                (self.enabled, self.told_end) = (true, false);
            }
            Event::DebitDisabled { at_period_end, .. } => {
                must(self.enabled && !self.told_end, entry, "it does not run")?;
                self.told_end = !at_period_end;
            }
            Event::DebitRolled { periods, period, .. } => {
                must(self.enabled && !self.told_end, entry, "it does not run")?;
                let follows = *periods > 0 && (*period == periods + 1 || *period == self.period + periods);
                must(follows, entry, "not the next period")?;
                self.period = *period;
            }
            _ => {
                must(self.enabled && !self.told_end, entry, "it does not run")?;
                self.told_end = true;
            }
        }
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Debug, Default)]
enum Sale {
    #[default]
    None,
    Draft,
    Paid,
    Open,
    Full,
    Rejected,
    Closed,
    Expired,
}

/// An offer: what it is for all, and each HAT's claim.
#[derive(Default)]
struct Market {
    is: Sale,
    satisfied: bool,
    /// Places: by which claim, and whether it is confirmed.
    places: BTreeMap<Id, (Option<MessageId>, bool)>,
}

impl Market {
    fn take(&mut self, entry: &Entry) -> Found {
        use Sale::{Closed, Draft, Expired, Full, None, Open, Paid, Rejected};
        let is = self.is;
        let mut go = |from: &[Sale], to: Sale| {
            self.is = to;
            must(from.contains(&is), entry, &format!("an offer that is {is:?}"))
        };
        match &entry.event {
            Event::OfferRegistered { .. } => go(&[None], Draft)?,
            Event::OfferPaid => go(&[Draft], Paid)?,
            Event::Approved { .. } => go(&[Draft, Paid], Open)?,
            Event::OfferRejected => go(&[Draft, Paid], Rejected)?,
            Event::OfferOversubscribed => go(&[Open], Full)?,
            Event::OfferReopened => go(&[Full], Open)?,
            Event::OfferClosed => go(&[Draft, Paid, Open, Full], Closed)?,
            Event::OfferExpired => {
                go(&[Open, Full, Closed], Expired)?;
                must(!self.satisfied, entry, "it was satisfied")?;
            }
            Event::OfferSatisfied => {
                must(matches!(is, Open | Full | Closed) && !self.satisfied, entry, "satisfied before")?;
                self.satisfied = true;
            }
            Event::OfferReserved { hat, claim, .. } => {
                let again = self.places.get(hat).is_some_and(|(held, _)| held == claim);
                must(is == Open || again, entry, "it takes no claims")?;
                if !again {
                    self.places.insert(hat.clone(), (*claim, false));
                }
            }
            Event::OfferConfirmed { hat } => match self.places.get_mut(hat) {
                Some((_, confirmed)) => *confirmed = true,
                _ => must(false, entry, "nothing was reserved")?,
            },
            Event::OfferLapsed { claims } => {
                for of in claims {
                    must(self.places.remove(&of.hat).is_some(), entry, "it holds no place")?;
                }
            }
            Event::OfferLeft { hat, completed } => {
                must(self.places.contains_key(hat), entry, "it holds no place")?;
                if !completed {
                    self.places.remove(hat);
                }
            }
            Event::OfferReleased { claims } => {
                let confirmed =
                    claims.iter().all(|of| self.places.get(&of.hat).is_some_and(|(_, confirmed)| *confirmed));
                must(self.satisfied && confirmed, entry, "released below the minimum, or without a confirmed claim")?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// How the plug's jobs do, counted anew from its reports.
#[derive(Default)]
struct Jobs {
    first: Option<Timestamp>,
    done: Option<Timestamp>,
    failures: u32,
    lag: u32,
    told: Does,
}

impl Jobs {
    fn over(&self, fresh_for: Option<u32>) -> Option<Timestamp> {
        let since = self.done.or(self.first)?;
        fresh_for.map(|seconds| since.plus(i64::from(seconds) * SECOND))
    }

    fn take(&mut self, entry: &Entry, fresh_for: Option<u32>) -> Found {
        match &entry.event {
            Event::PlugReported { report, health } => {
                self.first.get_or_insert(entry.at);
                self.lag = report.lag_seconds.unwrap_or(self.lag);
                if report.done > 0 {
                    (self.done, self.failures) = (Some(entry.at), 0);
                } else {
                    self.failures += report.failed;
                }
                let late = self.over(fresh_for).is_some_and(|over| over <= entry.at);
                let does = if self.failures >= FAILING_FROM {
                    Does::Failing
                } else if late || fresh_for.is_some_and(|most| self.lag > most) {
                    Does::Stale
                } else if self.done.is_some() {
                    Does::Healthy
                } else {
                    Does::Unknown
                };
                self.told = does;
                must(*health == does, entry, "another health")
            }
            Event::PlugStale { since } => {
                let was = std::mem::replace(&mut self.told, Does::Stale);
                must(matches!(was, Does::Unknown | Does::Healthy), entry, "told before")?;
                must(self.over(fresh_for) == Some(*since) && *since <= entry.at, entry, "at another time")
            }
            _ => Ok(()),
        }
    }
}

/// Walks all machines of all entities through a history.
fn walk(entries: &[Entry]) -> Found {
    let mut parties: BTreeMap<&Address, Party> = BTreeMap::new();
    let mut hats: BTreeMap<&Address, OnHat> = BTreeMap::new();
    let mut offers: BTreeMap<&Address, Market> = BTreeMap::new();
    let mut jobs: BTreeMap<&Address, Jobs> = BTreeMap::new();
    for (number, entry) in entries.iter().enumerate() {
        let entity = &entry.entity;
        match entity.kind {
            Kind::Offer => offers.entry(entity).or_default().take(entry)?,
            Kind::Lane => {}
            _ => parties.entry(entity).or_default().take(entry)?,
        }
        if entity.kind == Kind::Hat {
            hats.entry(entity).or_default().take(entry)?;
        }
        if entity.kind == Kind::Plug {
            // The manifest that was approved last, if one was.
            let before = entries[..number].iter().filter(|it| it.entity == *entity);
            let registered = before.filter(|it| matches!(it.event, Event::Registered { .. })).count();
            jobs.entry(entity).or_default().take(entry, (registered > 1).then_some(FRESH_FOR))?;
        }
    }
    Ok(())
}

fn history(steps: &[super::history::Step]) -> Vec<Entry> {
    let mut w = start();
    for step in steps {
        take(&mut w, step);
    }
    w.ledger.into_iter().map(|(entry, _)| entry).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_sequence_reaches_a_forbidden_state(steps in steps(200)) {
        prop_assert_eq!(walk(&history(&steps)), Ok(()));
    }
}

/// Whether this event happens only once in a row: said twice, the second is forbidden.
fn moves(entry: &Entry) -> bool {
    let kind = entry.entity.kind;
    match &entry.event {
        Event::Registered { .. } => matches!(kind, Kind::Hat | Kind::Platform),
        Event::Suspended => kind != Kind::App,
        Event::Approved { .. }
        | Event::Declined { .. }
        | Event::Resumed
        | Event::Retired
        | Event::KeyRotated { .. }
        | Event::PlugAsked { .. }
        | Event::PlugAskedAgain { .. }
        | Event::PlugUnanswered { .. }
        | Event::PlugConnected { .. }
        | Event::PlugDisconnected { .. }
        | Event::PlugStale { .. }
        | Event::AppDisabled { .. }
        | Event::Claimed { .. }
        | Event::ClaimRefused { .. }
        | Event::ClaimLapsed { .. }
        | Event::ClaimWithdrawn { .. }
        | Event::DebitEnded { .. }
        | Event::OfferRegistered { .. }
        | Event::OfferPaid
        | Event::OfferRejected
        | Event::OfferOversubscribed
        | Event::OfferReopened
        | Event::OfferClosed
        | Event::OfferExpired
        | Event::OfferSatisfied
        | Event::OfferLapsed { .. } => true,
        Event::OfferLeft { completed, .. } => !completed,
        Event::DebitDisabled { at_period_end, .. } => !at_period_end,
        _ => false,
    }
}

#[test]
fn the_tables_find_what_is_said_twice_and_what_follows_a_suspension() {
    let mut runner = TestRunner::deterministic();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..60 {
        let entries = history(&steps(160).new_tree(&mut runner).expect("a tree").current());
        for (number, entry) in entries.iter().enumerate().filter(|(_, entry)| moves(entry)) {
            let mut twice = entries[..=number].to_vec();
            twice.push(entry.clone());
            let found = walk(&twice);
            assert!(found.is_err(), "said twice, and not found: {entry:?}");
            seen.insert(std::mem::discriminant(&entry.event));
        }
        // A HAT that was suspended just before lets nothing begin.
        for (number, entry) in entries.iter().enumerate() {
            if entry.event.left().is_some() && entry.entity == a("hat:bob.hubat.net") {
                let mut before = entries[..number].to_vec();
                before.push(Entry { event: Event::Suspended, cause: None, ..entry.clone() });
                before.push(entry.clone());
                assert!(walk(&before).is_err(), "{entry:?}");
            }
        }
    }
    assert!(seen.len() >= 22, "only {} kinds of events were tried", seen.len());
}
