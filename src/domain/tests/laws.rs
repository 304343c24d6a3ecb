//! Laws over random lives of a small world: folding the entries gives the live states, a repeat changes
//! nothing, each exchange ends once, and nothing leaves without a right.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use super::world::*;
use crate::domain::command::{PullAsk, Receipt};
use crate::domain::event::{Authority, Direction, Event, OfferTerms, Opened, Verdict};
use crate::domain::time::SECOND;
use crate::domain::{Action, Address, Digest, Effect, Entry, Status, effects_of};

const ENDPOINTS: [&str; 3] = ["facebook/feed", "facebook/posts", "rumpel/notes"];
const OFFER: &str = "offer:o1";
const PLACES: u32 = 1;

#[derive(Debug, Clone)]
enum Step {
    Credit { app: bool, endpoint: usize },
    Release { debit: u8, endpoint: usize, pull: bool },
    Data { endpoint: usize },
    Pull { debit: u8 },
    Receipt { which: usize, verdict: u8, honest: bool },
    Recall { which: usize },
    Propose { debit: u8, endpoint: usize, app: bool, once: bool, start: i64 },
    Amend { debit: u8, endpoint: usize },
    Enable { debit: u8 },
    Disable { debit: u8, at_period_end: bool },
    Connect(bool),
    Suspend { who: usize, resume: bool },
    Rotate { who: usize },
    Claim { ann: bool },
    EnableClaim { ann: bool },
    Again { which: usize },
    Pass(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let debit = 0u8..3;
    let endpoint = 0..ENDPOINTS.len();
    prop_oneof![
        4 => (any::<bool>(), endpoint.clone()).prop_map(|(app, endpoint)| Step::Credit { app, endpoint }),
        4 => (debit.clone(), endpoint.clone(), any::<bool>())
            .prop_map(|(debit, endpoint, pull)| Step::Release { debit, endpoint, pull }),
        3 => endpoint.clone().prop_map(|endpoint| Step::Data { endpoint }),
        2 => debit.clone().prop_map(|debit| Step::Pull { debit }),
        8 => (any::<usize>(), 0u8..4, any::<bool>())
            .prop_map(|(which, verdict, honest)| Step::Receipt { which, verdict, honest }),
        2 => any::<usize>().prop_map(|which| Step::Recall { which }),
        3 => (debit.clone(), endpoint.clone(), any::<bool>(), any::<bool>(), 0i64..200)
            .prop_map(|(debit, endpoint, app, once, start)| Step::Propose { debit, endpoint, app, once, start }),
        1 => (debit.clone(), endpoint).prop_map(|(debit, endpoint)| Step::Amend { debit, endpoint }),
        4 => debit.clone().prop_map(|debit| Step::Enable { debit }),
        2 => (debit, any::<bool>()).prop_map(|(debit, at_period_end)| Step::Disable { debit, at_period_end }),
        1 => any::<bool>().prop_map(Step::Connect),
        1 => (0usize..4, any::<bool>()).prop_map(|(who, resume)| Step::Suspend { who, resume }),
        1 => (0usize..4).prop_map(|who| Step::Rotate { who }),
        2 => any::<bool>().prop_map(|ann| Step::Claim { ann }),
        1 => any::<bool>().prop_map(|ann| Step::EnableClaim { ann }),
        3 => any::<usize>().prop_map(|which| Step::Again { which }),
        4 => (1i64..3000).prop_map(Step::Pass),
    ]
}

/// The world with what is needed to drive and to judge it.
struct Run {
    world: World,
    sent: Vec<Msg>,
    opened: Vec<Opened>,
    keys: HashMap<&'static str, String>,
}

impl Run {
    fn new() -> Run {
        let mut world = World::new();
        let terms = OfferTerms {
            owner: address(ACME),
            title: "A voucher".into(),
            starts: world.now,
            expires: world.now.plus(100_000 * SECOND),
            max_claims: PLACES,
            min_claims: 1,
            debit: terms(ACME, &[ENDPOINTS[0]]),
        };
        world.say(ACME, OFFER, Action::OfferRegister { terms }).done();
        world.say(OPERATOR, OFFER, Action::Approve { key: None }).done();
        Run { world, sent: Vec::new(), opened: Vec::new(), keys: HashMap::new() }
    }

    fn say(&mut self, from: &'static str, to: &str, action: Action) {
        let message = self.world.message(from, to, action);
        self.send(from, message);
    }

    fn send(&mut self, from: &'static str, mut message: Msg) {
        if let Some(name) = self.keys.get(from) {
            message = message.signed_by(name);
        }
        let said = self.world.put(&message);
        self.sent.push(message);
        if let Said::Recorded(entries) = said {
            self.note(&entries);
            self.world.carry(&entries);
        }
    }

