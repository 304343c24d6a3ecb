//! A ledger entry: one event of one entity with what it was decided on.

use serde::{Deserialize, Serialize};

use super::command::Cause;
use super::event::Event;
use super::id::Address;
use super::time::Timestamp;

/// The format version written into every entry.
pub const ENTRY_VERSION: u8 = 1;

/// An authority entry that a decision relied on, named by its entity and the entity's entry number
/// (the exchange index resolves it to a leaf).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// Whose entry.
    pub entity: Address,
    /// Which one.
    pub n: u64,
}

/// One entry of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Format version, [`ENTRY_VERSION`].
    pub v: u8,
    /// The entity that decided.
    pub entity: Address,
    /// The entity's entry number: 1, 2, 3…
    pub n: u64,
    /// Event time: the message's store time, or the partition's now.
    pub at: Timestamp,
    /// The message, when one caused it. Parts of a fan-out repeat only what they need, so `None` there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The authority entries relied on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub basis: Vec<Basis>,
    /// What happened.
    pub event: Event,
}
