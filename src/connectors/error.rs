//! What goes wrong with a source or with a connector's settings. Never a secret, a query or content.

use std::time::Duration;

/// What is wrong with a connector's settings, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {why}")]
pub struct SettingsFault {
    /// Where, like `manifest.settings.connectors.posts.url`.
    pub at: String,
    /// Why, and what to write.
    pub why: String,
}

impl SettingsFault {
    /// A fault at a place.
    pub fn new(at: impl Into<String>, why: impl Into<String>) -> Self {
        SettingsFault { at: at.into(), why: why.into() }
    }
}

/// Why a page was not fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The source does not take the credentials (401, 403), or there are none where it needs some.
    #[error("the source refuses the credentials")]
    Unauthorized,
    /// 404, or no such file.
    #[error("the source has no such thing")]
    NotFound,
    /// 410: what the continuation names is gone; begin anew without one.
    #[error("the source has it no more: begin anew")]
    Gone,
    /// 429, or a 503 or 403 that says when to come again.
    #[error("the source asks to come later")]
    RateLimited {
        /// How long it asks to wait, at most [`super::AFTER_MAX`].
        retry_after: Option<Duration>,
    },
    /// The time limit of the whole request, or of a pause within it.
    #[error("the source was too slow")]
    Timeout,
    /// No connection, a broken one, or a status of 500 and above.
    #[error("{0}")]
    Network(String),
    /// More than the limits allow: bytes, records, ratio of compression.
    #[error("{0}")]
    TooLarge(String),
    /// What came is not what the settings say: type, form, place of the records, a circle of cursors.
    #[error("{0}")]
    Malformed(String),
    /// 400 or 422: the source does not take what it was asked, which may be for the place that a continuation names.
    #[error("the source answers status {status}")]
    Rejected {
        /// Which one.
        status: u16,
    },
    /// We do not ask this: an address that is not public, a redirect, a missing variable, any other status.
    #[error("{0}")]
    Refused(String),
}

impl FetchError {
    /// The word of the closed set that a plug reports.
    pub const fn word(&self) -> &'static str {
        match self {
            FetchError::Unauthorized => "unauthorized",
            FetchError::NotFound => "not-found",
            FetchError::Gone => "gone",
            FetchError::RateLimited { .. } => "rate-limited",
            FetchError::Timeout => "timeout",
            FetchError::Network(_) => "network",
            FetchError::TooLarge(_) => "too-large",
            FetchError::Malformed(_) => "malformed",
            FetchError::Rejected { .. } | FetchError::Refused(_) => "refused",
        }
    }

    pub(super) fn malformed<T>(why: impl Into<String>) -> Result<T, FetchError> {
        Err(FetchError::Malformed(why.into()))
    }

    pub(super) fn refused<T>(why: impl Into<String>) -> Result<T, FetchError> {
        Err(FetchError::Refused(why.into()))
    }
}
