//! Looking at one stored message and at the ends of a stream: what bus distrust compares; and purging what is decided.

use async_nats::HeaderMap;
use async_nats::jetstream::{
    self, ErrorCode,
    context::GetStreamErrorKind,
    stream::{LastRawMessageErrorKind, RawMessageErrorKind},
};
use bytes::Bytes;

use super::streams::StreamIdentity;

/// A stored message, as much of it as bus distrust compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMessage {
    /// Its sequence in the stream.
    pub sequence: u64,
    /// The `Dex-Id` header, if there is one.
    pub dex_id: Option<String>,
    /// When the stream stored it, nanoseconds since 1970.
    pub stored_at_ns: i64,
    /// The subject under which it is stored.
    pub subject: String,
}

/// A look-up or purge failed for another reason than that nothing is there.
#[derive(Debug, thiserror::Error)]
#[error("{what} of stream {stream} failed: {reason}")]
pub struct LookupError {
    /// What was tried.
    pub what: &'static str,
    /// The stream.
    pub stream: String,
    /// What the server said.
    pub reason: String,
}

impl LookupError {
    fn new(what: &'static str, stream: &str, reason: impl ToString) -> Self {
        Self { what, stream: stream.to_string(), reason: reason.to_string() }
    }
}

/// The message at `sequence`, `None` when the stream does not hold it (purged, aged out, or never there).
///
/// Asked of the stream's leader, not of a replica that may be behind.
pub async fn message_at(
    js: &jetstream::Context,
    stream: &str,
    sequence: u64,
) -> Result<Option<StoredMessage>, LookupError> {
    let what = "look-up of a message";
    let handle = js.get_stream_no_info(stream).await.map_err(|e| LookupError::new(what, stream, e))?;
    match handle.get_raw_message(sequence).await {
        Ok(message) => Ok(Some(StoredMessage {
            sequence: message.sequence,
            dex_id: message.headers.get("Dex-Id").map(|id| id.as_str().to_string()),
            stored_at_ns: nanos(message.time),
            subject: message.subject.to_string(),
        })),
        Err(error) => match error.kind() {
            RawMessageErrorKind::NoMessageFound => Ok(None),
            RawMessageErrorKind::JetStream(inner) if inner.error_code() == ErrorCode::NO_MESSAGE_FOUND => Ok(None),
            _ => Err(LookupError::new(what, stream, error)),
        },
    }
}

/// The newest message on `subject` with its headers and body, `None` when the stream holds none.
///
/// # Errors
/// [`LookupError`] when the broker does not tell.
pub async fn newest_on(
    js: &jetstream::Context,
    stream: &str,
    subject: &str,
) -> Result<Option<(u64, HeaderMap, Bytes)>, LookupError> {
    let what = "look-up of the newest message";
    let handle = js.get_stream_no_info(stream).await.map_err(|e| LookupError::new(what, stream, e))?;
    match handle.get_last_raw_message_by_subject(subject).await {
        Ok(message) => Ok(Some((message.sequence, message.headers, message.payload))),
        Err(error) => match error.kind() {
            LastRawMessageErrorKind::NoMessageFound => Ok(None),
            LastRawMessageErrorKind::JetStream(inner) if inner.error_code() == ErrorCode::NO_MESSAGE_FOUND => Ok(None),
            _ => Err(LookupError::new(what, stream, error)),
        },
    }
}

/// Identity and ends of a stream.
pub async fn identity(js: &jetstream::Context, stream: &str) -> Result<StreamIdentity, LookupError> {
    let what = "state";
    let handle = js.get_stream_no_info(stream).await.map_err(|e| LookupError::new(what, stream, e))?;
    let info = handle.get_info().await.map_err(|e| LookupError::new(what, stream, e))?;
    Ok(StreamIdentity::from(&info))
}

/// Identity and ends of a stream, `None` when there is no such stream.
///
/// # Errors
/// [`LookupError`] when the broker does not tell.
pub async fn find(js: &jetstream::Context, stream: &str) -> Result<Option<StreamIdentity>, LookupError> {
    match js.get_stream(stream).await {
        Ok(found) => Ok(Some(StreamIdentity::from(found.cached_info()))),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(inner) if inner.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(None),
            _ => Err(LookupError::new("state", stream, error)),
        },
    }
}

/// Removes the messages before `sequence`, all or those of `filter`; that message itself stays. Returns how many went.
///
/// # Errors
/// [`LookupError`] when the server refuses.
pub async fn purge_before(
    js: &jetstream::Context,
    stream: &str,
    filter: Option<&str>,
    sequence: u64,
) -> Result<u64, LookupError> {
    // Nothing is before the first message; servers before 2.15 would take all.
    if sequence <= 1 {
        return Ok(0);
    }
    let what = "purge";
    let handle = js.get_stream_no_info(stream).await.map_err(|e| LookupError::new(what, stream, e))?;
    let done = match filter {
        Some(filter) => handle.purge().filter(filter).sequence(sequence).await,
        None => handle.purge().sequence(sequence).await,
    };
    done.map(|done| done.purged).map_err(|e| LookupError::new(what, stream, e))
}

/// Nanoseconds since 1970; a time that does not fit (before 1678 or after 2262) is clamped.
pub(super) fn nanos(time: async_nats::datetime::DateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos()).unwrap_or(if time.unix_timestamp() < 0 { i64::MIN } else { i64::MAX })
}
