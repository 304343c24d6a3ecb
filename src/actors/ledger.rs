//! The ledger actor: on its own thread, because it blocks on sync. Everything that waits when it
//! comes round is committed as one group.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use actix::prelude::*;
use tokio::sync::oneshot;

use super::shared::Shared;
use crate::domain::Timestamp;
use crate::ledger::{Group, Ledger, LedgerError, NewRecord, Position, SpoolRef};
use crate::telemetry::events::{CommitFailed, DiskFull, GroupCommitted};

/// Pause before a full disk is tried again.
const RETRY_FULL_DISK: Duration = Duration::from_millis(500);
/// How often the room on the disk is looked at while there is some.
const ROOM_EVERY: Duration = Duration::from_millis(200);
/// Most records of one group.
const GROUP_RECORDS_MAX: usize = 8192;

/// Most bytes of entries of one group, so that it stays well under what the ledger takes.
const GROUP_BYTES_MAX: usize = 16 << 20;

/// One partition's share of a commit.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Commit {
    /// Whose.
    pub partition: u16,
    /// The last message that has an entry here or a known id, when it moved.
    pub position: Option<Position>,
    /// Entries with salt and content; may be empty when only the position moves.
    pub records: Vec<NewRecord>,
    /// Where to say so once it is durable.
    pub reply: oneshot::Sender<Landed>,
}

/// Where a partition's share of a commit landed. Synced to disk and covered by a signed checkpoint.
#[derive(Debug, Clone)]
pub struct Landed {
    /// Leaf of the first of the share's records.
    pub first_leaf: u64,
    /// When it was committed.
    pub at: Timestamp,
    /// Tree size of the checkpoint that covers it.
    pub tree_size: u64,
    /// The signed checkpoint.
    pub checkpoint: Arc<str>,
    /// Place of each record's content.
    pub spool: Vec<Option<SpoolRef>>,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Flush;

/// The one writer of the ledger.
pub struct LedgerActor {
    ledger: Ledger,
    shared: Arc<Shared>,
    waiting: Vec<Commit>,
    flush_due: bool,
    /// When there was room last.
    room_seen: Option<Instant>,
    /// Set after a failed write or sync: nothing is taken any more.
    dead: bool,
}

impl LedgerActor {
    /// An actor over an opened ledger.
    pub fn new(ledger: Ledger, shared: Arc<Shared>) -> Self {
        LedgerActor { ledger, shared, waiting: Vec::new(), flush_due: false, room_seen: None, dead: false }
    }

    fn flush(&mut self, ctx: &mut Context<Self>) {
        let mut take = 0;
        let (mut records, mut bytes) = (0, 0);
        for commit in &self.waiting {
            records += commit.records.len();
            bytes += commit.records.iter().map(|record| record.entry.len()).sum::<usize>();
            if take > 0 && (records > GROUP_RECORDS_MAX || bytes > GROUP_BYTES_MAX) {
                break;
            }
            take += 1;
        }
        if take == 0 || self.dead {
            return;
        }
        let started = Instant::now();
        if let Err(error) = self.room() {
            self.wait_for_room(&error);
            return self.schedule(ctx, RETRY_FULL_DISK);
        }
        let mut commits: Vec<Commit> = self.waiting.drain(..take).collect();
        let mut positions: BTreeMap<u16, Position> = BTreeMap::new();
        let mut group = Group {
            time_ns: self.shared.clock.now().0,
            positions: Vec::new(),
            dispatched_through: self.shared.progress.dispatched_through(),
            records: Vec::with_capacity(commits.iter().map(|c| c.records.len()).sum()),
        };
        let mut lengths = Vec::with_capacity(commits.len());
        for commit in &mut commits {
            if let Some(position) = commit.position {
                positions.insert(commit.partition, position);
            }
            lengths.push(commit.records.len());
            group.records.append(&mut commit.records);
        }
        group.positions = positions.into_iter().collect();
        match self.ledger.commit(&group) {
            Ok(committed) => {
                self.shared.health.set("ledger", true, "committing");
                GroupCommitted {
                    entries: group.records.len(),
                    tree_size: committed.tree_size,
                    took: started.elapsed(),
                }
                .emit();
                let mut first_leaf = committed.first_leaf;
                let mut spool = committed.spool.into_iter();
                for (commit, length) in commits.into_iter().zip(lengths) {
                    let landed = Landed {
                        first_leaf,
                        at: Timestamp(group.time_ns),
                        tree_size: committed.tree_size,
                        checkpoint: Arc::clone(&committed.checkpoint),
                        spool: spool.by_ref().take(length).collect(),
                    };
                    first_leaf += length as u64;
                    // A partition that is gone reads its position at the next start.
                    drop(commit.reply.send(landed));
                }
                if !self.waiting.is_empty() {
                    self.schedule(ctx, Duration::ZERO);
                }
            }
            Err(error @ LedgerError::NoSpace { .. }) => {
                self.wait_for_room(&error);
                // Nothing was written: the same group is tried again when there is room.
                let mut records = group.records.into_iter();
                for (commit, length) in commits.iter_mut().zip(lengths) {
                    commit.records = records.by_ref().take(length).collect();
                }
                commits.append(&mut self.waiting);
                self.waiting = commits;
                self.schedule(ctx, RETRY_FULL_DISK);
            }
            Err(error) => self.fail(&error),
        }
    }

