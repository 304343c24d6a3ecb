//! The batch publisher against the real server: tickets, full streams, restarts, refusals, bounds.

use std::time::Duration;

use async_nats::{HeaderMap, jetstream};
use dex::nats::{
    BatchPublisher, Link, Outgoing, PublishError, PublishStatus, PublisherOptions,
    lookup::{identity, message_at, purge_before},
    streams::{DEX_OUT, OutLimits, prepare_out},
};
use tokio::time::timeout;

use super::nats_streams::out_limits;
use crate::support::nats_server::TestServer;

const SOON: Duration = Duration::from_secs(20);

fn numbered(n: u64, size: usize) -> Outgoing {
    let mut headers = HeaderMap::new();
    headers.insert("Dex-Id", format!("id-{n}"));
    Outgoing { subject: "dex.v1.out.org.acme.outcome".into(), headers, payload: vec![b'x'; size].into(), ttl: None }
}

async fn publisher(link: &Link) -> BatchPublisher {
    let options = PublisherOptions { ack_timeout: Duration::from_secs(1), ..Default::default() };
    BatchPublisher::start(&link.client, options).await.expect("publisher")
}

async fn ids(js: &jetstream::Context) -> Vec<String> {
    let ends = identity(js, DEX_OUT).await.expect("identity");
    let mut ids = Vec::new();
    for sequence in ends.first_sequence..=ends.last_sequence {
        let found = message_at(js, DEX_OUT, sequence).await.expect("get").expect("is there");
        ids.push(found.dex_id.expect("Dex-Id"));
    }
    ids
}

