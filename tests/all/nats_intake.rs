//! Intake against the real server: order, gaps, re-opening from our own position, bounds, and a throughput figure.

use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use dex::nats::{
    BatchPublisher, Intake, IntakeError, IntakeOptions, Link, Outgoing, PublisherOptions, Raw,
    partition::{lane_tokens, partition_of},
    streams::{DEX_IN, prepare_in},
};

use super::nats_streams::in_limits;
use crate::support::nats_server::TestServer;

const LINGER: Duration = Duration::from_millis(2);

fn quick() -> IntakeOptions {
    IntakeOptions { idle: Duration::from_millis(200), heartbeat: Duration::from_millis(500), ..Default::default() }
}

async fn open(link: &Link, partition: u32, start: u64, options: IntakeOptions) -> Intake {
    Intake::open(&link.jetstream, &link.client, DEX_IN, partition, start, options).await.expect("open intake")
}

/// Publishes `count` messages numbered from `from` to the ids of `tokens` in turn.
async fn fill(link: &Link, tokens: &[String], from: u64, count: u64, size: usize) {
    let publisher = BatchPublisher::start(&link.client, PublisherOptions::default()).await.expect("publisher");
    for n in from..from + count {
        let token = &tokens[n as usize % tokens.len()];
        let mut headers = HeaderMap::new();
        headers.insert("Dex-Id", format!("id-{n}"));
        headers.insert("Dex-From", "hat:bob.hubat.net");
        let subject = format!("dex.v1.in.hat.{token}.data").into();
        let payload = vec![b'x'; size].into();
        publisher.publish(Outgoing { subject, headers, payload, ttl: None }).await.expect("publish");
    }
    publisher.flush().await.expect("flush");
    let counts = publisher.counts();
    assert_eq!((counts.faults, counts.resent), (0, 0), "sent again without a failure");
}

fn number(raw: &Raw) -> u64 {
    raw.headers.as_ref().expect("headers").get("Dex-Id").expect("Dex-Id").as_str()[3..].parse().expect("number")
}

#[tokio::test]
async fn each_partition_comes_whole_and_in_order() {
    let server = TestServer::start();
    let link = server.link("test").await;
    prepare_in(&link.jetstream, &in_limits(4)).await.expect("make");
    let tokens: Vec<String> = (0..40).map(|n| format!("h{n}")).collect();
    fill(&link, &tokens, 0, 10_000, 200).await;
    let mut seen = 0;
    for partition in 0..4 {
        let mut intake = open(&link, partition, 1, quick()).await;
        let expected: Vec<u64> =
            (0..10_000).filter(|n| partition_of(&tokens[*n as usize % 40], 4) == partition).collect();
        let mut got = Vec::new();
        let mut last_time = 0;
        loop {
            let batch = intake.next_batch(300, LINGER).await.expect("batch");
            assert!(batch.len() <= 300);
            if batch.is_empty() {
                break;
            }
            for raw in &batch {
                assert!(raw.subject.starts_with(&format!("dex.v1.p.{partition}.hat.")));
                assert!(raw.stored_at_ns >= last_time);
                last_time = raw.stored_at_ns;
                assert_eq!(raw.payload.len(), 200);
                got.push(number(raw));
                assert_eq!(raw.stream_sequence, number(raw) + 1);
            }
        }
        assert_eq!(got, expected);
        assert!(intake.caught_up());
        let info = intake.info().await.expect("info");
        assert_eq!((info.pending, info.delivered_consumer_sequence), (0, expected.len() as u64));
        seen += got.len();
    }
    assert_eq!(seen, 10_000);
}

