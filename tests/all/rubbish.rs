//! What nobody should send, straight at the input stream: refused by the broker or answered, counted, and
//! in the ledger; and an input that is full.

use std::collections::BTreeMap;
use std::process::Command as Process;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use bytes::Bytes;
use dex::actors::shared::FaultHook;
use dex::client::{Client, keys};
use dex::daemon::Extras;
use dex::domain::{Action, Address, Event, Reason, Status};
use dex::wire::{MessageOptions, Outgoing, Signer, message_id_v7, outgoing};
use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::support::cast::{Cast, RECORD, address};
use crate::support::exchange::Exchange;
use crate::support::inside::{Ground, Inside};
use crate::support::losses::{checked_entries, counted};
use crate::support::nats_server::{TestServer, binary};

const CREDIT: &str = "dex.v1.in.hat.h0_hubat_net.credit.facebook";

/// A right credit, to be spoiled.
fn right(signer: &Signer, reply: &str) -> Outgoing {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let id = message_id_v7(u64::try_from(now.as_millis()).expect("in range"), rand::random());
    let options = MessageOptions { reply: Some(reply.to_owned()), ..MessageOptions::default() };
    let (from, to) = (address("plug:facebook"), address("hat:h0.hubat.net"));
    outgoing::message_in(signer, "dex.test", &from, &to, &["credit", "facebook"], id, &options, Bytes::from(RECORD))
}

fn replace(message: &mut Outgoing, name: &str, value: &str) {
    message.headers.iter_mut().filter(|(key, _)| *key == name).for_each(|(_, text)| value.clone_into(text));
}

fn remove(message: &mut Outgoing, name: &str) {
    message.headers.retain(|(key, _)| *key != name);
}

