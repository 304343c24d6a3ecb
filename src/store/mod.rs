//! The state database: rows of entities, the exchange index, registrations and open exchanges in one
//! redb file, `state.redb`, and the tail of committed entries that are not in it yet.
//!
//! The database always holds the exact fold of the ledger's first `through` entries; the [`Tail`] holds
//! the rest. Both together give any entity's current state ([`load`]). The persistence thread moves
//! entries from one to the other: [`fold_rows`], [`StateDb::write`], [`Tail::written`].

mod db;
mod error;
mod fold;
mod history;
mod key;
mod load;
mod rebuild;
mod room;
mod row;
mod statistics;
mod tail;
mod view;
mod write;

#[cfg(test)]
mod db_tests;
#[cfg(test)]
mod frozen;
#[cfg(test)]
mod law;
#[cfg(test)]
mod tail_tests;
#[cfg(test)]
mod toy;

pub use db::{CACHE_BYTES, Options, StateDb};
pub use error::StoreError;
pub use fold::{RegistryFold, fold_entity, fold_rows, fold_stateless};
pub use history::Place;
pub use key::{INDEX_KEYS_MAX, IndexKey, IndexKeys, index_keys};
pub use load::{load, state_of};
pub use rebuild::{REBUILD_BATCH, Rebuilt, rebuild};
pub use room::{ROOM_MIN, bytes_free};
pub use row::{FORMAT, Header, OpenRow, Row, SpoolPlace};
pub use statistics::StatisticsChange;
pub use tail::{Fill, Sealed, TAIL_BOUND, Tail};
pub use view::{LEAVES_MAX, Rows, View};
pub use write::{Batch, WriteStats};
