//! What the daemon logs, and where to.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use dex::client::ids::{Ids, now};
use dex::domain::{Address, MessageId};
use dex::nats::header_map;
use dex::wire::{MessageOptions, Signer, outgoing};
use futures_util::StreamExt;

use crate::support::cast::{Cast, RECORD, address, id};
use crate::support::exchange::Exchange;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn ids() -> MessageId {
    Ids::default().next(now().unix_ms(), &mut rand::thread_rng())
}

#[tokio::test]
async fn the_senders_trace_is_in_the_log_and_reaches_nobody_else() {
    let exchange = Exchange::with_env(&[("DEX__LOG__LEVEL", "info,dex::trace=debug")]);
    let cast = Cast::new(exchange.client().await, 1).await;
    let seed = [7; 32];
    let fitbit: Address = address("plug:fitbit");
    let plug = cast.operator.speaking(fitbit.clone(), Signer::from_seed(&seed));
    plug.register_plug("Fitbit", "facebook").await.expect("registered");
    cast.operator.approve(&fitbit, &plug.key().expect("a key")).await.expect("approved");
    cast.hats[0].plug_connect(&id("fitbit")).await.expect("connected");

    let broker = async_nats::connect(&exchange.nats).await.expect("connected");
    let mut everything_out = broker.subscribe("dex.v1.out.>").await.expect("subscribed");
    let hat = cast.hats[0].party().clone();
    let (signer, message) = (Signer::from_seed(&seed), ids());
    let action = ["credit", "fitbit"];
    let options = MessageOptions::default();
    let body = Bytes::from_static(RECORD.as_bytes());
    let out = outgoing::message_in(&signer, "dex.test", &fitbit, &hat, &action, message, &options, body);
    let mut headers = header_map(&out.headers);
    headers.insert("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01"));
    broker.publish_with_headers(out.subject, headers, out.payload).await.expect("sent");

    // A delivery and an outcome follow; neither tells of the trace.
    let (mut delivered, mut told) = (false, false);
    while !(delivered && told) {
        let next = tokio::time::timeout(Duration::from_secs(20), everything_out.next()).await;
        let next = next.expect("in time").expect("open");
        let headers = format!("{:?}", next.headers);
        assert!(!headers.contains(TRACE) && !headers.contains("traceparent"), "{}: {headers}", next.subject);
        assert!(!String::from_utf8_lossy(&next.payload).contains(TRACE), "{}", next.subject);
        delivered |= next.subject.ends_with(".delivery");
        told |= next.subject.as_str() == "dex.v1.out.plug.fitbit.outcome";
    }
    let line = exchange.log().into_iter().find(|line| line.contains(TRACE)).expect("it is in the log");
    let event: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(event["target"], "dex::trace");
    assert_eq!(event["fields"]["id"], message.to_string());
    assert_eq!(event["fields"]["answer"], "recorded");
    assert!(!exchange.log().iter().any(|line| line.contains("\"hi\"")), "content is in no log");
}

#[test]
fn without_a_journal_the_format_journald_says_what_to_do() {
    let folder = tempfile::tempdir().expect("temp folder");
    let mut daemon = Command::new(env!("CARGO_BIN_EXE_dex"))
        .arg("serve")
        .env("DEX__LOG__FORMAT", "journald")
        .env("DEX__EXCHANGE__STATE_DIR", folder.path().join("state"))
        // Nobody is there, so that the start ends by itself where there is a journal.
        .env("DEX__NATS__URL", "nats://127.0.0.1:1")
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("it starts");
    if Path::new("/run/systemd/journal/socket").exists() {
        // Nothing goes to standard error then, and the daemon tries its broker for a while.
        std::thread::sleep(Duration::from_secs(1));
        assert!(daemon.try_wait().expect("asked").is_none(), "it runs");
        daemon.kill().expect("killed");
        let said = daemon.wait_with_output().expect("ended").stderr;
        assert!(said.is_empty(), "{}", String::from_utf8_lossy(&said));
        return;
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    while daemon.try_wait().expect("asked").is_none() {
        assert!(Instant::now() < deadline, "it ends by itself");
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = daemon.wait_with_output().expect("ended");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("journald") && said.contains("use \"text\" or \"json\""), "{said}");
}
