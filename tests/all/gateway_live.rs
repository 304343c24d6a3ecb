//! What the console stands on, asked without a browser: the stream of live figures, the actors, dead letters, one plug, its
//! own files; who is told what.

use std::time::{Duration, Instant};

use dex::client::{Client, Item, Order};
use reqwest::Method;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, IF_NONE_MATCH};
use serde_json::{Value, json};

use crate::support::cast::{Cast, RECORD, id};
use crate::support::gateway::Gateway;

const WITHIN: Duration = Duration::from_secs(60);

/// Receipts whatever comes to a party.
pub fn keep_all(party: Client) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let mut inbox = party.inbox().await.expect("a consumer");
        while let Some(item) = inbox.next().await {
            if let Item::Delivery(delivery) = item.expect("verified") {
                delivery.accept().await.expect("taken");
            }
        }
    })
}

/// A stream of events, read piece by piece.
struct Events {
    answer: reqwest::Response,
    text: String,
}

impl Events {
    async fn open(gateway: &Gateway, token: Option<&str>) -> reqwest::Response {
        // The stream does not end by itself.
        let client = dex::http::outward::client(Duration::from_secs(600)).expect("a client");
        let mut request = client.get(format!("{}/api/live", gateway.url)).header(ACCEPT, "text/event-stream");
        if let Some(token) = token {
            request = request.header("X-Auth-Token", token);
        }
        request.send().await.expect("answers")
    }

    async fn of(gateway: &Gateway, token: Option<&str>) -> Events {
        let answer = Events::open(gateway, token).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Events { answer, text: String::new() }
    }

    /// The next event's name and data; none when the stream has ended.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let line = event.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
                    line.unwrap_or_default().to_owned()
                };
                let read = (field("event"), serde_json::from_str(&field("data")).expect("JSON"));
                self.text = rest.to_owned();
                return Some(read);
            }
            let chunk = tokio::time::timeout(WITHIN, self.answer.chunk()).await.expect("in time");
            self.text.push_str(std::str::from_utf8(&chunk.ok()??).expect("text"));
        }
    }
}

#[tokio::test]
async fn live_figures_follow_the_exchange_and_tell_each_what_it_may_know() {
    let gateway = Gateway::start();
    let cast = Cast::new(gateway.exchange.client().await, 1).await;
    let _keeps = keep_all(cast.hats[0].clone());
    let ann = gateway.account("ann", &["ViewDataStats"]).await;
    let eve = gateway.account("eve", &["Developer"]).await;

    let mut open = Events::of(&gateway, None).await;
    let (name, past) = open.next().await.expect("an event");
    assert_eq!((name.as_str(), &past["full"]), ("past", &json!(false)));
    let mut full = Events::of(&gateway, Some(&ann)).await;
    assert_eq!(full.next().await.expect("an event").1["full"], true);
    let mut other = Events::of(&gateway, Some(&eve)).await;
    assert_eq!(other.next().await.expect("an event").1["full"], false, "a token without the role opens nothing more");

    for _ in 0..5 {
        let order = Order::credit(&cast.hat(0), &id("facebook"), RECORD);
        cast.plug.conclude(order, WITHIN).await.expect("settled");
    }
    let refused =
        cast.plug.send(Order::credit(&cast.hat(0), &id("facebook"), RECORD.replace("facebook", "spotify"))).await;
    assert!(refused.is_err(), "{refused:?}");
    let (mut settled, mut seen) = (0.0, Value::Null);
    let deadline = Instant::now() + WITHIN;
    // Rates of a second each: about what has happened, whichever second it fell into.
    while settled < 4.0 || seen["outcome"].is_null() {
        assert!(Instant::now() < deadline, "{settled} {seen}");
        let (name, frame) = open.next().await.expect("an event");
        assert_eq!(name, "frame");
        settled += frame["rates"]["settled"].as_f64().expect("a rate");
        assert!(frame.get("reasons").is_none() && frame.get("partitions").is_none(), "{frame}");
        seen = frame;
    }
    assert!(seen["treeSize"].as_u64().expect("a size") > 0);
    assert!(seen["outcome"]["p99"].as_f64().expect("seconds") > 0.0);
    let mut reasons = Value::Null;
    while reasons.as_object().is_none_or(serde_json::Map::is_empty) {
        assert!(Instant::now() < deadline, "no reason was told");
        let (_, frame) = full.next().await.expect("an event");
        reasons = frame["reasons"].clone();
        seen = frame;
    }
    assert_eq!(seen["partitions"].as_array().expect("partitions").len(), 2);
    assert_eq!(reasons.as_object().expect("reasons").len(), 1, "{reasons}");

    // Without the stream: the same at once, and whole.
    let (status, once) = gateway.get("/api/live", Some(&ann)).await;
    assert_eq!((status, &once["full"]), (200, &json!(true)));
    let frames = once["frames"].as_array().expect("frames");
    assert!((1..=180).contains(&frames.len()), "{}", frames.len());
    assert_eq!(gateway.get("/api/live", Some("dexa_not-a-token")).await.0, 401);

    // Who loses the token loses the stream.
    let (status, _) = gateway.call(Method::POST, "/api/v1/logout", Some(&ann), None).await;
    assert_eq!(status, 204);
    while full.next().await.is_some() {
        assert!(Instant::now() < deadline, "the stream goes on under a token that has ended");
    }
    assert!(other.next().await.is_some(), "others go on");
}

