//! Content above the size of a message that goes to all debits, answers a pull, or may not say whose it is.

use std::time::{Duration, Instant};

use dex::client::{Client, Inbox, Item, Order, Request, keys};
use dex::domain::command::PullAsk;
use dex::domain::event::{Bundle, DebitTerms};
use dex::domain::{Digest, Reason, Status};
use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::support::cast::{Cast, address, id, terms};
use crate::support::exchange::Exchange;
use crate::support::large::{PATIENCE, cleared, content, memory, receive, remains};
use crate::support::nats_server::TestServer;

const MIB: usize = 1 << 20;

fn bundle(endpoint: &str) -> Bundle {
    let bundle = json!({ "name": "b", "bundle": { "p": { "endpoints": [{ "endpoint": endpoint }] } } });
    Bundle::read(&bundle).expect("a bundle")
}

async fn organisation(operator: &Client, name: &str) -> Client {
    let key = keys::generate();
    let public = key.public();
    let org = operator.speaking(address(&format!("org:{name}")), key);
    org.register_org(name).await.expect("registered");
    operator.approve(org.party(), &public).await.expect("approved");
    org
}

/// A debit of these terms on the first HAT, enabled.
async fn debit(cast: &Cast, org: &Client, debit: &str, bundle: Bundle) {
    let terms = DebitTerms { bundle, ..terms(org.party()) };
    org.debit_propose(&cast.hat(0), &id(debit), &terms).await.expect("proposed");
    cast.hats[0].debit_enable(&id(debit)).await.expect("enabled");
}

fn of_endpoint(text: &[u8], endpoint: &str) -> Vec<Value> {
    let all: Vec<Value> = serde_json::from_slice(text).expect("records");
    all.into_iter().filter(|record| record["endpoint"] == endpoint).collect()
}

