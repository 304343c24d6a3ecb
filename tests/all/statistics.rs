//! Rolling windows and catalogue over a real ledger: through a kill, made again by `dex stats verify`, begun from the
//! ledger where none were kept, broadcast with a signature, told over REST.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use dex::client::{Client, ClientError, Order};
use dex::domain::{Key, Reason, Signature};
use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::cast::{Cast, RECORD, id};
use crate::support::exchange::Exchange;
use crate::support::gateway::Gateway;

/// An exchange that reserves little of the disk.
fn small(more: &str) -> Exchange {
    Exchange::start_with(&format!("{SMALL}{more}"))
}

const SMALL: &str = "[streams]\nin_max_bytes = 67108864\nout_max_bytes = 134217728\n[large]\nenabled = false\n";

/// Credits that are settled, one that is disputed, some that are refused.
async fn traffic(cast: &Cast, rounds: usize) {
    let mut readers = Vec::new();
    for hat in &cast.hats {
        let hat = hat.clone();
        readers.push(tokio::spawn(async move {
            let mut inbox = hat.deliveries().await.expect("an inbox");
            while let Some(Ok(delivery)) = inbox.next().await {
                if String::from_utf8_lossy(&delivery.body).contains("unwanted") {
                    let _ = delivery.refuse("no").await;
                } else {
                    let _ = delivery.accept().await;
                }
            }
        }));
    }
    let name = &cast.plug.party().id;
    for round in 0..rounds {
        for number in 0..cast.hats.len() {
            cast.plug.send(Order::credit(&cast.hat(number), name, RECORD)).await.expect("accepted");
        }
        let stranger = Order::credit(&cast.hat(0), &id("fitbit"), RECORD);
        assert!(cast.plug.send(stranger).await.is_err(), "round {round}");
    }
    let unwanted = RECORD.replace("hi", "unwanted");
    cast.plug.send(Order::credit(&cast.hat(0), name, unwanted)).await.expect("accepted");
    let wanted = (rounds * cast.hats.len()) as u64;
    until(&cast.operator, json!({ "window": "1h" }), |it| {
        reached(it, "settled") == wanted && reached(it, "disputed") == 1
    })
    .await;
    readers.iter().for_each(tokio::task::JoinHandle::abort);
}

fn reached(answer: &Value, status: &str) -> u64 {
    answer["figures"]["exchanges"]["credit"][status].as_u64().expect("a count")
}

async fn until(client: &Client, question: Value, good: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let answer = client.query("stats.window", question.to_string()).await.expect("answered");
        if good(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "{answer}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn dex(args: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_dex")).args(args).stdin(Stdio::null()).output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

fn verify(exchange: &Exchange, name: &str, answer: &Value) -> (i32, String) {
    let file = exchange.path(name);
    std::fs::write(&file, answer.to_string()).expect("written");
    let state = exchange.path("state");
    let path = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let (code, out, err) = dex(&["stats", "verify", &path(&file), "--state", &path(&state)]);
    (code, format!("{out}{err}"))
}

/// What does not change while nothing happens.
fn lasting(answer: &Value) -> Value {
    let mut kept = answer.clone();
    for name in ["at", "from", "seconds", "perSecond", "asOf"] {
        kept.as_object_mut().expect("an object").remove(name);
    }
    kept
}

