//! Streams against the real server: made, verified, differences reported; the partition function is the server's.

use std::time::Duration;

use dex::nats::{
    Connect, ConnectError, Credentials, RequirementError,
    lookup::{identity, message_at, purge_before},
    partition::{lane_tokens, partition_of},
    streams::{InLimits, OutLimits, StreamError, prepare_in, prepare_out, prepare_state},
};

use crate::support::nats_server::TestServer;

pub fn in_limits(partitions: u32) -> InLimits {
    InLimits { partitions, max_bytes: 1 << 30, max_age: Duration::from_secs(86_400), replicas: 1 }
}

pub fn out_limits() -> OutLimits {
    OutLimits { max_bytes: 1 << 30, max_age: Duration::from_secs(86_400), max_consumers: 1000, replicas: 1 }
}

#[tokio::test]
async fn streams_are_made_once_and_then_verified() {
    let server = TestServer::start();
    let link = server.link("test").await;
    let made = prepare_in(&link.jetstream, &in_limits(4)).await.expect("make DEX_IN");
    assert!(made.made);
    assert_eq!((made.partitions, made.identity.last_sequence), (4, 0));
    assert_eq!(made.differences, vec![]);
    assert!(made.identity.created_ns > 1_600_000_000_000_000_000);
    let again = prepare_in(&link.jetstream, &in_limits(4)).await.expect("verify DEX_IN");
    assert!(!again.made);
    assert_eq!(again.identity, made.identity);
    assert_eq!(again.differences, vec![]);

    for made in [true, false] {
        let out = prepare_out(&link.jetstream, &out_limits()).await.expect("DEX_OUT");
        assert_eq!((out.made, out.differences), (made, vec![]));
        let (store, differences) = prepare_state(&link.jetstream, 64 << 20, 1).await.expect("DEX_STATE");
        assert_eq!(differences, vec![]);
        store.put("checkpoint", "x".into()).await.expect("put");
    }
}

#[tokio::test]
async fn a_stream_that_has_no_room_says_what_gives_it_some() {
    let server = TestServer::start();
    let link = server.link("test").await;
    let asked = OutLimits { max_bytes: 1 << 60, ..out_limits() };
    let error = prepare_out(&link.jetstream, &asked).await.expect_err("more than any disk has");
    assert!(
        matches!(&error, StreamError::Room { stream, asked } if stream == "DEX_OUT" && *asked == 1 << 60),
        "{error}"
    );
    for wanted in ["DEX_OUT", "1152921504606846976 bytes", "max_file_store", "streams.out_max_bytes"] {
        assert!(error.to_string().contains(wanted), "{wanted}: {error}");
    }
}

#[tokio::test]
async fn a_stream_that_differs_is_reported_and_left_alone() {
    let server = TestServer::start();
    let link = server.link("test").await;
    prepare_in(&link.jetstream, &in_limits(4)).await.expect("make");
    let mut asked = in_limits(8);
    asked.max_bytes = 2 << 30;
    for _ in 0..2 {
        let found = prepare_in(&link.jetstream, &asked).await.expect("verify");
        assert_eq!(found.partitions, 4, "the stream's own partitions stay in force");
        let fields: Vec<_> = found.differences.iter().map(|d| d.field).collect();
        assert_eq!(fields, ["subject_transform", "max_bytes"]);
        assert_eq!(found.differences[1].asked, (2i64 << 30).to_string());
        assert_eq!(found.differences[1].found, (1i64 << 30).to_string());
    }
}

#[tokio::test]
async fn a_foreign_stream_and_a_bad_count_are_errors() {
    let server = TestServer::start();
    let link = server.link("test").await;
    let zero = prepare_in(&link.jetstream, &in_limits(0)).await.expect_err("no partitions");
    assert!(matches!(zero, StreamError::Range { field: "partitions", .. }));
    let config = async_nats::jetstream::stream::Config {
        name: "DEX_IN".into(),
        subjects: vec!["dex.v1.in.>".into()],
        ..Default::default()
    };
    link.jetstream.create_stream(config).await.expect("foreign stream");
    let foreign = prepare_in(&link.jetstream, &in_limits(4)).await.expect_err("not ours");
    assert!(foreign.to_string().contains("rename or remove"), "{foreign}");
}

