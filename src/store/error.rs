//! What can go wrong with the state database.

use std::path::PathBuf;

use crate::domain::Address;

/// Every failure of the store. None of them leaves a half-written snapshot behind.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // each variant's own text tells what its fields are
pub enum StoreError {
    /// The file could not be opened.
    #[error(
        "cannot open the state database {path}: {source}; if it is damaged, move it away and run `dex snapshot rebuild`"
    )]
    Open { path: PathBuf, source: Box<redb::Error> },
    /// Another process has the file open.
    #[error("the state database {path} is open in another process; stop that one first")]
    InUse { path: PathBuf },
    /// A newer program wrote the file.
    #[error(
        "the state database {path} has format {found}, this program reads formats up to {known}; run the newer program, or move the file away and run `dex snapshot rebuild`"
    )]
    Newer { path: PathBuf, found: u16, known: u16 },
    /// The file belongs to another exchange.
    #[error(
        "the state database {path} belongs to the exchange {found:?}, not to {expected:?}; check the data directory and the origin in the configuration"
    )]
    Origin { path: PathBuf, found: String, expected: String },
    /// The database holds entries that the ledger does not.
    #[error(
        "the state database holds the first {through} ledger entries, but the ledger ends at {ledger}: the ledger was cut or is another one; restore the ledger, or move the state database away and run `dex snapshot rebuild`"
    )]
    Ahead { through: u64, ledger: u64 },
    /// The disk is nearly full. Nothing was written; it can be tried again.
    #[error(
        "{free} bytes are free on the disk of {path}, too few to write rows safely: free some, they are tried again"
    )]
    NoRoom { path: PathBuf, free: u64 },
    /// A snapshot would take the database back.
    #[error(
        "a snapshot through entry {new} cannot follow the one through entry {held}: the state database never goes back"
    )]
    Backward { held: u64, new: u64 },
    /// A row would go back.
    #[error("the row of {entity} includes its entry {held} and cannot go back to entry {new}")]
    RowBack { entity: Address, held: u64, new: u64 },
    /// Entries of an entity are missing between its row and the tail.
    #[error(
        "{entity}: entry {expected} is missing, entry {found} came instead; the tail was cut short or the ledger has lost entries: run `dex ledger check`"
    )]
    Gap { entity: Address, expected: u64, found: u64 },
    /// A folded state or row does not name the entry that it should include.
    #[error("{entity}: the state names entry {found} as its last, but entry {expected} was folded in")]
    Number { entity: Address, expected: u64, found: u64 },
    /// Stored bytes cannot be read.
    #[error(
        "{what} of {key} in the state database cannot be read: {detail}; move the file away and run `dex snapshot rebuild`"
    )]
    Decode { what: &'static str, key: String, detail: String },
    /// A value cannot be written as MessagePack.
    #[error("{what} cannot be encoded: {source}")]
    Encode { what: &'static str, source: rmp_serde::encode::Error },
    /// A rebuild was asked for into a database that holds something.
    #[error("a rebuild needs an empty state database, this one holds the first {through} entries; move it away first")]
    NotEmpty { through: u64 },
    /// The ledger handed to a rebuild is out of order.
    #[error("ledger entry {found} came after entry {last}: a rebuild reads the ledger in order")]
    Order { last: u64, found: u64 },
    /// The source of a rebuild failed.
    #[error("the ledger could not be read: {0}")]
    Source(Box<dyn std::error::Error + Send + Sync>),
    /// The database failed (disk full, I/O error, damage).
    #[error("the state database failed: {0}")]
    Database(Box<redb::Error>),
}

macro_rules! from_redb {
    ($($error:ty),+) => {$(
        impl From<$error> for StoreError {
            fn from(error: $error) -> Self {
                StoreError::Database(Box::new(error.into()))
            }
        }
    )+};
}

from_redb!(redb::StorageError, redb::TableError, redb::TransactionError, redb::CommitError, redb::SetDurabilityError);
