//! `DEX_IN` lost in every way, while the daemon is down and while it is up: noticed, counted, healed.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use dex::actors::clock::{Clock, SystemClock};
use dex::actors::shared::FaultHook;
use dex::client::Order;
use dex::daemon::Extras;
use dex::domain::event::{Bundle, DebitTerms, OfferTerms, PropertyQuery};
use dex::domain::{Action, Event, Status};

use crate::support::cast::{Cast, RECORD, id};
use crate::support::exchange::Exchange;
use crate::support::inside::{Ground, Inside};
use crate::support::ledger::{entries, sound};
use crate::support::losses::{Way, checked_entries, counted, noticed, receive};
use crate::support::nats_server::TestServer;

/// One row of the table.
async fn lost(way: Way, down: bool) {
    let mut broker = TestServer::start();
    let mut exchange = Exchange::on(&broker);
    let cast = Cast::new(exchange.client().await, 2).await;
    let taken = Arc::new(Mutex::new(Vec::new()));
    let readers: Vec<_> = cast.hats.iter().map(|hat| receive(hat.clone(), Arc::clone(&taken))).collect();
    let order = |n: usize| {
        Order::credit(&cast.hat(n % 2), &cast.plug.party().id, RECORD)
            .id(cast.plug.message_id())
            .wait(Duration::from_secs(60))
    };
    cast.plug.conclude(order(0), Duration::from_secs(60)).await.expect("ended");
    broker.save("DEX_IN");
    let mut decided = Vec::new();
    for n in 0..6 {
        let order = order(n);
        let end = cast.plug.conclude(order.clone(), Duration::from_secs(60)).await.expect("ended");
        assert_eq!(end.last[0].outcome.status, Status::Settled);
        decided.push((order, end.first));
    }
    if down {
        exchange.kill();
    }
    // Nobody has decided these yet when the daemon is down.
    let waiting: Vec<_> = (0..4)
        .filter(|_| down)
        .map(|n| {
            let (plug, order) = (cast.plug.clone(), order(n));
            tokio::spawn(async move { plug.conclude(order, Duration::from_secs(60)).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    way.happen(&mut broker, "DEX_IN", "dex.v1.in.hat.h0_hubat_net.credit.facebook").await;
    if down {
        exchange.restart();
    }
    noticed(&exchange, "dex_stream_rollbacks_total", way.labels()).await;
    if way == Way::Deleted && !down {
        noticed(&exchange, "dex_streams_made_again_total", &["DEX_IN"]).await;
    }
    for (order, first) in decided {
        let again = cast.plug.send(order).await.expect("answered");
        assert_eq!(again.outcome, first.outcome, "the first outcome again");
        assert_eq!(again.leaf.index, first.leaf.index);
    }
    let mut opened = 7 + waiting.len();
    for sender in waiting {
        let end = sender.await.expect("ran").expect("its sender repeats it until it is decided");
        assert_eq!(end.last[0].outcome.status, Status::Settled);
    }
    for n in 0..3 {
        let end = cast.plug.conclude(order(n), Duration::from_secs(60)).await.expect("takes work again");
        assert_eq!(end.last[0].outcome.status, Status::Settled);
        opened += 1;
    }
    readers.iter().for_each(tokio::task::JoinHandle::abort);
    let output = counted(&exchange.metrics().await, "dex_output_losses_total", &[]);
    assert_eq!(output, 0, "the other stream is well");
    exchange.stop();
    let entries = checked_entries(&exchange.path("state"));
    assert_eq!(sound(&entries), (opened, opened), "each was opened once and ended once");
    let settled = entries.iter().filter(|entry| matches!(entry.event, Event::Settled(_))).count();
    assert_eq!(settled, opened, "sums balance");
}

/// Terms of an offer of the cast's organisation that is open now.
fn terms(cast: &Cast) -> OfferTerms {
    let now = SystemClock.now();
    let query = PropertyQuery::all(["facebook/feed"]);
    OfferTerms {
        owner: cast.org.party().clone(),
        title: "Feeds".into(),
        starts: now.plus(-3_600_000_000_000),
        expires: now.plus(3_600_000_000_000),
        max_claims: 7,
        min_claims: 1,
        debit: DebitTerms::new(
            cast.org.party().clone(),
            "a test",
            Bundle { name: "feed".into(), bundle: [("feed".into(), query)].into() },
            3600,
        ),
    }
}

#[tokio::test]
async fn what_the_exchange_sent_to_itself_and_nobody_read_goes_out_again() {
    let ground = Ground::new();
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let fault: FaultHook = Arc::new(move |command| {
        if matches!(command.action, Action::Claim { .. }) {
            // Meanwhile the daemon is stopped: what follows from the claim is sent, and nobody reads it.
            let _ = tell.lock().expect("not poisoned").send(());
            std::thread::sleep(Duration::from_secs(1));
        }
    });
    let daemon = Inside::start(ground.config(""), Extras { fault: Some(fault), ..Extras::default() });
    let cast = Cast::new(ground.client().await, 1).await;
    let feeds = id("feeds");
    cast.org.offer_register(&feeds, &terms(&cast)).await.expect("registered");
    cast.operator.offer_approve(&feeds).await.expect("approved");
    let hat = cast.hats[0].clone();
    let claim = Order::claim(&hat.party().id, &feeds).wait(Duration::from_secs(60));
    let claiming = tokio::spawn(async move { hat.conclude(claim, Duration::from_secs(60)).await });
    let stopped = tokio::task::spawn_blocking(move || {
        told.recv_timeout(Duration::from_secs(20)).expect("the claim comes");
        daemon.stop()
    });
    assert!(stopped.await.expect("ran"), "drained: the claim is recorded and what follows is sent");
    let link = ground.broker.link("damage").await;
    link.jetstream.delete_stream("DEX_IN").await.expect("deleted");

    let daemon = Inside::start(ground.config(""), Extras::default());
    let end = claiming.await.expect("ran").expect("the offer is asked again");
    assert_eq!(end.last[0].outcome.status, Status::Settled);
    let all = entries(&daemon.shared);
    sound(&all);
    let reserved = all.iter().filter(|entry| matches!(entry.event, Event::OfferReserved { .. })).count();
    assert_eq!(reserved, 1);
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
