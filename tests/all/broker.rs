//! The broker under the daemon: killed under load, filled to its limit.

use std::time::{Duration, Instant};

use dex::client::{Client, Order};
use dex::daemon::Extras;
use dex::domain::{Event, Status};
use futures_util::StreamExt;

use crate::support::cast::{Cast, RECORD};
use crate::support::inside::{Ground, Inside};
use crate::support::ledger::{entries, sound};

/// Settles `count` credits that are under way while `disturb` runs.
async fn settle_through(cast: &Cast, count: usize, disturb: impl AsyncFnOnce()) {
    let hat: Client = cast.hats[0].clone();
    let reader = tokio::spawn(async move {
        let mut deliveries = hat.deliveries().await.expect("an inbox");
        while let Some(delivery) = deliveries.next().await {
            if let Ok(delivery) = delivery {
                tokio::spawn(async move { delivery.accept().await });
            }
        }
    });
    let under_way: Vec<_> = (0..count)
        .map(|number| {
            let (plug, hat) = (cast.plug.clone(), cast.hat(0));
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(10 * number as u64)).await;
                let order = Order::credit(&hat, &plug.party().id, RECORD).wait(Duration::from_secs(60));
                plug.conclude(order, Duration::from_secs(90)).await
            })
        })
        .collect();
    disturb().await;
    for credit in under_way {
        let end = credit.await.expect("ran").expect("accepted and ended");
        assert_eq!(end.last[0].outcome.status, Status::Settled);
    }
    reader.abort();
}

#[tokio::test]
async fn a_broker_killed_under_load_loses_and_doubles_nothing() {
    let mut ground = Ground::new();
    let daemon = Inside::start(ground.config(""), Extras::default());
    let cast = Cast::new(ground.client().await, 1).await;
    settle_through(&cast, 150, async || {
        for _ in 0..2 {
            tokio::time::sleep(Duration::from_millis(400)).await;
            ground.broker.kill();
            tokio::time::sleep(Duration::from_millis(200)).await;
            ground.broker.restart();
        }
    })
    .await;
    assert_eq!(sound(&entries(&daemon.shared)), (150, 150));
    assert!(daemon.stop(), "drained");
}

#[tokio::test]
async fn a_full_input_refuses_senders_and_takes_work_again_when_it_is_drained() {
    let ground = Ground::new();
    let small = "[streams]\nin_max_bytes = 1048576\n";
    let daemon = Inside::start(ground.config(small), Extras::default());
    let cast = Cast::new(ground.client().await, 1).await;
    assert!(daemon.stop(), "drained");

    // Nobody reads: the stream fills until the broker refuses.
    let link = ground.broker.link("filling").await;
    let body = vec![b'x'; 64 * 1024];
    let subject = "dex.v1.in.hat.h0_hubat_net.credit.facebook";
    let mut stored = 0;
    let refused = loop {
        let sent = link.jetstream.publish(subject, body.clone().into()).await.expect("sent").await;
        match sent {
            Ok(_) => stored += 1,
            Err(error) => break error.to_string(),
        }
        assert!(stored < 100, "the limit holds");
    };
    assert!(refused.contains("maximum bytes"), "{refused}");

    let daemon = Inside::start(ground.config(small), Extras::default());
    let hat = cast.hat(0);
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let order = Order::credit(&hat, &cast.plug.party().id, RECORD).wait(Duration::from_secs(2));
        if cast.plug.send(order).await.is_ok() {
            break;
        }
        assert!(Instant::now() < deadline, "what is decided is purged, and there is room again");
    }
    // The rubbish is in the ledger as counted refusals, every one of it, once its second is over.
    let counted = || -> u32 {
        let count = |event: &Event| match event {
            Event::RefusedUnauthenticated { count, .. } => *count,
            _ => 0,
        };
        entries(&daemon.shared).iter().map(|entry| count(&entry.event)).sum()
    };
    while counted() < stored {
        assert!(Instant::now() < deadline, "{} of {stored} refusals are counted", counted());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(counted(), stored);
    sound(&entries(&daemon.shared));
    // And the broker gets its room back: all that is left is the message at each partition's position.
    let stream = link.jetstream.get_stream("DEX_IN").await.expect("there");
    while stream.get_info().await.expect("told").state.messages > 4 {
        assert!(Instant::now() < deadline, "the input is purged behind the positions");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
