//! What the core costs per message: decide, seal and apply of a credit and of its receipt; and the check alone
//! of an exchange against registry and debit.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use dex::domain::command::{PullAsk, Receipt};
use dex::domain::event::{Bundle, DebitTerms, PropertyQuery, Verdict};
use dex::domain::{
    Action, Address, Cause, Command, Context, Decision, Digest, Draft, Entity, Event, Hat, Id, Key, Known, Limits,
    MessageId, Profile, Records, Registration, RegistryView, Signature, Timestamp, seal,
};
use smol_str::SmolStr;
use uuid::Uuid;

/// 2026-01-01T00:00:00Z.
const NOW: Timestamp = Timestamp(1_767_225_600_000_000_000);

struct Registry(BTreeMap<Address, Arc<Registration>>);

impl RegistryView for Registry {
    fn registration(&self, party: &Address) -> Option<Arc<Registration>> {
        self.0.get(party).cloned()
    }
}

fn address(text: &str) -> Address {
    text.parse().expect("an address")
}

fn key(party: &str) -> Key {
    Key(Digest::of(party.as_bytes()).0)
}

fn id(text: &str) -> Id {
    text.parse().expect("an id")
}

fn command(from: &str, action: Action, serial: u128) -> Command {
    let time = u128::from(NOW.unix_ms()) << 80;
    Command {
        addressed: address("hat:bob.hubat.net"),
        action,
        cause: Some(Cause {
            subject: "dex.v1.in.hat.bob_hubat_net.credit.facebook".into(),
            id: MessageId(Uuid::from_u128(time | (7 << 76) | (2 << 62) | serial)),
            from: address(from),
            key: Some(key(from)),
            signature: Some(Signature([1; 64])),
            deadline: None,
            reply: None,
            want: None,
            pull: None,
            job: None,
            body: Digest::of(b"body"),
        }),
        deadline: None,
        pull: None,
        job: None,
        stored_at: NOW,
    }
}

fn records() -> Records {
    let one = r#"{"endpoint":"facebook/feed","data":{"message":"hello","id":17}}"#;
    let body = format!("[{}]", [one; 10].join(","));
    Records::parse(body.into_bytes().into(), 100).expect("records")
}

/// Folds these events into an entity.
fn folded<E: Entity>(entity: &Address, events: Vec<Event>, fold: impl Fn(&mut E, &dex::domain::Entry)) -> E {
    let local = Command {
        addressed: entity.clone(),
        action: Action::OperatorDeclare { keys: Vec::new() },
        cause: None,
        deadline: None,
        pull: None,
        job: None,
        stored_at: NOW,
    };
    let mut state = E::default();
    let drafts = events.into_iter().map(Draft::further).collect();
    for (entry, _) in seal(entity, 1, &local, drafts) {
        fold(&mut state, &entry);
    }
    state
}