#[tokio::test]
async fn messages_are_stored_in_order_and_tickets_follow() {
    let server = TestServer::start();
    let link = server.link("test").await;
    prepare_out(&link.jetstream, &out_limits()).await.expect("make");
    let publisher = publisher(&link).await;
    for n in 1..=3000 {
        assert_eq!(publisher.publish(numbered(n, 20)).await.expect("publish"), n);
    }
    timeout(SOON, publisher.acked(1500)).await.expect("in time").expect("acked");
    assert!(publisher.acked_through() >= 1500);
    timeout(SOON, publisher.flush()).await.expect("in time").expect("flush");
    assert_eq!(publisher.acked_through(), 3000);
    let counts = publisher.counts();
    assert_eq!((counts.acked, counts.resent, counts.in_flight, counts.bytes_in_flight), (3000, 0, 0, 0));
    assert_eq!(counts.last_stream_sequence, 3000);
    assert_eq!(ids(&link.jetstream).await, (1..=3000).map(|n| format!("id-{n}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_full_stream_is_reported_and_goes_on_after_a_purge() {
    let server = TestServer::start();
    let link = server.link("test").await;
    prepare_out(&link.jetstream, &OutLimits { max_bytes: 1 << 20, ..out_limits() }).await.expect("make");
    let publisher = publisher(&link).await;
    let mut status = publisher.status();
    for n in 1..=1000 {
        publisher.publish(numbered(n, 2000)).await.expect("publish");
    }
    timeout(SOON, status.wait_for(|s| *s == PublishStatus::Full)).await.expect("in time").expect("open");
    let stuck = publisher.acked_through();
    assert!(stuck > 0 && stuck < 1000);
    let mut seen = ids(&link.jetstream).await;
    while publisher.acked_through() < 1000 {
        let ends = identity(&link.jetstream, DEX_OUT).await.expect("identity");
        seen.extend(ids(&link.jetstream).await);
        purge_before(&link.jetstream, DEX_OUT, Some("dex.v1.out.>"), ends.last_sequence + 1).await.expect("purge");
        let _ = timeout(Duration::from_secs(3), publisher.flush()).await;
    }
    timeout(SOON, status.wait_for(|s| *s == PublishStatus::Healthy)).await.expect("in time").expect("open");
    seen.extend(ids(&link.jetstream).await);
    seen.sort();
    seen.dedup();
    // Purging races with the publisher here, so not every message is seen; what is acked was stored.
    assert!(seen.len() > stuck as usize);
    assert_eq!(publisher.counts().acked, 1000);
}

#[tokio::test]
async fn everything_is_stored_at_least_once_over_server_restarts() {
    let mut server = TestServer::start();
    let link = server.link("test").await;
    prepare_out(&link.jetstream, &out_limits()).await.expect("make");
    let publisher = std::sync::Arc::new(publisher(&link).await);
    let total = 20_000;
    let writer = tokio::spawn({
        let publisher = publisher.clone();
        async move {
            for n in 1..=total {
                publisher.publish(numbered(n, 50)).await.expect("publish");
                if n % 100 == 0 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
    });
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(250)).await;
        server.kill();
        tokio::time::sleep(Duration::from_millis(150)).await;
        server.restart();
    }
    timeout(Duration::from_secs(60), writer).await.expect("in time").expect("writer");
    timeout(Duration::from_secs(60), publisher.flush()).await.expect("in time").expect("flush");
    assert_eq!(publisher.acked_through(), total);
    let mut stored = ids(&link.jetstream).await;
    eprintln!("{:?}, stored {}", publisher.counts(), stored.len());
    stored.sort();
    stored.dedup();
    assert_eq!(stored.len() as u64, total);
    assert!(publisher.counts().faults > 0, "the restarts went unseen");
    assert_eq!(*publisher.status().borrow(), PublishStatus::Healthy);
}

#[tokio::test]
async fn no_stream_is_unreachable_until_there_is_one() {
    let server = TestServer::start();
    let link = server.link("test").await;
    let publisher = publisher(&link).await;
    let ticket = publisher.publish(numbered(1, 10)).await.expect("publish");
    let mut status = publisher.status();
    timeout(SOON, status.wait_for(|s| *s == PublishStatus::Unreachable)).await.expect("in time").expect("open");
    prepare_out(&link.jetstream, &out_limits()).await.expect("make");
    timeout(SOON, publisher.acked(ticket)).await.expect("in time").expect("acked");
    assert_eq!(*publisher.status().borrow(), PublishStatus::Healthy);
}

#[tokio::test]
async fn a_refused_message_is_named_and_does_not_block_the_rest() {
    let server = TestServer::start();
    let link = server.link("test").await;
    let config = jetstream::stream::Config {
        name: DEX_OUT.into(),
        subjects: vec!["dex.v1.out.>".into()],
        max_message_size: 1000,
        ..Default::default()
    };
    link.jetstream.create_stream(config).await.expect("make");
    let publisher = publisher(&link).await;
    let first = publisher.publish(numbered(1, 10)).await.expect("publish");
    let second = publisher.publish(numbered(2, 2000)).await.expect("publish");
    let third = publisher.publish(numbered(3, 10)).await.expect("publish");
    timeout(SOON, publisher.acked(third)).await.expect("in time").expect("acked");
    publisher.acked(first).await.expect("acked");
    let refused = publisher.acked(second).await.expect_err("refused");
    assert!(matches!(refused, PublishError::Refused { code: 10054, .. }), "{refused}");
    publisher.flush().await.expect("told already");
    assert_eq!(ids(&link.jetstream).await, ["id-1", "id-3"]);

    let huge = publisher.publish(numbered(4, 2 << 20)).await.expect_err("too large");
    assert!(matches!(huge, PublishError::TooLarge { .. }));
    let mut wild = numbered(5, 10);
    wild.subject = "dex.v1.out.*".into();
    assert!(matches!(publisher.publish(wild).await, Err(PublishError::Subject { .. })));
}

#[tokio::test]
async fn the_window_is_bounded_and_a_ttl_ends_a_message() {
    let server = TestServer::start();
    let link = server.link("test").await;
    let options = PublisherOptions { max_messages: 10, max_bytes: 5000, ..Default::default() };
    let publisher = BatchPublisher::start(&link.client, options).await.expect("publisher");
    // Nothing is acked: there is no stream yet.
    let mut pushed = 0;
    while publisher.try_publish(numbered(pushed, 1000)).expect("valid").is_ok() {
        pushed += 1;
        assert!(pushed < 10);
    }
    assert_eq!(pushed, 4);
    assert!(timeout(Duration::from_millis(100), publisher.publish(numbered(9, 1000))).await.is_err());
    prepare_out(&link.jetstream, &out_limits()).await.expect("make");
    timeout(SOON, publisher.flush()).await.expect("in time").expect("flush");

    let mut brief = numbered(77, 10);
    brief.ttl = Some(Duration::from_millis(900));
    let ticket = publisher.publish(brief).await.expect("publish");
    publisher.acked(ticket).await.expect("acked");
    let sequence = publisher.counts().last_stream_sequence;
    assert!(message_at(&link.jetstream, DEX_OUT, sequence).await.expect("get").is_some());
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(message_at(&link.jetstream, DEX_OUT, sequence).await.expect("get"), None);
}

#[tokio::test]
async fn plain_messages_reach_an_inbox() {
    use futures_util::StreamExt;
    let server = TestServer::start();
    let (link, caller) = (server.link("test").await, server.link("caller").await);
    let inbox = caller.client.new_inbox();
    let mut replies = caller.client.subscribe(inbox.clone()).await.expect("subscribe");
    // An answer on the same connection shows that the server knows the subscription.
    caller.jetstream.query_account().await.expect("round trip");
    let publisher = publisher(&link).await;
    publisher.publish_core(inbox.into(), HeaderMap::new(), "done".into()).await.expect("publish");
    let reply = timeout(SOON, replies.next()).await.expect("in time").expect("reply");
    assert_eq!(&reply.payload[..], b"done");
}
