//! An exchange that is open: what of it the HAT's state holds until it ends.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::bytes::Digest;
use crate::domain::command::PullAsk;
use crate::domain::event::{Closed, Direction, Opened, is_false};
use crate::domain::exchange::large::Fetching;
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
    /// For a pull: what is asked.
    #[serde(default, skip_serializing_if = "PullAsk::is_everything")]
    pub ask: PullAsk,
    /// Whether its content goes by an object store.
    #[serde(default, skip_serializing_if = "is_false")]
    pub large: bool,
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
            ask: opened.ask(),
            large: opened.large.is_some(),
            without_pii: opened.without_pii,
        }
    }

    /// The exchange whose content is to be fetched from `at` on: what is delivered of it is not known yet.
    pub fn fetch(fetching: &Fetching, at: Timestamp) -> Self {
        let object = &fetching.object;
        Open {
            exchange: fetching.exchange,
            from: fetching.from.clone(),
            to: fetching.to.clone(),
            direction: fetching.direction,
            deadline: fetching.deadline,
            digest_in: object.digest,
            digest_out: object.digest,
            count: object.count,
            bytes: u32::try_from(object.size).unwrap_or(u32::MAX),
            opened_at: at,
            recalled: false,
            ask: PullAsk::default(),
            large: true,
            without_pii: fetching.without_pii,
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
