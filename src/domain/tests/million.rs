//! A million random cases of (party, key, rule, debit, time): none is permitted that an independent reading of
//! the ledger refuses, and none refused that it permits.
//!
//! The reading is made once per history, forward through the entries, and knows nothing of the core's states: who
//! is in force, with which keys from when to when, what is connected, and each debit as a span of time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::history::{BRIDGE, start, steps, take};
use super::world::*;
use crate::domain::command::PullAsk;
use crate::domain::event::{Authority, DebitTerms, Opened};
use crate::domain::time::SECOND;
use crate::domain::*;

/// Cases in all.
const CASES: u64 = 1_000_000;
/// Cases tried on one history.
const PER_HISTORY: u64 = 2_500;

const ENDPOINTS: [&str; 4] = ["facebook/feed", "facebook/likes", "rumpel/notes", "x/y"];

/// Whether what goes under a debit may leave.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Offer {
    None,
    Held,
    Released,
    Over,
}

/// A debit as a span of time.
#[derive(Debug, Default)]
struct Span<'e> {
    revisions: Vec<&'e DebitTerms>,
    /// Accepted revision (from 0) and since when.
    accepted: Option<(usize, Timestamp)>,
    stop: Option<Timestamp>,
    offer: Option<Offer>,
}

impl<'e> Span<'e> {
    fn terms(&self) -> Option<(&'e DebitTerms, Timestamp)> {
        let (revision, since) = self.accepted?;
        let terms = self.revisions[revision];
        Some((terms, terms.start.map_or(since, |start| start.max(since))))
    }

    /// From when to when it is in force.
    fn bounds(&self) -> Option<(Timestamp, Timestamp)> {
        let (terms, start) = self.terms()?;
        let mut end = self.stop.unwrap_or(Timestamp(i64::MAX));
        if terms.cancel_at_period_end {
            end = end.min(start.plus(i64::from(terms.period_seconds) * SECOND));
        }
        Some((start, end))
    }

    fn covers(&self, at: Timestamp) -> Option<&'e DebitTerms> {
        let (start, end) = self.bounds()?;
        let over = self.offer == Some(Offer::Over);
        (start <= at && at < end && !over).then(|| self.terms().expect("accepted").0)
    }

    fn take(&mut self, entry: &'e Entry) {
        match &entry.event {
            Event::DebitProposed { terms, until, .. } => {
                self.revisions.push(terms);
                if until.is_some() {
                    (self.accepted, self.stop, self.offer) = (None, None, Some(Offer::Held));
                }
            }
            Event::DebitEnabled { revision, .. } => {
                let revision = *revision as usize - 1;
                let runs = self.bounds().is_some_and(|(_, end)| entry.at < end);
                match self.accepted {
                    Some((same, _)) if same == revision && runs => {}
                    _ => self.accepted = Some((revision, entry.at)),
                }
                self.stop = None;
            }
            Event::DebitDisabled { at_period_end: false, .. } => self.stop = Some(entry.at),
            Event::DebitDisabled { .. } => {
                if let Some((terms, start)) = self.terms() {
                    let mut stop = start;
                    while stop < entry.at {
                        stop = stop.plus(i64::from(terms.period_seconds) * SECOND);
                    }
                    self.stop = Some(stop);
                }
            }
            Event::ClaimReleased { .. } => self.offer = Some(Offer::Released),
            Event::ClaimLapsed { .. } | Event::ClaimWithdrawn { .. } => {
                self.offer = self.offer.map(|_| Offer::Over);
            }
            _ => {}
        }
    }
}

/// What the entries say.
#[derive(Default)]
struct Reading<'e> {
    active: BTreeSet<&'e Address>,
    retired: BTreeSet<&'e Address>,
    /// Key, from, until.
    keys: BTreeMap<&'e Address, Vec<(Key, Timestamp, Timestamp)>>,
    connected: BTreeSet<(&'e Address, Address)>,
    /// The bridge of each HAT that has one.
    bridges: BTreeMap<&'e Address, &'e Id>,
    debits: BTreeMap<(&'e Address, &'e Id), Span<'e>>,
    satisfied: BTreeSet<&'e Id>,
}

