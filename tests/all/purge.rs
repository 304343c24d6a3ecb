//! The input is purged behind the positions: by one cut while all partitions go on, partition by partition while one
//! stands still.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use async_nats::jetstream::stream::Stream;
use dex::client::Order;
use dex::daemon::Extras;
use dex::nats::lookup::message_at;

use crate::support::cast::{Cast, RECORD};
use crate::support::inside::{Ground, Inside};

/// Waits until the input holds just the messages at the partitions' positions; returns their sequences.
async fn purged(daemon: &Inside, stream: &Stream) -> BTreeSet<u64> {
    let deadline = Instant::now() + Duration::from_secs(40);
    loop {
        let positions: BTreeSet<u64> = daemon.shared.progress.positions().map(|(_, place)| place.sequence).collect();
        let state = stream.get_info().await.expect("told").state;
        if state.messages == positions.len() as u64 {
            return positions;
        }
        assert!(Instant::now() < deadline, "{} messages are left for {positions:?}", state.messages);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn the_input_is_purged_behind_partitions_that_go_on_and_beside_one_that_stands_still() {
    let ground = Ground::new();
    let daemon = Inside::start(ground.config(""), Extras::default());
    let cast = Cast::new(ground.client().await, 8).await;
    let link = ground.broker.link("looking").await;
    let stream = link.jetstream.get_stream("DEX_IN").await.expect("there");
    let credit = async |number: usize| {
        let order = Order::credit(&cast.hat(number), &cast.plug.party().id, RECORD).wait(Duration::from_secs(20));
        cast.plug.send(order).await.expect("accepted");
    };
    let partition = |number: usize| daemon.shared.partition_of(cast.hats[number].party());

    // Both go on.
    assert_eq!((0..8).map(partition).collect::<BTreeSet<_>>().len(), 2, "the HATs lie in both partitions");
    for number in 0..8 {
        credit(number).await;
    }
    let before = purged(&daemon, &stream).await;
    assert_eq!(before.len(), 2);

    // One stands still: its last message stays where it is, what comes after it goes all the same.
    let goes = partition(0);
    let still = daemon.shared.progress.positions().find(|(number, _)| *number != goes);
    let still = still.expect("the other partition").1.sequence;
    for number in (0..8).filter(|number| partition(*number) == goes).cycle().take(20) {
        credit(number).await;
    }
    let after = purged(&daemon, &stream).await;
    assert!(after.contains(&still), "{still} stays: {after:?}");
    assert!(after.iter().any(|sequence| *sequence >= still + 20), "{after:?}");
    assert!(message_at(&link.jetstream, "DEX_IN", still).await.expect("told").is_some());
    assert!(daemon.stop(), "drained");
}
