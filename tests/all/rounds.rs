//! A batch in several rounds, and messages that come by another partition's lane.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use dex::client::Order;
use dex::daemon::Extras;
use dex::domain::command::Receipt;
use dex::domain::event::Verdict;
use dex::domain::{Digest, Event, Reason};

use crate::support::cast::{Cast, RECORD};
use crate::support::inside::{Ground, Inside};
use crate::support::ledger::{entries, sound};

#[tokio::test]
async fn a_receipt_on_another_partitions_lane_makes_no_second_actor() {
    let ground = Ground::new();
    let daemon = Inside::start(ground.config("[snapshot]\ninterval = \"50ms\"\n"), Extras::default());
    let cast = Cast::new(ground.client().await, 1).await;
    let first = cast.plug.credit(&cast.hat(0), RECORD).await.expect("accepted");
    let delivery = first.outcome.delivery.expect("delivered");
    tokio::time::sleep(Duration::from_millis(500)).await;
    let home = daemon.shared.partition_of(cast.hats[0].party());
    let other = (home + 1) % daemon.shared.lanes.len() as u16;
    let receipt = Receipt { delivery, digest: Digest::of(b"x"), count: 1, verdict: Verdict::Accepted, reason: None };
    let to = format!("dex.v1.in.lane.{}.receipt", daemon.shared.lanes[usize::from(other)]);
    let said = cast.org.send(Order::receipt(&to, &receipt)).await;
    assert_eq!(said.expect_err("leads nowhere").reason(), Some(Reason::NotFound));
    cast.plug.credit(&cast.hat(0), RECORD).await.expect("accepted");
    sound(&entries(&daemon.shared));
}

#[tokio::test]
async fn a_kill_between_two_rounds_of_a_batch_loses_nothing() {
    let ground = Ground::new();
    let daemon = Inside::start(ground.config(""), Extras::default());
    let cast = Cast::new(ground.client().await, 1).await;
    assert!(daemon.stop(), "drained");
    let (bob, plug) = (cast.hat(0), cast.plug.party().id.clone());
    let poison = r#"[{"endpoint":"facebook/poison","data":{}}]"#;
    let a = Order::credit(&bob, &plug, RECORD).id(cast.plug.message_id()).wait(Duration::from_secs(60));
    let b = Order::credit(&bob, &plug, poison).id(cast.plug.message_id()).wait(Duration::from_secs(60));
    for order in [a.clone(), a, b] {
        let plug = cast.plug.clone();
        let task = tokio::spawn(async move { plug.send(order).await });
        tokio::time::sleep(Duration::from_millis(150)).await;
        task.abort();
    }
    let mut child = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "recovery::the_daemon_that_ends_itself", "--nocapture"])
        .env("DEX_TEST_CONFIG", ground.folder.path().join("dex.toml"))
        .env("DEX_TEST_POINT", "round")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let deadline = Instant::now() + Duration::from_secs(60);
    while child.try_wait().expect("asked").is_none() {
        assert!(Instant::now() < deadline, "it ends itself");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let daemon = Inside::start(ground.config(""), Extras::default());
    tokio::time::sleep(Duration::from_secs(3)).await;
    let opened = entries(&daemon.shared).iter().filter(|e| matches!(e.event, Event::Opened(_))).count();
    assert_eq!(opened, 2, "A and B");
}
