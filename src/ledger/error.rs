//! What can go wrong in the ledger, and what the reader of the message should do about it.

use std::io;
use std::path::{Path, PathBuf};

/// An error of the ledger or the spool.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// A system call failed. After one of these in [`super::Ledger::commit`] the ledger is poisoned.
    #[error("cannot {op} {}: {source}", path.display())]
    Io {
        /// What was tried ("write", "sync", …).
        op: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// There is no room for the group. Nothing of it was written; the same commit may be tried again later.
    #[error("no space for {needed} more bytes on {}: free some and the commit can be tried again", path.display())]
    NoSpace {
        /// Bytes that had to be reserved.
        needed: u64,
        /// The file they were for.
        path: PathBuf,
    },
    /// The disk is nearly full. Nothing was written; the same commit may be tried again later.
    #[error(
        "{free} bytes are free on the disk of {}, fewer than the {floor} that are to stay free: free some and the commit can be tried again",
        path.display()
    )]
    Scarce {
        /// Bytes free.
        free: u64,
        /// Bytes that are to stay free.
        floor: u64,
        /// The folder.
        path: PathBuf,
    },
    /// An earlier write or sync failed; what is on disk is known again only after opening the folder anew.
    #[error("an earlier write or sync of this ledger failed: restart the process so that it reads what is durable")]
    Poisoned,
    /// The group or one content is larger than the format allows. Nothing was written.
    #[error("{what} has {bytes} bytes, over the limit of {limit}")]
    TooLarge {
        /// "group" or "content".
        what: &'static str,
        /// Its size.
        bytes: u64,
        /// The most allowed.
        limit: u64,
    },
    /// Damage that is not a torn tail: it is below a signed checkpoint, or whole frames follow it.
    #[error(
        "{} is damaged at byte {offset}, leaf {leaf} ({what}); signed checkpoints promise {promised} entries, so nothing was cut: \
         restore the ledger folder from a backup or replica that holds at least {promised} entries, check it with `dex ledger check`, and start again",
        path.display()
    )]
    Damaged {
        /// The damaged file.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// The first leaf that cannot be read.
        leaf: u64,
        /// Tree size of the newest checkpoint known.
        promised: u64,
        /// What is wrong there.
        what: String,
    },
    /// The folder holds fewer entries than a checkpoint signed by this ledger says.
    #[error(
        "{} holds {have} entries but {known_from} promises {promised}: this is an old copy; \
         restore the ledger folder from a backup or replica that holds at least {promised} entries and start again",
        dir.display()
    )]
    Behind {
        /// The ledger folder.
        dir: PathBuf,
        /// Entries found.
        have: u64,
        /// Entries promised.
        promised: u64,
        /// Which checkpoint says so.
        known_from: &'static str,
    },
    /// The entries do not hash to the root that was signed.
    #[error(
        "{}: the first {size} entries hash to {found}, but {known_from} signed {signed} for them: \
         the entries were changed or the checkpoint is of another ledger; restore the folder and start again",
        dir.display()
    )]
    Forked {
        /// The ledger folder.
        dir: PathBuf,
        /// Tree size of the checkpoint.
        size: u64,
        /// Root of the entries on disk, base64.
        found: String,
        /// Root signed, base64.
        signed: String,
        /// Which checkpoint says so.
        known_from: &'static str,
    },
    /// A checkpoint note could not be used.
    #[error("checkpoint from {known_from}: {source}")]
    Checkpoint {
        /// Where the note came from.
        known_from: &'static str,
        /// What is wrong with it.
        source: super::CheckpointError,
    },
    /// An option makes no sense.
    #[error("ledger option {name}: {what}")]
    Option {
        /// The option.
        name: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// Another process has this folder open.
    #[error("{} is in use by another process: stop it, or choose another data folder", dir.display())]
    Locked {
        /// The ledger folder.
        dir: PathBuf,
    },
    /// A leaf or tree size that is not in the log.
    #[error("{what} {asked} is not in the log of {tree_size} entries")]
    OutOfRange {
        /// "leaf", "tree size" or "tile".
        what: &'static str,
        /// What was asked for.
        asked: u64,
        /// Entries in the log.
        tree_size: u64,
    },
    /// Content is not in the spool any more, or is damaged there.
    #[error("spool content at segment {segment} byte {offset}: {what}")]
    Content {
        /// Spool segment.
        segment: u64,
        /// Byte offset in it.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
}

impl LedgerError {
    /// True if nothing was written and the same call can succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::NoSpace { .. } | Self::Scarce { .. })
    }
}

/// Makes the closure that `map_err` wants, naming the operation and the file.
pub(super) fn io_at(op: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LedgerError {
    move |source| LedgerError::Io { op, path: path.to_path_buf(), source }
}
