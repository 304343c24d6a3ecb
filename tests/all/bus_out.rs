//! `DEX_OUT` lost in every way, while the daemon is down and while it is up: noticed, counted, healed.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dex::client::{InboxOptions, Item, Order, Topic};
use dex::domain::{Event, MessageId, Status};

use crate::support::cast::{Cast, RECORD};
use crate::support::exchange::Exchange;
use crate::support::ledger::sound;
use crate::support::losses::{Way, checked_entries, counted, noticed, receive};
use crate::support::nats_server::TestServer;

/// Long enough for the exchange to mark how far the stream goes.
const MARKED: Duration = Duration::from_millis(4500);

/// Final outcomes of the plug that are in the stream now.
async fn finals(cast: &Cast, wanted: &HashSet<MessageId>) -> HashSet<MessageId> {
    let options = InboxOptions { topic: Topic::Outcomes, durable: false, ..InboxOptions::default() };
    let mut inbox = cast.plug.inbox_with(options).await.expect("an inbox");
    let deadline = tokio::time::Instant::now() + Duration::from_secs(15);
    let mut found = HashSet::new();
    while !wanted.is_subset(&found) {
        let Ok(item) = tokio::time::timeout_at(deadline, inbox.next()).await else { break };
        if let Some(Ok(Item::Outcomes(outcomes))) = item {
            found.extend(outcomes.iter().filter(|o| o.outcome.status.is_final()).map(|o| o.outcome.exchange));
        }
    }
    found
}

/// One row of the table.
async fn lost(way: Way, down: bool) {
    let mut broker = TestServer::start();
    let mut exchange = Exchange::on(&broker);
    let cast = Cast::new(exchange.client().await, 2).await;
    let taken = Arc::new(Mutex::new(Vec::new()));
    let reader = receive(cast.hats[0].clone(), Arc::clone(&taken));
    let order = |hat: usize| {
        Order::credit(&cast.hat(hat), &cast.plug.party().id, RECORD)
            .id(cast.plug.message_id())
            .wait(Duration::from_secs(60))
    };
    for _ in 0..3 {
        cast.plug.conclude(order(0), Duration::from_secs(60)).await.expect("ended");
    }
    tokio::time::sleep(MARKED).await;
    broker.save("DEX_OUT");
    let mut ended = HashSet::new();
    for _ in 0..3 {
        let end = cast.plug.conclude(order(0), Duration::from_secs(60)).await.expect("ended");
        assert_eq!(end.last[0].outcome.status, Status::Settled);
        ended.insert(end.first.outcome.exchange);
    }
    let mut open = HashSet::new();
    for _ in 0..3 {
        let first = cast.plug.send(order(1)).await.expect("accepted");
        open.insert(first.outcome.delivery.expect("delivered"));
    }
    tokio::time::sleep(MARKED).await;
    if down {
        exchange.kill();
    }
    way.happen(&mut broker, "DEX_OUT", "dex.v1.out.hat.h9_hubat_net.delivery").await;
    if down {
        exchange.restart();
    }
    noticed(&exchange, "dex_output_losses_total", way.labels()).await;
    noticed(&exchange, "dex_healed_total", &["delivery"]).await;
    noticed(&exchange, "dex_healed_total", &["outcome"]).await;

    // Well before the first re-delivery by the outbox's own schedule.
    let mut applied = HashSet::new();
    let mut deliveries = Vec::new();
    let mut inbox = cast.hats[1].inbox().await.expect("an inbox");
    let deadline = Instant::now() + Duration::from_secs(20);
    while applied.len() < open.len() {
        let left = deadline.saturating_duration_since(Instant::now());
        let item = tokio::time::timeout(left, inbox.next()).await.expect("every open delivery comes again");
        if let Some(Ok(Item::Delivery(delivery))) = item
            && applied.insert(delivery.id)
        {
            deliveries.push(delivery);
        }
    }
    assert_eq!(applied, open, "by their ids, and no others");
    for delivery in deliveries {
        let said = delivery.accept().await.expect("settled");
        assert_eq!(said.outcome.status, Status::Settled);
    }
    let found = finals(&cast, &ended).await;
    assert!(ended.is_subset(&found), "finals are in the stream again: {found:?} of {ended:?}");
    // And what comes after takes the usual way; the next mark stands.
    let end = cast.plug.conclude(order(0), Duration::from_secs(60)).await.expect("ended");
    assert_eq!(end.last[0].outcome.status, Status::Settled);
    tokio::time::sleep(MARKED).await;
    let page = exchange.metrics().await;
    assert_eq!(counted(&page, "dex_output_losses_total", &[]), 1, "one loss is one loss");
    assert_eq!(counted(&page, "dex_stream_rollbacks_total", &[]), 0, "the other stream is well");
    reader.abort();
    exchange.stop();
    let distinct: HashSet<_> = taken.lock().expect("not poisoned").iter().copied().collect();
    assert_eq!(distinct.len(), 7, "each exchange has one delivery, whatever came twice");
    let entries = checked_entries(&exchange.path("state"));
    assert_eq!(sound(&entries), (10, 10));
    let settled = entries.iter().filter(|entry| matches!(entry.event, Event::Settled(_))).count();
    assert_eq!(settled, 10, "nothing was applied twice or refused");
}

#[tokio::test]
async fn kills_of_either_side_alone_are_no_loss() {
    let mut broker = TestServer::start();
    let mut exchange = Exchange::on(&broker);
    let cast = Cast::new(exchange.client().await, 1).await;
    let reader = receive(cast.hats[0].clone(), Arc::new(Mutex::new(Vec::new())));
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let (plug, hat) = (cast.plug.clone(), cast.hat(0));
            tokio::spawn(async move {
                loop {
                    let order = Order::credit(&hat, &plug.party().id, RECORD).wait(Duration::from_secs(60));
                    plug.conclude(order, Duration::from_secs(60)).await.expect("accepted and ended");
                }
            })
        })
        .collect();
    let mut pages = Vec::new();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(900)).await;
        broker.restart();
        tokio::time::sleep(MARKED).await;
        pages.push(exchange.metrics().await);
        exchange.kill();
        exchange.restart();
        tokio::time::sleep(Duration::from_millis(2600)).await;
        pages.push(exchange.metrics().await);
    }
    for name in ["dex_output_losses_total", "dex_stream_rollbacks_total", "dex_streams_made_again_total"] {
        let counts: Vec<u64> = pages.iter().map(|page| counted(page, name, &[])).collect();
        assert_eq!(counts, [0; 6], "{name}");
    }
    for writer in writers {
        assert!(!writer.is_finished(), "no writer failed");
        writer.abort();
    }
    reader.abort();
}

macro_rules! table {
    ($($name:ident: $way:ident, down: $down:literal;)*) => {
        $(#[tokio::test]
        async fn $name() {
            lost(Way::$way, $down).await;
        })*
    };
}

table! {
    deleted_while_down: Deleted, down: true;
    deleted_while_up: Deleted, down: false;
    truncated_while_down: Truncated, down: true;
    truncated_while_up: Truncated, down: false;
    rolled_back_while_down: RolledBack, down: true;
    rolled_back_while_up: RolledBack, down: false;
    refilled_while_down: Refilled, down: true;
    refilled_while_up: Refilled, down: false;
}
