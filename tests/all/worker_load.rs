//! How much a worker fetches. Ignored: it loads the whole machine. Run it optimised, with nothing beside it:
//! `cargo nextest run --release --test all worker_load --run-ignored only --no-capture`.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::cast::Cast;
use crate::support::exchange::Exchange;
use crate::support::source::{Knobs, Source};
use crate::support::worker::{Ground, Worker};

/// How long is measured.
const WINDOW: Duration = Duration::from_secs(10);
/// HATs, each with a job of its own.
const HATS: usize = 8;

/// Most memory that a process has had, MiB.
fn peak_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("told");
    line.trim().trim_end_matches("kB").trim().parse::<f64>().expect("a number") / 1024.0
}

/// A real exchange plans jobs, a real worker fetches their pages over HTTP from a server of its own thread, reads the records,
/// makes their ids, credits what is new, and finds the rest to be known: of each HAT's records 3,000 are new, then they come again.
#[tokio::test]
#[ignore = "it loads the whole machine"]
async fn a_worker_sustains_two_thousand_pages_a_second_in_a_hundred_mib() {
    let exchange = Exchange::start();
    let source = Source::start(Knobs { pages: 1_000_000, per_page: 3, distinct: 3000, ..Knobs::default() });
    let cast = Cast::new(exchange.client().await, HATS).await;
    let ground = Ground::new(&cast, &source, &exchange.path(""), 60, json!({ "walks": { "maxPages": 100_000 } })).await;
    let worker = Worker::logging("info", &ground.folder, &exchange.nats, &source, &[]);
    ground.want(&cast).await;
    // The new records are credited first.
    ground.until(&cast, 3000, Duration::from_secs(120)).await;
    let (begun, before) = (Instant::now(), source.asked());
    tokio::time::sleep(WINDOW).await;
    let rate = (source.asked() - before) as f64 / begun.elapsed().as_secs_f64();
    let counted = worker.counter("dex_worker_page_seconds_count").await;
    let peak = peak_mib(worker.pid());
    println!("{rate:.0} pages/s of 3 records over {WINDOW:?}, {counted} in all; peak {peak:.1} MiB");
    assert!(counted >= before, "what the source was asked the worker has read");
    ground.nothing_twice(3000);
    assert!(rate >= 2000.0, "{rate:.0} pages/s");
    assert!(peak <= 100.0, "{peak:.1} MiB");
}
