//! Commits and snapshots.

use std::time::Duration;

use crate::telemetry::names;

/// A group is on disk and signed for.
pub struct GroupCommitted {
    /// Entries in it.
    pub entries: usize,
    /// Entries of the ledger now.
    pub tree_size: u64,
    /// How long it took.
    pub took: Duration,
}

impl GroupCommitted {
    /// Logs and counts.
    pub fn emit(self) {
        tracing::trace!(entries = self.entries, tree_size = self.tree_size, took = ?self.took, "a group was committed");
        metrics::histogram!(names::COMMIT_SECONDS).record(self.took.as_secs_f64());
        metrics::histogram!(names::COMMIT_GROUP_ENTRIES).record(self.entries as f64);
    }
}

/// A write or sync failed.
pub struct CommitFailed {
    /// What the system said.
    pub detail: String,
}

impl CommitFailed {
    /// Logs and counts.
    pub fn emit(self) {
        tracing::error!(detail = self.detail, "a write or sync of the ledger failed: no more work is taken");
        metrics::counter!(names::COMMIT_FAILURES_TOTAL).increment(1);
    }
}

/// There is no room for a group.
pub struct DiskFull {
    /// Where.
    pub detail: String,
}

impl DiskFull {
    /// Logs and counts.
    pub fn emit(self) {
        tracing::error!(detail = self.detail, "the state disk is full: intake waits until there is room");
        metrics::counter!(names::DISK_FULL_TOTAL).increment(1);
    }
}

/// Rows were written.
pub struct SnapshotWritten {
    /// How many.
    pub rows: usize,
    /// All entries below this leaf are in rows.
    pub through: u64,
    /// How long it took.
    pub took: Duration,
    /// When, milliseconds of Unix time.
    pub at: u64,
}

impl SnapshotWritten {
    /// Logs and counts.
    pub fn emit(self) {
        tracing::debug!(rows = self.rows, through = self.through, took = ?self.took, "rows were written");
        metrics::histogram!(names::SNAPSHOT_SECONDS).record(self.took.as_secs_f64());
        metrics::counter!(names::SNAPSHOT_ROWS_TOTAL).increment(self.rows as u64);
        metrics::gauge!(names::SNAPSHOT_THROUGH).set(self.through as f64);
        metrics::gauge!(names::SNAPSHOT_WRITTEN_SECONDS).set(self.at as f64 / 1000.0);
    }
}

/// Rows could not be written.
pub struct SnapshotFailed {
    /// Why.
    pub detail: String,
}

impl SnapshotFailed {
    /// Logs and counts.
    pub fn emit(self) {
        tracing::error!(detail = self.detail, "rows were not written; they are tried again");
        metrics::counter!(names::SNAPSHOT_FAILURES_TOTAL).increment(1);
    }
}