#[tokio::test]
async fn a_new_intake_starts_at_the_given_sequence_and_ends_the_old_one() {
    let server = TestServer::start();
    let link = server.link("test").await;
    prepare_in(&link.jetstream, &in_limits(1)).await.expect("make");
    fill(&link, &["h".into()], 0, 1000, 50).await;
    let mut old = open(&link, 0, 1, quick()).await;
    assert_eq!(number(&old.next_batch(10, LINGER).await.expect("batch")[0]), 0);
    let mut new = open(&link, 0, 501, quick()).await;
    assert_eq!(new.pending(), 500);
    assert_eq!(new.next_batch(512, LINGER).await.expect("batch")[0].stream_sequence, 501);
    // What the old one holds in its memory may still come; then it must end, never go on silently.
    let deadline = Instant::now() + Duration::from_secs(10);
    let error = loop {
        assert!(Instant::now() < deadline, "the old intake goes on");
        if let Err(error) = old.next_batch(512, LINGER).await {
            break error;
        }
    };
    assert!(matches!(error, IntakeError::ConsumerGone { .. } | IntakeError::MissedHeartbeat { .. }), "{error}");
}

#[tokio::test]
async fn a_killed_server_costs_nothing_when_reopened_from_our_position() {
    let mut server = TestServer::start();
    let link = server.link("test").await;
    prepare_in(&link.jetstream, &in_limits(1)).await.expect("make");
    fill(&link, &["h".into()], 0, 5000, 100).await;
    let mut intake = open(&link, 0, 1, quick()).await;
    let mut position = 0;
    let mut got = Vec::new();
    let mut reopened = 0;
    let mut killed = false;
    let deadline = Instant::now() + Duration::from_secs(60);
    while got.len() < 7000 {
        assert!(Instant::now() < deadline, "only {} came", got.len());
        match intake.next_batch(256, LINGER).await {
            Ok(batch) => {
                for raw in batch {
                    assert!(raw.stream_sequence > position, "a message at or below our position");
                    position = raw.stream_sequence;
                    got.push(number(&raw));
                }
                if !killed && got.len() > 2000 {
                    killed = true;
                    server.restart();
                    let other = server.link("filler").await;
                    fill(&other, &["h".into()], 5000, 2000, 100).await;
                }
            }
            Err(error) => {
                eprintln!("after {}: {error}", got.len());
                reopened += 1;
                tokio::time::sleep(Duration::from_millis(50)).await;
                let again = Intake::open(&link.jetstream, &link.client, DEX_IN, 0, position + 1, quick()).await;
                match again {
                    Ok(again) => intake = again,
                    Err(error) => eprintln!("re-open: {error}"),
                }
            }
        }
    }
    assert!(reopened > 0, "the restart went unseen");
    assert_eq!(got, (0..7000).collect::<Vec<_>>());
}

