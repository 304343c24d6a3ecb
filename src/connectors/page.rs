//! A page of records, and where to go on.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::FetchError;
use super::shape::SourceRecord;

/// Most records of one page.
pub const RECORDS_MAX: usize = 10_000;
/// Longest continuation, bytes.
pub const CONTINUATION_MAX: usize = 4096;

/// A page.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Page {
    /// The records, at most [`RECORDS_MAX`].
    pub records: Vec<SourceRecord>,
    /// Where to go on once these are stored; at most [`CONTINUATION_MAX`] bytes.
    pub continuation: Option<String>,
    /// The round is not over: ask again at once.
    pub more: bool,
    /// Records that could not be read and are left out, where the settings allow that.
    pub skipped: u32,
}

impl Page {
    /// The last page of a round.
    pub(super) fn end(records: Vec<SourceRecord>, continuation: String) -> Result<Page, FetchError> {
        Ok(Page { records, continuation: Some(continuation), more: false, skipped: 0 })
    }
}

/// A state as a continuation.
pub(super) fn continuation(state: &impl Serialize) -> Result<String, FetchError> {
    let text = serde_json::to_string(state).map_err(|_| FetchError::Malformed("no continuation can be made".into()))?;
    if text.len() > CONTINUATION_MAX {
        return FetchError::malformed(format!("the continuation would have more than {CONTINUATION_MAX} bytes"));
    }
    Ok(text)
}

/// The state of a continuation. One that cannot be read is of other settings: then from the beginning, which is safe,
/// as records are applied once.
pub(super) fn state_of<T: DeserializeOwned + Default>(continuation: Option<&str>) -> T {
    continuation.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}
