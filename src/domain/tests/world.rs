//! A whole exchange in memory: every entity, the registry, the known ids, nothing around it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ::bytes::Bytes;
use smol_str::SmolStr;
use uuid::Uuid;

use crate::domain::command::Receipt;
use crate::domain::event::{Bundle, DebitTerms, OfferTerms, Opened, PropertyQuery, Verdict};
use crate::domain::time::SECOND;
use crate::domain::*;

/// 2026-01-01T00:00:00Z.
pub const START: Timestamp = Timestamp(1_767_225_600 * SECOND);

#[derive(Debug, Clone, PartialEq)]
pub enum Any {
    Hat(Box<Hat>),
    Plug(Plug),
    Member(Member),
    Offer(Offer),
    Lane(Lane),
}

impl Any {
    pub fn new(kind: Kind) -> Self {
        match kind {
            Kind::Hat => Any::Hat(Box::default()),
            Kind::Plug => Any::Plug(Plug::default()),
            Kind::Offer => Any::Offer(Offer::default()),
            Kind::Lane => Any::Lane(Lane::default()),
            _ => Any::Member(Member::default()),
        }
    }

    pub fn decide(&self, ctx: &Context<'_>, command: &Command, known: Known) -> Decision {
        match self {
            Any::Hat(e) => e.decide(ctx, command, known),
            Any::Plug(e) => e.decide(ctx, command, known),
            Any::Member(e) => e.decide(ctx, command, known),
            Any::Offer(e) => e.decide(ctx, command, known),
            Any::Lane(e) => e.decide(ctx, command, known),
        }
    }

    pub fn apply(&mut self, entry: &Entry) {
        match self {
            Any::Hat(e) => e.apply(entry),
            Any::Plug(e) => e.apply(entry),
            Any::Member(e) => e.apply(entry),
            Any::Offer(e) => e.apply(entry),
            Any::Lane(e) => e.apply(entry),
        }
    }

    pub fn n(&self) -> u64 {
        match self {
            Any::Hat(e) => e.n(),
            Any::Plug(e) => e.n(),
            Any::Member(e) => e.n(),
            Any::Offer(e) => e.n(),
            Any::Lane(e) => e.n(),
        }
    }

    /// Written and read back, as a snapshot does.
    pub fn restored(&self) -> Self {
        fn again<E: Entity>(state: &E) -> E {
            let bytes = rmp_serde::to_vec_named(state).expect("packs");
            rmp_serde::from_slice(&bytes).expect("reads")
        }
        match self {
            Any::Hat(e) => Any::Hat(Box::new(again(&**e))),
            Any::Plug(e) => Any::Plug(again(e)),
            Any::Member(e) => Any::Member(again(e)),
            Any::Offer(e) => Any::Offer(again(e)),
            Any::Lane(e) => Any::Lane(again(e)),
        }
    }
}

#[derive(Default)]
pub struct Registry(pub BTreeMap<Address, Arc<Registration>>, pub Arc<pii::Catalogue>);

impl RegistryView for Registry {
    fn registration(&self, party: &Address) -> Option<Arc<Registration>> {
        self.0.get(party).cloned()
    }

    fn catalogue(&self) -> Arc<pii::Catalogue> {
        Arc::clone(&self.1)
    }
}

pub struct World {
    pub origin: SmolStr,
    pub limits: Limits,
    pub now: Timestamp,
    pub trusted_broker: bool,
    pub entities: BTreeMap<Address, Any>,
    pub registry: Registry,
    /// Every entry in order, with its content.
    pub ledger: Vec<(Entry, Option<Bytes>)>,
    /// Messages of the exchange to itself that wait for delivery.
    pub sends: VecDeque<(Address, Action)>,
    /// The last first and final outcomes, newest last.
    pub outcomes: Vec<(Address, Outcome, bool)>,
    known: BTreeMap<(Address, Address, MessageId), Digest>,
    /// The last messages told, to repeat them.
    pub told: Vec<(Address, Command)>,
    serial: u64,
}

pub fn a(text: &str) -> Address {
    text.parse().expect("an address")
}

pub fn id(text: &str) -> Id {
    text.parse().expect("an id")
}

/// The first key of a party.
pub fn key(party: &str) -> Key {
    Key(Digest::of(party.as_bytes()).0)
}

