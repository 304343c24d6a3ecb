//! A mark that goes by its age while the broker is away is no loss.

use std::time::Duration;

use dex::client::Order;

use crate::support::cast::{Cast, RECORD};
use crate::support::exchange::Exchange;
use crate::support::losses::{counted, receive};
use crate::support::nats_server::TestServer;

const MARKED: Duration = Duration::from_millis(4500);

async fn settle(cast: &Cast, count: usize) {
    for _ in 0..count {
        let order = Order::credit(&cast.hat(0), &cast.plug.party().id, RECORD).wait(Duration::from_secs(60));
        cast.plug.conclude(order, Duration::from_secs(60)).await.expect("ended");
    }
}

/// A mark goes by its own age while the daemon is down (24 h; here 6 s). That is no loss.
#[tokio::test]
async fn a_mark_that_has_aged_out_while_down_is_no_loss() {
    let broker = TestServer::start();
    let more = "[limits]\ndeadline_default = \"5s\"\ndeadline_max = \"6s\"\n[streams]\nout_max_age = \"6s\"";
    let mut exchange = Exchange::tuned(&broker, more);
    let cast = Cast::new(exchange.client().await, 1).await;
    let reader = receive(cast.hats[0].clone(), Default::default());
    settle(&cast, 3).await;
    tokio::time::sleep(MARKED).await;
    assert_eq!(counted(&exchange.metrics().await, "dex_output_losses_total", &[]), 0);
    reader.abort();
    exchange.kill();
    tokio::time::sleep(Duration::from_secs(9)).await;
    exchange.restart();
    tokio::time::sleep(MARKED).await;
    let page = exchange.metrics().await;
    let shown: Vec<_> = page.lines().filter(|line| line.contains("_losses_") || line.contains("_healed_")).collect();
    assert_eq!(counted(&page, "dex_output_losses_total", &[]), 0, "{shown:#?}");
}

/// The same while the daemon is up and the broker was away (or `DEX_OUT` full) for as long as a mark lives.
#[tokio::test]
async fn a_mark_that_has_aged_out_while_the_broker_was_away_is_no_loss() {
    let mut broker = TestServer::start();
    let more = "[limits]\ndeadline_default = \"5s\"\ndeadline_max = \"6s\"\n[streams]\nout_max_age = \"6s\"";
    let exchange = Exchange::tuned(&broker, more);
    let cast = Cast::new(exchange.client().await, 1).await;
    let reader = receive(cast.hats[0].clone(), Default::default());
    settle(&cast, 3).await;
    tokio::time::sleep(MARKED).await;
    reader.abort();
    broker.kill();
    tokio::time::sleep(Duration::from_secs(9)).await;
    broker.restart();
    tokio::time::sleep(MARKED * 2).await;
    let page = exchange.metrics().await;
    let shown: Vec<_> = page.lines().filter(|line| line.starts_with("dex_output_losses_total")).collect();
    assert_eq!(counted(&page, "dex_output_losses_total", &[]), 0, "{shown:#?}");
}