    /// Whether enough stays free for others. Looked at now and then; what is reserved ahead covers the time between.
    fn room(&mut self) -> Result<(), LedgerError> {
        if self.room_seen.is_some_and(|seen| seen.elapsed() < ROOM_EVERY) {
            return Ok(());
        }
        match self.ledger.room(self.shared.free_min.load(Ordering::Relaxed)) {
            Err(error @ LedgerError::Scarce { .. }) => {
                self.room_seen = None;
                Err(error)
            }
            // A system that does not tell is no reason to wait: a full disk is seen when space is reserved.
            Ok(()) | Err(_) => {
                self.room_seen = Some(Instant::now());
                Ok(())
            }
        }
    }

    /// Nothing was written; intake waits behind the commits that wait here.
    fn wait_for_room(&self, error: &LedgerError) {
        self.shared.health.set("ledger", false, "no space left on the state disk");
        DiskFull { detail: error.to_string() }.emit();
    }

    /// Stores the checkpoint of the last groups when no group has done so since.
    fn store_checkpoint(&mut self) {
        if self.dead {
            return;
        }
        let now = self.shared.clock.now().0;
        if let Err(error) = self.ledger.store_checkpoint_if_due(now) {
            self.fail(&error);
        }
    }

    /// A write or sync failed: nothing more is taken, and it is not tried again.
    fn fail(&mut self, error: &LedgerError) {
        self.dead = true;
        self.shared.health.set("ledger", false, "a write or sync failed");
        CommitFailed { detail: error.to_string() }.emit();
        self.shared.fatal.tell(&error.to_string());
    }

    fn schedule(&mut self, ctx: &mut Context<Self>, after: Duration) {
        if self.flush_due {
            return;
        }
        self.flush_due = true;
        if after.is_zero() {
            // Queued behind the commits that wait in the mailbox already, so they join the group.
            ctx.notify(Flush);
        } else {
            ctx.notify_later(Flush, after);
        }
    }
}

impl Actor for LedgerActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // Each partition has at most `in_flight` batches under way, so this is never reached.
        ctx.set_mailbox_capacity(self.shared.lanes.len() * (self.shared.bounds.in_flight + 2));
        ctx.run_interval(Duration::from_secs(1), |actor, _| {
            actor.shared.health.heartbeat("ledger-actor");
            actor.store_checkpoint();
        });
    }
}

impl Handler<Commit> for LedgerActor {
    type Result = ();

    fn handle(&mut self, commit: Commit, ctx: &mut Self::Context) {
        if self.dead {
            return;
        }
        self.waiting.push(commit);
        self.schedule(ctx, Duration::ZERO);
    }
}

impl Handler<Flush> for LedgerActor {
    type Result = ();

    fn handle(&mut self, _: Flush, ctx: &mut Self::Context) {
        self.flush_due = false;
        self.flush(ctx);
    }
}