pub fn records(endpoints: &[&str]) -> Records {
    let all: Vec<_> =
        endpoints.iter().enumerate().map(|(i, e)| serde_json::json!({"endpoint": e, "data": {"i": i}})).collect();
    let body = serde_json::to_vec(&all).expect("json");
    Records::parse(body.into(), 10_000).expect("records")
}

pub fn bundle(endpoints: &[&str]) -> Bundle {
    Bundle { name: "b".into(), bundle: [("p".into(), PropertyQuery::all(endpoints.iter().copied()))].into() }
}

pub fn terms(client: &str, endpoints: &[&str]) -> DebitTerms {
    DebitTerms::new(a(client), "research", bundle(endpoints), 3600)
}

pub fn offer_terms(owner: &str, max: u32) -> OfferTerms {
    OfferTerms {
        owner: a(owner),
        title: "an offer".into(),
        starts: START,
        expires: START.plus(30 * 86_400 * SECOND),
        max_claims: max,
        min_claims: 1,
        debit: terms(owner, &["facebook/feed"]),
    }
}

impl World {
    /// A node and an operator.
    pub fn bare() -> Self {
        let mut world = World {
            origin: "dex.test".into(),
            limits: Limits::default(),
            now: START,
            trusted_broker: false,
            entities: BTreeMap::new(),
            registry: Registry::default(),
            ledger: Vec::new(),
            sends: VecDeque::new(),
            outcomes: Vec::new(),
            known: BTreeMap::new(),
            told: Vec::new(),
            serial: 0,
        };
        for party in ["operator:root", "dex:dex.test"] {
            let keys = vec![key(party)];
            world.local(&a(party), Action::OperatorDeclare { keys });
        }
        world
    }

    /// Two HATs of a platform, a plug and an app in force, two orgs; bob has all connected and a debit
    /// of acme enabled.
    pub fn new() -> Self {
        let mut w = World::bare();
        let name: SmolStr = "n".into();
        let platform = Profile::Platform { name: name.clone() };
        w.register("platform:hubat.net", "operator:root", platform);
        for hat in ["hat:bob.hubat.net", "hat:eve.hubat.net"] {
            w.register(hat, "platform:hubat.net", Profile::HAT);
        }
        let plug = Profile::Plug { name: name.clone(), namespace: "facebook".into(), manifest: None };
        w.approved("plug:facebook", plug);
        let app =
            Profile::App { name: name.clone(), version: "1".into(), namespaces: vec!["rumpel".into()], manifest: None };
        w.approved("app:notables", app);
        for org in ["org:acme", "org:other"] {
            w.approved(org, Profile::Org { name: name.clone() });
        }
        let bob = "hat:bob.hubat.net";
        let plug = id("facebook");
        w.must(bob, bob, Action::PlugConnect { plug });
        let app = id("notables");
        w.must(bob, bob, Action::AppSetup { app, version: None });
        w.debit("d1", "org:acme", terms("org:acme", &["facebook/feed"]));
        w
    }

    pub fn register(&mut self, party: &str, by: &str, profile: Profile) {
        let key = key(party);
        self.must(party, by, Action::Register { key: Some(key), profile });
    }

    pub fn approved(&mut self, party: &str, profile: Profile) {
        self.register(party, party, profile);
        let key = Some(key(party));
        self.must(party, "operator:root", Action::Approve { key });
    }

    /// Proposed to bob and enabled.
    pub fn debit(&mut self, debit: &str, client: &str, terms: DebitTerms) {
        let bob = "hat:bob.hubat.net";
        let debit = id(debit);
        let propose = Action::DebitPropose { debit: debit.clone(), terms };
        self.must(bob, client, propose);
        self.must(bob, bob, Action::DebitEnable { debit, revision: None });
    }

    pub fn context<'w>(&'w self, entity: &'w Address) -> Context<'w> {
        Context {
            origin: &self.origin,
            delivery_key: &[7; 32],
            limits: &self.limits,
            registry: &self.registry,
            entity,
            now: self.now,
            trusted_broker: self.trusted_broker,
        }
    }

    /// A fresh message id of now.
    pub fn fresh(&mut self) -> MessageId {
        self.serial += 1;
        let time = u128::from(self.now.unix_ms()) << 80;
        MessageId(Uuid::from_u128(time | (7 << 76) | (2 << 62) | u128::from(self.serial)))
    }