#[tokio::test]
async fn the_partition_function_is_the_servers() {
    let server = TestServer::start();
    let link = server.link("test").await;
    let partitions = 7;
    prepare_in(&link.jetstream, &in_limits(partitions)).await.expect("make");
    let mut tokens: Vec<String> = (0..500).map(|n| format!("user{n}_hubat_net")).collect();
    tokens.extend(["a", "z9", "x-y-z", "0", "bob_hat_direct"].map(String::from));
    tokens.push("q".repeat(128));
    let lanes = lane_tokens(partitions);
    tokens.extend(lanes.clone());
    for (n, token) in tokens.iter().enumerate() {
        let subject = format!("dex.v1.in.hat.{token}.release.offer{n}");
        let ack = link.jetstream.publish(subject, "x".into()).await.expect("publish").await.expect("ack");
        let stored = message_at(&link.jetstream, "DEX_IN", ack.sequence).await.expect("get").expect("is there");
        let n_expected = partition_of(token, partitions);
        assert_eq!(stored.subject, format!("dex.v1.p.{n_expected}.hat.{token}.release.offer{n}"));
    }
    for (n, lane) in lanes.iter().enumerate() {
        assert_eq!(partition_of(lane, partitions) as usize, n);
    }
    // A subject that is too short has no stream: an error, never a silent loss.
    assert!(link.jetstream.publish("dex.v1.in.hat.bob", "x".into()).await.expect("sent").await.is_err());
}

#[tokio::test]
async fn messages_are_looked_up_and_purged_by_sequence() {
    let server = TestServer::start();
    let link = server.link("test").await;
    prepare_in(&link.jetstream, &in_limits(2)).await.expect("make");
    for n in 1..=10 {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Dex-Id", format!("id-{n}"));
        let subject = format!("dex.v1.in.hat.h{n}.data");
        link.jetstream.publish_with_headers(subject, headers, "x".into()).await.expect("publish").await.expect("ack");
    }
    let third = message_at(&link.jetstream, "DEX_IN", 3).await.expect("get").expect("is there");
    assert_eq!(third.dex_id.as_deref(), Some("id-3"));
    assert!(third.stored_at_ns > 1_600_000_000_000_000_000);
    for filter in [None, Some("dex.v1.p.>")] {
        assert_eq!(purge_before(&link.jetstream, "DEX_IN", filter, 1).await.expect("nothing to do"), 0);
    }
    assert_eq!(purge_before(&link.jetstream, "DEX_IN", Some("dex.v1.p.>"), 5).await.expect("purge"), 4);
    assert_eq!(message_at(&link.jetstream, "DEX_IN", 3).await.expect("get"), None);
    let now = identity(&link.jetstream, "DEX_IN").await.expect("identity");
    assert_eq!((now.first_sequence, now.last_sequence, now.messages), (5, 10, 6));
    assert_eq!(purge_before(&link.jetstream, "DEX_IN", None, 8).await.expect("purge"), 3);
    let now = identity(&link.jetstream, "DEX_IN").await.expect("identity");
    assert_eq!((now.first_sequence, now.last_sequence, now.messages), (8, 10, 3));
    assert!(identity(&link.jetstream, "NOT_THERE").await.is_err());
}

#[tokio::test]
async fn what_a_server_lacks_is_named() {
    let plain = TestServer::with_config("max_payload: 65536");
    let error = Connect::new(plain.url(), "test").open().await.expect_err("small payload");
    assert!(matches!(error, ConnectError::Requirement(RequirementError::MaxPayload { found: 65_536, .. })), "{error}");

    let locked = TestServer::with_config("authorization { user: dex, password: right }");
    let mut connect = Connect::new(locked.url(), "test");
    let refused = |error: ConnectError| assert!(matches!(error, ConnectError::Refused { .. }), "{error}");
    refused(connect.open().await.expect_err("no credentials"));
    connect.credentials = Credentials::UserPassword { user: "dex".into(), password: "wrong".into() };
    refused(connect.open().await.expect_err("wrong password"));
    connect.credentials = Credentials::UserPassword { user: "dex".into(), password: "right".into() };
    let link = connect.open().await.expect("right password");
    assert!(link.server.api_level >= 2);
    assert!(link.state.borrow().connects <= 1);

    let mut nobody = Connect::new("nats://127.0.0.1:1", "test");
    nobody.give_up_after = Duration::from_millis(400);
    assert!(matches!(nobody.open().await.expect_err("nobody"), ConnectError::Unreachable { .. }));
}

#[tokio::test]
async fn the_link_counts_what_happens() {
    let mut server = TestServer::start();
    let link = server.link("test").await;
    let mut state = link.state.clone();
    let wait = Duration::from_secs(10);
    tokio::time::timeout(wait, state.wait_for(|s| s.connected)).await.expect("in time").expect("open");
    server.kill();
    tokio::time::timeout(wait, state.wait_for(|s| !s.connected)).await.expect("in time").expect("open");
    server.restart();
    let back =
        tokio::time::timeout(wait, state.wait_for(|s| s.connected)).await.expect("in time").expect("open").clone();
    assert_eq!((back.connects, back.disconnects), (2, 1));
}