async fn stands(client: &Client, exchange: impl std::fmt::Display, status: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let told = client.query("exchange.trace", json!({ "id": exchange.to_string() }).to_string()).await;
        if told.as_ref().is_ok_and(|told| told["status"] == status) {
            return;
        }
        assert!(Instant::now() < deadline, "{exchange} is not {status}: {told:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The next request to a HAT.
async fn asked(inbox: &mut Inbox) -> Request {
    loop {
        if let Item::Request(request) = inbox.next().await.expect("goes on").expect("sound") {
            return request;
        }
    }
}

#[tokio::test]
async fn one_upload_goes_to_every_debit_that_selects_any_of_it() {
    let exchange = Exchange::start();
    let cast = Cast::new(exchange.client().await, 1).await;
    let other = organisation(&cast.operator, "other").await;
    let nobody = organisation(&cast.operator, "nobody").await;
    debit(&cast, &cast.org, "feed", bundle("facebook/feed")).await;
    debit(&cast, &other, "events", bundle("facebook/events")).await;
    debit(&cast, &nobody, "notes", bundle("rumpel/notes")).await;
    let (text, count) = content(8 * MIB);
    let sent = cast.hats[0].data_large(&text[..], PATIENCE).await.expect("fanned out");
    let outcome = &sent.outcome;
    assert_eq!((outcome.status, outcome.count, outcome.digest_in), (Status::Accepted, count, Digest::of(&text)));
    let debits: Vec<String> = outcome.parts.iter().map(|part| part.debit.to_string()).collect();
    assert_eq!(debits, ["events", "feed"]);
    for (org, endpoint) in [(&cast.org, "facebook/feed"), (&other, "facebook/events")] {
        let (_, came) = receive(org).await;
        let came: Vec<Value> = serde_json::from_slice(&came).expect("an array");
        assert!(came == of_endpoint(&text, endpoint), "{endpoint}: {} records", came.len());
    }
    for part in &outcome.parts {
        stands(&cast.hats[0], part.exchange, "settled").await;
    }
    let link = dex::nats::Connect::new(&exchange.nats, "looking").open().await.expect("connects");
    cleared(&link, &exchange.path("state")).await;
    let told =
        cast.hats[0].query("exchange.trace", json!({ "id": outcome.exchange }).to_string()).await.expect("traced");
    let events: Vec<&str> =
        told["steps"].as_array().expect("steps").iter().filter_map(|it| it["event"].as_str()).collect();
    assert_eq!(events.iter().filter(|event| **event == "settled").count(), 2, "{events:?}");
    assert!(events.contains(&"fetching") && events.contains(&"fanned-out"), "{events:?}");
    // Nothing for anybody, and what is no content at all.
    let (small, _) = content(MIB);
    let notes =
        String::from_utf8(small).expect("text").replace("facebook/feed", "a/b").replace("facebook/events", "a/c");
    let refused = cast.hats[0].data_large(notes.as_bytes(), PATIENCE).await.expect_err("nothing");
    assert_eq!(refused.reason(), Some(Reason::NothingSelected));
    cleared(&link, &exchange.path("state")).await;
}

#[tokio::test]
async fn a_pull_is_answered_with_large_content_in_order() {
    let exchange = Exchange::start();
    let cast = Cast::new(exchange.client().await, 1).await;
    let by_number = json!({ "name": "b", "bundle": { "p": {
        "endpoints": [{ "endpoint": "facebook/feed", "mapping": { "n": "n", "text": "message" } }],
        "orderBy": "n", "ordering": "descending", "limit": 4000 } } });
    debit(&cast, &cast.org, "feed", Bundle::read(&by_number).expect("a bundle")).await;
    let (text, _) = content(24 * MIB);
    let mut wanted = of_endpoint(&text, "facebook/feed");
    // The last one has no number, so it stands last.
    wanted.retain(|record| !record["data"]["n"].is_null());
    wanted.sort_by_key(|record| std::cmp::Reverse(record["data"]["n"].as_u64()));
    let wanted: Vec<Value> = wanted.iter().skip(100).take(3000).map(|record| record["data"]["n"].clone()).collect();
    assert_eq!(wanted.len(), 3000);
    let ask = PullAsk { skip: Some(100), limit: Some(3000), since: None };
    let pull = cast.org.pull(&cast.hat(0), &id("feed"), &ask).await.expect("asked").outcome.exchange;
    let mut inbox = cast.hats[0].inbox().await.expect("an inbox");
    let sent = asked(&mut inbox).await.release_large(&text[..], PATIENCE).await.expect("fetched");
    assert_eq!((sent.outcome.status, sent.outcome.count), (Status::Accepted, 3000));
    let mut deliveries = cast.org.deliveries().await.expect("an inbox");
    let delivery = deliveries.next().await.expect("one").expect("good");
    assert_eq!(delivery.pull, Some(pull));
    let mut came = Vec::new();
    delivery.download(&mut came).await.expect("whole");
    let came: Vec<Value> = serde_json::from_slice(&came).expect("an array");
    let numbers: Vec<Value> = came.iter().map(|record| record["data"]["n"].clone()).collect();
    assert!(numbers == wanted, "{} records, from {:?}", numbers.len(), numbers.first());
    delivery.accept().await.expect("settled");
    stands(&cast.org, pull, "settled").await;
    let link = dex::nats::Connect::new(&exchange.nats, "looking").open().await.expect("connects");
    cleared(&link, &exchange.path("state")).await;
}

/// Answers a pull with so many bytes, all of which are put in order; by how much the daemon's memory grew at most.
async fn growth(bytes: usize) -> u64 {
    let exchange = Exchange::start();
    let cast = Cast::new(exchange.client().await, 1).await;
    let ordered = json!({ "name": "b", "bundle": { "p": {
        "endpoints": [{ "endpoint": "facebook/feed" }, { "endpoint": "facebook/events" }], "orderBy": "message" } } });
    debit(&cast, &cast.org, "feed", Bundle::read(&ordered).expect("a bundle")).await;
    let before = memory(exchange.pid(), "VmHWM");
    let (text, count) = content(bytes);
    cast.org.pull(&cast.hat(0), &id("feed"), &PullAsk::default()).await.expect("asked");
    let mut inbox = cast.hats[0].inbox().await.expect("an inbox");
    let request = asked(&mut inbox).await;
    let began = Instant::now();
    let sent = request.release_large(&text[..], PATIENCE * 10).await.expect("fetched");
    assert_eq!((sent.outcome.status, sent.outcome.count), (Status::Accepted, count));
    let accepted = began.elapsed();
    let mut deliveries = cast.org.deliveries().await.expect("an inbox");
    let delivery = deliveries.next().await.expect("one").expect("good");
    delivery.download(&mut tokio::io::sink()).await.expect("whole");
    delivery.accept().await.expect("settled");
    let grew = memory(exchange.pid(), "VmHWM") - before;
    println!(
        "{} MiB in order: accepted {accepted:.1?}, settled {:.1?}; the daemon's peak grew by {:.1} MiB from {:.1} MiB",
        bytes / MIB,
        began.elapsed(),
        grew as f64 / MIB as f64,
        before as f64 / MIB as f64,
    );
    grew
}

#[tokio::test]
async fn what_is_put_in_order_takes_bounded_memory() {
    assert!(growth(96 * MIB).await < 96 * MIB as u64);
}

#[tokio::test]
async fn a_daemon_that_is_killed_parts_a_content_once() {
    let broker = TestServer::start();
    let mut exchange = Exchange::on(&broker);
    let cast = Cast::new(exchange.client().await, 1).await;
    let other = organisation(&cast.operator, "other").await;
    debit(&cast, &cast.org, "feed", bundle("facebook/feed")).await;
    debit(&cast, &other, "events", bundle("facebook/events")).await;
    let link = broker.link("looking").await;
    let (text, _) = content(8 * MIB);
    for after in [0, 60, 250, 600, 1500] {
        let object = cast.hats[0].upload(&text[..]).await.expect("uploaded");
        let order = Order::data_object(&cast.hat(0), &object);
        let first = cast.hats[0].send(order.wait(PATIENCE)).await.expect("pending");
        assert_eq!((first.outcome.status, first.outcome.delivery), (Status::Pending, None));
        tokio::time::sleep(Duration::from_millis(after)).await;
        exchange.kill();
        exchange.restart();
        for (org, endpoint) in [(&cast.org, "facebook/feed"), (&other, "facebook/events")] {
            let (_, came) = receive(org).await;
            let came: Vec<Value> = serde_json::from_slice(&came).expect("an array");
            assert!(came == of_endpoint(&text, endpoint), "{endpoint} after {after} ms: {} records", came.len());
            let mut more = org.deliveries().await.expect("an inbox");
            let second = tokio::time::timeout(Duration::from_millis(500), more.next()).await;
            assert!(second.is_err(), "{endpoint} after {after} ms: {second:?}");
        }
        cleared(&link, &exchange.path("state")).await;
    }
}

#[tokio::test]
async fn a_fan_out_that_ends_before_it_is_parted_leaves_nothing() {
    let broker = TestServer::start();
    let exchange = Exchange::on(&broker);
    let cast = Cast::new(exchange.client().await, 1).await;
    debit(&cast, &cast.org, "feed", bundle("facebook/feed")).await;
    let link = broker.link("looking").await;
    let (text, _) = content(24 * MIB);
    let object = cast.hats[0].upload(&text[..]).await.expect("uploaded");
    let order = Order::data_object(&cast.hat(0), &object);
    let sent = cast.hats[0].send(order).await.expect("pending");
    // It may be parted already, then nothing is asked back.
    let recalled = cast.hats[0].recall(&cast.hat(0), sent.outcome.exchange).await;
    match recalled {
        Ok(outcome) => assert_eq!(outcome.outcome.status, Status::Recalled),
        Err(error) => {
            assert_eq!(error.reason(), Some(Reason::NotFound));
            receive(&cast.org).await;
        }
    }
    cleared(&link, &exchange.path("state")).await;
    assert_eq!(remains(&link, &exchange.path("state")).await, (0, 0, 0));
    let wrong =
        dex::domain::exchange::large::Object { count: 9, ..cast.hats[0].upload(&text[..]).await.expect("uploaded") };
    let order = Order::data_object(&cast.hat(0), &wrong);
    let refused = cast.hats[0].send_fetched(order, PATIENCE).await.expect_err("another count");
    assert_eq!(refused.reason(), Some(Reason::CountMismatch));
    cleared(&link, &exchange.path("state")).await;
}
