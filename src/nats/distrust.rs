//! Bus distrust: whether a stream still holds the message that we know, and in which way it does not.

use std::time::Duration;

use async_nats::jetstream;

use super::lookup::{self, LookupError};
use super::streams::StreamIdentity;
use crate::domain::MessageId;

/// How far the broker's clock may be behind ours when a message is said to have aged out.
const CLOCK_SLACK: Duration = Duration::from_secs(60);

/// In which way a stream is not the one we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// It was deleted and made anew: by us, when it was not there, or by somebody else.
    Replaced,
    /// The message that we know is gone, though the stream goes on to it or past it: purged, or deleted.
    Truncated,
    /// It ends before the message that we know: an older copy was put back.
    RolledBack,
    /// Another message is where ours was: an older copy was put back, and more was stored since.
    Refilled,
}

impl Loss {
    /// Every way, for counters that begin at zero.
    pub const ALL: [Loss; 4] = [Loss::Replaced, Loss::Truncated, Loss::RolledBack, Loss::Refilled];

    /// Its name as a label.
    pub fn as_str(self) -> &'static str {
        match self {
            Loss::Replaced => "replaced",
            Loss::Truncated => "truncated",
            Loss::RolledBack => "rolled-back",
            Loss::Refilled => "refilled",
        }
    }
}

/// A message that a stream must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// When the stream was made, nanoseconds since 1970.
    pub stream_created: i64,
    /// Sequence of the message.
    pub sequence: u64,
    /// Its `Dex-Id`, zero when it has none or no right one.
    pub id: [u8; 16],
    /// When the stream stored it, nanoseconds since 1970; `None` when we were not told.
    pub stored_at: Option<i64>,
    /// From then on the stream may have let it go by itself, nanoseconds since 1970.
    pub kept_until: i64,
}

/// Compares what a stream is with what we know of it; `None` when nothing contradicts. `now`: our clock, nanoseconds since
/// 1970; by it a message that is absent may only have aged out.
///
/// # Errors
/// [`LookupError`] when the broker does not tell.
pub async fn compare(
    js: &jetstream::Context,
    stream: &str,
    identity: &StreamIdentity,
    known: &Known,
    now: i64,
) -> Result<Option<Loss>, LookupError> {
    if known.stream_created != identity.created_ns {
        return Ok(Some(Loss::Replaced));
    }
    if known.sequence > identity.last_sequence {
        return Ok(Some(Loss::RolledBack));
    }
    let Some(found) = lookup::message_at(js, stream, known.sequence).await? else {
        let slack = i64::try_from(CLOCK_SLACK.as_nanos()).unwrap_or(i64::MAX);
        let aged = now.saturating_add(slack) >= known.kept_until;
        return Ok((!aged).then_some(Loss::Truncated));
    };
    let id = found.dex_id.as_deref().and_then(|id| id.parse::<MessageId>().ok());
    let same_id = id.map_or([0; 16], |id| *id.0.as_bytes()) == known.id;
    let same_time = known.stored_at.is_none_or(|stored| stored == found.stored_at_ns);
    Ok((!(same_id && same_time)).then_some(Loss::Refilled))
}