    fn note(&mut self, entries: &[Entry]) {
        for entry in entries {
            if let Event::Opened(opened) = &entry.event {
                self.opened.push((**opened).clone());
                self.has_a_right(entry, opened);
            }
        }
    }

    /// Promise 1: a connected, approved plug or app, or an active debit that names the endpoints.
    fn has_a_right(&self, entry: &Entry, opened: &Opened) {
        let hat = self.world.hat();
        match &opened.authority {
            Authority::Plug(plug) => assert!(hat.plugs.contains_key(plug)),
            Authority::App(app) => assert!(hat.apps.contains_key(app)),
            Authority::Debit(debit) => {
                let revision = hat.debits[debit].active(entry.at).expect("an active revision");
                assert!(opened.endpoints.iter().all(|(endpoint, _)| revision.terms.bundle.selects(endpoint)));
                let party = if opened.direction == Direction::Pull { &opened.from } else { &opened.to };
                assert_eq!(*party, revision.terms.client);
            }
        }
        assert!(opened.count_out <= opened.count_in);
    }

    fn one(&self, which: usize) -> Option<Opened> {
        (!self.opened.is_empty()).then(|| self.opened[which % self.opened.len()].clone())
    }

    fn take(&mut self, step: Step) {
        let name = |debit: u8| id(&format!("d{debit}"));
        let client = |app: bool| if app { NOTABLES } else { ACME };
        let parties = [BOB, FACEBOOK, NOTABLES, ACME];
        match step {
            Step::Credit { app, endpoint } => {
                let by = if app { NOTABLES } else { FACEBOOK };
                self.say(by, BOB, credit(by, &[ENDPOINTS[endpoint]]));
            }
            Step::Release { debit, endpoint, pull } => {
                let action = release(name(debit).as_str(), &[ENDPOINTS[endpoint], ENDPOINTS[0]]);
                let mut message = self.world.message(BOB, BOB, action);
                let asked = self.opened.iter().rev().find(|it| it.direction == Direction::Pull).filter(|_| pull);
                if let Some(asked) = asked {
                    message = message.answers(asked.exchange);
                }
                self.send(BOB, message);
            }
            Step::Data { endpoint } => self.say(BOB, BOB, data(&[ENDPOINTS[endpoint], ENDPOINTS[1]])),
            Step::Pull { debit } => {
                for client in [ACME, NOTABLES] {
                    self.say(client, BOB, Action::Pull { debit: name(debit), ask: PullAsk::default() });
                }
            }
            Step::Receipt { which, verdict, honest } => {
                let Some(opened) = self.one(which) else { return };
                let verdict =
                    [Verdict::Accepted, Verdict::Accepted, Verdict::Refused, Verdict::Returned][usize::from(verdict)];
                let digest = if honest { opened.digest_out } else { Digest::of(b"other") };
                let receipt =
                    Receipt { delivery: opened.delivery, digest, count: opened.count_out, verdict, reason: None };
                for from in [BOB, ACME, NOTABLES] {
                    if address(from) == opened.to || which % 7 == 0 {
                        let mut message = self.world.message(from, LANE, Action::Receipt(receipt.clone()));
                        message.entity = address(BOB);
                        self.send(from, message);
                    }
                }
            }
            Step::Recall { which } => {
                let Some(opened) = self.one(which) else { return };
                let from = parties.into_iter().find(|party| address(party) == opened.from).unwrap_or(BOB);
                self.say(from, BOB, Action::Recall { exchange: opened.exchange });
            }
            Step::Propose { debit, endpoint, app, once, start } => {
                let mut terms = terms(client(app), &[ENDPOINTS[endpoint]]);
                terms.cancel_at_period_end = once;
                terms.start = (start > 100).then(|| self.world.now.plus(start * SECOND));
                self.say(client(app), BOB, Action::DebitPropose { debit: name(debit), terms });
            }
            Step::Amend { debit, endpoint } => {
                for app in [true, false] {
                    let terms = terms(client(app), &[ENDPOINTS[endpoint], ENDPOINTS[1]]);
                    self.say(client(app), BOB, Action::DebitAmend { debit: name(debit), terms });
                }
            }
            Step::Enable { debit } => self.say(BOB, BOB, Action::DebitEnable { debit: name(debit) }),
            Step::Disable { debit, at_period_end } => {
                self.say(BOB, BOB, Action::DebitDisable { debit: name(debit), at_period_end });
            }
            Step::Connect(true) => self.say(BOB, BOB, Action::PlugConnect { plug: id("facebook") }),
            Step::Connect(false) => self.say(BOB, BOB, Action::PlugDisconnect { plug: id("facebook") }),
            Step::Suspend { who, resume } => {
                let action = if resume { Action::Resume } else { Action::Suspend };
                self.say(OPERATOR, parties[who], action);
            }
            Step::Rotate { who } => {
                let name = format!("key {}", self.sent.len());
                let party = parties[who];
                let before = self.world.log.len();
                self.say(party, party, Action::RotateKey { key: key(&name) });
                let done = self.world.log[before..].iter().any(|(it, _)| matches!(it.event, Event::KeyRotated { .. }));
                if done {
                    self.keys.insert(party, name);
                }
            }
            Step::Claim { ann } => {
                let hat = if ann { ANN } else { BOB };
                self.say(hat, hat, Action::Claim { offer: id("o1") });
            }
            Step::EnableClaim { ann } => {
                let hat = if ann { ANN } else { BOB };
                self.say(hat, hat, Action::DebitEnable { debit: id("o1") });
            }
            Step::Again { which } => self.again(which),
            Step::Pass(seconds) => {
                self.world.pass(seconds);
                self.expire();
            }
        }
    }