impl<'e> Reading<'e> {
    fn of(entries: &'e [(Entry, Option<::bytes::Bytes>)]) -> Self {
        let mut reading = Reading::default();
        entries.iter().for_each(|(entry, _)| reading.take(entry));
        reading
    }

    fn new_key(&mut self, party: &'e Address, key: Key, at: Timestamp) {
        let keys = self.keys.entry(party).or_default();
        keys.iter_mut().for_each(|(_, _, until)| *until = (*until).min(at));
        keys.push((key, at, Timestamp(i64::MAX)));
    }

    fn entrust(&mut self, hat: &'e Address, bridge: Option<&'e Id>) {
        match bridge {
            Some(bridge) => self.bridges.insert(hat, bridge),
            None => self.bridges.remove(hat),
        };
    }

    /// Whether what `from` says is the HAT's own word.
    fn speaks_for(&self, from: &Address, hat: &Address) -> bool {
        from == hat || (from.kind == Kind::Bridge && self.bridges.get(hat) == Some(&&from.id))
    }

    fn take(&mut self, entry: &'e Entry) {
        let (who, at) = (&entry.entity, entry.at);
        if let Event::Registered { profile: Profile::Hat { bridge, .. }, .. } | Event::Entrusted { bridge, .. } =
            &entry.event
        {
            self.entrust(who, bridge.as_ref());
        }
        match &entry.event {
            Event::Registered { key, .. } if matches!(who.kind, Kind::Hat | Kind::Platform) => {
                self.active.insert(who);
                if let Some(key) = key {
                    self.new_key(who, *key, at);
                }
            }
            Event::Approved { key: Some(key) } => {
                self.active.insert(who);
                if !self.valid(who, key, at) {
                    self.new_key(who, *key, at);
                }
            }
            Event::Resumed => {
                self.active.insert(who);
            }
            Event::Suspended => {
                self.active.remove(who);
            }
            Event::Retired => {
                self.active.remove(who);
                self.retired.insert(who);
            }
            Event::KeyRotated { key } => self.new_key(who, *key, at),
            Event::KeyRevoked { key, since } => {
                let held = self.keys.entry(who).or_default().iter_mut().filter(|held| held.0 == *key);
                held.for_each(|held| held.2 = held.2.min(*since));
            }
            Event::PlugConnected { plug, .. } => {
                self.connected.insert((who, Address::new(Kind::Plug, plug.clone())));
            }
            Event::PlugDisconnected { plug } => {
                self.connected.remove(&(who, Address::new(Kind::Plug, plug.clone())));
            }
            Event::AppSetUp { app, .. } => {
                self.connected.insert((who, Address::new(Kind::App, app.clone())));
            }
            Event::AppDisabled { app } => {
                self.connected.remove(&(who, Address::new(Kind::App, app.clone())));
            }
            Event::OfferSatisfied => {
                self.satisfied.insert(&who.id);
            }
            Event::DebitProposed { debit, .. }
            | Event::DebitEnabled { debit, .. }
            | Event::DebitDisabled { debit, .. }
            | Event::ClaimReleased { offer: debit, .. }
            | Event::ClaimLapsed { offer: debit, .. }
            | Event::ClaimWithdrawn { offer: debit, .. } => {
                // A claim without a debit yet leaves an empty span.
                self.debits.entry((who, debit)).or_default().take(entry);
            }
            _ => {}
        }
    }

    fn valid(&self, party: &Address, key: &Key, at: Timestamp) -> bool {
        let keys = self.keys.get(party).map(Vec::as_slice).unwrap_or_default();
        keys.iter().any(|(held, from, until)| held == key && *from <= at && at < *until)
    }

    fn in_force(&self, party: &Address) -> bool {
        self.active.contains(party) && !self.retired.contains(party)
    }

    /// The debit's terms when something may move under it: its client is in force, and what is to leave at once
    /// belongs to no offer or to one that was satisfied.
    fn debit(&self, hat: &Address, debit: &Id, at: Timestamp) -> Option<(&'e DebitTerms, Offer)> {
        let span = self.debits.get(&(hat, debit))?;
        let terms = span.covers(at)?;
        let offer = span.offer.unwrap_or(Offer::None);
        assert!(offer != Offer::Released || self.satisfied.contains(debit), "released below the minimum");
        self.in_force(&terms.client).then_some((terms, offer))
    }
}

