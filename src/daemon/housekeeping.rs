//! Recurring work of the daemon: purging what is decided, keeping the newest checkpoint on the bus,
//! gauges, broadcasts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::settings::STATE_BYTES;
use crate::actors::shared::Shared;
use crate::nats::streams::{self, DEX_IN};
use crate::nats::{Link, lookup};

/// Key of the newest checkpoint in the state bucket.
pub const CHECKPOINT_KEY: &str = "checkpoint";
/// How often the input is purged behind the positions.
const PURGE_EVERY: Duration = Duration::from_secs(5);
/// How often the checkpoint goes to the bucket.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);

/// How often the disk is looked at.
const DISK_EVERY: Duration = Duration::from_secs(10);

/// Runs until told to stop. `state` is the state folder.
pub async fn run(
    shared: Arc<Shared>,
    state: PathBuf,
    link: Link,
    mut bucket: async_nats::jetstream::kv::Store,
    stop: CancellationToken,
) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut purged: BTreeMap<u16, u64> = BTreeMap::new();
    // The first at once: a daemon that never lives for long would never purge, and the input would only grow.
    let mut purged_at: Option<Instant> = None;
    let mut stored_at = Instant::now();
    let mut stored_size = 0;
    crate::telemetry::start_gauge(shared.clock.now().0 as f64 / 1e9);
    disk(&state);
    let mut disk_at = Instant::now();
    while !stop.is_cancelled() {
        tokio::select! {
            _ = tick.tick() => {}
            () = stop.cancelled() => break,
        }
        shared.health.heartbeat("housekeeping");
        gauges(&shared, &link);
        // The exporter keeps observations until this is called, or somebody scrapes.
        crate::telemetry::upkeep();
        if disk_at.elapsed() >= DISK_EVERY {
            disk_at = Instant::now();
            disk(&state);
        }
        let size = shared.reader.tree_size();
        if size != stored_size && stored_at.elapsed() >= CHECKPOINT_EVERY {
            stored_at = Instant::now();
            let note = shared.reader.checkpoint();
            match bucket.put(CHECKPOINT_KEY, note.as_bytes().to_vec().into()).await {
                Ok(_) => stored_size = size,
                Err(error) => {
                    tracing::warn!(%error, "the checkpoint was not stored in the state bucket");
                    // It may be gone; then it is made again.
                    match streams::prepare_state(&link.jetstream, STATE_BYTES, 1).await {
                        Ok((found, _)) => bucket = found,
                        Err(error) => tracing::warn!(%error, "the state bucket cannot be made again"),
                    }
                }
            }
            let topic = crate::wire::subject::broadcast("checkpoint");
            if let Err(error) = link.client.publish(topic, note.as_bytes().to_vec().into()).await {
                tracing::debug!(%error, "the checkpoint was not broadcast");
            }
        }
        if purged_at.is_none_or(|at| at.elapsed() >= PURGE_EVERY) {
            purged_at = Some(Instant::now());
            purge(&shared, &link, &mut purged).await;
        }
    }
}

/// Purges each partition's messages behind its position, which stays: the next start compares it. Nothing
/// is purged while the stream is not the one that the position is of.
async fn purge(shared: &Shared, link: &Link, purged: &mut BTreeMap<u16, u64>) {
    let stream = match lookup::identity(&link.jetstream, DEX_IN).await {
        Ok(stream) => stream,
        Err(error) => return tracing::warn!(%error, "the input was not purged"),
    };
    for (partition, place) in shared.progress.positions() {
        let done = purged.entry(partition).or_insert(0);
        if place.sequence < *done {
            *done = 0;
        }
        let known = place.created == stream.created_ns && place.sequence <= stream.last_sequence;
        if !known || place.sequence == *done {
            continue;
        }
        // In a stream that was rolled back and filled again, messages before this place were never read.
        match lookup::message_at(&link.jetstream, DEX_IN, place.sequence).await {
            Ok(Some(there)) if there.stored_at_ns == place.stored_at => {}
            Ok(_) => continue,
            Err(error) => {
                tracing::warn!(%error, partition, "the input was not purged");
                continue;
            }
        }
        let filter = format!("dex.v1.p.{partition}.>");
        match lookup::purge_before(&link.jetstream, DEX_IN, &filter, place.sequence).await {
            Ok(_) => *done = place.sequence,
            Err(error) => tracing::warn!(%error, partition, "the input was not purged"),
        }
    }
}

fn gauges(shared: &Shared, link: &Link) {
    let state = link.state.borrow().clone();
    let connected = state.connected;
    shared.health.set("nats", connected, if connected { "connected" } else { "the broker cannot be reached" });
    let census = shared.directory.census();
    crate::telemetry::DaemonGauges {
        tree_size: shared.reader.tree_size(),
        spool_bytes: shared.spool.bytes(),
        tail: shared.tail.len(),
        quarantined: census.quarantined,
        connected,
        reconnects: state.connects.saturating_sub(1),
        slow_consumers: state.slow_consumers,
    }
    .set();
}

/// Gauges that are set less often, because they read the disk.
fn disk(state: &Path) {
    crate::telemetry::process_gauges();
    crate::telemetry::disk_gauges(bytes_in(&state.join("ledger")), crate::store::bytes_free(state));
}

/// Bytes of the files in a folder.
fn bytes_in(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for item in std::fs::read_dir(folder)? {
        // A segment may go while its folder is read.
        if let Ok(facts) = item?.metadata()
            && facts.is_file()
        {
            bytes += facts.len();
        }
    }
    Ok(bytes)
}
