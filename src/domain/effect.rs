//! What follows from a committed entry. Derived from the entry alone, so that after a restart the
//! same effects come from the ledger again.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::bytes::Digest;
use super::event::{Opened, Part};
use super::id::{Address, MessageId};
use super::time::Timestamp;
use super::verdict::{Reason, Status};

/// What a party is told about one of its messages or exchanges. The place in the ledger is added
/// where it is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The exchange's (or registry message's) id.
    pub exchange: MessageId,
    /// How it stands.
    pub status: Status,
    /// Why, when refused, disputed, expired or held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The parts of a fan-out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// The delivery's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Uuid>,
    /// SHA-256 of the body that came.
    pub digest_in: Digest,
    /// SHA-256 of the body as delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest_out: Option<Digest>,
    /// Records.
    pub count: u32,
    /// Event time of the entry.
    pub at: Timestamp,
}

/// Something to be sent because of an entry.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Tell `to`. `first`: also plainly to the waiting caller's `Dex-Reply`, when the entry's cause has one.
    Outcome {
        to: Address,
        outcome: Outcome,
        first: bool,
    },
    /// Publish the spooled content to its recipient.
    Deliver(Opened),
    /// Ask the HAT for a release.
    Request(Opened),
    /// Ask the recipient to give a delivery back.
    RecallRequest {
        to: Address,
        exchange: MessageId,
        delivery: Uuid,
    },
    /// A message of the exchange to another entity, by way of the input stream: `dex.v1.in.<to>.<action>`.
    Send {
        to: Address,
        action: String,
        body: serde_json::Value,
        number: u16,
    },
    /// The exchange with this delivery is final: its content and deadline are dropped.
    Close { delivery: Uuid },
}