#[tokio::test]
async fn messages_dropped_by_a_full_subscription_are_noticed() {
    let server = TestServer::start();
    let link = server.link("filler").await;
    prepare_in(&link.jetstream, &in_limits(1)).await.expect("make");
    fill(&link, &["h".into()], 0, 3000, 50).await;
    let mut narrow = dex::nats::Connect::new(server.url(), "narrow");
    narrow.subscription_capacity = 64;
    let narrow = narrow.open().await.expect("connect");
    let mut intake = open(&narrow, 0, 1, quick()).await;
    let mut position = 0;
    let error = loop {
        match intake.next_batch(16, LINGER).await {
            Ok(batch) => {
                for raw in &batch {
                    assert_eq!(raw.stream_sequence, position + 1, "a hole was handed out");
                    position = raw.stream_sequence;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => break error,
        }
    };
    // Silence: when the last of what was on order is lost, the server has nothing more to say.
    let seen = matches!(error, IntakeError::Gap { .. } | IntakeError::MissedHeartbeat { .. });
    assert!(seen, "{error}");
    assert!(narrow.state.borrow().slow_consumers > 0);
}

#[tokio::test]
async fn large_messages_pass_and_a_batch_is_bounded_in_bytes() {
    let server = TestServer::start();
    let link = server.link("test").await;
    prepare_in(&link.jetstream, &in_limits(1)).await.expect("make");
    fill(&link, &["h".into()], 0, 60, 900_000).await;
    let options = IntakeOptions { request_bytes: 1 << 20, batch_bytes: 4 << 20, ..quick() };
    let mut intake = open(&link, 0, 1, options).await;
    let mut got = 0;
    while got < 60 {
        let batch = intake.next_batch(512, Duration::from_millis(50)).await.expect("batch");
        let bytes: usize = batch.iter().map(|raw| raw.payload.len()).sum();
        assert!(bytes <= (4 << 20) + 900_000, "{bytes}");
        got += batch.len();
    }
    assert_eq!(got, 60);
}

#[tokio::test]
async fn quiet_times_are_no_error() {
    let server = TestServer::start();
    let link = server.link("test").await;
    prepare_in(&link.jetstream, &in_limits(1)).await.expect("make");
    let options = IntakeOptions { heartbeat: Duration::from_millis(200), ..quick() };
    let mut intake = open(&link, 0, 1, options).await;
    // Longer than a request lives (15 heartbeats = 3 s).
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until {
        assert!(intake.next_batch(512, LINGER).await.expect("quiet").is_empty());
    }
    fill(&link, &["h".into()], 0, 10, 50).await;
    let batch = intake.next_batch(512, Duration::from_millis(100)).await.expect("batch");
    assert_eq!(batch.len(), 10);
}

/// Processor time this process has used.
fn processor_time() -> Duration {
    // SAFETY: getrusage fills the struct it is given; all zeros is a valid value of it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let of = |t: libc::timeval| {
        Duration::from_secs(t.tv_sec.unsigned_abs()) + Duration::from_micros(t.tv_usec.unsigned_abs())
    };
    of(usage.ru_utime) + of(usage.ru_stime)
}

/// Prints figures, asserts only that all messages come. `DEX_TEST_MESSAGES` sets how many.
#[tokio::test]
async fn throughput_is_printed() {
    let count: u64 = std::env::var("DEX_TEST_MESSAGES").map_or(60_000, |text| text.parse().expect("a number"));
    let server = TestServer::start();
    let link = server.link("test").await;
    prepare_in(&link.jetstream, &in_limits(1)).await.expect("make");
    let report = |what: &str, started: Instant, before: Duration| {
        let (wall, processor) = (started.elapsed().as_secs_f64(), (processor_time() - before).as_secs_f64());
        let per_message = processor * 1e6 / count as f64;
        eprintln!("{what}: {:.0} msg/s, {per_message:.2} us of our processor a message", count as f64 / wall);
    };
    let (started, before) = (Instant::now(), processor_time());
    fill(&link, &lane_tokens(8), 0, count, 700).await;
    report("publish", started, before);
    let mut intake = open(&link, 0, 1, IntakeOptions::default()).await;
    let (started, before) = (Instant::now(), processor_time());
    let (mut got, mut batches) = (0, 0);
    while got < count {
        let batch = intake.next_batch(512, LINGER).await.expect("batch");
        assert!(!batch.is_empty(), "only {got} came");
        got += batch.len() as u64;
        batches += 1;
    }
    report("intake", started, before);
    let (started, before) = (Instant::now(), processor_time());
    let mut acks = std::collections::VecDeque::new();
    for n in 0..count {
        let mut headers = HeaderMap::new();
        headers.insert("Dex-Id", format!("id-{n}"));
        headers.insert("Dex-From", "hat:bob.hubat.net");
        let sent = link.jetstream.publish_with_headers("dex.v1.in.hat.h.data", headers, vec![b'x'; 700].into()).await;
        acks.push_back(sent.expect("publish"));
        if acks.len() == 2048 {
            acks.pop_front().expect("one is there").await.expect("ack");
        }
    }
    for ack in acks {
        ack.await.expect("ack");
    }
    report("for comparison, jetstream::Context::publish with the same window", started, before);
    eprintln!("{batches} batches, {count} messages, bodies of 700 bytes");
    assert_eq!(got, count);
}
