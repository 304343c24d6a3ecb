//! `dex worker` against a real exchange and a real source: what is planned arrives once, whoever dies, drains or is away.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::cast::Cast;
use crate::support::exchange::Exchange;
use crate::support::nats_server::TestServer;
use crate::support::source::{Knobs, Source};
use crate::support::worker::{Ground, PLUG, Worker};

/// Shortest lease that a manifest may have, seconds.
const LEASE: u32 = 10;
const PATIENCE: Duration = Duration::from_secs(40);

#[tokio::test]
async fn what_is_planned_arrives_and_what_is_unchanged_is_not_sent_again() {
    let exchange = Exchange::start();
    let source = Source::start(Knobs { pages: 3, per_page: 4, ..Knobs::default() });
    let cast = Cast::new(exchange.client().await, 3).await;
    let ground = Ground::new(&cast, &source, &exchange.path(""), LEASE, json!({})).await;
    let worker = Worker::start(&ground.folder, &exchange.nats, &source, &[]);
    ground.want(&cast).await;
    ground.until(&cast, 12, PATIENCE).await;
    let deadline = Instant::now() + PATIENCE;
    while worker.counter("dex_worker_jobs_total{result=\"done\"}").await < 3 {
        assert!(Instant::now() < deadline, "{}", worker.log().join("\n"));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(worker.counter("dex_worker_records_total{fate=\"credited\"}").await, 36);
    assert_eq!(worker.counter("dex_worker_page_seconds_count").await, 9);
    assert_eq!(worker.page("/health/live").await.0, 200);
    assert_eq!(worker.page("/health/ready").await.0, 200, "{:?}", worker.page("/health/ready").await);

    // The same records again, after the minute in which an endpoint may be wanted once; one of them has changed.
    let asked = source.asked();
    tokio::time::sleep(Duration::from_secs(61)).await;
    ground.want(&cast).await;
    while worker.counter("dex_worker_jobs_total{result=\"done\"}").await < 6 {
        assert!(Instant::now() < deadline + Duration::from_secs(61), "{}", worker.log().join("\n"));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(source.asked(), asked + 9);
    assert_eq!(worker.counter("dex_worker_records_total{fate=\"credited\"}").await, 36, "nothing was new");
    assert_eq!(worker.counter("dex_worker_records_total{fate=\"known\"}").await, 36);
    ground.nothing_twice(12);
}

#[tokio::test]
async fn the_jobs_of_a_killed_worker_finish_elsewhere_and_no_record_is_there_twice() {
    let exchange = Exchange::start();
    let source = Source::start(Knobs { pages: 6, per_page: 3, pause: Duration::from_millis(150), ..Knobs::default() });
    let cast = Cast::new(exchange.client().await, 3).await;
    let ground = Ground::new(&cast, &source, &exchange.path(""), LEASE, json!({})).await;
    let mut first = Worker::start(&ground.folder, &exchange.nats, &source, &[]);
    ground.want(&cast).await;
    let deadline = Instant::now() + PATIENCE;
    // In the midst of all three.
    while source.asked() < 8 {
        assert!(Instant::now() < deadline, "{}", first.log().join("\n"));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let second = Worker::launch(&ground.folder, &exchange.nats, &source, &[]);
    first.kill();
    let killed = Instant::now();
    ground.until(&cast, 18, Duration::from_secs(u64::from(LEASE) + 5)).await;
    let within = killed.elapsed();
    assert!(within < Duration::from_secs(u64::from(LEASE) + 5), "{within:?}");
    let deadline = Instant::now() + PATIENCE;
    while second.counter("dex_worker_jobs_total{result=\"done\"}").await < 1 {
        assert!(Instant::now() < deadline, "{}", second.log().join("\n"));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // What was under way has settled: nothing more comes.
    tokio::time::sleep(Duration::from_secs(1)).await;
    ground.nothing_twice(18);
}

#[tokio::test]
async fn a_worker_that_drains_hands_back_what_it_has() {
    let exchange = Exchange::start();
    let source = Source::start(Knobs { pages: 8, per_page: 2, pause: Duration::from_millis(250), ..Knobs::default() });
    let cast = Cast::new(exchange.client().await, 2).await;
    let ground = Ground::new(&cast, &source, &exchange.path(""), 60, json!({})).await;
    let mut first = Worker::start(&ground.folder, &exchange.nats, &source, &[]);
    ground.want(&cast).await;
    let deadline = Instant::now() + PATIENCE;
    while source.asked() < 4 {
        assert!(Instant::now() < deadline, "{}", first.log().join("\n"));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    first.signal(libc::SIGTERM);
    assert_eq!(first.ended(Duration::from_secs(15)), Some(0), "{}", first.log().join("\n"));
    assert!(first.log().iter().any(|line| line.contains("handed-back")), "{}", first.log().join("\n"));
    // Far within the lease.
    let second = Worker::start(&ground.folder, &exchange.nats, &source, &[]);
    ground.until(&cast, 16, Duration::from_secs(15)).await;
    drop(second);
}

#[tokio::test]
async fn a_second_signal_stops_at_once() {
    let exchange = Exchange::start();
    let source = Source::start(Knobs { pages: 2, pause: Duration::from_secs(20), ..Knobs::default() });
    let cast = Cast::new(exchange.client().await, 1).await;
    let ground = Ground::new(&cast, &source, &exchange.path(""), 60, json!({})).await;
    let mut worker = Worker::start(&ground.folder, &exchange.nats, &source, &[]);
    ground.want(&cast).await;
    let deadline = Instant::now() + PATIENCE;
    while source.asked() < 1 {
        assert!(Instant::now() < deadline, "{}", worker.log().join("\n"));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    worker.signal(libc::SIGTERM);
    worker.until("no more jobs are taken; what is under way ends, or is handed back", Duration::from_secs(5));
    worker.signal(libc::SIGTERM);
    assert_eq!(worker.ended(Duration::from_secs(4)), Some(0));
}

#[tokio::test]
async fn what_is_away_is_waited_for_and_a_source_that_asks_for_peace_gets_it() {
    let mut broker = TestServer::start();
    let mut exchange = Exchange::on(&broker);
    let source = Source::start(Knobs {
        pages: 10,
        per_page: 2,
        pause: Duration::from_millis(200),
        fail: Some((429, 2, 2)),
        ..Knobs::default()
    });
    let cast = Cast::new(exchange.client().await, 2).await;
    let ground = Ground::new(&cast, &source, &exchange.path(""), LEASE, json!({})).await;
    let worker = Worker::start(&ground.folder, &exchange.nats, &source, &[]);
    ground.want(&cast).await;
    let deadline = Instant::now() + PATIENCE;
    while source.asked() < 2 {
        assert!(Instant::now() < deadline, "{}", worker.log().join("\n"));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let asked_first = Instant::now();
    while source.asked() < 4 {
        assert!(Instant::now() < deadline, "{}", worker.log().join("\n"));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(asked_first.elapsed() > Duration::from_millis(1500), "it was asked again within its Retry-After");
    broker.kill();
    tokio::time::sleep(Duration::from_secs(2)).await;
    broker.restart();
    while source.asked() < 12 {
        assert!(Instant::now() < deadline + PATIENCE, "{}", worker.log().join("\n"));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    exchange.kill();
    tokio::time::sleep(Duration::from_secs(2)).await;
    exchange.restart();
    ground.until(&cast, 20, Duration::from_secs(90)).await;
}

#[tokio::test]
async fn a_kept_place_that_the_source_refuses_begins_its_round_anew_and_the_second_time_its_hat_hears_of_it() {
    let exchange = Exchange::start();
    let source = Source::start(Knobs { pages: 4, per_page: 2, ..Knobs::default() });
    let cast = Cast::new(exchange.client().await, 1).await;
    // Two pages a round: the second job begins at the third page.
    let more = json!({ "walks": { "maxPages": 2 } });
    let ground = Ground::new(&cast, &source, &exchange.path(""), LEASE, more).await;
    let worker = Worker::start(&ground.folder, &exchange.nats, &source, &[]);
    ground.want(&cast).await;
    ground.until(&cast, 4, PATIENCE).await;
    let ended = |result: &'static str, wanted: u64| {
        let worker = &worker;
        async move {
            let deadline = Instant::now() + PATIENCE;
            while worker.counter(&format!("dex_worker_jobs_total{{result=\"{result}\"}}")).await < wanted {
                assert!(Instant::now() < deadline, "{}", worker.log().join("\n"));
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    };
    let told = async || {
        let question = json!({ "plug": PLUG, "hat": cast.hats[0].party().id });
        let jobs = ground.plug.query("plug.jobs", question.to_string()).await.expect("told");
        jobs["items"][0].clone()
    };
    ended("done", 1).await;
    source.knobs().refuse = Some((404, 2));
    // An endpoint may be wanted once in a minute.
    tokio::time::sleep(Duration::from_secs(61)).await;
    let asked = source.asked();
    ground.want(&cast).await;
    ended("done", 2).await;
    assert_eq!(source.asked() - asked, 3, "the place, then two pages from the beginning");
    assert_eq!(worker.counter("dex_worker_rounds_anew_total{error=\"not-found\"}").await, 1);
    worker.until("the source does not take the place that was kept: the round begins anew", PATIENCE);
    let before = told().await;
    assert_eq!((&before["failures"], before.get("error")), (&json!(0), None), "{before}");
    // The third page is never there: the same two again would look as if all were well.
    tokio::time::sleep(Duration::from_secs(61)).await;
    let asked = source.asked();
    ground.want(&cast).await;
    ended("failed", 1).await;
    assert_eq!(source.asked() - asked, 1, "the place, and no other page");
    let after = told().await;
    assert_eq!((&after["failures"], &after["error"]), (&json!(1), &json!("not-found")), "{after}");
    assert_eq!((&after["lastDoneAt"], &after["continuation"]), (&before["lastDoneAt"], &before["continuation"]));
    assert_eq!(worker.counter("dex_worker_rounds_anew_total{error=\"not-found\"}").await, 1);
    ground.nothing_twice(4);
}
