//! A message to the exchange before it is signed: to whom, what, and how long it may take.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use uuid::Uuid;

use crate::domain::{Address, MessageId, Timestamp};
use crate::wire::subject;

/// When an exchange must be settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deadline {
    /// So long after it is sent.
    In(Duration),
    /// At this instant.
    At(Timestamp),
}

/// A message to be sent. The constructors are the protocol's actions; the rest is optional.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    pub(super) subject: String,
    pub(super) body: Bytes,
    pub(super) id: Option<MessageId>,
    pub(super) deadline: Option<Deadline>,
    pub(super) pull: Option<MessageId>,
    pub(super) job: Option<Uuid>,
    pub(super) want_proof: bool,
    pub(super) wait: Option<Duration>,
}

impl Order {
    /// Any action: its first token, and ids after it as they are.
    pub fn new(to: &Address, action: &[&str], body: impl Into<Bytes>) -> Self {
        Order::on(subject::published(to, action), body)
    }

    /// A message on a subject that is given whole, such as a delivery's `Dex-Receipt-To`.
    pub fn on(subject: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Order {
            subject: subject.into(),
            body: body.into(),
            id: None,
            deadline: None,
            pull: None,
            job: None,
            want_proof: false,
            wait: None,
        }
    }

    /// An action whose body is `value` as JSON.
    pub(super) fn json(to: &Address, action: &[&str], value: &impl Serialize) -> Self {
        let body = serde_json::to_vec(value).expect("the protocol's bodies are plain JSON");
        Order::new(to, action, body)
    }

    /// Sent under this id, not a fresh one: to repeat a message, or to know its id beforehand.
    #[must_use]
    pub fn id(mut self, id: MessageId) -> Self {
        self.id = Some(id);
        self
    }

    /// Settled within so long after sending, else expired: 1 s to 7 days; 1 h when not given.
    #[must_use]
    pub fn settle_within(mut self, span: Duration) -> Self {
        self.deadline = Some(Deadline::In(span));
        self
    }

    /// Settled by this instant, else expired.
    #[must_use]
    pub fn settle_by(mut self, instant: Timestamp) -> Self {
        self.deadline = Some(Deadline::At(instant));
        self
    }

    /// The pull that a release answers.
    #[must_use]
    pub fn answers(mut self, pull: MessageId) -> Self {
        self.pull = Some(pull);
        self
    }

    /// The job that brought the records of a credit.
    #[must_use]
    pub fn of_job(mut self, job: Uuid) -> Self {
        self.job = Some(job);
        self
    }

    /// Entry, salt, inclusion path and checkpoint shall come with the outcome.
    #[must_use]
    pub fn want_proof(mut self) -> Self {
        self.want_proof = true;
        self
    }

    /// Waits so long for the first outcome, not the client's default.
    #[must_use]
    pub fn wait(mut self, span: Duration) -> Self {
        self.wait = Some(span);
        self
    }

    /// The subject it is published on.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Its body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }
}
