//! The dedicated persistence actor: folds committed entries into rows, index and open exchanges.
//!
//! It never asks a live actor for its state: a row is the old row with the committed entries folded in,
//! so a snapshot can hold nothing that is not in the ledger.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;

use super::kinds;
use super::shared::Shared;
use crate::domain::{Event, Registration};
use crate::store::{ROOM_MIN, RegistryFold, StoreError, bytes_free, fold_rows};
use crate::telemetry::events::{SnapshotFailed, SnapshotWritten};

/// How often the spool is looked at for segments that are mostly dead.
const COMPACT_EVERY: Duration = Duration::from_secs(10);
/// How often it is looked whether rows are due, at most and at least.
const LOOK_EVERY: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(100));
/// How long entries wait after a failure before they are tried again, however many they are.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Most bytes copied forward in one go, so that rows do not wait long.
const COMPACT_BYTES: u64 = 64 << 20;

/// Asks for rows to be written now. Answers with the leaf below which all entries are in rows.
#[derive(Message)]
#[rtype(result = "Result<u64, StoreError>")]
pub struct Write;

/// The one writer of the state database.
pub struct SnapshotActor {
    shared: Arc<Shared>,
}

impl SnapshotActor {
    /// A persistence actor over the shared database and tail.
    pub fn new(shared: Arc<Shared>) -> Self {
        SnapshotActor { shared }
    }

    fn write(&mut self) -> Result<u64, StoreError> {
        let started = Instant::now();
        let result = self.fold();
        match &result {
            Ok((rows, through)) => {
                self.shared.progress.snapshotted(*through);
                self.shared.health.set("snapshot", true, "rows are written");
                let at = self.shared.clock.now().unix_ms();
                SnapshotWritten { rows: *rows, through: *through, took: started.elapsed(), at }.emit();
            }
            Err(error) => {
                self.shared.health.set("snapshot", false, "rows cannot be written");
                SnapshotFailed { detail: error.to_string() }.emit();
            }
        }
        result.map(|(_, through)| through)
    }

    /// Folds every entry below the mark of landed leaves into rows. Returns rows written and the mark.
    fn fold(&self) -> Result<(usize, u64), StoreError> {
        let shared = &self.shared;
        let path = shared.db.path();
        if let Ok(free) = bytes_free(path)
            && free < ROOM_MIN
        {
            return Err(StoreError::NoRoom { path: path.to_path_buf(), free });
        }
        let through = shared.progress.landed_through();
        let registry = RegistryFold { touches: Event::touches_registry, apply: Registration::apply };
        let batch = fold_rows(&shared.db, &shared.tail, registry, kinds::fold, through, shared.clock.now())?;
        let rows = batch.rows.len();
        shared.db.write(&batch)?;
        shared.tail.written(&batch);
        Ok((rows, through))
    }
}

impl Actor for SnapshotActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        super::lowly::step_back("persistence");
        let tick = (self.shared.bounds.snapshot_interval / 10).clamp(LOOK_EVERY.0, LOOK_EVERY.1);
        let mut last = Instant::now();
        let mut failed = false;
        let mut compacted = Instant::now();
        ctx.run_interval(tick, move |actor, _| {
            actor.shared.health.heartbeat("snapshot-actor");
            let shared = &actor.shared;
            // What waits for leaves of others that have not landed cannot be written however much it is.
            let full = shared.tail.len() >= shared.bounds.snapshot_entries
                && shared.progress.landed_through() > shared.progress.snapshot_through();
            let due = last.elapsed() >= shared.bounds.snapshot_interval;
            let waits = failed && last.elapsed() < RETRY_AFTER;
            if (full || due) && !waits && !shared.tail.is_empty() {
                // A failure is counted and seen in health; the entries stay in the tail for the next try.
                let written = actor.write();
                failed = written.is_err();
                if let Err(error) = written {
                    tracing::warn!(%error, "rows were not written, the tail is kept");
                }
                last = Instant::now();
            }
            if compacted.elapsed() >= COMPACT_EVERY {
                compacted = Instant::now();
                if let Err(error) = actor.shared.spool.compact(COMPACT_BYTES) {
                    tracing::warn!(%error, "the spool was not compacted; it is tried again");
                }
            }
        });
    }
}

impl Handler<Write> for SnapshotActor {
    type Result = Result<u64, StoreError>;

    fn handle(&mut self, _: Write, _: &mut Self::Context) -> Self::Result {
        self.write()
    }
}