#[tokio::test]
async fn streams_are_bounded_and_do_not_hold_up_the_stop() {
    let mut gateway = Gateway::start();
    let mut streams = Vec::new();
    for _ in 0..16 {
        streams.push(Events::of(&gateway, None).await);
    }
    let refused = Events::open(&gateway, None).await;
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(gateway.get("/api/live", None).await.0, 200, "asking once is always possible");
    streams.pop();
    let deadline = Instant::now() + WITHIN;
    let again = loop {
        let answer = Events::open(&gateway, None).await;
        if answer.status() == 200 {
            break answer;
        }
        assert!(Instant::now() < deadline, "a place that was given back is free");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    drop(again);
    // Fifteen readers who read nothing: the stop ends their streams and waits for none of them.
    let began = Instant::now();
    gateway.exchange.stop();
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    let log = gateway.exchange.log().join("\n");
    assert!(!log.contains("not everything was drained"), "{log}");
    for mut stream in streams {
        while stream.next().await.is_some() {}
    }
}

#[tokio::test]
async fn actors_dead_letters_and_a_plug_s_inside_are_for_those_with_the_role() {
    let gateway = Gateway::start();
    let cast = Cast::new(gateway.exchange.client().await, 2).await;
    let root = gateway.account("root", &["Master"]).await;
    let eve = gateway.account("eve", &["ViewDataStats"]).await;
    let mia = gateway.account("mia", &["ManageDataPlugs"]).await;
    for path in ["/api/actors", "/api/v1/dead-letters"] {
        assert_eq!(gateway.get(path, None).await.0, 401, "{path}");
        assert_eq!(gateway.get(path, Some(&eve)).await.0, 403, "{path}");
        assert_eq!(gateway.get(path, Some(&root)).await.0, 200, "{path}");
    }
    let (_, actors) = gateway.get("/api/actors", Some(&root)).await;
    let partitions = actors["partitions"].as_array().expect("partitions");
    assert_eq!(partitions.len(), 2);
    let live = |kind: &str| -> u64 {
        let kinds = partitions.iter().flat_map(|it| it["kinds"].as_array().expect("kinds"));
        kinds.filter(|it| it["kind"] == kind).map(|it| it["live"].as_u64().expect("a count")).sum()
    };
    assert_eq!((live("hat"), live("plug"), live("org")), (2, 1, 1), "{actors}");
    assert_eq!(actors["quarantined"], 0);
    assert_eq!(actors["dispatch"]["most"], 64);
    assert!(!actors.to_string().contains("hubat.net"), "it tells counts, not who they are");

    let (_, open) = gateway.get("/api/v1/plugs/facebook", None).await;
    assert_eq!((&open["standing"], open.get("history"), open.get("connections")), (&json!("active"), None, None));
    assert_eq!(gateway.get("/api/v1/plugs/facebook", Some(&eve)).await.1.get("history"), None);
    let (_, inside) = gateway.get("/api/v1/plugs/facebook", Some(&mia)).await;
    assert_eq!((&inside["connections"], &inside["history"][0]["what"]), (&json!(2), &json!("registered")), "{inside}");

    // A message with a signature of another key is refused before its sender is known, and counted there.
    let stranger = cast.operator.speaking("plug:facebook".parse().expect("an address"), dex::client::keys::generate());
    let refused = stranger.send(Order::credit(&cast.hat(0), &id("facebook"), RECORD)).await;
    assert!(refused.is_err(), "{refused:?}");
    let deadline = Instant::now() + WITHIN;
    let row = loop {
        let (_, page) = gateway.get("/api/v1/dead-letters?limit=200", Some(&root)).await;
        if let Some(row) = page["items"].as_array().expect("items").first() {
            break row.clone();
        }
        assert!(Instant::now() < deadline, "it is told");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(row["kind"], "refused", "{row}");
    let behind = format!("/api/v1/dead-letters?after={}", row["leaf"]);
    assert_eq!(gateway.get(&behind, Some(&root)).await.1["items"], json!([]), "a page goes on behind a leaf");
    assert_eq!(gateway.get("/api/v1/dead-letters?limit=201", Some(&root)).await.0, 400);
    assert_eq!(gateway.get("/api/v1/dead-letters?after=x", Some(&root)).await.0, 400);

    let (status, about) = gateway.get("/api/v1/exchange", None).await;
    assert_eq!((status, &about["origin"], &about["ready"]), (200, &json!("dex.test"), &json!(true)));
    assert!(
        about.get("lanes").is_none() && about["checkpointKey"].as_str().is_some_and(|it| it.starts_with("dex.test+"))
    );
}

#[tokio::test]
async fn an_exchange_is_told_with_its_proofs_to_those_who_may_see_it() {
    let gateway = Gateway::start();
    let cast = Cast::new(gateway.exchange.client().await, 1).await;
    let _keeps = keep_all(cast.hats[0].clone());
    let root = gateway.account("root", &["Master"]).await;
    let eve = gateway.account("eve", &["Developer"]).await;
    let order = Order::credit(&cast.hat(0), &id("facebook"), RECORD);
    let end = cast.plug.conclude(order, WITHIN).await.expect("settled");
    let path = format!("/api/v1/exchanges/{}", end.first.outcome.exchange);
    let (status, plain) = gateway.get(&path, Some(&root)).await;
    assert_eq!((status, plain.get("statements")), (200, None));
    let (status, proven) = gateway.get(&format!("{path}?proof=true"), Some(&root)).await;
    assert_eq!(status, 200);
    assert_eq!(proven["steps"], plain["steps"]);
    let leaves = |name: &str| -> Vec<u64> {
        let list = proven[name].as_array().expect("a list").iter();
        list.map(|it| it["leaf"].as_u64().expect("a leaf")).collect()
    };
    assert_eq!(leaves("statements"), leaves("steps"));
    assert_eq!(leaves("steps").len(), 2);
    // Only the entry says more than the trace, and it says no content.
    let said = proven.to_string();
    let entries = proven["statements"].as_array().expect("a list").iter();
    let entries = entries.map(|it| data_encoding::BASE64.decode(it["entry"].as_str().expect("text").as_bytes()));
    for entry in entries {
        let entry = entry.expect("Base64");
        assert!(!entry.windows(2).any(|pair| pair == b"hi"), "content is in no entry");
    }
    assert!(!said.contains("\"hi\""));
    assert_eq!(gateway.get(&format!("{path}?proof=true"), Some(&eve)).await.0, 404);
    assert_eq!(gateway.get(&format!("{path}?proof=maybe"), Some(&root)).await.0, 400);
}

#[tokio::test]
async fn the_files_of_the_console_are_packed_and_kept_and_can_be_turned_off() {
    let gateway = Gateway::start();
    let get = |path: &'static str| gateway.request(Method::GET, path);
    let plain = get("/console").send().await.expect("answers");
    assert_eq!(plain.status(), 200);
    let policy = plain.headers()["content-security-policy"].to_str().expect("text").to_owned();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert!(plain.text().await.expect("text").starts_with("<!doctype html>"));
    let packed = get("/console/uplot.js").header(ACCEPT_ENCODING, "br, gzip").send().await.expect("answers");
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    assert_eq!(packed.headers()["vary"], "Accept-Encoding");
    let tag = packed.headers()["etag"].to_str().expect("text").to_owned();
    let bytes = packed.bytes().await.expect("a body");
    assert!(bytes.starts_with(&[0x1f, 0x8b]) && bytes.len() < 30_000, "{}", bytes.len());
    let same = get("/console/uplot.js").header(ACCEPT_ENCODING, "gzip").header(IF_NONE_MATCH, &tag);
    assert_eq!(same.send().await.expect("answers").status(), 304);
    let other = get("/console/uplot.js").header(IF_NONE_MATCH, &tag).send().await.expect("answers");
    assert_eq!(other.status(), 200, "packed or not are two things");
    assert_eq!(gateway.get("/console/nothing.js", None).await.0, 404);
    assert_eq!(gateway.get("/console/..%2fconsole.rs", None).await.0, 404);
    let slash = get("/console/").send().await.expect("answers");
    assert_eq!(slash.status(), 200, "it leads to the page");
    let said = gateway.exchange.log().join("\n");
    assert!(said.contains(&format!("{}/console", gateway.url)), "the log tells where the console is: {said}");

    let off = Gateway::tuned("console = false\n");
    for path in ["/console", "/console/", "/console/app.js"] {
        assert_eq!(off.get(path, None).await.0, 404, "{path}");
    }
    let (_, document) = off.get("/api/openapi.json", None).await;
    assert!(document["paths"].get("/console").is_none() && document["paths"].get("/api/live").is_some());
    assert!(!off.exchange.log().join("\n").contains("/console"));
}