    /// What was recorded is only repeated, whenever it comes again.
    fn again(&mut self, which: usize) {
        if self.sent.is_empty() {
            return;
        }
        let mut message = self.sent[which % self.sent.len()].clone();
        message.command.stored_at = self.world.now;
        let cause = message.cause().clone();
        let recorded = self.world.log.iter().any(|(entry, _)| entry.cause.as_ref() == Some(&cause));
        let (states, length) = (self.world.states.clone(), self.world.log.len());
        let said = self.world.put(&message);
        if recorded {
            assert_eq!(said, Said::Repeat);
            assert_eq!((&states, length), (&self.world.states, self.world.log.len()));
        }
    }

    fn expire(&mut self) {
        let hat = self.world.hat();
        let due: Vec<_> = hat.open.iter().filter(|(_, it)| it.deadline <= self.world.now).map(|(it, _)| *it).collect();
        for delivery in due {
            self.world.local(BOB, Action::Deadline { delivery }).done();
        }
    }
}

fn ends(log: &[(Entry, Option<bytes::Bytes>)]) -> HashMap<uuid::Uuid, (u32, u32)> {
    let mut ends: HashMap<uuid::Uuid, (u32, u32)> = HashMap::new();
    for effect in log.iter().flat_map(|(entry, _)| effects_of(entry)) {
        match effect {
            Effect::Close { delivery } => ends.entry(delivery).or_default().0 += 1,
            Effect::Outcome { outcome, first: false, .. } => {
                assert!(outcome.status.is_final() && outcome.status != Status::Rejected);
                ends.entry(outcome.delivery.expect("a delivery")).or_default().1 += 1;
            }
            _ => {}
        }
    }
    ends
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_laws_hold_in_every_life(steps in prop::collection::vec(step(), 1..120)) {
        let mut run = Run::new();
        for step in steps {
            run.take(step);
        }
        // Whatever is open now has ended after the farthest deadline.
        run.world.pass(8 * 86_400);
        run.expire();
        let world = &run.world;
        prop_assert!(world.hat().open.is_empty());

        let mut folded: BTreeMap<Address, State> = BTreeMap::new();
        for (entry, _) in &world.log {
            let state = folded.entry(entry.entity.clone()).or_insert_with(|| State::of(entry.entity.kind));
            state.apply(entry);
            let n = match state {
                State::Hat(s) => s.n,
                State::Plug(s) => s.n,
                State::Member(s) => s.n,
                State::Offer(s) => s.n,
                State::Lane(s) => s.n,
            };
            prop_assert_eq!(n, entry.n);
        }
        for (address, state) in &world.states {
            if let Some(folded) = folded.get(address) {
                prop_assert_eq!(folded, state);
                prop_assert_eq!(&state.stored(), state);
            }
        }

        let ends = ends(&world.log);
        let mut deliveries: Vec<_> = run.opened.iter().map(|opened| opened.delivery).collect();
        for delivery in &deliveries {
            prop_assert_eq!(ends.get(delivery), Some(&(1, 1)), "each exchange ends once and is told once");
        }
        prop_assert_eq!(ends.len(), deliveries.len());
        deliveries.sort_unstable();
        deliveries.dedup();
        prop_assert_eq!(deliveries.len(), run.opened.len(), "no two deliveries have one id");

        let State::Offer(offer) = &world.states[&address(OFFER)] else { panic!("no offer") };
        prop_assert!(offer.places.len() <= PLACES as usize);

        for (entry, content) in &world.log {
            let moves = matches!(&entry.event, Event::Opened(opened) if opened.direction != Direction::Pull);
            prop_assert_eq!(content.is_some(), moves, "content is kept for what moves, and nothing else");
            if let (Event::Opened(opened), Some(content)) = (&entry.event, content) {
                prop_assert_eq!(opened.bytes_out as usize, content.len());
            }
        }
    }
}
