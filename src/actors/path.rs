//! The path of one exchange, step by step. Read this first.
//!
//! Steps 1 to 4 run for batch n + 1 while batch n is being synced; steps 5 to 7 follow in order, once
//! a batch is on disk and signed for.

use super::land::Flight;
use super::partition::Partition;

/// Runs one partition until it is told to stop. Returns once everything decided is committed.
pub async fn run(mut partition: Partition) {
    while !partition.stopping() {
        // 1 intake: pull, read headers once, verify the signatures of the whole batch.
        let works = partition.intake().await;
        let mut rounds = partition.split(works).into_iter();
        while let Some(works) = rounds.next() {
            partition.wait_for(rounds.as_slice());
            // 2 route: by entity; an id that stands twice opens a new round.
            let Some(routed) = partition.route(works) else { return };
            // 3 decide: each entity's part under a guard.
            let decided = partition.decide(routed).await;
            // 4 commit: all partitions' entries in one group; this one's flight is under way.
            partition.commit(decided).await;
            if partition.hold(&mut rounds) {
                break;
            }
        }
        partition.tick().await;
    }
    partition.drain().await;
}

/// Follows one flight after another, in order of departure.
pub async fn land(mut landing: super::land::Landing, mut flights: tokio::sync::mpsc::Receiver<Flight>) {
    while let Some(flight) = flights.recv().await {
        let Some(landed) = landing.committed(flight).await else {
            // The ledger takes nothing any more: the process is about to end.
            return;
        };
        // 5 publish: the read model takes the entries, then effects leave.
        landing.publish(&landed).await;
        // 6 advance: the position is durable; the tables follow.
        landing.advance(&landed);
        // 7 observe: statistics and snapshots.
        landing.observe(landed).await;
    }
}