fn decide(c: &mut Criterion) {
    let hat = address("hat:bob.hubat.net");
    let plug = address("plug:facebook");
    let profile = Profile::Plug { name: "Facebook".into(), namespace: "facebook".into(), manifest: None };
    let registered = folded::<dex::domain::Plug>(
        &plug,
        vec![
            Event::Registered { key: Some(key("plug:facebook")), profile, by: plug.clone() },
            Event::Approved { key: Some(key("plug:facebook")) },
        ],
        Entity::apply,
    );
    let registry = Registry([(plug, Arc::new(registered.registration))].into());
    let bob = folded::<Hat>(
        &hat,
        vec![
            Event::Registered {
                key: Some(key("hat:bob.hubat.net")),
                profile: Profile::HAT,
                by: address("platform:hubat.net"),
            },
            Event::PlugConnected { plug: id("facebook"), asked: None },
        ],
        Entity::apply,
    );
    let origin: SmolStr = "dex.bench".into();
    let limits = Limits { messages_per_minute: u32::MAX, open_per_hat: usize::MAX, ..Limits::default() };
    let ctx = Context {
        origin: &origin,
        delivery_key: &[7; 32],
        limits: &limits,
        registry: &registry,
        entity: &hat,
        now: NOW,
        trusted_broker: false,
    };
    let step = |state: &mut Hat, command: &Command| {
        let Decision::Record(drafts) = state.decide(&ctx, command, Known::New) else {
            panic!("not recorded");
        };
        let sealed = seal(&hat, state.n() + 1, command, drafts);
        for (entry, _) in &sealed {
            state.apply(entry);
        }
        sealed
    };
    let credits: Vec<Command> = (0..100)
        .map(|i| {
            let (by, records) = (id("facebook"), records());
            command("plug:facebook", Action::Credit { by, records }, i)
        })
        .collect();
    let mut full = bob.clone();
    let receipts: Vec<Command> = credits
        .iter()
        .map(|credit| {
            let sealed = step(&mut full, credit);
            let Event::Opened(opened) = &sealed[0].0.event else {
                panic!("not opened: {:?}", sealed[0].0.event);
            };
            let receipt = Receipt {
                delivery: opened.delivery,
                digest: opened.digest_out,
                count: opened.count_out,
                verdict: Verdict::Accepted,
                reason: None,
            };
            let serial = u128::from(sealed[0].0.n) << 32;
            command("hat:bob.hubat.net", Action::Receipt(receipt), serial)
        })
        .collect();
    let mut group = c.benchmark_group("decide");
    group.throughput(criterion::Throughput::Elements(100));
    for (name, state, commands) in [("credit", &bob, &credits), ("receipt", &full, &receipts)] {
        group.bench_function(name, |b| {
            b.iter_batched_ref(
                || state.clone(),
                |state| {
                    for command in commands {
                        black_box(step(state, command));
                    }
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// Debits that are active on the HAT of the check: as many as there may be.
const DEBITS: usize = 64;
/// Parties in the registry of the check.
const PARTIES: usize = 10_000;

/// The check of one exchange against registry and debit: from the message to the verdict, nothing folded in. The
/// worst of 64 debits, a registry of ten thousand parties.
fn check(c: &mut Criterion) {
    let hat = address("hat:bob.hubat.net");
    let org = |i: usize| address(&format!("org:o{i}"));
    let mut registry = BTreeMap::new();
    for i in 0..PARTIES {
        let (party, key) = (org(i), key(&org(i).to_string()));
        let profile = Profile::Org { name: "Org".into() };
        let events =
            vec![Event::Registered { key: Some(key), profile, by: party.clone() }, Event::Approved { key: Some(key) }];
        let member = folded::<dex::domain::Member>(&party, events, Entity::apply);
        registry.insert(party, Arc::new(member.registration));
    }
    let registry = Registry(registry);
    let registered = Event::Registered {
        key: Some(key("hat:bob.hubat.net")),
        profile: Profile::HAT,
        by: address("platform:hubat.net"),
    };
    let mut events = vec![registered];
    for i in 0..DEBITS {
        let query = PropertyQuery::all(["facebook/feed"]);
        let bundle = Bundle { name: "feed".into(), bundle: [("feed".into(), query)].into() };
        let (debit, client) = (id(&format!("d{i:02}")), org(i));
        let terms = Box::new(DebitTerms::new(client.clone(), "a study", bundle, 86_400));
        events.push(Event::DebitProposed { debit: debit.clone(), terms, offer: None, claim: None, until: None });
        events.push(Event::DebitEnabled { debit, revision: 1, client, offer: None, claim: None });
    }
    let bob = folded::<Hat>(&hat, events, Entity::apply);
    let origin: SmolStr = "dex.bench".into();
    let limits = Limits::default();
    let ctx = Context {
        origin: &origin,
        delivery_key: &[7; 32],
        limits: &limits,
        registry: &registry,
        entity: &hat,
        now: NOW,
        trusted_broker: false,
    };
    let last = id(&format!("d{:02}", DEBITS - 1));
    let release = Action::Release { debit: last.clone(), records: records() };
    let pull = Action::Pull { debit: last, ask: PullAsk::default() };
    let client = org(DEBITS - 1).to_string();
    let unknown = Action::Release { debit: id("unknown"), records: records() };
    let mut group = c.benchmark_group("check");
    for (name, from, action) in [
        ("release", "hat:bob.hubat.net", release),
        ("pull", client.as_str(), pull),
        ("refused", "hat:bob.hubat.net", unknown),
    ] {
        let command = command(from, action, 1);
        group.bench_function(name, |b| b.iter(|| black_box(bob.decide(&ctx, black_box(&command), Known::New))));
    }
    group.finish();
}

criterion_group!(benches, decide, check);
criterion_main!(benches);