/// What is asked of the exchange.
struct Case {
    hat: Address,
    from: Address,
    key: Key,
    at: Timestamp,
    action: Action,
    endpoints: Vec<&'static str>,
}

fn names(terms: &DebitTerms, endpoint: &str) -> bool {
    terms.bundle.bundle.values().any(|property| property.endpoints.iter().any(|query| query.endpoint == endpoint))
}

/// What may move in this case: to whom, and whether it must be held back; empty when nothing may.
fn permitted(reading: &Reading<'_>, case: &Case) -> BTreeSet<(Address, String, bool)> {
    let none = BTreeSet::new();
    let known = reading.in_force(&case.hat) && reading.in_force(&case.from);
    if !known || !reading.valid(&case.from, &case.key, case.at) {
        return none;
    }
    let under = |debit: &Id| {
        let (terms, offer) = reading.debit(&case.hat, debit, case.at)?;
        let some = case.endpoints.iter().any(|endpoint| names(terms, endpoint));
        some.then(|| (terms.client.clone(), debit.to_string(), offer == Offer::Held))
    };
    match &case.action {
        Action::Credit { by, .. } => {
            let namespace = match case.from.kind {
                Kind::Plug => "facebook/",
                Kind::App => "rumpel/",
                _ => return none,
            };
            let own = case.from.id == *by && reading.connected.contains(&(&case.hat, case.from.clone()));
            let inside = case.endpoints.iter().all(|endpoint| endpoint.starts_with(namespace));
            if own && inside { [(case.hat.clone(), by.to_string(), false)].into() } else { none }
        }
        Action::Release { debit, .. } if reading.speaks_for(&case.from, &case.hat) => {
            under(debit).into_iter().collect()
        }
        Action::Data { .. } if reading.speaks_for(&case.from, &case.hat) => {
            reading.debits.keys().filter(|(hat, _)| **hat == case.hat).filter_map(|(_, debit)| under(debit)).collect()
        }
        Action::Pull { debit, .. } => match reading.debit(&case.hat, debit, case.at) {
            Some((terms, offer)) if terms.client == case.from => {
                [(case.hat.clone(), debit.to_string(), offer == Offer::Held)].into()
            }
            _ => none,
        },
        _ => none,
    }
}

/// What the core lets move.
fn moved(decision: &Decision) -> BTreeSet<(Address, String, bool)> {
    let Decision::Record(drafts) = decision else { return BTreeSet::new() };
    let of = |opened: &Opened, held: bool| {
        let right = match &opened.authority {
            Authority::Plug(id) | Authority::App(id) | Authority::Debit(id) => id.to_string(),
            Authority::Debits => panic!("nothing is delivered under all debits at once"),
        };
        (opened.to.clone(), right, held)
    };
    let began = drafts.iter().filter_map(|draft| match &draft.event {
        Event::Opened(opened) => Some(of(opened, false)),
        Event::Held { opened, .. } => Some(of(opened, true)),
        _ => None,
    });
    began.collect()
}

/// A small generator: the cases of a history are many, and need no shrinking.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.roll(all.len())].clone()
    }
}

