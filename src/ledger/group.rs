//! What goes into the ledger in one commit, and what comes back out.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::spool::SpoolRef;

/// The last message of a partition that was decided; intake goes on from the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// When the stream was created, Unix nanoseconds: tells a stream made anew from the one we know.
    pub stream_created: i64,
    /// Stream sequence of the message.
    pub sequence: u64,
    /// Its Dex-Id.
    #[serde(with = "serde_bytes")]
    pub id: [u8; 16],
    /// Its JetStream store time, Unix nanoseconds.
    pub stored_at: i64,
}

/// One entry to append.
#[derive(Debug, Clone)]
pub struct NewRecord {
    /// Random, from the caller: without it the public commitment says nothing about the entry.
    pub salt: [u8; 32],
    /// The entry, opaque here.
    pub entry: Vec<u8>,
    /// Content kept in the spool until its exchange is final; never in the ledger.
    pub content: Option<Bytes>,
}

/// What is committed at once, in one frame.
#[derive(Debug, Clone, Default)]
pub struct Group {
    /// Time of the commit, Unix nanoseconds, from the caller's clock.
    pub time_ns: i64,
    /// Positions that moved, by partition.
    pub positions: Vec<(u16, Position)>,
    /// Effects of all leaves below this were published.
    pub dispatched_through: u64,
    /// The entries; may be empty if only positions moved.
    pub records: Vec<NewRecord>,
}

/// What a commit made durable.
#[derive(Debug, Clone)]
pub struct Committed {
    /// Leaf of the group's first record (the tree size, if it had none).
    pub first_leaf: u64,
    /// Entries in the log now.
    pub tree_size: u64,
    /// The signed checkpoint of that size, a C2SP signed note.
    pub checkpoint: Arc<str>,
    /// Where each record's content is, in the order of the records.
    pub spool: Vec<Option<SpoolRef>>,
}

/// A record as read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its place in the log, from 0.
    pub leaf: u64,
    /// Time of its group, Unix nanoseconds.
    pub time_ns: i64,
    /// Its salt.
    pub salt: [u8; 32],
    /// The entry.
    pub entry: Bytes,
    /// Where its content was put.
    pub spool: Option<SpoolRef>,
}

/// How to open a ledger.
#[derive(Debug, Clone)]
pub struct Options {
    /// Data folder; `ledger/` and `spool/` are made in it.
    pub dir: PathBuf,
    /// Origin line of the checkpoints, equal to the name of the key: a schema-less URL such as `dex.example.org/ledger`.
    pub origin: String,
    /// A ledger segment is closed at the first group boundary after this many bytes.
    pub segment_bytes: u64,
    /// The same for spool segments.
    pub spool_segment_bytes: u64,
    /// Space reserved ahead of the writing position, per file.
    pub reserve_bytes: u64,
    /// Most bytes ledger, hashes and spool may take together; beyond it commits answer `NoSpace`. None: the disk decides.
    pub max_total_bytes: Option<u64>,
    /// A checkpoint is synced at most this often, nanoseconds; it bounds what a torn tail may cut.
    pub checkpoint_every_ns: i64,
}

impl Options {
    /// Defaults: segments and reserve of 64 MiB, a synced checkpoint every second, no limit but the disk's.
    pub fn new(dir: impl Into<PathBuf>, origin: impl Into<String>) -> Self {
        Self {
            dir: dir.into(),
            origin: origin.into(),
            segment_bytes: 64 << 20,
            spool_segment_bytes: 64 << 20,
            reserve_bytes: 64 << 20,
            max_total_bytes: None,
            checkpoint_every_ns: 1_000_000_000,
        }
    }
}