    pub fn message(&mut self, to: &Address, from: &Address, action: Action) -> Command {
        let body = match &action {
            Action::Credit { records, .. } | Action::Release { records, .. } | Action::Data { records } => {
                Digest::of(&records.body)
            }
            other => Digest::of(format!("{other:?}").as_bytes()),
        };
        let cause = Cause {
            subject: format!("dex.v1.in.{}.{}.x", to.kind, to.id.to_token()).into(),
            id: self.fresh(),
            from: from.clone(),
            key: Some(key(&from.to_string())),
            signature: Some(Signature([1; 64])),
            deadline: None,
            reply: None,
            want: None,
            pull: None,
            job: None,
            body,
        };
        Command {
            addressed: to.clone(),
            action,
            cause: Some(cause),
            deadline: None,
            pull: None,
            job: None,
            stored_at: self.now,
        }
    }

    pub fn known(&self, command: &Command) -> Known {
        let Some(cause) = &command.cause else {
            return Known::New;
        };
        let at = (command.addressed.clone(), cause.from.clone(), cause.id);
        match self.known.get(&at) {
            None => Known::New,
            Some(body) if *body == cause.body => Known::Same,
            Some(_) => Known::Other,
        }
    }

    /// Decides, seals, folds, follows.
    pub fn run(&mut self, entity: &Address, command: Command) -> Decision {
        let known = self.known(&command);
        self.told.push((entity.clone(), command.clone()));
        let fresh = Any::new(entity.kind);
        let state = self.entities.get(entity).unwrap_or(&fresh);
        let ctx = self.context(entity);
        let decision = state.decide(&ctx, &command, known);
        assert_eq!(decision, state.decide(&ctx, &command, known), "not pure");
        let Decision::Record(drafts) = &decision else {
            return decision;
        };
        assert!(!drafts.is_empty());
        let first = state.n() + 1;
        for (entry, content) in seal(entity, first, &command, drafts.clone()) {
            self.commit(entry, content);
        }
        if let Some(cause) = &command.cause {
            let at = (command.addressed.clone(), cause.from.clone(), cause.id);
            self.known.entry(at).or_insert(cause.body);
        }
        decision
    }

    fn commit(&mut self, entry: Entry, content: Option<Bytes>) {
        let packed = rmp_serde::to_vec_named(&entry).expect("packs");
        let entry: Entry = rmp_serde::from_slice(&packed).expect("reads");
        let kind = entry.entity.kind;
        let state = self.entities.entry(entry.entity.clone());
        state.or_insert_with(|| Any::new(kind)).apply(&entry);
        if entry.event.touches_registry() {
            let held = self.registry.0.entry(entry.entity.clone()).or_default();
            Arc::make_mut(held).apply(&entry);
            let held = Arc::clone(held);
            Arc::make_mut(&mut self.registry.1).learn(&entry.entity, &held);
        }
        for effect in effects_of(&entry) {
            match effect {
                Effect::Outcome { to, outcome, first } => self.outcomes.push((to, outcome, first)),
                Effect::Send { to, action, body, .. } => {
                    let action = sent(&action, &body);
                    self.sends.push_back((to, action));
                }
                _ => {}
            }
        }
        self.ledger.push((entry, content));
    }

    pub fn tell(&mut self, to: &str, from: &str, action: Action) -> Decision {
        let command = self.message(&a(to), &a(from), action);
        self.run(&a(to), command)
    }

    pub fn local(&mut self, entity: &Address, action: Action) -> Decision {
        let command = Command {
            addressed: entity.clone(),
            action,
            cause: None,
            deadline: None,
            pull: None,
            job: None,
            stored_at: self.now,
        };
        self.run(entity, command)
    }

    /// Told and not refused.
    pub fn must(&mut self, to: &str, from: &str, action: Action) -> Vec<Event> {
        let decision = self.tell(to, from, action);
        let Decision::Record(drafts) = decision else {
            panic!("{to} from {from}: {decision:?}");
        };
        let events: Vec<Event> = drafts.into_iter().map(|d| d.event).collect();
        assert!(!matches!(events[0], Event::Rejected { .. }), "{to} from {from}: {events:?}");
        events
    }

    /// Told and refused for this reason, in an entry.
    pub fn refuses(&mut self, to: &str, from: &str, action: Action) -> Reason {
        reason(&self.tell(to, from, action))
    }

    /// Hands the exchange's own messages over until none is left, and lets entities do what is due at once.
    pub fn settle_sends(&mut self) {
        loop {
            while let Some((to, action)) = self.sends.pop_front() {
                self.send(to, action);
            }
            if !self.wake_all() {
                return;
            }
        }
    }

