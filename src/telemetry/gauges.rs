//! Gauges and running totals that are set about once a second, or when somebody looks.

use std::time::Instant;

use metrics::{counter, gauge};

use super::health::{Health, STUCK_AFTER};
use super::live::PartitionFigures;
use super::names;

/// Gauges of one partition.
pub fn partition_gauges(partition: u16, open: usize, recent: usize, live: usize, lag: u64) {
    let now = PartitionFigures { open: open as u64, lag, live: live as u64 };
    super::live().partition(partition, now);
    let label = partition.to_string();
    gauge!(names::OPEN_EXCHANGES, "partition" => label.clone()).set(open as f64);
    gauge!(names::RECENT_IDS, "partition" => label.clone()).set(recent as f64);
    gauge!(names::ACTORS_LIVE, "partition" => label.clone()).set(live as f64);
    gauge!(names::INTAKE_LAG_MESSAGES, "partition" => label).set(lag as f64);
}

/// How a worker stands.
pub struct WorkerGauges {
    /// Jobs under way.
    pub running: usize,
    /// Ids of credited records that are remembered.
    pub remembered: usize,
    /// Hosts that are left alone now.
    pub paused: usize,
    /// Whether the broker is connected.
    pub connected: bool,
}

impl WorkerGauges {
    /// Shows it.
    pub fn set(&self) {
        gauge!(names::WORKER_JOBS_RUNNING).set(self.running as f64);
        gauge!(names::WORKER_REMEMBERED_RECORDS).set(self.remembered as f64);
        gauge!(names::WORKER_HOSTS_PAUSED).set(self.paused as f64);
        gauge!(names::NATS_CONNECTED).set(f64::from(u8::from(self.connected)));
    }
}

/// How the daemon as a whole stands.
pub struct DaemonGauges {
    /// Entries in the ledger.
    pub tree_size: u64,
    /// Bytes of content in the spool.
    pub spool_bytes: u64,
    /// Committed entries that are not in rows.
    pub tail: usize,
    /// Quarantined entities.
    pub quarantined: usize,
    /// Whether the broker is connected.
    pub connected: bool,
    /// How often it was connected again since the start.
    pub reconnects: u64,
    /// How often messages were dropped because we read too slowly.
    pub slow_consumers: u64,
}

impl DaemonGauges {
    /// Shows it.
    pub fn set(&self) {
        super::live().daemon(self.tree_size, self.quarantined, self.connected);
        gauge!(names::LEDGER_TREE_SIZE).set(self.tree_size as f64);
        gauge!(names::SPOOL_BYTES).set(self.spool_bytes as f64);
        gauge!(names::TAIL_ENTRIES).set(self.tail as f64);
        gauge!(names::ENTITIES_QUARANTINED).set(self.quarantined as f64);
        gauge!(names::NATS_CONNECTED).set(if self.connected { 1.0 } else { 0.0 });
        counter!(names::NATS_RECONNECTS_TOTAL).absolute(self.reconnects);
        counter!(names::NATS_SLOW_CONSUMERS_TOTAL).absolute(self.slow_consumers);
    }
}

/// Large contents that wait to be fetched, and bytes that those of open exchanges take.
pub fn large_gauges(waiting: usize, stored: u64) {
    gauge!(names::LARGE_WAITING).set(waiting as f64);
    gauge!(names::LARGE_STORED_BYTES).set(stored as f64);
}

/// Jobs that are open, and those of them that wait to be handed out.
pub fn job_gauges(open: usize, queued: usize) {
    gauge!(names::JOBS_OPEN).set(open as f64);
    gauge!(names::JOBS_QUEUED).set(queued as f64);
}

/// A job has ended so many nanoseconds after it was planned; none where that is not known.
pub fn job_ended(nanoseconds: Option<i64>) {
    if let Some(nanoseconds) = nanoseconds {
        metrics::histogram!(names::JOB_SECONDS).record(super::path::seconds(nanoseconds));
    }
}

/// When the daemon started, seconds of Unix time.
pub fn start_gauge(seconds: f64) {
    gauge!(names::START_TIME_SECONDS).set(seconds);
}

/// The room that the state takes and has, bytes. What could not be found out keeps its last value.
pub fn disk_gauges(ledger: std::io::Result<u64>, free: std::io::Result<u64>) {
    let gauges = [(names::LEDGER_BYTES, ledger), (names::DISK_FREE_BYTES, free)];
    for (name, bytes) in gauges {
        match bytes {
            Ok(bytes) => gauge!(name).set(bytes as f64),
            Err(error) => tracing::debug!(name, %error, "the room on disk is not known"),
        }
    }
}

/// What this process has used, as the system counts it.
pub fn process_gauges() {
    let me = std::process::id();
    let (now, _) = super::process::memory_mib(me);
    gauge!(names::RESIDENT_BYTES).set(now * 1024.0 * 1024.0);
    counter!(names::CPU_SECONDS_TOTAL).absolute(super::process::cpu(me).as_secs());
}

/// How the daemon is at `now`. Set when somebody looks, so that a part that is stuck cannot keep it from
/// being shown. The names of checks are a closed set, with one of each kind for each partition.
pub fn health_gauges(health: &Health, now: Instant) {
    let one = |yes: bool| if yes { 1.0 } else { 0.0 };
    for check in health.checks(now) {
        gauge!(names::HEALTH_CHECK, "check" => check.name).set(one(check.ok));
    }
    gauge!(names::READY).set(one(health.ready(now)));
    gauge!(names::LIVE).set(one(health.stuck(now, STUCK_AFTER).is_empty()));
}
