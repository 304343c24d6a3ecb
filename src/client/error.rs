//! Why a call of the client failed.

use std::time::Duration;

use crate::domain::id::IdError;
use crate::domain::{MessageId, Reason};
use crate::nats::ConnectError;
use crate::wire::{OutcomeOut, Problem, ReceivedError};

use super::keys::KeyFileError;

/// The exchange said no.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The refused message.
    pub id: MessageId,
    /// Why, out of the closed set.
    pub reason: Reason,
    /// What is wrong here, for people.
    pub detail: Option<String>,
    /// The ledgered outcome; none where the sender could not be authenticated.
    pub outcome: Option<OutcomeOut>,
}

impl Refusal {
    pub(super) fn from_problem(id: MessageId, problem: Problem) -> Self {
        Refusal { id, reason: problem.reason, detail: problem.detail, outcome: None }
    }
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The exchange said no.
    #[error("refused: {}: {} (message {})", .0.reason, .0.detail.as_deref().unwrap_or(.0.reason.explanation()), .0.id)]
    Refused(Box<Refusal>),
    /// No outcome came in time. The message may still be worked on: ask `dex exchange trace <id>`, or
    /// send it again under the same id.
    #[error(
        "no outcome of message {id} within {waited:?} ({}); trace it by this id or send it again under it",
        if *.stored { "the broker has stored it" } else { "the broker has not confirmed it" }
    )]
    Timeout {
        /// The message's id.
        id: MessageId,
        /// How long was waited.
        waited: Duration,
        /// Whether the broker confirmed that it holds the message.
        stored: bool,
    },
    /// A query was not answered in time.
    #[error("no answer to {subject} within {waited:?}: is the daemon running?")]
    NoAnswer {
        /// The query's subject.
        subject: String,
        /// How long was waited.
        waited: Duration,
    },
    /// The query was answered with a problem.
    #[error("{}: {}", .0.reason, .0.detail.as_deref().unwrap_or(&.0.title))]
    Problem(Box<Problem>),
    /// The connection could not be made.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The broker refused or failed.
    #[error("the broker: {0}")]
    Broker(String),
    /// An answer is not of the protocol's form.
    #[error("an answer that is not of the protocol's form: {0}")]
    Form(String),
    /// A message that says it is the exchange's and is not, or is damaged. It was not used.
    #[error("a message on {subject} was not taken: {source}")]
    Unverified {
        /// Where it came.
        subject: String,
        /// What is wrong with it.
        source: ReceivedError,
    },
    /// Something of this machine, like a disk that is full.
    #[error("{0}")]
    Local(String),
    /// Large content cannot be read, or is not what it should be.
    #[error("the content: {0}")]
    Content(String),
    /// This client has no key to sign with.
    #[error("this client has no signing key, so it can send nothing")]
    NoSigner,
    /// An argument is no id or address.
    #[error(transparent)]
    Id(#[from] IdError),
    /// A key file.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
}

impl ClientError {
    /// The reason, when the exchange said no.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            ClientError::Refused(refusal) => Some(refusal.reason),
            ClientError::Problem(problem) => Some(problem.reason),
            _ => None,
        }
    }
}
