//! An exchange without a daemon: entities, registry and index in memory, a clock that is set by hand.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use smol_str::SmolStr;
use uuid::Uuid;

use crate::domain::command::Receipt;
use crate::domain::entity::seal;
use crate::domain::event::{Bundle, DebitTerms, EndpointQuery, Opened, PropertyQuery, Verdict};
use crate::domain::hat::Hat;
use crate::domain::lane::Lane;
use crate::domain::member::Member;
use crate::domain::offer::Offer;
use crate::domain::plug::Plug;
use crate::domain::time::SECOND;
use crate::domain::{
    Action, Address, Cause, Command, Context, Decision, Digest, Effect, Entity, Entry, Event, Id, Key, Kind, Known,
    Limits, MessageId, Profile, Reason, Records, Registration, RegistryView, Timestamp, effects_of,
};

pub const BOB: &str = "hat:bob.hubat.net";
pub const ANN: &str = "hat:ann.hubat.net";
pub const PLATFORM: &str = "platform:hubat.net";
pub const OPERATOR: &str = "operator:root";
pub const FACEBOOK: &str = "plug:facebook";
pub const NOTABLES: &str = "app:notables";
pub const ACME: &str = "org:acme";
pub const DEX: &str = "dex:exchange";
pub const LANE: &str = "lane:a1";

pub fn address(text: &str) -> Address {
    text.parse().expect("an address")
}

pub fn id(text: &str) -> Id {
    Id::new(text).expect("an id")
}

/// The key of this party (or of any other name).
pub fn key(name: &str) -> Key {
    Key(Digest::of(name.as_bytes()).0)
}

