//! Queries over a real broker and a real ledger: what is answered, in which form, and what is refused.

use std::sync::Arc;
use std::time::Duration;

use dex::actors::clock::SystemClock;
use dex::actors::directory::Directory;
use dex::actors::registry::Registry;
use dex::actors::shared::{Bounds, Progress, Shared, Streams};
use dex::daemon::bundles::Bundles;
use dex::daemon::queries;
use dex::domain::event::{Authority, Closed, Direction, Opened};
use dex::domain::registration::KeyRecord;
use dex::domain::{
    Address, Cause, Digest, Entry, Event, Id, Limits, MessageId, Profile, Reason, Registration, Standing, Timestamp,
};
use dex::ledger::merkle::{Hash, leaf_hash, node_hash};
use dex::ledger::{CheckpointKey, CheckpointVerifier, Group, Ledger, NewRecord, Options};
use dex::nats::streams::{InLimits, OutLimits};
use dex::store::{Sealed, StateDb, Tail};
use dex::telemetry::Health;
use dex::wire::{Problem, Signer};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::nats_server::TestServer;

const ORIGIN: &str = "dex.example";

fn address(text: &str) -> Address {
    text.parse().expect("an address")
}

fn message(n: u8) -> MessageId {
    MessageId(Uuid::from_bytes([1, 0x8f, 0, 0, 0, n, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, n]))
}

fn cause(n: u8, subject: &str, from: &str) -> Cause {
    Cause {
        subject: subject.into(),
        id: message(n),
        from: address(from),
        key: None,
        signature: None,
        deadline: None,
        reply: None,
        want: None,
        pull: None,
        job: None,
        body: Digest::of(&[n]),
    }
}

/// A credit from the plug to Bob's HAT, opened and settled.
fn exchange() -> Vec<Entry> {
    let (hat, plug) = (address("hat:bob.hubat.net"), address("plug:facebook"));
    let delivery = message(50).0;
    let opened = Opened {
        exchange: message(1),
        from: plug.clone(),
        parent: None,
        direction: Direction::Credit,
        authority: Authority::Plug(plug.id.clone()),
        to: hat.clone(),
        delivery,
        pull: None,
        job: None,
        since: None,
        skip: None,
        limit: None,
        deadline: Timestamp(3_600_000_000_000),
        digest_in: Digest::of(b"in"),
        digest_out: Digest::of(b"out"),
        count_in: 3,
        count_out: 2,
        bytes_in: 300,
        bytes_out: 200,
        endpoints: vec![("facebook/feed".into(), 2)],
        large: None,
        dropped: dex::domain::pii::Dropped::default(),
        without_pii: false,
    };
    let closed = Closed {
        exchange: opened.exchange,
        from: plug,
        to: hat.clone(),
        delivery,
        direction: Direction::Credit,
        digest_in: opened.digest_in,
        digest_out: opened.digest_out,
        count: 2,
        bytes: 200,
        opened_at: Timestamp(1_000_000_000),
        without_pii: false,
    };
    let entry = |n: u64, cause, event| Entry {
        v: 1,
        entity: hat.clone(),
        n,
        at: Timestamp(i64::try_from(n).expect("small") * 1_000_000_000),
        cause: Some(cause),
        basis: Vec::new(),
        event,
    };
    vec![
        entry(
            1,
            cause(1, "dex.v1.in.hat.bob_hubat_net.credit.facebook", "plug:facebook"),
            Event::Opened(Box::new(opened)),
        ),
        entry(2, cause(2, "dex.v1.in.lane.a7.receipt", "hat:bob.hubat.net"), Event::Settled(Box::new(closed))),
        entry(
            3,
            cause(3, "dex.v1.in.hat.bob_hubat_net.data", "hat:bob.hubat.net"),
            Event::Rejected { reason: Reason::NothingSelected },
        ),
    ]
}

struct Exchange {
    server: TestServer,
    client: async_nats::Client,
    stop: CancellationToken,
    serving: tokio::task::JoinHandle<()>,
    signer: Arc<Signer>,
    _folder: TempDir,
    _ledger: Ledger,
}

/// Queries look at no stream.
fn streams() -> Streams {
    let max_age = Duration::from_secs(60);
    Streams {
        input: InLimits { partitions: 1, max_bytes: 1 << 20, max_age, replicas: 1 },
        output: OutLimits { max_bytes: 1 << 20, max_age, max_consumers: 10, replicas: 1 },
    }
}

