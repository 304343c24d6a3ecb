//! Plugs against a real exchange: asking owners until they answer, over a kill; how their jobs do, told from the ledger.

use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use dex::actors::clock::{Clock, SystemClock};
use dex::client::{Client, Item, Order, keys};
use dex::daemon::Extras;
use dex::domain::plug::ConnectionState;
use dex::domain::{Event, Status, Timestamp};
use serde_json::{Value, json};

use crate::support::cast::{Cast, address, id};
use crate::support::exchange::Exchange;
use crate::support::inside::{Ground, Inside};
use crate::support::nats_server::TestServer;

const MANIFEST: &str = include_str!("../../src/domain/plug/facebook.json");

/// A plug with a manifest that keeps it fresh for a minute, approved.
async fn fitbit(operator: &Client) -> Client {
    let signer = keys::generate();
    let key = signer.public();
    let plug = operator.speaking(address("plug:fitbit"), signer);
    let mut manifest: Value = serde_json::from_str(MANIFEST).expect("JSON");
    manifest["freshForSeconds"] = json!(60);
    let body = json!({ "key": key, "name": "Fitbit", "namespace": "fitbit", "manifest": manifest });
    plug.send(Order::new(plug.party(), &["register"], body.to_string())).await.expect("registered");
    operator.approve(plug.party(), &key).await.expect("approved");
    plug
}

async fn report(plug: &Client, body: Value) {
    plug.send(Order::new(plug.party(), &["report"], body.to_string())).await.expect("taken");
}

async fn shown(client: &Client) -> Value {
    client.query("plug.show", json!({ "plug": "fitbit" }).to_string()).await.expect("told")
}

fn dex(exchange: &Exchange, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dex")).args(arguments).args(["--url", &exchange.nats]).output().expect("runs")
}

#[tokio::test]
async fn an_owner_is_asked_until_it_answers_over_a_kill() {
    let broker = TestServer::start();
    let mut exchange = Exchange::tuned(&broker, "[limits]\nconnecting_again = \"1s\"");
    let cast = Cast::new(exchange.client().await, 2).await;
    let plug = fitbit(&cast.operator).await;
    let (asking, of) = (plug.clone(), cast.hat(0));
    let wish = tokio::spawn(async move {
        asking.conclude(Order::plug_connect(&of, &id("fitbit")), Duration::from_secs(120)).await.expect("answered")
    });
    let began = Instant::now();
    while shown(&cast.operator).await["connecting"] != 1 {
        assert!(began.elapsed() < Duration::from_secs(30), "it asks");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    cast.hats[1].plug_connect(&id("fitbit")).await.expect("connected");
    report(&plug, json!({ "done": 2, "failed": 1, "lagSeconds": 30, "error": "the source is away" })).await;
    report(&plug, json!({ "failed": 2 })).await;
    let before = shown(&cast.operator).await;
    assert_eq!((&before["connections"], &before["connecting"]), (&json!(1), &json!(1)));
    assert_eq!(before["health"]["standing"], "healthy");

    exchange.kill();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    exchange.restart();
    let operator = exchange.client().await;
    let mut after = shown(&operator).await;
    // The one that asked was asked again meanwhile; nothing else has changed.
    after["at"] = before["at"].clone();
    assert_eq!(after, before);
    report(&plug, json!({ "failed": 1 })).await;
    let failing = shown(&operator).await;
    assert_eq!((&failing["health"]["standing"], &failing["health"]["failures"]), (&json!("failing"), &json!(3)));

    // Nobody over there has listened so far: what is told again is heard.
    let hat = &cast.hats[0];
    let mut inbox = hat.inbox().await.expect("a consumer");
    let mut numbers: Vec<u64> = Vec::new();
    let began = Instant::now();
    while numbers.len() < 3 {
        let item = tokio::time::timeout(Duration::from_secs(20), inbox.next()).await.expect("asked").expect("open");
        let Item::Connection(told) = item.expect("verified") else { continue };
        if told.said.plug == id("fitbit") {
            assert_eq!(told.said.state, ConnectionState::Connecting);
            // One of them may repeat, as after a start.
            if !numbers.contains(&told.said.n) {
                numbers.push(told.said.n);
            }
        }
    }
    println!("asked {numbers:?} within {:?}", began.elapsed());
    assert!(numbers.is_sorted(), "each in an entry of its own: {numbers:?}");
    hat.plug_connect(&id("fitbit")).await.expect("connected");
    let done = shown(&operator).await;
    assert_eq!((&done["connections"], &done["connecting"]), (&json!(2), &json!(0)));
    // Answered, the wish is settled and asked no more.
    let wish = wish.await.expect("no panic");
    assert_eq!((wish.first.outcome.status, wish.last[0].outcome.status), (Status::Accepted, Status::Settled));
    let n = hat_entries(&operator, &cast).await;
    tokio::time::sleep(Duration::from_millis(3500)).await;
    assert_eq!(hat_entries(&operator, &cast).await, n, "nothing is asked any more");
    cast.hats[1].plug_disconnect(&id("fitbit")).await.expect("disconnected");
    cast.hats[0].send(Order::retire(&cast.hat(0))).await.expect("retired");
    assert_eq!(shown(&operator).await["connections"], 0);

    // By the command line, with what became of its registration.
    let said = dex(&exchange, &["plug", "show", "fitbit", "--json"]);
    let said: Value = serde_json::from_slice(&said.stdout).expect("JSON");
    let steps: Vec<&str> =
        said["history"].as_array().expect("a list").iter().filter_map(|it| it["what"].as_str()).collect();
    assert_eq!(steps, ["registered", "approved"]);
    assert_eq!(said["history"][1]["by"], "operator:main");
    assert_eq!(said["profile"]["manifest"]["freshForSeconds"], 60);
    let unknown = dex(&exchange, &["plug", "show", "nobody"]);
    assert_eq!(unknown.status.code(), Some(1), "{unknown:?}");
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("never registered"), "{unknown:?}");
}

