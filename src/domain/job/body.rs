//! What a worker is given.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use uuid::Uuid;

use crate::domain::id::Id;
use crate::domain::time::Timestamp;

/// Body of a message on `dex.v1.job.<plug>`: one thing to fetch. What may be added later is ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobBody {
    /// The job's id, also the message's `Dex-Id`: the same however often it is sent.
    pub job: Uuid,
    /// Whose data.
    pub hat: Id,
    /// Who is to fetch it.
    pub plug: Id,
    /// Which endpoint, by its name below the plug's namespace.
    pub endpoint: SmolStr,
    /// Which attempt of this round, from 1.
    pub attempt: u32,
    /// When it was planned.
    pub planned_at: Timestamp,
    /// It is over then, done or not.
    pub ends_at: Timestamp,
    /// How long a worker has it without a sign of life, seconds.
    pub lease_seconds: u32,
    /// Where to go on, as the plug's workers said before; at most [`CONTINUATION_BYTES_MAX`](super::CONTINUATION_BYTES_MAX)
    /// bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continuation: Option<SmolStr>,
    /// When this endpoint of this HAT was last fetched to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_done_at: Option<Timestamp>,
}
