//! Trust now and at past times, from a running exchange's ledger; its proof, checked by the command line.

use std::process::{Command, Output};
use std::time::Duration;

use dex::client::{Client, ClientError};
use dex::domain::{Reason, Timestamp};
use serde_json::{Value, json};

use crate::support::cast::{Cast, address};
use crate::support::exchange::Exchange;

async fn ask(client: &Client, question: Value) -> Value {
    client.query("trust.verify", question.to_string().into_bytes()).await.expect("answered")
}

fn now() -> Timestamp {
    dex::client::ids::now()
}

/// Lets the clocks move on, so that what follows is after what was.
async fn later() -> Timestamp {
    tokio::time::sleep(Duration::from_millis(60)).await;
    let at = now();
    tokio::time::sleep(Duration::from_millis(60)).await;
    at
}

async fn dex(exchange: &Exchange, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dex"));
    command.args(arguments).args(["--url", &exchange.nats, "--json"]);
    tokio::task::spawn_blocking(move || command.output().expect("runs")).await.expect("no panic")
}

/// Everything that is told of the plug at each of these times.
async fn told(client: &Client, times: &[Timestamp]) -> Vec<Value> {
    let mut told = Vec::new();
    for at in times {
        told.push(ask(client, json!({ "party": "plug:facebook", "at": at })).await);
    }
    told
}

#[tokio::test]
async fn a_past_time_is_answered_from_the_ledger_with_its_leaves() {
    let mut exchange = Exchange::start();
    let before = now();
    later().await;
    let cast = Cast::new(exchange.client().await, 1).await;
    let approved = later().await;
    let plug = address("plug:facebook");
    cast.operator.suspend(&plug).await.expect("suspended");
    let suspended = later().await;
    cast.operator.resume(&plug).await.expect("resumed");
    cast.hats[0].plug_disconnect(&plug.id).await.expect("disconnected");
    let resumed = later().await;

    let times = [before, approved, suspended, resumed];
    let live = told(&cast.operator, &times).await;
    let standings: Vec<&str> = live.iter().filter_map(|it| it["standing"].as_str()).collect();
    assert_eq!(standings, ["unknown", "active", "suspended", "active"]);
    assert_eq!(live[0]["keys"], json!([]));
    assert_eq!(live[1]["profile"]["namespace"], "facebook");
    assert_eq!(live[1]["keys"][0]["inForce"], true);
    let leaves: Vec<u64> = live[1..].iter().map(|it| it["basis"]["leaf"].as_u64().expect("a leaf")).collect();
    assert!(leaves.is_sorted_by(|a, b| a < b), "{leaves:?}");

    // The leaf holds just that entry: its proof is the ledger's.
    let proven = ask(&cast.operator, json!({ "party": plug, "at": approved, "proof": true })).await;
    assert_eq!(proven["statements"].as_array().expect("statements").len(), 2, "registered and approved");
    assert_eq!(proven["statements"][1]["leaf"], leaves[0]);

    // The HAT had the plug then, and has it no more.
    let hat = |at| json!({ "party": "hat:h0.hubat.net", "at": at });
    let had = ask(&cast.operator, hat(approved)).await;
    assert_eq!((&had["plugs"][0]["id"], &had["platform"]), (&json!("facebook"), &json!("hubat.net")));
    assert_eq!(ask(&cast.operator, hat(resumed)).await["plugs"], json!([]));

    let ahead = json!({ "party": plug, "at": now().plus(3_600_000_000_000) });
    let Err(ClientError::Problem(problem)) = cast.operator.query("trust.verify", ahead.to_string().into_bytes()).await
    else {
        panic!("a time to come is refused");
    };
    assert_eq!(problem.reason, Reason::Malformed);

    // Out of rows and index instead of memory, the same.
    drop(cast);
    exchange.stop();
    exchange.restart();
    let client = exchange.client().await;
    assert_eq!(told(&client, &times).await, live);
}

#[tokio::test]
async fn the_command_line_checks_the_proof_itself() {
    let exchange = Exchange::start();
    let cast = Cast::new(exchange.client().await, 1).await;
    let key = cast.operator.dex_keys()[0].to_string();
    let at = later().await.to_string();
    cast.operator.suspend(&address("org:acme")).await.expect("suspended");
    for party in ["operator:main", "platform:hubat.net", "hat:h0.hubat.net", "plug:facebook"] {
        let done = dex(&exchange, &["trust", "verify", party, "--proof", "--dex-key", &key]).await;
        assert_eq!(done.status.code(), Some(0), "{party}: {}", String::from_utf8_lossy(&done.stderr));
        let answer: Value = serde_json::from_slice(&done.stdout).expect("JSON");
        assert!(answer["checked"]["entries"].as_u64() > Some(0), "{answer}");
    }
    let now = dex(&exchange, &["trust", "verify", "org:acme", "--proof", "--dex-key", &key]).await;
    assert_eq!(now.status.code(), Some(1), "suspended");
    assert!(String::from_utf8_lossy(&now.stderr).contains("suspended"));
    let then = dex(&exchange, &["trust", "verify", "org:acme", "--at", &at, "--proof", "--dex-key", &key]).await;
    assert_eq!(then.status.code(), Some(0), "{}", String::from_utf8_lossy(&then.stderr));
    // Another's key signs nothing here.
    let (_, strange) = exchange.key("strange");
    let done =
        dex(&exchange, &["trust", "verify", "plug:facebook", "--proof", "--dex-key", &strange.to_string()]).await;
    assert_eq!(done.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&done.stderr).contains("checkpoint"), "{done:?}");
    let unknown = dex(&exchange, &["trust", "verify", "app:nobody"]).await;
    assert_eq!(unknown.status.code(), Some(1));
}
