//! Gauges that are set about once a second.

use metrics::gauge;

use super::names;

/// Gauges of one partition.
pub fn partition_gauges(partition: u16, open: usize, recent: usize, live: usize, lag: u64) {
    let label = partition.to_string();
    gauge!(names::OPEN_EXCHANGES, "partition" => label.clone()).set(open as f64);
    gauge!(names::RECENT_IDS, "partition" => label.clone()).set(recent as f64);
    gauge!(names::ACTORS_LIVE, "partition" => label.clone()).set(live as f64);
    gauge!(names::INTAKE_LAG_MESSAGES, "partition" => label).set(lag as f64);
}

/// Gauges of the daemon as a whole.
pub fn daemon_gauges(tree_size: u64, spool_bytes: u64, tail: usize, quarantined: usize, connected: bool) {
    gauge!(names::LEDGER_TREE_SIZE).set(tree_size as f64);
    gauge!(names::SPOOL_BYTES).set(spool_bytes as f64);
    gauge!(names::TAIL_ENTRIES).set(tail as f64);
    gauge!(names::ENTITIES_QUARANTINED).set(quarantined as f64);
    gauge!(names::NATS_CONNECTED).set(if connected { 1.0 } else { 0.0 });
}
