//! The append-only ledger: segment files of group frames, a Merkle log over salted commitments, signed checkpoints, and the
//! spool of contents. Entries are opaque bytes here; time, salts and keys come in as arguments.

mod check;
mod checkpoint;
mod disk;
mod error;
mod frame;
mod group;
mod hashes;
mod log;
pub mod merkle;
mod notes;
pub mod offline;
pub mod proof;
mod reader;
mod recover;
mod segment;
mod spool;
mod spool_write;
#[cfg(test)]
mod tests;

pub use check::{Finding, Report, check, check_with};
pub use checkpoint::{Checkpoint, CheckpointError, CheckpointKey, CheckpointVerifier};
pub use error::LedgerError;
pub use group::{Committed, Group, NewRecord, Options, Position, Stored};
pub use log::Ledger;
pub use reader::{LedgerReader, Scan};
pub use recover::Recovered;
pub use spool::{SpoolHandle, SpoolRef};
pub use spool_write::Compacted;