#[tokio::test]
async fn windows_survive_a_kill_and_are_those_of_the_ledger() {
    let mut exchange = small("[snapshot]\ninterval = \"100ms\"");
    let cast = Cast::new(exchange.client().await, 6).await;
    traffic(&cast, 6).await;
    let ask = async |client: &Client, call: &str, question: Value| {
        client.query(call, question.to_string()).await.expect("answered")
    };
    let before = ask(&cast.operator, "stats.window", json!({ "window": "24h" })).await;
    assert_eq!((reached(&before, "settled"), reached(&before, "disputed"), reached(&before, "rejected")), (36, 1, 6));
    assert_eq!(before["uniques"], json!({ "hats": 6, "sources": 1, "acquirers": 0 }));
    assert_eq!(before["topIn"], json!([{ "endpoint": "facebook/feed", "records": 37 }]));
    assert_eq!(before["settleSeconds"]["count"], 36);
    assert!(before["outcomeSeconds"]["p99"].as_f64().is_some_and(|p99| p99 > 0.0 && p99 < 60.0), "{before}");

    exchange.kill();
    exchange.restart();
    let client = exchange.client().await;
    let after = ask(&client, "stats.window", json!({ "window": "24h" })).await;
    assert_eq!(lasting(&after), lasting(&before));
    // Killed again at once, before anything of this start is in rows.
    exchange.kill();
    exchange.restart();
    let client = exchange.client().await;
    assert_eq!(lasting(&ask(&client, "stats.window", json!({ "window": "24h" })).await), lasting(&before));

    // Whoever has the ledger makes the same again, of the answer from before the kill too.
    let series = ask(&client, "stats.series", json!({ "window": "1h" })).await;
    let settled = |it: &Value| it["settled"].as_u64().unwrap_or(0);
    assert_eq!(series["items"].as_array().expect("slots").iter().map(settled).sum::<u64>(), 36);
    let month = ask(&client, "stats.window", json!({ "window": "30d" })).await;
    let catalogue = ask(&client, "stats.catalogue", json!({})).await;
    assert_eq!(catalogue["items"][0]["seen"], json!({ "hats": 6, "records": 35 }), "told in steps: {catalogue}");
    let summary = ask(&client, "stats.summary", json!({})).await;
    assert_eq!(reached(&summary["total"], "settled"), 36);
    let answers =
        [("before", &before), ("series", &series), ("month", &month), ("seen", &catalogue), ("sum", &summary)];
    for (name, answer) in answers {
        let (code, said) = verify(&exchange, name, answer);
        assert_eq!(code, 0, "{name}: {said}");
    }
    for (what, pointer, value) in [
        ("a count", "/figures/exchanges/credit/settled", json!(37)),
        ("a quantile", "/settleSeconds/p50", json!(0.5)),
        ("an endpoint", "/topIn/0/records", json!(1)),
        ("the time", "/at", json!("2020-01-01T00:00:00Z")),
        ("the tree", "/asOf/treeSize", json!(1)),
        ("the checkpoint", "/asOf/checkpoint", json!("dex.test\n1\nAAAA\n")),
    ] {
        let mut wrong = before.clone();
        *wrong.pointer_mut(pointer).expect("there") = value;
        let (code, said) = verify(&exchange, "wrong", &wrong);
        assert_eq!(code, 1, "{what}: {said}");
    }
    let (code, said) = verify(&exchange, "none", &json!({ "asOf": before["asOf"], "hello": 1 }));
    assert_eq!(code, 2, "{said}");

    // For people.
    let (code, out, err) = dex(&["stats", "--url", &exchange.nats]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(out.lines().count(), 6, "{out}");
    assert!(out.lines().last().is_some_and(|line| line.starts_with("30d") && line.contains(" 36 ")), "{out}");
    let (code, out, _) = dex(&["stats", "1h", "--series", "--url", &exchange.nats]);
    assert!(code == 0 && out.lines().count() >= 2, "{out}");
    assert_eq!(dex(&["stats", "2h", "--url", &exchange.nats]).0, 2);
    let bundle = r#"{"name":"feed","bundle":{"feed":{"endpoints":[{"endpoint":"facebook/feed"}]}}}"#;
    let (code, out, err) = dex(&["catalogue", "estimate", bundle, "--url", &exchange.nats]);
    assert!(code == 0 && out.starts_with("6 to 10 HATs"), "{out}{err}");
}

#[tokio::test]
async fn statistics_that_were_not_kept_are_made_from_the_ledger() {
    let mut exchange = small("[snapshot]\ninterval = \"100ms\"\n[statistics]\nenabled = false");
    let cast = Cast::new(exchange.client().await, 3).await;
    let name = &cast.plug.party().id;
    for number in 0..3 {
        cast.plug.send(Order::credit(&cast.hat(number), name, RECORD)).await.expect("accepted");
    }
    for call in ["stats.window", "stats.series", "stats.catalogue", "stats.reported"] {
        let answer = cast.operator.query(call, "{}").await;
        assert!(
            matches!(&answer, Err(ClientError::Problem(it)) if it.reason == Reason::NotFound),
            "{call}: {answer:?}"
        );
    }
    assert!(cast.operator.query("stats.summary", "{}").await.expect("answered")["total"].is_null());
    let config = exchange.path("dex.toml");
    let with = |enabled: &str| format!("[statistics]\nenabled = {enabled}");
    for (off, on) in [(with("false"), with("true")), (with("true"), with("true\nk = 3"))] {
        exchange.stop();
        let text = std::fs::read_to_string(&config).expect("there").replace(&off, &on);
        std::fs::write(&config, text).expect("written");
        exchange.restart();
        let answer = exchange.client().await.query("stats.window", r#"{"window":"1h"}"#).await.expect("answered");
        assert_eq!(reached(&answer, "accepted"), 3, "{answer}");
        let (code, said) = verify(&exchange, "hour", &answer);
        assert_eq!(code, 0, "{said}");
    }
    // Told in other steps, now enough HATs hold it.
    let catalogue = exchange.client().await.query("stats.catalogue", "{}").await.expect("answered");
    assert_eq!(catalogue["items"][0]["seen"]["hats"], 3, "{catalogue}");
    assert_eq!(verify(&exchange, "catalogue", &catalogue).0, 0);
}

#[tokio::test]
async fn the_broadcast_is_signed_and_can_be_made_again() {
    let exchange = small("");
    let nats = async_nats::connect(&exchange.nats).await.expect("connects");
    let mut told = nats.subscribe("dex.v1.pub.stats").await.expect("subscribed");
    let cast = Cast::new(exchange.client().await, 2).await;
    cast.plug.send(Order::credit(&cast.hat(0), &cast.plug.party().id, RECORD)).await.expect("accepted");
    let deadline = Instant::now() + Duration::from_secs(40);
    let (message, body) = loop {
        let message =
            tokio::time::timeout(Duration::from_secs(20), told.next()).await.expect("every 10 s").expect("open");
        let body: Value = serde_json::from_slice(&message.payload).expect("JSON");
        if body["windows"][2]["figures"]["exchanges"]["credit"]["accepted"] == 1 {
            break (message, body);
        }
        assert!(Instant::now() < deadline, "{body}");
    };
    let health = cast.operator.query("health", "{}").await.expect("answered");
    let headers = message.headers.expect("headers");
    let of = |name: &str| headers.get(name).expect("there").as_str().to_owned();
    let key: Key = of("Dex-Key").parse().expect("a key");
    assert_eq!(health["keys"], json!([key]));
    let signature: Signature = of("Dex-Sig").parse().expect("a signature");
    assert!(dex::wire::statistics::is_signed("dex.test", &key, &signature, &message.payload));
    let names: Vec<&str> =
        body["windows"].as_array().expect("windows").iter().filter_map(|it| it["window"].as_str()).collect();
    assert_eq!(names, ["1m", "5m", "1h", "24h", "30d"]);
    assert_eq!(body["windows"][2]["uniques"], json!({}), "of fewer than k parties");
    assert!(body["windows"][2].get("topIn").is_none());
    let (code, said) = verify(&exchange, "broadcast", &body);
    assert_eq!(code, 0, "{said}");
}

#[tokio::test]
async fn windows_are_told_over_rest_to_who_may_see_them_and_the_catalogue_to_all() {
    let gateway = Gateway::tuned(SMALL);
    let cast = Cast::new(gateway.exchange.client().await, 5).await;
    for number in 0..5 {
        cast.plug.send(Order::credit(&cast.hat(number), &cast.plug.party().id, RECORD)).await.expect("accepted");
    }
    let ann = gateway.account("ann", &["ViewDataStats"]).await;
    for path in ["/api/stats/summary", "/api/stats/window", "/api/stats/series"] {
        assert_eq!(gateway.get(path, None).await.0, 401, "{path}");
        assert_eq!(gateway.get(path, Some(&ann)).await.0, 200, "{path}");
    }
    let (status, hour) = gateway.get("/api/stats/window?window=1h", Some(&ann)).await;
    assert_eq!((status, reached(&hour, "accepted")), (200, 5), "{hour}");
    assert_eq!(gateway.get("/api/stats/window?window=2h", Some(&ann)).await.0, 400);
    let (status, catalogue) = gateway.get("/api/stats/catalogue", None).await;
    assert_eq!((status, &catalogue["items"][0]["endpoint"]), (200, &json!("facebook/feed")), "{catalogue}");
    let ask = json!({ "bundle": { "name": "feed", "bundle": { "feed": { "endpoints": [{ "endpoint": "facebook/feed" }] } } } });
    let (status, range) = gateway.call(Method::POST, "/api/stats/estimate", None, Some(ask)).await;
    assert_eq!((status, &range["atLeast"], &range["atMost"]), (200, &json!(5), &json!(9)), "{range}");
    let (status, _) = gateway.call(Method::POST, "/api/stats/estimate", None, Some(json!({ "bundle": {} }))).await;
    assert_eq!(status, 400);
}