impl Exchange {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let signer = Arc::new(Signer::from_seed(&[7; 32]));
        let key = CheckpointKey::from_seed(ORIGIN, [7; 32]).expect("a key");
        let options = Options::new(folder.path(), ORIGIN.to_owned());
        let (mut ledger, _) = Ledger::open(options, key, None).expect("opens");
        let entries = exchange();
        let record = |entry: &Entry| NewRecord {
            salt: [3; 32],
            entry: rmp_serde::to_vec_named(entry).expect("packs"),
            content: None,
        };
        let records = entries.iter().map(record).collect();
        ledger.commit(&Group { time_ns: 1, records, ..Group::default() }).expect("commits");

        let tail = Tail::default();
        let sealed: Vec<Arc<Sealed>> = (0..)
            .zip(entries)
            .map(|(leaf, entry)| Arc::new(Sealed { leaf, committed: entry.at, partition: 0, entry, spool: None }))
            .collect();
        let _ = tail.push(&sealed);
        let registry = Registry::default();
        for n in 0..25 {
            let mut registration = Registration {
                standing: if n == 3 { Standing::Suspended } else { Standing::Active },
                profile: Some(Profile::Plug {
                    name: "A plug".into(),
                    namespace: format!("plug-{n}").into(),
                    manifest: None,
                }),
                standing_n: 2,
                ..Registration::default()
            };
            let key = Signer::from_seed(&[n; 32]).public();
            registration.keys.push(KeyRecord { key, from: Timestamp(1), until: None, n: 1 });
            let plug = address(&format!("plug:p{n:02}"));
            let known = Entry {
                v: 1,
                entity: plug.clone(),
                n: 1,
                at: Timestamp(1),
                cause: None,
                basis: Vec::new(),
                event: Event::Approved { key: None },
            };
            let _ = tail.push(&[Arc::new(Sealed {
                leaf: 100 + u64::from(n),
                committed: known.at,
                partition: 0,
                entry: known,
                spool: None,
            })]);
            registry.set(plug, registration);
        }
        let shared = Arc::new(Shared {
            origin: ORIGIN.into(),
            signer: Arc::clone(&signer),
            delivery_key: [0; 32],
            limits: arc_swap::ArcSwap::from_pointee(Limits::default()),
            bounds: Bounds::default(),
            registry,
            notices: Default::default(),
            jobs: Default::default(),
            large: Default::default(),
            board: dex::actors::board::Board::new(1),
            directory: Directory::default(),
            db: StateDb::open(folder.path().join("state.redb"), ORIGIN).expect("opens"),
            tail,
            reader: ledger.reader(),
            spool: ledger.spool(),
            lanes: vec![Id::new("a7").expect("an id")],
            free_min: 0.into(),
            streams: streams(),
            trusted_broker: false,
            health: Arc::new(Health::default()),
            clock: Arc::new(SystemClock),
            fault: None,
            statistics: Default::default(),
            connections: Default::default(),
            fatal: dex::actors::fatal::Fatal::new().0,
            progress: Progress::new(3, 0, 3, vec![dex::actors::shared::Place::default()]),
        });
        let server = TestServer::start();
        let link = server.link("dex-queries").await;
        let stop = CancellationToken::new();
        let serving =
            tokio::spawn(queries::serve(shared, Arc::new(Bundles::new(60_000_000_000, 65536)), link, stop.clone()));
        let client = async_nats::connect(server.url()).await.expect("connects");
        let it = Exchange { server, client, stop, serving, signer, _folder: folder, _ledger: ledger };
        for _ in 0..200 {
            if it.client.request("dex.v1.api.health", "".into()).await.is_ok() {
                return it;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("the query service did not come up");
    }

    async fn raw(&self, call: &str, body: String) -> async_nats::Message {
        let subject = format!("dex.v1.api.{call}");
        self.client.request(subject, body.into()).await.expect("answered")
    }

    async fn ask(&self, call: &str, body: Value) -> Value {
        let message = self.raw(call, body.to_string()).await;
        let answer: Value = serde_json::from_slice(&message.payload).expect("JSON");
        assert!(answer.get("reason").is_none() || answer.get("steps").is_some(), "{call}: {answer}");
        answer
    }

    async fn problem(&self, call: &str, body: &str) -> Problem {
        let message = self.raw(call, body.to_owned()).await;
        let headers = message.headers.expect("headers");
        let of = |name: &str| headers.get(name).map(|value| value.as_str().to_owned());
        assert_eq!(of("Content-Type").as_deref(), Some("application/problem+json"));
        let problem: Problem = serde_json::from_slice(&message.payload).expect("a problem");
        assert_eq!(of("Nats-Service-Error-Code"), Some(problem.status.to_string()));
        problem
    }

    async fn end(self) {
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(10), self.serving).await.expect("stops in time").expect("no panic");
        drop(self.server);
    }
}

