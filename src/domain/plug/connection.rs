//! How a plug and a HAT stand to each other, and what they are told of it.

use serde::{Deserialize, Serialize};

use crate::domain::id::{Id, MessageId};
use crate::domain::time::{SECOND, Timestamp};

/// Microseconds after which a plug's wish that the owner has not answered lapses: 7 days.
pub const CONNECTING_FOR: i64 = 7 * 86_400 * SECOND;
/// Most wishes that wait on one HAT.
pub const CONNECTING_MAX: usize = 64;

/// A plug's wish to be connected, which waits for the owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The plug's message.
    pub id: MessageId,
    /// When.
    pub at: Timestamp,
    /// It lapses then.
    pub until: Timestamp,
}

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectionState {
    /// To the HAT: the plug wants to be connected.
    Connecting,
    /// To the plug: the owner has connected it.
    Connected,
    /// To the plug: the owner has disconnected it.
    Disconnected,
}

/// What the HAT or the plug is told on `dex.v1.out.<kind>.<id>.connection`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// The HAT.
    pub hat: Id,
    /// The plug.
    pub plug: Id,
    /// How they stand from `at` on.
    pub state: ConnectionState,
    /// When.
    pub at: Timestamp,
    /// Number of the HAT's entry that made it so: of two messages about the same two, the higher one holds.
    pub n: u64,
    /// Of `connecting`: the wish lapses then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}
