//! What goes wrong with a HAT: where, in which call, and of which kind. Never what a body held.

use std::time::Duration;

use crate::domain::Id;

use crate::http::resolve::NotPublic;

/// The kinds of fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The address is no DNS name with at least two parts.
    #[error("the address is no DNS name of a HAT")]
    Address,
    /// Its name leads nowhere that we go to.
    #[error("its name leads to no public address")]
    NotPublic,
    /// No connection.
    #[error("it cannot be reached")]
    Unreachable,
    /// No whole answer in time.
    #[error("it did not answer in time")]
    Timeout,
    /// The answer broke off.
    #[error("its answer broke off")]
    Broken,
    /// It sent more than is read.
    #[error("its answer is larger than {0} bytes")]
    TooLarge(usize),
    /// It sends us to another host, or round in circles.
    #[error("it redirects to another host or too often")]
    Redirect,
    /// It said no, or failed.
    #[error("it answered {0}")]
    Status(u16),
    /// It holds this content already.
    #[error("it holds this already")]
    Duplicate,
    /// The debit is not enabled there.
    #[error("its owner has not enabled the debit")]
    NotEnabled,
    /// An answer that is not what the call answers; the text names the part, not the content.
    #[error("its answer is not what the call answers: {0}")]
    Form(&'static str),
    /// It shows another key than the one that is pinned, or its tokens are not signed with that one.
    #[error("its key is not the one that is pinned")]
    OtherKey,
    /// Its key is none that can be used.
    #[error("its key cannot be used: {0}")]
    Key(String),
    /// We have no account there, or cannot read its password.
    #[error("no account for it: {0}")]
    Account(String),
    /// Retries are used up for now.
    #[error("it was asked often enough for now")]
    Budget,
}

impl Fault {
    /// Its kind, out of [`BridgeFault::KINDS`](crate::telemetry::events::BridgeFault::KINDS).
    pub fn kind(&self) -> &'static str {
        match self {
            Fault::Address | Fault::NotPublic | Fault::Redirect => "address",
            Fault::Unreachable => "unreachable",
            Fault::Timeout => "timeout",
            Fault::Broken | Fault::TooLarge(_) | Fault::Form(_) => "answer",
            Fault::Status(_) | Fault::Duplicate | Fault::NotEnabled => "status",
            Fault::OtherKey | Fault::Key(_) => "key",
            Fault::Account(_) => "account",
            Fault::Budget => "budget",
        }
    }

    /// Whether it may pass by itself, so that it is worth to ask again.
    pub fn passes(&self) -> bool {
        match self {
            Fault::Status(status) => matches!(status, 408 | 425 | 429 | 500..=599),
            Fault::Unreachable | Fault::Timeout | Fault::Broken | Fault::TooLarge(_) | Fault::Form(_) => true,
            Fault::Budget | Fault::Account(_) => true,
            Fault::Address | Fault::NotPublic | Fault::Redirect | Fault::Duplicate | Fault::NotEnabled => false,
            Fault::OtherKey | Fault::Key(_) => false,
        }
    }

    /// What the library's error means. Its own text may name more than is ours to tell.
    pub(super) fn of(error: &reqwest::Error) -> Fault {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
        while let Some(inner) = cause {
            if inner.downcast_ref::<NotPublic>().is_some() {
                return Fault::NotPublic;
            }
            cause = inner.source();
        }
        if error.is_redirect() {
            Fault::Redirect
        } else if error.is_timeout() {
            Fault::Timeout
        } else if error.is_connect() {
            Fault::Unreachable
        } else {
            Fault::Broken
        }
    }
}

/// A call to a HAT that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{call} at {hat}: {fault}")]
pub struct HatError {
    /// The HAT.
    pub hat: Id,
    /// The call, without its parameters.
    pub call: &'static str,
    /// What went wrong.
    pub fault: Fault,
    /// Not to be asked again before so long, as the HAT said; at most an hour.
    pub after: Option<Duration>,
}