    /// Wakes whoever has something to do by now; false when nobody has.
    pub fn wake_all(&mut self) -> bool {
        let now = self.now;
        let due = |state: &Any| match state {
            Any::Hat(hat) => hat.wake().is_some_and(|at| at <= now),
            Any::Plug(plug) => plug.wake().is_some_and(|at| at <= now),
            Any::Offer(offer) => offer.wake().is_some_and(|at| at <= now),
            _ => false,
        };
        let due: Vec<Address> =
            self.entities.iter().filter(|(_, state)| due(state)).map(|(entity, _)| entity.clone()).collect();
        let mut done = false;
        for entity in &due {
            match self.local(entity, Action::Wake) {
                Decision::Nothing => panic!("{entity} wakes for nothing"),
                Decision::Wait(until) => assert!(until > now, "{entity} waits for what is over"),
                _ => done = true,
            }
        }
        done
    }

    pub fn send(&mut self, to: Address, action: Action) -> Decision {
        let command = self.message(&to, &a("dex:dex.test"), action);
        self.run(&to, command)
    }

    pub fn hat(&self, hat: &str) -> &Hat {
        match &self.entities[&a(hat)] {
            Any::Hat(hat) => hat,
            other => panic!("no hat: {other:?}"),
        }
    }

    pub fn offer(&self, offer: &str) -> &Offer {
        match &self.entities[&a(offer)] {
            Any::Offer(offer) => offer,
            other => panic!("no offer: {other:?}"),
        }
    }

    /// The last exchange opened.
    pub fn last_opened(&self) -> Opened {
        let mut entries = self.ledger.iter().rev();
        entries
            .find_map(|(entry, _)| match &entry.event {
                Event::Opened(opened) => Some((**opened).clone()),
                _ => None,
            })
            .expect("one was opened")
    }

    pub fn pass(&mut self, seconds: i64) {
        self.now = self.now.plus(seconds * SECOND);
    }
}

/// The reason of a refusal that is ledgered.
pub fn reason(decision: &Decision) -> Reason {
    match decision {
        Decision::Record(drafts) => match drafts.as_slice() {
            [Draft { event: Event::Rejected { reason }, with_cause: true, .. }] => *reason,
            other => panic!("not refused: {other:?}"),
        },
        other => panic!("not refused in an entry: {other:?}"),
    }
}

/// What the wire makes of the exchange's own messages.
fn sent(action: &str, body: &serde_json::Value) -> Action {
    fn of<T: serde::de::DeserializeOwned>(value: &serde_json::Value) -> Option<T> {
        (!value.is_null()).then(|| serde_json::from_value(value.clone()).expect("as the wire has it"))
    }
    let claim = of::<MessageId>(&body["claim"]);
    let hat_claim = || event::HatClaim { hat: of(&body["hat"]).expect("a hat"), claim };
    let offer = |token: &str| Id::from_token(token).expect("a token");
    match action.split_once('.') {
        None if action == "reserve" => Action::OfferReserve { of: hat_claim(), by: of(&body["by"]) },
        None if action == "schedule" => {
            Action::PlugSchedule(serde_json::from_value(body.clone()).expect("as the wire has it"))
        }
        None if action == "confirm" => Action::OfferConfirm(hat_claim()),
        None if action == "lapse" => {
            Action::OfferLapse { of: hat_claim(), completed: of(&body["completed"]).expect("said") }
        }
        Some(("claim-reserved", token)) => Action::ClaimReserved {
            offer: offer(token),
            terms: of(&body["terms"]).expect("terms"),
            claim,
            until: of(&body["until"]),
        },
        Some(("pull-asked", token)) => {
            Action::PullAsked { offer: offer(token), pull: Box::new(of(body).expect("a pull")) }
        }
        Some(("claim-refused", token)) => Action::ClaimRefused { offer: offer(token), claim },
        Some(("claim-released", token)) => Action::ClaimReleased { offer: offer(token), claim },
        Some(("claim-lapsed", token)) => Action::ClaimLapsed { offer: offer(token), claim },
        _ => panic!("no action of the protocol: {action}"),
    }
}

/// The receipt that agrees with what was delivered.
pub fn agreeing(opened: &Opened) -> Receipt {
    Receipt {
        delivery: opened.delivery,
        digest: opened.digest_out,
        count: opened.count_out,
        verdict: Verdict::Accepted,
        reason: None,
    }
}
