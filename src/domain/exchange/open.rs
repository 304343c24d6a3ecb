//! An exchange that is open: what of it the HAT's state holds until it ends.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::bytes::Digest;
use crate::domain::event::{Closed, Direction, Opened, is_false};
use crate::domain::id::{Address, MessageId};
use crate::domain::time::Timestamp;

/// An open exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// Its id.
    pub exchange: MessageId,
    /// Who sent it.
    pub from: Address,
    /// Who receives it.
    pub to: Address,
    /// Which way.
    pub direction: Direction,
    /// Settled by then, or expired.
    pub deadline: Timestamp,
    /// SHA-256 of the body that came.
    pub digest_in: Digest,
    /// SHA-256 of the body as delivered.
    pub digest_out: Digest,
    /// Records delivered.
    pub count: u32,
    /// Bytes delivered.
    pub bytes: u32,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// Whether its sender wants it back.
    pub recalled: bool,
    /// Whether its recipient is not to know whose data it is.
    #[serde(default, skip_serializing_if = "is_false")]
    pub without_pii: bool,
}

impl Open {
    /// The open exchange that this event began at `at`.
    pub fn begin(opened: &Opened, at: Timestamp) -> Self {
        Open {
            exchange: opened.exchange,
            from: opened.from.clone(),
            to: opened.to.clone(),
            direction: opened.direction,
            deadline: opened.deadline,
            digest_in: opened.digest_in,
            digest_out: opened.digest_out,
            count: opened.count_out,
            bytes: opened.bytes_out,
            opened_at: at,
            recalled: false,
            without_pii: opened.without_pii,
        }
    }

    /// What its end says of it.
    pub fn close(&self, delivery: Uuid) -> Box<Closed> {
        Box::new(Closed {
            exchange: self.exchange,
            from: self.from.clone(),
            to: self.to.clone(),
            delivery,
            direction: self.direction,
            digest_in: self.digest_in,
            digest_out: self.digest_out,
            count: self.count,
            bytes: self.bytes,
            opened_at: self.opened_at,
            without_pii: self.without_pii,
        })
    }
}