pub fn records(endpoints: &[&str]) -> Records {
    let items: Vec<String> = endpoints.iter().map(|e| format!(r#"{{"endpoint":"{e}","data":{{"v":1}}}}"#)).collect();
    Records::parse(Bytes::from(format!("[{}]", items.join(","))), 1000).expect("records")
}

pub fn terms(client: &str, endpoints: &[&str]) -> DebitTerms {
    let query = |endpoint: &&str| EndpointQuery { endpoint: SmolStr::new(endpoint) };
    let property = PropertyQuery { endpoints: endpoints.iter().map(query).collect() };
    DebitTerms {
        client: address(client),
        purpose: "research".into(),
        bundle: Bundle { name: "all".into(), bundle: BTreeMap::from([("all".into(), property)]) },
        start: None,
        period_seconds: 3600,
        cancel_at_period_end: false,
        terms_url: None,
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum State {
    Hat(Box<Hat>),
    Plug(Plug),
    Member(Member),
    Offer(Offer),
    Lane(Lane),
}

macro_rules! each {
    ($state:expr, $s:ident => $do:expr) => {
        match $state {
            State::Hat($s) => $do,
            State::Plug($s) => $do,
            State::Member($s) => $do,
            State::Offer($s) => $do,
            State::Lane($s) => $do,
        }
    };
}

impl State {
    pub fn of(kind: Kind) -> State {
        match kind {
            Kind::Hat => State::Hat(Box::default()),
            Kind::Plug => State::Plug(Plug::default()),
            Kind::Offer => State::Offer(Offer::default()),
            Kind::Lane => State::Lane(Lane::default()),
            _ => State::Member(Member::default()),
        }
    }

    pub fn apply(&mut self, entry: &Entry) {
        each!(self, s => s.apply(entry));
    }

    /// The state after a way through its row.
    pub fn stored(&self) -> State {
        fn through<T: serde::Serialize + serde::de::DeserializeOwned>(state: &T) -> T {
            rmp_serde::from_slice(&rmp_serde::to_vec_named(state).expect("writes")).expect("reads")
        }
        match self {
            State::Hat(s) => State::Hat(through(s)),
            State::Plug(s) => State::Plug(through(s)),
            State::Member(s) => State::Member(through(s)),
            State::Offer(s) => State::Offer(through(s)),
            State::Lane(s) => State::Lane(through(s)),
        }
    }
}

/// A message about to be sent; fields may be changed before.
#[derive(Debug, Clone)]
pub struct Msg {
    pub entity: Address,
    pub command: Command,
}

impl Msg {
    pub fn cause(&mut self) -> &mut Cause {
        self.command.cause.as_mut().expect("a message")
    }

    pub fn signed_by(mut self, name: &str) -> Msg {
        self.cause().key = Some(key(name));
        self
    }

    pub fn due(mut self, deadline: Timestamp) -> Msg {
        self.command.deadline = Some(deadline);
        self
    }

    pub fn answers(mut self, pull: MessageId) -> Msg {
        self.command.pull = Some(pull);
        self
    }
}

/// What a message led to.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    Recorded(Vec<Entry>),
    Repeat,
    Anonymous(Reason),
    Nothing,
}

impl Said {
    /// The entries of something that was not refused.
    pub fn done(self) -> Vec<Entry> {
        match self {
            Said::Recorded(entries) if !matches!(entries[0].event, Event::Rejected { .. }) => entries,
            other => panic!("refused: {other:?}"),
        }
    }

    /// The first event, or why an authenticated message was refused.
    pub fn done_or_reason(self) -> Result<Event, Reason> {
        match self {
            Said::Recorded(mut entries) => match entries.remove(0).event {
                Event::Rejected { reason } => Err(reason),
                event => Ok(event),
            },
            other => panic!("not recorded: {other:?}"),
        }
    }

    /// The first event of something that was not refused.
    pub fn event(self) -> Event {
        self.done().remove(0).event
    }

    pub fn opened(self) -> Opened {
        match self.event() {
            Event::Opened(opened) => *opened,
            other => panic!("no exchange: {other:?}"),
        }
    }

    /// Why an authenticated message was refused.
    pub fn refused(self) -> Reason {
        match self {
            Said::Recorded(entries) => match &entries[..] {
                [Entry { event: Event::Rejected { reason }, cause: Some(_), .. }] => *reason,
                other => panic!("not refused: {other:?}"),
            },
            other => panic!("not recorded: {other:?}"),
        }
    }
}

#[derive(Default)]
struct Parties(HashMap<Address, Arc<Registration>>);

impl RegistryView for Parties {
    fn registration(&self, party: &Address) -> Option<Arc<Registration>> {
        self.0.get(party).cloned()
    }
}

pub struct World {
    pub now: Timestamp,
    pub limits: Limits,
    pub trusted: bool,
    pub states: BTreeMap<Address, State>,
    pub log: Vec<(Entry, Option<Bytes>)>,
    parties: Parties,
    seen: HashMap<(Address, Address, MessageId), (SmolStr, Digest)>,
    count: u64,
}

impl World {
    /// Nobody but the operator and the exchange itself.
    pub fn empty() -> World {
        let now = Timestamp(1_800_000_000 * SECOND);
        let mut world = World {
            now,
            limits: Limits::default(),
            trusted: false,
            states: BTreeMap::new(),
            log: Vec::new(),
            parties: Parties::default(),
            seen: HashMap::new(),
            count: 0,
        };
        for party in [OPERATOR, DEX] {
            world.local(party, Action::OperatorDeclare { keys: vec![key(party)] });
        }
        world
    }

    /// Everybody registered and approved; plug and app connected to Bob's HAT; nobody has a debit.
    pub fn new() -> World {
        let mut world = World::empty();
        let platform = Profile::Platform { name: "Hubat".into() };
        world.say(OPERATOR, PLATFORM, Action::Register { key: key(PLATFORM), profile: platform }).done();
        for hat in [BOB, ANN] {
            world.say(PLATFORM, hat, Action::Register { key: key(hat), profile: Profile::Hat }).done();
        }
        for party in [FACEBOOK, NOTABLES, ACME] {
            world.say(party, party, Action::Register { key: key(party), profile: profile(party) }).done();
            world.say(OPERATOR, party, Action::Approve { key: Some(key(party)) }).done();
        }
        world.say(BOB, BOB, Action::PlugConnect { plug: id("facebook") }).done();
        world.say(BOB, BOB, Action::AppSetup { app: id("notables") }).done();
        world
    }

    /// A debit of `client` on Bob's HAT, enabled.
    pub fn debit(&mut self, debit: &str, client: &str, endpoints: &[&str]) {
        let terms = terms(client, endpoints);
        self.say(client, BOB, Action::DebitPropose { debit: id(debit), terms }).done();
        self.say(BOB, BOB, Action::DebitEnable { debit: id(debit) }).done();
    }

    pub fn pass(&mut self, seconds: i64) {
        self.now = self.now.plus(seconds * SECOND);
    }

    /// A fresh message id, made now.
    pub fn fresh(&mut self) -> MessageId {
        self.count += 1;
        let mut bytes = [0u8; 16];
        bytes[..6].copy_from_slice(&self.now.unix_ms().to_be_bytes()[2..]);
        bytes[6] = 0x70;
        bytes[8..].copy_from_slice(&self.count.to_be_bytes());
        bytes[8] = 0x80;
        MessageId(Uuid::from_bytes(bytes))
    }

    /// A message from `from` to `to`, signed with the sender's key, stored now.
    pub fn message(&mut self, from: &str, to: &str, action: Action) -> Msg {
        let text = format!("{action:?}");
        let verb = text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
        let cause = Cause {
            subject: format!("dex.v1.in.{to}.{verb}").into(),
            id: self.fresh(),
            from: address(from),
            key: Some(key(from)),
            signature: None,
            deadline: None,
            reply: None,
            want: None,
            pull: None,
            body: Digest::of(text.as_bytes()),
        };
        let addressed = address(to);
        let command = Command {
            addressed: addressed.clone(),
            action,
            cause: Some(cause),
            deadline: None,
            pull: None,
            stored_at: self.now,
        };
        Msg { entity: addressed, command }
    }

    pub fn say(&mut self, from: &str, to: &str, action: Action) -> Said {
        let message = self.message(from, to, action);
        self.put(&message)
    }

    pub fn local(&mut self, entity: &str, action: Action) -> Said {
        let entity = address(entity);
        let command =
            Command { addressed: entity.clone(), action, cause: None, deadline: None, pull: None, stored_at: self.now };
        self.put(&Msg { entity, command })
    }

    /// Decides, folds, and remembers the id, as the daemon does.
    pub fn put(&mut self, message: &Msg) -> Said {
        let Msg { entity, command } = message;
        let seen = command.cause.as_ref().map(|cause| {
            let index = (command.addressed.clone(), cause.from.clone(), cause.id);
            (index, (cause.subject.clone(), cause.body))
        });
        let known = match &seen {
            Some((index, facts)) => match self.seen.get(index) {
                Some(first) if first == facts => Known::Same,
                Some(_) => Known::Other,
                None => Known::New,
            },
            None => Known::New,
        };
        let origin = SmolStr::new("exchange");
        let ctx = Context {
            origin: &origin,
            delivery_key: &[7; 32],
            limits: &self.limits,
            registry: &self.parties,
            entity,
            now: self.now,
            trusted_broker: self.trusted,
        };
        let state = self.states.entry(entity.clone()).or_insert_with(|| State::of(entity.kind));
        let (decision, first_n) = each!(&*state, s => (s.decide(&ctx, command, known), s.n() + 1));
        let drafts = match decision {
            Decision::Record(drafts) => drafts,
            Decision::Repeat => return Said::Repeat,
            Decision::Anonymous(reason) => return Said::Anonymous(reason),
            Decision::Nothing => return Said::Nothing,
        };
        assert!(!drafts.is_empty(), "a decision without entries");
        let sealed = seal(entity, first_n, command, drafts);
        let mut entries = Vec::new();
        for (entry, content) in sealed {
            state.apply(&entry);
            if entry.event.touches_registry() {
                let party = self.parties.0.entry(entity.clone()).or_default();
                Arc::make_mut(party).apply(&entry);
            }
            entries.push(entry.clone());
            self.log.push((entry, content));
        }
        if let Some((index, facts)) = seen {
            self.seen.entry(index).or_insert(facts);
        }
        Said::Recorded(entries)
    }

    /// A receipt by way of the lane, as a recipient sends it.
    pub fn receipt(&mut self, from: &str, of: &Opened, verdict: Verdict) -> Said {
        let receipt =
            Receipt { delivery: of.delivery, digest: of.digest_out, count: of.count_out, verdict, reason: None };
        self.receipt_of(from, receipt)
    }

    pub fn receipt_of(&mut self, from: &str, receipt: Receipt) -> Said {
        let mut message = self.message(from, LANE, Action::Receipt(receipt));
        message.entity = address(BOB);
        self.put(&message)
    }

    /// Sends on what the entries send to other entities, until nothing more is sent.
    pub fn carry(&mut self, entries: &[Entry]) {
        for effect in entries.iter().flat_map(effects_of) {
            let Effect::Send { to, action, body, .. } = effect else { continue };
            let action = match (action[0].as_str(), action.get(1)) {
                ("reserve", None) => Action::OfferReserve { hat: id(body["hat"].as_str().expect("a hat")) },
                ("confirm", None) => Action::OfferConfirm { hat: id(body["hat"].as_str().expect("a hat")) },
                ("claim-refused", Some(offer)) => Action::ClaimRefused { offer: id(offer) },
                ("claim-reserved", Some(offer)) => {
                    let terms = serde_json::from_value(body["terms"].clone()).expect("terms");
                    Action::ClaimReserved { offer: id(offer), terms }
                }
                other => panic!("no action of the exchange: {other:?}"),
            };
            if let Said::Recorded(entries) = self.say(DEX, &to.to_string(), action) {
                self.carry(&entries);
            }
        }
    }

    pub fn hat(&self) -> &Hat {
        match &self.states[&address(BOB)] {
            State::Hat(hat) => hat,
            other => panic!("no HAT: {other:?}"),
        }
    }
}

pub fn profile(party: &str) -> Profile {
    match address(party).kind {
        Kind::Plug => Profile::Plug { name: "Facebook".into(), namespace: "facebook".into() },
        Kind::App => {
            Profile::App { name: "Notables".into(), version: "1.0.0".into(), namespaces: vec!["rumpel".into()] }
        }
        Kind::Platform => Profile::Platform { name: "Hubat".into() },
        Kind::Hat => Profile::Hat,
        _ => Profile::Org { name: "Acme".into() },
    }
}

pub fn credit(by: &str, endpoints: &[&str]) -> Action {
    Action::Credit { by: address(by).id, records: records(endpoints) }
}

pub fn release(debit: &str, endpoints: &[&str]) -> Action {
    Action::Release { debit: id(debit), records: records(endpoints) }
}

pub fn data(endpoints: &[&str]) -> Action {
    Action::Data { records: records(endpoints) }
}