#[tokio::test]
async fn the_service_is_found_by_any_nats_tool_and_names_the_exchange() {
    let it = Exchange::start().await;
    let found = it.client.request("$SRV.INFO.dex", "".into()).await.expect("discovered");
    let info: Value = serde_json::from_slice(&found.payload).expect("JSON");
    let subjects: Vec<&str> =
        info["endpoints"].as_array().expect("endpoints").iter().filter_map(|it| it["subject"].as_str()).collect();
    for call in ["health", "exchange.trace", "trust.verify", "hat.show", "plug.list", "debit.show", "ledger.proof"] {
        assert!(subjects.contains(&format!("dex.v1.api.{call}").as_str()), "{call} is not in {subjects:?}");
    }
    let health = it.ask("health", json!({})).await;
    assert_eq!(health["origin"], ORIGIN);
    assert_eq!(health["keys"], json!([it.signer.public()]));
    assert_eq!(health["treeSize"], 3);
    assert_eq!(health["lanes"], json!(["a7"]));
    let verifier = health["checkpointKey"].as_str().expect("a verifier key");
    assert!(CheckpointVerifier::parse(verifier).is_ok());
    it.end().await;
}

#[tokio::test]
async fn a_trace_tells_every_step_and_no_content() {
    let it = Exchange::start().await;
    // By the exchange, and by its delivery.
    for id in [message(1), message(50)] {
        let trace = it.ask("exchange.trace", json!({ "id": id })).await;
        assert_eq!(trace["status"], "settled", "{trace}");
        let steps = trace["steps"].as_array().expect("steps");
        let events: Vec<&str> = steps.iter().filter_map(|step| step["event"].as_str()).collect();
        assert_eq!(events, ["opened", "settled"]);
        assert_eq!(steps[0]["leaf"], 0);
        assert_eq!(steps[0]["at"], "1970-01-01T00:00:01Z");
        assert_eq!(steps[0]["authority"], "plug:facebook");
        assert_eq!(steps[0]["countOut"], 2);
        assert_eq!(steps[0]["digestOut"], Digest::of(b"out").to_string());
        assert_eq!(steps[1]["delivery"], message(50).to_string());
    }
    // A refused message.
    let trace = it.ask("exchange.trace", json!({ "id": message(3) })).await;
    assert_eq!((&trace["status"], &trace["reason"]), (&json!("rejected"), &json!("nothing-selected")));
    let problem = it.problem("exchange.trace", &json!({ "id": message(9) }).to_string()).await;
    assert_eq!((problem.reason, problem.status), (Reason::NotFound, 404));
    it.end().await;
}

