//! Content that is larger than a message may be: it is named by a signed reference, fetched aside, and judged by what
//! was found in it. The exchange is open from the reference on and goes its ordinary way once the content is here.

mod answer;
pub mod begin;
pub mod end;
mod fan;
mod out;
mod sift;
mod slate;
mod source;
mod split;
mod spread;
mod terms;

use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use uuid::Uuid;

pub use answer::Answering;
pub use fan::{Fan, PartFound};
pub use sift::Sift;
pub use slate::Slate;
pub use split::Splitter;
pub use terms::Terms;

use crate::domain::bundle::Unordered;
use crate::domain::bytes::Digest;
use crate::domain::event::{Authority, Direction, is_false};
use crate::domain::id::{Address, Id, MessageId};
use crate::domain::pii::{Dropped, Gate};
use crate::domain::time::Timestamp;
use crate::domain::verdict::Reason;

/// Smallest chunk but for the last one of an object, bytes: it bounds how many there are.
pub const CHUNK_BYTES_MIN: u64 = 16 * 1024;

/// A reference to content in an object store, as it stands in a message's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Object {
    /// Its id under the address of who uploaded it (in a delivery: under the recipient's).
    pub id: Uuid,
    /// Bytes, at least 1.
    pub size: u64,
    /// SHA-256 of all of them.
    pub digest: Digest,
    /// Records in it.
    pub count: u32,
    /// Messages that it is cut into.
    pub chunks: u32,
}

impl Object {
    /// Whether size, records and chunks can be those of one content.
    pub fn is_sound(&self) -> bool {
        let most = self.size / CHUNK_BYTES_MIN + 1;
        self.size > 0 && self.count > 0 && self.chunks > 0 && u64::from(self.chunks) <= most
    }
}

/// Where a sender has put the content of an exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    /// Who signed the message, and uploaded: the sender, or the bridge that speaks for it.
    pub by: Address,
    /// The object's id.
    pub object: Uuid,
}

/// An exchange whose content is being fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetching {
    /// The exchange's id.
    pub exchange: MessageId,
    /// Who sent it.
    pub from: Address,
    /// Who uploaded the content.
    pub by: Address,
    /// Who receives it.
    pub to: Address,
    /// Which way.
    pub direction: Direction,
    /// Under which right.
    pub authority: Authority,
    /// The delivery's own id.
    pub delivery: Uuid,
    /// Settled by then, or expired.
    pub deadline: Timestamp,
    /// What its sender signed for.
    pub object: Object,
    /// The debits that it goes to, when it goes to all that are in force: each a part of its own, once it is here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub debits: Vec<Id>,
    /// The pull that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<MessageId>,
    /// Whether its recipient is not to know whose data it is.
    #[serde(default, skip_serializing_if = "is_false")]
    pub without_pii: bool,
}

/// What a content came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// One delivery.
    One(Facts),
    /// One delivery for each of several debits, those that select nothing too.
    Parts(Vec<PartFound>),
}

/// Why a content is read no further.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// It is not to be delivered.
    #[error("{0}")]
    Refused(Reason),
    /// What is delivered of it could not be written.
    #[error("{0}")]
    Write(#[from] io::Error),
}

impl From<Reason> for Stopped {
    fn from(reason: Reason) -> Self {
        Stopped::Refused(reason)
    }
}

impl From<Unordered> for Stopped {
    fn from(why: Unordered) -> Self {
        match why {
            Unordered::TooLarge => Reason::TooLarge.into(),
            Unordered::Scratch(error) => error.into(),
        }
    }
}

/// What was found in a fetched content, which is as its sender signed for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// SHA-256 of what is delivered.
    pub digest: Digest,
    /// Its bytes.
    pub size: u64,
    /// Its records.
    pub count: u32,
    /// Its records per endpoint, as in an [`Opened`](crate::domain::event::Opened).
    pub endpoints: Vec<(SmolStr, u32)>,
    /// The namespaces of all records that came, for a credit.
    pub namespaces: Vec<SmolStr>,
    /// Fields that were left out, for their class was not granted.
    pub dropped: Dropped,
    /// For a release: what it was selected by.
    pub under: Option<Selected>,
}

/// What a release was selected by.
#[derive(Debug, Clone)]
pub struct Selected {
    /// Number of the entry that enabled the terms.
    pub enabled: u64,
    /// What they let pass then.
    pub gate: Arc<Gate>,
}

impl PartialEq for Selected {
    fn eq(&self, other: &Self) -> bool {
        self.enabled == other.enabled && self.gate.lets_the_same(&other.gate)
    }
}

impl Eq for Selected {}