async fn hat_entries(operator: &Client, cast: &Cast) -> Value {
    operator.query("hat.show", json!({ "hat": cast.hat(0) }).to_string()).await.expect("told")["entries"].clone()
}

/// The system's clock, moved on by so many nanoseconds.
struct Ahead(AtomicI64);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(self.0.load(Ordering::Relaxed))
    }
}

fn stale(daemon: &Inside) -> Vec<Timestamp> {
    let leaves = 0..daemon.shared.reader.tree_size();
    let entries = leaves.filter_map(|leaf| daemon.shared.entry(leaf));
    entries
        .filter_map(|it| match it.entry.event {
            Event::PlugStale { since } => Some(since),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn a_plug_that_reports_nothing_goes_stale_by_the_clock_also_over_a_stop() {
    let ground = Ground::new();
    let daemon = Inside::start(ground.config(""), Extras::default());
    let operator = ground.client().await;
    let plug = fitbit(&operator).await;
    report(&plug, json!({ "done": 1 })).await;
    let told = shown(&operator).await;
    assert_eq!(told["health"]["standing"], "healthy");
    let until: Timestamp = told["health"]["freshUntil"].as_str().expect("a time").parse().expect("a time");
    assert!(daemon.stop());

    // A minute later, by its clock, it starts again.
    let clock = Arc::new(Ahead(AtomicI64::new(61_000_000_000)));
    let daemon = Inside::start(ground.config(""), Extras { clock: Some(clock), ..Extras::default() });
    let began = Instant::now();
    while stale(&daemon).is_empty() {
        assert!(began.elapsed() < Duration::from_secs(30), "it is told");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(stale(&daemon), [until], "since the instant that its last job kept it fresh for");
    let operator = ground.client().await;
    assert_eq!(shown(&operator).await["health"]["standing"], "stale");
    report(&plug, json!({ "done": 1 })).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(stale(&daemon).len() <= 2, "{:?}", stale(&daemon));
    assert!(daemon.stop());
}
