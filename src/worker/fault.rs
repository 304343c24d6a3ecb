//! Why a job cannot go on, in the closed words of the protocol.

use std::time::Duration;

use crate::connectors::FetchError;
use crate::domain::job::JobError;

/// Why a job cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The word that the exchange is told.
    pub word: JobError,
    /// What happened, for the log: no content, no secret, no address of the source's.
    pub what: String,
    /// Not to be tried again before.
    pub after: Option<Duration>,
    /// Whether the source may have refused the place that it was asked for, and not the account or the address.
    pub of_place: bool,
}

impl Fault {
    /// A fault without a wish for when it is tried again.
    pub fn new(word: JobError, what: impl Into<String>) -> Self {
        Fault { word, what: what.into(), after: None, of_place: false }
    }

    /// Whether the same page may be had a moment later.
    pub fn passes(&self) -> bool {
        matches!(self.word, JobError::Timeout | JobError::Network | JobError::RateLimited)
    }
}

impl From<FetchError> for Fault {
    fn from(error: FetchError) -> Self {
        let what = error.to_string();
        let of_place = matches!(error, FetchError::NotFound | FetchError::Gone | FetchError::Rejected { .. });
        let (word, after) = match error {
            FetchError::Unauthorized => (JobError::Unauthorized, None),
            FetchError::NotFound => (JobError::NotFound, None),
            FetchError::Gone => (JobError::Gone, None),
            FetchError::RateLimited { retry_after } => (JobError::RateLimited, retry_after),
            FetchError::Timeout => (JobError::Timeout, None),
            FetchError::Network(_) => (JobError::Network, None),
            FetchError::TooLarge(_) => (JobError::TooLarge, None),
            FetchError::Malformed(_) => (JobError::Malformed, None),
            FetchError::Rejected { .. } | FetchError::Refused(_) => (JobError::Refused, None),
        };
        Fault { word, what, after, of_place }
    }
}
