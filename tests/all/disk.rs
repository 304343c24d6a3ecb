//! A disk without room, one that fails, and an output stream that is full: intake waits and goes on by itself, or
//! the process ends with 75.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dex::client::Order;
use dex::domain::Status;

use crate::support::cast::{Cast, RECORD};
use crate::support::exchange::Exchange;
use crate::support::ledger::sound;
use crate::support::losses::{checked_entries, noticed, receive};
use crate::support::nats_server::TestServer;

const SOON: Duration = Duration::from_secs(60);

/// Waits until readiness is `wanted`; what was said last.
async fn becomes(exchange: &Exchange, wanted: bool) -> String {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let (ready, said) = exchange.ready().await;
        if ready == wanted {
            return said;
        }
        assert!(Instant::now() < deadline, "ready becomes {wanted}: {said}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn without_room_intake_waits_and_goes_on_by_itself() {
    let broker = TestServer::start();
    let mut exchange = Exchange::tuned(&broker, "[ledger]\nfree_min_bytes = 0");
    let cast = Cast::new(exchange.client().await, 1).await;
    let reader = receive(cast.hats[0].clone(), Arc::new(Mutex::new(Vec::new())));
    let order = || Order::credit(&cast.hat(0), &cast.plug.party().id, RECORD).wait(SOON);
    cast.plug.conclude(order(), SOON).await.expect("ended");

    // More than any disk has.
    exchange.reload(|text| text.replace("free_min_bytes = 0", "free_min_bytes = 4611686018427387904"));
    tokio::time::sleep(Duration::from_millis(500)).await;
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let (plug, order) = (cast.plug.clone(), order());
            tokio::spawn(async move { plug.conclude(order, SOON).await })
        })
        .collect();
    noticed(&exchange, "dex_disk_full_total", &[]).await;
    let said = becomes(&exchange, false).await;
    assert!(said.contains("no space left on the state disk"), "{said}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(waiting.iter().all(|sender| !sender.is_finished()), "nothing is decided for good meanwhile");

    exchange.reload(|text| text.replace("free_min_bytes = 4611686018427387904", "free_min_bytes = 0"));
    for sender in waiting {
        let end = sender.await.expect("ran").expect("it goes on by itself");
        assert_eq!(end.last[0].outcome.status, Status::Settled);
    }
    becomes(&exchange, true).await;
    reader.abort();
    exchange.stop();
    assert_eq!(sound(&checked_entries(&exchange.path("state"))), (21, 21));
}

/// Length of the newest segment.
fn newest(folder: &Path) -> u64 {
    let mut files: Vec<_> = std::fs::read_dir(folder).expect("a folder").map(|f| f.expect("listed").path()).collect();
    files.retain(|file| file.extension().is_some_and(|e| e == "dex"));
    files.sort();
    files.last().expect("a segment").metadata().expect("told").len()
}

#[tokio::test]
async fn a_failed_write_ends_the_process_and_the_restart_cuts_what_was_not_durable() {
    let broker = TestServer::start();
    let mut exchange = Exchange::on(&broker);
    let cast = Cast::new(exchange.client().await, 1).await;
    let reader = receive(cast.hats[0].clone(), Arc::new(Mutex::new(Vec::new())));
    let order = || {
        let id = cast.plug.message_id();
        Order::credit(&cast.hat(0), &cast.plug.party().id, RECORD).id(id).wait(SOON)
    };
    let decided = order();
    let first = cast.plug.conclude(decided.clone(), SOON).await.expect("ended").first;

    // The kernel refuses what goes beyond: a part of the next group is written, and then nothing.
    exchange.limit_files(newest(&exchange.path("state/ledger")) + 100);
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let (plug, order) = (cast.plug.clone(), order());
            tokio::spawn(async move { plug.conclude(order, SOON).await })
        })
        .collect();
    assert_eq!(exchange.ended().await, Some(75), "EX_TEMPFAIL");
    exchange.restart();

    let again = cast.plug.send(decided).await.expect("answered");
    assert_eq!((again.outcome, again.leaf.index), (first.outcome, first.leaf.index));
    for sender in waiting {
        let end = sender.await.expect("ran").expect("its sender repeats it");
        assert_eq!(end.last[0].outcome.status, Status::Settled);
    }
    reader.abort();
    exchange.stop();
    assert_eq!(sound(&checked_entries(&exchange.path("state"))), (21, 21));
}

#[tokio::test]
async fn a_full_output_makes_the_exchange_wait_also_over_a_restart() {
    let broker = TestServer::start();
    let mut exchange = Exchange::tuned(&broker, "[streams]\nout_max_bytes = 1048576");
    let cast = Cast::new(exchange.client().await, 1).await;
    let record = format!(r#"[{{"endpoint":"facebook/feed","data":{{"text":"{}"}}}}]"#, "x".repeat(60_000));
    let order = || Order::credit(&cast.hat(0), &cast.plug.party().id, record.clone()).wait(SOON);
    // Nobody reads: what leaves stays.
    let sending: Vec<_> = (0..24)
        .map(|_| {
            let (plug, order) = (cast.plug.clone(), order());
            tokio::spawn(async move { plug.send(order).await })
        })
        .collect();
    let said = becomes(&exchange, false).await;
    assert!(said.contains("DEX_OUT is full"), "{said}");

    // A daemon that starts on it says so, and does not hide behind its own start.
    exchange.kill();
    exchange.restart();
    let said = becomes(&exchange, false).await;
    assert!(said.contains("DEX_OUT is full"), "{said}");

    let link = broker.link("room").await;
    let mut stream = link.jetstream.get_stream("DEX_OUT").await.expect("there");
    let mut config = stream.info().await.expect("told").config.clone();
    config.max_bytes = 64 << 20;
    link.jetstream.update_stream(config).await.expect("given room");
    let reader = receive(cast.hats[0].clone(), Arc::new(Mutex::new(Vec::new())));
    becomes(&exchange, true).await;
    for sender in sending {
        let outcome = sender.await.expect("ran").expect("it goes on by itself").outcome;
        assert!(matches!(outcome.status, Status::Accepted | Status::Settled), "{outcome:?}");
    }
    reader.abort();
    exchange.stop();
    let (opened, _) = sound(&checked_entries(&exchange.path("state")));
    assert_eq!(opened, 24);
}