#[tokio::test]
async fn questions_that_make_no_sense_are_refused_with_a_problem() {
    let it = Exchange::start().await;
    for (call, body) in [
        ("exchange.trace", "{}"),
        ("exchange.trace", "not json"),
        ("trust.verify", r#"{"party":"cat:tom"}"#),
        ("plug.list", r#"{"limit":0}"#),
        ("plug.list", r#"{"limit":1001}"#),
        ("health", r#"{"who":"knows"}"#),
        ("ledger.proof", r#"{"leaf":-1}"#),
    ] {
        assert_eq!(it.problem(call, body).await.reason, Reason::Malformed, "{call} {body}");
    }
    let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(5000));
    assert_eq!(it.problem("exchange.trace", &long).await.reason, Reason::TooLarge);
    it.end().await;
}

#[tokio::test]
async fn trust_and_lists_come_from_registrations() {
    let it = Exchange::start().await;
    let known = it.ask("trust.verify", json!({ "party": "plug:p01" })).await;
    assert_eq!((&known["approved"], &known["standing"]), (&json!(true), &json!("active")));
    assert_eq!(known["basis"], json!({ "entity": "plug:p01", "n": 2 }));
    let suspended = it.ask("trust.verify", json!({ "party": "plug:p03" })).await;
    assert_eq!(suspended["approved"], false);
    let unknown = it.ask("trust.verify", json!({ "party": "org:nobody" })).await;
    assert_eq!((&unknown["approved"], &unknown["standing"]), (&json!(false), &json!("unknown")));

    let (mut seen, mut after) = (Vec::new(), None::<String>);
    for _ in 0..10 {
        let mut question = json!({ "limit": 10 });
        if let Some(after) = &after {
            question["after"] = json!(after);
        }
        let page = it.ask("plug.list", question).await;
        let items = page["items"].as_array().expect("items");
        assert!(items.len() <= 10);
        seen.extend(items.iter().map(|item| item["party"].as_str().expect("text").to_owned()));
        after = page["next"].as_str().map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    let wanted: Vec<String> = (0..25).map(|n| format!("plug:p{n:02}")).collect();
    assert_eq!(seen, wanted);
    assert_eq!(it.ask("org.list", json!({})).await["items"], json!([]));
    it.end().await;
}

/// The root that a leaf and its RFC 9162 path lead to.
fn root_of(leaf: u64, size: u64, hash: Hash, path: &[Hash]) -> Hash {
    let (mut index, mut last, mut root) = (leaf, size - 1, hash);
    for sibling in path {
        if index % 2 == 1 || index == last {
            root = node_hash(sibling, &root);
            while index % 2 == 0 && index != 0 {
                index >>= 1;
                last >>= 1;
            }
        } else {
            root = node_hash(&root, sibling);
        }
        index >>= 1;
        last >>= 1;
    }
    root
}

#[tokio::test]
async fn a_proof_leads_from_its_leaf_to_the_signed_root() {
    let it = Exchange::start().await;
    let decode = |value: &Value| -> Hash {
        let bytes = data_encoding::HEXLOWER.decode(value.as_str().expect("text").as_bytes()).expect("hex");
        bytes.try_into().expect("32 bytes")
    };
    let verifier = CheckpointVerifier::new(ORIGIN, it.signer.public().0).expect("a key");
    for leaf in 0..3u64 {
        let proof = it.ask("ledger.proof", json!({ "leaf": leaf })).await;
        let checkpoint = verifier.open(proof["checkpoint"].as_str().expect("a note")).expect("signed");
        let path: Vec<Hash> = proof["path"].as_array().expect("a path").iter().map(decode).collect();
        assert_eq!(checkpoint.size, 3);
        assert_eq!(leaf_hash(&decode(&proof["commitment"])), decode(&proof["leafHash"]));
        assert_eq!(root_of(leaf, 3, decode(&proof["leafHash"]), &path), checkpoint.root);
    }
    let older = it.ask("ledger.proof", json!({ "leaf": 0, "treeSize": 2 })).await;
    assert!(older["consistency"].as_array().is_some_and(|path| !path.is_empty()));
    assert_ne!(decode(&older["root"]), leaf_hash(b""));
    for body in [r#"{"leaf":3}"#, r#"{"leaf":0,"treeSize":4}"#] {
        assert_eq!(it.problem("ledger.proof", body).await.reason, Reason::NotFound, "{body}");
    }
    let newest = it.ask("ledger.checkpoint", json!({})).await;
    assert!(verifier.open(newest["checkpoint"].as_str().expect("a note")).is_ok());
    it.end().await;
}

#[tokio::test]
async fn many_queries_at_once_are_all_answered() {
    let it = Exchange::start().await;
    let asks = (0..500).map(|_| it.ask("exchange.trace", json!({ "id": message(1) })));
    for answer in futures_util::future::join_all(asks).await {
        assert_eq!(answer["status"], "settled");
    }
    it.end().await;
}

#[tokio::test]
async fn the_pulse_is_broadcast_every_second() {
    use futures_util::StreamExt;
    let it = Exchange::start().await;
    let mut stats = it.client.subscribe("dex.v1.pub.pulse").await.expect("subscribes");
    for _ in 0..2 {
        let message = tokio::time::timeout(Duration::from_secs(5), stats.next()).await.expect("in time").expect("open");
        let stats: Value = serde_json::from_slice(&message.payload).expect("JSON");
        assert_eq!(stats["treeSize"], 3);
        assert!(stats["settled"].is_u64() && stats["open"].is_u64(), "{stats}");
    }
    let summary = it.ask("stats.summary", json!({})).await;
    assert_eq!(summary["origin"], ORIGIN);
    it.end().await;
}
