//! How fast the gateway answers: 500 requests a second on an open loop, timed from when each should have left.
//! Figures need a release build and a quiet machine, so it runs only when asked (docs/operations.md).

use std::time::{Duration, Instant};

use crate::support::gateway::{Gateway, hat_token};

const RATE: u32 = 500;
const SECONDS: u32 = 20;
const P99_MAX: Duration = Duration::from_millis(20);

#[tokio::test]
#[ignore = "a measurement: run it by name, in release, on a quiet machine"]
async fn rest_answers_within_20_ms_at_500_a_second() {
    let gateway = Gateway::start();
    gateway.hat("bob.example.net").await;
    let token = hat_token("bob.example.net");
    let paths = ["/api/v1/me", "/api/v1/trust/hat:bob.example.net", "/api/v1/ledger/checkpoint", "/api/v1/orgs"];
    let begin = Instant::now() + Duration::from_millis(100);
    let mut running = Vec::new();
    for n in 0..RATE * SECONDS {
        let due = begin + Duration::from_secs(1) * n / RATE;
        tokio::time::sleep_until(due.into()).await;
        let request = gateway.request(reqwest::Method::GET, paths[n as usize % paths.len()]);
        let request = request.header("X-Auth-Token", &token);
        running.push(tokio::spawn(async move {
            let answer = request.send().await.expect("answers");
            assert_eq!(answer.status(), 200);
            answer.bytes().await.expect("a body");
            due.elapsed()
        }));
    }
    let mut took = Vec::with_capacity(running.len());
    for one in running {
        took.push(one.await.expect("ends"));
    }
    took.sort_unstable();
    let at = |part: f64| took[((took.len() - 1) as f64 * part) as usize];
    println!(
        "{RATE}/s for {SECONDS} s: p50 {:?}, p99 {:?}, p99.9 {:?}, most {:?}",
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0)
    );
    assert!(at(0.99) <= P99_MAX, "p99 is {:?}", at(0.99));
}
