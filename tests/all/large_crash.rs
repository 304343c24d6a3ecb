//! Kills of the daemon and of the broker while large content is moved: nothing is lost, doubled or left behind.

use std::time::{Duration, Instant};

use dex::client::{Client, Order};
use dex::domain::{Digest, MessageId, Status};
use dex::nats::Link;
use dex::wire::object::{BUCKET_OUT, place, stream_of};
use futures_util::StreamExt;

use crate::support::cast::{Cast, id};
use crate::support::exchange::Exchange;
use crate::support::large::{PATIENCE, cleared, content, receive, remains};
use crate::support::nats_server::TestServer;

const MIB: usize = 1 << 20;

async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Every delivery of this party that comes, each downloaded and accepted; only one is.
async fn only_one(party: &Client, wanted: &[u8]) {
    let (object, came) = receive(party).await;
    assert!(came == wanted, "{} of {} bytes", came.len(), wanted.len());
    let mut more = party.deliveries().await.expect("an inbox");
    let second = tokio::time::timeout(Duration::from_secs(1), more.next()).await;
    assert!(second.is_err(), "{object:?} and {second:?}");
}

/// How an exchange stands by the ledger.
async fn standing(client: &Client, exchange: MessageId) -> String {
    match client.query("exchange.trace", format!(r#"{{"id":"{exchange}"}}"#)).await {
        Ok(told) => told["status"].as_str().unwrap_or_default().to_owned(),
        Err(_) => String::new(),
    }
}

#[tokio::test]
async fn a_daemon_that_is_killed_at_any_moment_goes_on() {
    let broker = TestServer::start();
    let mut exchange = Exchange::on(&broker);
    let cast = Cast::new(exchange.client().await, 1).await;
    let link = broker.link("looking").await;
    let (text, _) = content(12 * MIB);
    // From before anything is fetched to after it is handed out, and while the recipient reads.
    for after in [0, 30, 100, 250, 500, 900, 1500] {
        let object = cast.plug.upload(&text[..]).await.expect("uploaded");
        let order = Order::credit_object(&cast.hat(0), &id("facebook"), &object).id(cast.plug.message_id());
        let first = cast.plug.send(order.clone()).await.expect("pending");
        // In every second round its recipient is reading already.
        let (hat, wanted) = (cast.hats[0].clone(), text.clone());
        let early = after % 500 == 0;
        let reading = tokio::spawn(async move {
            if early {
                only_one(&hat, &wanted).await;
            }
        });
        tokio::time::sleep(Duration::from_millis(after)).await;
        exchange.kill();
        tokio::time::sleep(Duration::from_millis(50)).await;
        exchange.restart();
        let again = cast.plug.send(order).await.expect("the first outcome again");
        assert_eq!((again.outcome.status, again.leaf), (Status::Pending, first.leaf));
        reading.await.expect("received once");
        if !early {
            only_one(&cast.hats[0], &text).await;
        }
        until("settled", async || standing(&cast.plug, first.outcome.exchange).await == "settled").await;
        cleared(&link, &exchange.path("state")).await;
    }
}

#[tokio::test]
async fn a_broker_that_is_killed_at_any_moment_goes_on() {
    let mut broker = TestServer::start();
    let exchange = Exchange::on(&broker);
    let cast = Cast::new(exchange.client().await, 1).await;
    let (text, _) = content(12 * MIB);
    for after in [20, 250] {
        // During the upload …
        let uploading = {
            let (plug, text) = (cast.plug.clone(), text.clone());
            tokio::spawn(async move { plug.upload(&text[..]).await })
        };
        tokio::time::sleep(Duration::from_millis(after)).await;
        broker.restart();
        let object = uploading.await.expect("ran").expect("uploaded all the same");
        assert_eq!(object.digest, Digest::of(&text));
        // … while it is fetched or handed out …
        let order = Order::credit_object(&cast.hat(0), &id("facebook"), &object).wait(PATIENCE);
        let first = cast.plug.send(order).await.expect("pending");
        tokio::time::sleep(Duration::from_millis(after)).await;
        broker.restart();
        // … and while it is read.
        let reading = {
            let hat = cast.hats[0].clone();
            tokio::spawn(async move { receive(&hat).await })
        };
        tokio::time::sleep(Duration::from_millis(after * 3)).await;
        broker.restart();
        let (_, came) = reading.await.expect("received");
        assert!(came == text, "{} of {} bytes", came.len(), text.len());
        until("settled", async || standing(&cast.plug, first.outcome.exchange).await == "settled").await;
        let link: Link = broker.link("looking").await;
        cleared(&link, &exchange.path("state")).await;
    }
}

#[tokio::test]
async fn what_was_not_cleared_before_a_kill_is_swept_at_the_next_start() {
    let broker = TestServer::start();
    let mut exchange = Exchange::on(&broker);
    let cast = Cast::new(exchange.client().await, 1).await;
    let link = broker.link("looking").await;
    let (text, _) = content(MIB);
    let sent = cast.plug.credit_large(&cast.hat(0), &text[..], PATIENCE).await.expect("accepted");
    until("handed out", async || remains(&link, &exchange.path("state")).await == (0, 8, 1)).await;
    receive(&cast.hats[0]).await;
    exchange.kill();
    // As if it had been killed before it cleared: an object half handed out, a file, and one half written.
    let delivery = sent.outcome.delivery.expect("delivered");
    let at = place(BUCKET_OUT, cast.hats[0].party(), delivery);
    for number in 0..3 {
        dex::nats::objects::put(&link.client, &at, number, "x".into()).await.expect("stored");
    }
    let folder = exchange.path("state").join("large");
    std::fs::write(folder.join(delivery.to_string()), "x").expect("written");
    std::fs::write(folder.join("019b76da-a800-8222-9222-222222222222.part"), "x").expect("written");
    exchange.restart();
    cleared(&link, &exchange.path("state")).await;
    let stream = link.jetstream.get_stream(stream_of(BUCKET_OUT)).await.expect("there");
    assert_eq!(stream.cached_info().state.messages, 0);
}
