//! How a plug and a HAT stand to each other, and what they are told of it.

use serde::{Deserialize, Serialize};

use crate::domain::id::{Id, MessageId};
use crate::domain::time::{SECOND, Timestamp};

/// Nanoseconds after which a plug's wish that the owner has not answered lapses: 7 days.
pub const CONNECTING_FOR: i64 = 7 * 86_400 * SECOND;
/// Longest pause after which an owner who has not answered is asked again, nanoseconds: a day.
pub const CONNECTING_AGAIN_MAX: i64 = 86_400 * SECOND;
/// The first such pause of a wish that does not say its own: an hour.
const CONNECTING_AGAIN: i64 = 3600 * SECOND;
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
    /// When the owner was asked last; none: at `at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
    /// How often it was asked again.
    #[serde(default)]
    pub times: u32,
    /// The first pause, nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<i64>,
}

impl Asked {
    /// A wish of `id` that nobody has repeated yet.
    pub fn new(id: MessageId, at: Timestamp, until: Timestamp, again: Option<i64>) -> Self {
        Asked { id, at, until, last: None, times: 0, again }
    }

    /// When something has to be done about it: the owner is asked again, or it lapses.
    pub fn next(&self) -> Timestamp {
        let pause = self.again.unwrap_or(CONNECTING_AGAIN).saturating_mul(1 << self.times.min(20));
        self.last.unwrap_or(self.at).plus(pause.min(CONNECTING_AGAIN_MAX)).min(self.until)
    }
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
