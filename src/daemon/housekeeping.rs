//! Recurring work of the daemon: purging what is decided, keeping the newest checkpoint on the bus,
//! gauges, broadcasts.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::purge::Purge;
use super::settings::STATE_BYTES;
use crate::actors::shared::Shared;
use crate::nats::{Link, streams};

/// Key of the newest checkpoint in the state bucket.
pub const CHECKPOINT_KEY: &str = "checkpoint";
/// How often the checkpoint goes to the bucket.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);

/// How long the broker may take for the checkpoint, and for the purge: together less than the ten seconds of silence after
/// which this work would be taken for stuck, and the daemon restarted, because a broker hangs.
const BROKER_WITHIN: Duration = Duration::from_secs(3);
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
    let mut purge = Purge::default();
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
            match timeout(BROKER_WITHIN, keep(&link, &mut bucket, &note)).await {
                Ok(true) => stored_size = size,
                Ok(false) => {}
                Err(_) => {
                    tracing::warn!("the checkpoint was not stored in the state bucket: the broker does not answer")
                }
            }
            let topic = crate::wire::subject::broadcast("checkpoint");
            if let Err(error) = link.client.publish(topic, note.as_bytes().to_vec().into()).await {
                tracing::debug!(%error, "the checkpoint was not broadcast");
            }
        }
        // Often: the broker takes and gives no message meanwhile, the longer the more there is to purge.
        tokio::select! {
            done = timeout(BROKER_WITHIN, purge.turn(&shared, &link)) => if done.is_err() {
                tracing::warn!("the input was not purged: the broker does not answer");
            },
            () = stop.cancelled() => break,
        }
    }
}

/// Stores a checkpoint in the bucket, which is made again when it may be gone. True when it is stored.
async fn keep(link: &Link, bucket: &mut async_nats::jetstream::kv::Store, note: &str) -> bool {
    let Err(error) = bucket.put(CHECKPOINT_KEY, note.as_bytes().to_vec().into()).await else { return true };
    tracing::warn!(%error, "the checkpoint was not stored in the state bucket");
    match streams::prepare_state(&link.jetstream, STATE_BYTES, 1).await {
        Ok((found, _)) => *bucket = found,
        Err(error) => tracing::warn!(%error, "the state bucket cannot be made again"),
    }
    false
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