/// What is done to a right credit, and the reason for which it is refused.
type Spoiled = (&'static str, fn(&mut Outgoing), Reason);

const TABLE: &[Spoiled] = &[
    ("an unknown kind", |m| m.subject = "dex.v1.in.dragon.smaug.credit.facebook".into(), Reason::Malformed),
    ("no id", |m| m.subject = "dex.v1.in.hat.NOBODY!.credit.facebook".into(), Reason::Malformed),
    ("an unknown action", |m| m.subject = "dex.v1.in.hat.h0_hubat_net.fly.facebook".into(), Reason::Malformed),
    ("an action of another kind", |m| m.subject = "dex.v1.in.plug.facebook.credit.x".into(), Reason::Malformed),
    ("an action without object", |m| m.subject = "dex.v1.in.hat.h0_hubat_net.credit".into(), Reason::Malformed),
    ("too many tokens", |m| m.subject = format!("{CREDIT}.and.more"), Reason::Malformed),
    (
        "a subject of 600 bytes",
        |m| m.subject = format!("dex.v1.in.hat.{}.credit.x", "a".repeat(600)),
        Reason::Malformed,
    ),
    ("no id", |m| remove(m, "Dex-Id"), Reason::Malformed),
    ("no sender", |m| remove(m, "Dex-From"), Reason::Malformed),
    ("no key", |m| remove(m, "Dex-Key"), Reason::Malformed),
    ("no signature", |m| remove(m, "Dex-Sig"), Reason::Malformed),
    ("an id that is none", |m| replace(m, "Dex-Id", "42"), Reason::Malformed),
    ("an id of version 4", |m| replace(m, "Dex-Id", "7f2c1b1e-7d2c-4d6e-9b1a-3f0e5d7c9a11"), Reason::Malformed),
    ("a sender that is none", |m| replace(m, "Dex-From", "me"), Reason::Malformed),
    ("a lane that speaks", |m| replace(m, "Dex-From", "lane:a7"), Reason::Malformed),
    ("a key that is none", |m| replace(m, "Dex-Key", "secret"), Reason::Malformed),
    ("a signature that is none", |m| replace(m, "Dex-Sig", "AAAA"), Reason::Malformed),
    ("a header twice", |m| m.headers.push(("Dex-From", "plug:facebook".into())), Reason::Malformed),
    ("a deadline that is none", |m| m.headers.push(("Dex-Deadline", "tomorrow".into())), Reason::Malformed),
    ("a wish that is none", |m| m.headers.push(("Dex-Want", "money".into())), Reason::Malformed),
    ("headers of 9 KiB", |m| m.headers.push(("Padding", "x".repeat(9 << 10))), Reason::TooLarge),
    ("a body of 600 KiB", |m| m.payload = vec![b' '; 600 << 10].into(), Reason::TooLarge),
    ("an empty body", |m| m.payload = Bytes::new(), Reason::Malformed),
    ("no JSON", |m| m.payload = Bytes::from_static(b"hello"), Reason::Malformed),
    ("no text", |m| m.payload = Bytes::from_static(&[0xff, 0xfe, 0, 1]), Reason::Malformed),
    ("half a body", |m| m.payload = Bytes::from_static(br#"[{"endpoint":"facebook/feed","data"#), Reason::Malformed),
    ("a deep body", |m| m.payload = ["[".repeat(500), "]".repeat(500)].concat().into(), Reason::Malformed),
    (
        "an unknown field",
        |m| m.payload = Bytes::from_static(br#"[{"endpoint":"facebook/feed","data":{},"x":1}]"#),
        Reason::Malformed,
    ),
    ("no record", |m| m.payload = Bytes::from_static(b"[]"), Reason::Malformed),
    (
        "another body than was signed",
        |m| m.payload = Bytes::from_static(br#"[{"endpoint":"facebook/feed","data":{}}]"#),
        Reason::BadSignature,
    ),
    (
        "another subject than was signed",
        |m| m.subject = "dex.v1.in.hat.h9_hubat_net.credit.facebook".into(),
        Reason::BadSignature,
    ),
    ("another sender than signed", |m| replace(m, "Dex-From", "plug:twitter"), Reason::BadSignature),
];

fn headers(message: &Outgoing) -> HeaderMap {
    let mut headers = HeaderMap::new();
    message.headers.iter().for_each(|(name, value)| headers.append(*name, value.as_str()));
    headers
}

#[tokio::test]
async fn rubbish_is_refused_answered_counted_and_ledgered() {
    let broker = TestServer::start();
    let mut exchange = Exchange::on(&broker);
    let cast = Cast::new(exchange.client().await, 1).await;
    let link = broker.link("rubbish").await;
    // A key of nobody: what is in order but for the sender is refused for that.
    let signer = keys::generate();

    // The broker's part: no stream listens there.
    for subject in [
        "dex.v1.in",
        "dex.v1.in.hat",
        "dex.v1.in.hat.h0_hubat_net",
        "dex.v2.in.hat.h0_hubat_net.credit.facebook",
        "dex.v1.p.0.hat.h0_hubat_net.credit.facebook",
        "dex.v1.pub.checkpoint",
    ] {
        let sent = link.jetstream.publish(subject, "x".into()).await.expect("sent").await;
        assert!(sent.is_err(), "{subject} is stored nowhere");
    }

    let mut wanted: BTreeMap<&str, u64> = BTreeMap::new();
    let mut waiting = Vec::new();
    for (number, (what, spoil, reason)) in TABLE.iter().enumerate() {
        let reply = format!("_INBOX.rubbish.{number}");
        let answers = link.client.subscribe(reply.clone()).await.expect("subscribed");
        let mut message = right(&signer, &reply);
        spoil(&mut message);
        let stored = link
            .jetstream
            .publish_with_headers(message.subject.clone(), headers(&message), message.payload.clone())
            .await
            .expect("sent");
        stored.await.unwrap_or_else(|error| panic!("{what} is stored: {error}"));
        *wanted.entry(reason.as_str()).or_default() += 1;
        // Headers beyond their limit are not read, so nobody knows whom to answer.
        if !message.headers.iter().any(|(name, _)| *name == "Padding") {
            waiting.push((what, reason, answers));
        }
    }
    for (what, reason, mut answers) in waiting {
        let answer = tokio::time::timeout(Duration::from_secs(10), answers.next()).await;
        let answer = answer.unwrap_or_else(|_| panic!("{what} is answered")).expect("subscribed");
        let problem: Value = serde_json::from_slice(&answer.payload).expect("a problem");
        assert_eq!(problem["reason"], reason.as_str(), "{what}: {problem}");
        assert!(!problem["detail"].as_str().unwrap_or_default().is_empty(), "{what}: {problem}");
    }
    // Not even a header.
    link.jetstream.publish(CREDIT, "rubbish".into()).await.expect("sent").await.expect("stored");
    *wanted.entry("malformed").or_default() += 1;

    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let page = exchange.metrics().await;
        let found: BTreeMap<&str, u64> = wanted
            .keys()
            .map(|reason| (*reason, counted(&page, "dex_refused_unauthenticated_total", &[*reason])))
            .collect();
        if found == wanted {
            break;
        }
        assert!(Instant::now() < deadline, "counted {found:?}, sent {wanted:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let credit = cast.plug.credit(&cast.hat(0), RECORD).await.expect("it takes work as ever");
    assert_eq!(credit.outcome.status, Status::Accepted);
    let told = told(&exchange.client().await).await;
    exchange.stop();

    let mut ledgered: BTreeMap<&str, u64> = BTreeMap::new();
    for entry in checked_entries(&exchange.path("state")) {
        if let Event::RefusedUnauthenticated { reason, count, .. } = entry.event {
            *ledgered.entry(reason.as_str()).or_default() += u64::from(count);
        }
    }
    assert_eq!(ledgered, wanted);
    let listed = dead_list(&exchange.path("state"));
    assert_eq!(told, listed, "the running exchange tells the same as its folder");
    let sum: u64 = listed.iter().filter(|row| row["kind"] == "refused").filter_map(|row| row["count"].as_u64()).sum();
    assert_eq!(sum, wanted.values().sum::<u64>());
}

/// What the running exchange tells, page by page.
async fn told(client: &Client) -> Vec<Value> {
    let mut told = Vec::new();
    let mut question = json!({ "limit": 3 });
    loop {
        let page = client.query("dead.list", question.to_string().into_bytes()).await.expect("answered");
        told.extend(page["items"].as_array().expect("items").iter().cloned());
        match page.get("next") {
            Some(next) => question["after"] = next.clone(),
            None => return told,
        }
    }
}

/// `dex dead list` of a state folder.
fn dead_list(state: &std::path::Path) -> Vec<Value> {
    let ran = Process::new(env!("CARGO_BIN_EXE_dex"))
        .args(["--json", "dead", "list"])
        .arg(state)
        .env("DEX_NATS_SERVER", binary())
        .output()
        .expect("runs");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let text = String::from_utf8(ran.stdout).expect("text");
    text.lines().map(|line| serde_json::from_str(line).expect("a row")).collect()
}

#[tokio::test]
async fn a_message_that_cannot_be_worked_on_is_kept_by_its_facts() {
    let ground = Ground::new();
    let fault: FaultHook = Arc::new(|command| {
        if let Action::Credit { records, .. } = &command.action {
            assert!(records.items[0].endpoint != "facebook/poison", "a fault of ours");
        }
    });
    let daemon = Inside::start(ground.config(""), Extras { fault: Some(fault), ..Extras::default() });
    let cast = Cast::new(ground.client().await, 1).await;
    let poison = r#"[{"endpoint":"facebook/poison","data":{}}]"#;
    let refused = cast.plug.credit(&cast.hat(0), poison).await.expect_err("refused");
    assert_eq!(refused.reason(), Some(Reason::Internal));
    assert!(daemon.stop(), "drained");
    let rows = dead_list(&ground.folder.path().join("state"));
    let dead: Vec<&Value> = rows.iter().filter(|row| row["kind"] == "dead-letter").collect();
    assert_eq!(dead.len(), 1, "{rows:?}");
    assert_eq!((&dead[0]["subject"], &dead[0]["reason"]), (&Value::from(CREDIT), &Value::from("internal")));
}

#[tokio::test]
async fn a_full_input_refuses_drains_and_takes_work_again() {
    let broker = TestServer::start();
    let mut exchange = Exchange::tuned(&broker, "[streams]\nin_max_bytes = 2097152");
    let cast = Cast::new(exchange.client().await, 1).await;
    exchange.kill();
    let link = broker.link("filling").await;
    let hat: Address = cast.hats[0].party().clone();
    let signer = keys::generate();
    let body = format!(r#"[{{"endpoint":"facebook/feed","data":"{}"}}]"#, "x".repeat(64 << 10));
    let mut stored = 0;
    let refused = loop {
        let mut message = right(&signer, "_INBOX.full");
        message.payload = body.clone().into();
        let sent = link.jetstream.publish_with_headers(message.subject.clone(), headers(&message), message.payload);
        match sent.await.expect("sent").await {
            Ok(_) => stored += 1,
            Err(error) => break format!("{error} {error:?}"),
        }
        assert!(stored < 100, "it has an end");
    };
    assert!(refused.contains("maximum bytes exceeded"), "{refused}");
    assert!(stored > 10, "{stored}");

    exchange.restart();
    // Purged behind the positions: senders are taken again, by their own repeats.
    let accepted = cast.plug.credit(&hat.id, RECORD).await;
    assert_eq!(accepted.expect("it takes work again").outcome.status, Status::Accepted);
    let deadline = Instant::now() + Duration::from_secs(20);
    while counted(&exchange.metrics().await, "dex_refused_unauthenticated_total", &[]) < stored {
        assert!(Instant::now() < deadline, "all that was stored is worked on");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut message = right(&signer, "_INBOX.full");
    message.payload = body.into();
    // What is worked on is purged every few seconds.
    loop {
        let sent =
            link.jetstream.publish_with_headers(message.subject.clone(), headers(&message), message.payload.clone());
        match sent.await.expect("sent").await {
            Ok(_) => break,
            Err(error) => assert!(Instant::now() < deadline, "there is room again: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