fn case(dice: &mut Dice, w: &World, reading: &Reading<'_>, bodies: &[(Vec<&'static str>, Records)]) -> Case {
    let hat = a(dice.of(&["hat:bob.hubat.net", "hat:bob.hubat.net", "hat:eve.hubat.net"]));
    let (endpoints, records) = dice.of(bodies);
    let debit = id(dice.of(&["d1", "d1", "d2", "d3", "o1", "o1", "o2", "none"]));
    let by = id(dice.of(&["facebook", "notables"]));
    let clients = ["org:acme", "org:acme", "org:other", "app:notables", "hat:eve.hubat.net"];
    let owner = if dice.roll(3) == 0 { a(BRIDGE) } else { hat.clone() };
    let (usual, action) = match dice.roll(8) {
        0..=1 => {
            let kind = if by.as_str() == "facebook" { Kind::Plug } else { Kind::App };
            (Address::new(kind, by.clone()), Action::Credit { by, records })
        }
        2..=4 => (owner, Action::Release { debit: debit.clone(), records }),
        5 => (owner, Action::Data { records }),
        _ => (a(dice.of(&clients)), Action::Pull { debit: debit.clone(), ask: PullAsk::default() }),
    };
    // Mostly who may say it, with a key it holds or held.
    let from = match dice.roll(10) {
        0 => a(dice.of(&[
            "org:acme",
            "org:other",
            "plug:facebook",
            "app:notables",
            "hat:eve.hubat.net",
            BRIDGE,
            "operator:root",
        ])),
        _ => usual,
    };
    let held = reading.keys.get(&from).map(Vec::as_slice).unwrap_or_default();
    let key = match (dice.roll(12), held) {
        (0, _) | (_, []) => key(dice.of(&["org:acme", "nobody", "hat:bob.hubat.net"])),
        (1..=2, held) => dice.of(held).0,
        (_, held) => held[held.len() - 1].0,
    };
    // Now, soon, or at the very edges of the debit's time.
    let span = reading.debits.get(&(&hat, &debit)).and_then(Span::bounds);
    let soon = w.now.plus(dice.roll(100_000) as i64 * SECOND);
    let at = match (dice.roll(6), span) {
        (0, Some((start, _))) => start.plus(dice.roll(3) as i64 - 1),
        (1..=2, Some((_, end))) if end < Timestamp(i64::MAX) => end.plus(dice.roll(3) as i64 - 1),
        (0..=3, _) => w.now,
        _ => soon,
    };
    Case { hat, from, key, at: at.max(w.now), action, endpoints }
}

/// Cases permitted, by rule, of one history.
fn try_history(seed: u64, permitted_by: &[AtomicU64; 6]) {
    let mut bytes = [0u8; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut w = start();
    for step in &steps(90).new_tree(&mut runner).expect("a tree").current() {
        take(&mut w, step);
    }
    let w = w;
    let reading = Reading::of(&w.ledger);
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let bodies: Vec<(Vec<&'static str>, Records)> = (1..16usize)
        .map(|bits| {
            let endpoints: Vec<&str> = (0..4).filter(|bit| bits & (1 << bit) != 0).map(|bit| ENDPOINTS[bit]).collect();
            let records = records(&endpoints);
            (endpoints, records)
        })
        .collect();
    let mut template = w.told.iter().find_map(|(_, command)| command.cause.clone()).expect("something was said");
    for number in 0..PER_HISTORY {
        let case = case(&mut dice, &w, &reading, &bodies);
        let time = u128::from(case.at.unix_ms()) << 80;
        template.id = MessageId(uuid::Uuid::from_u128(time | (7 << 76) | (3 << 62) | u128::from(number)));
        template.from = case.from.clone();
        template.key = Some(case.key);
        let command = Command {
            addressed: case.hat.clone(),
            action: case.action.clone(),
            cause: Some(template.clone()),
            deadline: None,
            pull: None,
            job: None,
            stored_at: case.at,
        };
        let ctx = Context { now: case.at, ..w.context(&case.hat) };
        let decision = w.entities[&case.hat].decide(&ctx, &command, Known::New);
        let (core, oracle) = (moved(&decision), permitted(&reading, &case));
        assert_eq!(
            core, oracle,
            "seed {seed}, case {number}: {} from {} at {} {:?}: {decision:?}",
            case.hat, case.from, case.at, case.action
        );
        if !core.is_empty() {
            let rule = match &case.action {
                _ if core.iter().any(|(_, _, held)| *held) => 4,
                _ if case.from.kind == Kind::Bridge => 5,
                Action::Credit { .. } => 0,
                Action::Release { .. } => 1,
                Action::Data { .. } => 2,
                _ => 3,
            };
            permitted_by[rule].fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn of_a_million_cases_none_is_decided_otherwise_than_the_ledger_says() {
    let permitted_by: [AtomicU64; 6] = Default::default();
    let next = AtomicU64::new(0);
    let histories = CASES / PER_HISTORY;
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while let seed = next.fetch_add(1, Ordering::Relaxed)
                    && seed < histories
                {
                    try_history(seed + 1, &permitted_by);
                }
            });
        }
    });
    let counts = permitted_by.map(AtomicU64::into_inner);
    println!("{CASES} cases; permitted: credit, release, data, pull, held, by a bridge: {counts:?}");
    // It says nothing if next to nothing is permitted, or a rule never is.
    assert!(counts.iter().all(|count| *count >= CASES / 1000), "{counts:?}");
}
