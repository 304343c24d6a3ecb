//! The one shape of every state machine: `decide` reads, `apply` folds.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use smol_str::SmolStr;

use super::command::Command;
use super::entry::{Basis, Entry};
use super::event::Event;
use super::id::Address;
use super::limits::Limits;
use super::pii::Catalogue;
use super::registration::Registration;
use super::time::Timestamp;
use super::verdict::Reason;

/// Read access to the registrations of all parties, at most 2 s behind the ledger.
pub trait RegistryView {
    /// The registration of `party`, if it ever had one.
    fn registration(&self, party: &Address) -> Option<Arc<Registration>>;

    /// What is known of the fields of endpoints, likewise.
    fn catalogue(&self) -> Arc<Catalogue> {
        static NOTHING: LazyLock<Arc<Catalogue>> = LazyLock::new(Arc::default);
        Arc::clone(&NOTHING)
    }

    /// The version of that, without its content.
    fn catalogue_version(&self) -> u64 {
        self.catalogue().version()
    }
}

/// What the exchange knows of a message id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// Never seen under this (addressed entity, sender).
    New,
    /// Seen with equal subject and body digest.
    Same,
    /// Seen with another subject or body.
    Other,
}

/// What a decision may use besides state and command.
pub struct Context<'a> {
    /// The exchange's origin (ledger name).
    pub origin: &'a SmolStr,
    /// Key of the HMAC that makes delivery ids (32 bytes, secret).
    pub delivery_key: &'a [u8; 32],
    /// The bounds.
    pub limits: &'a Limits,
    /// The registrations.
    pub registry: &'a dyn RegistryView,
    /// The deciding entity's address.
    pub entity: &'a Address,
    /// The partition's now: never behind the command's store time.
    pub now: Timestamp,
    /// True when messages need no signature of their own because the broker authenticates.
    pub trusted_broker: bool,
}

/// One entry to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// What happened.
    pub event: Event,
    /// What it was decided on.
    pub basis: Vec<Basis>,
    /// Content to spool until the exchange is final.
    pub content: Option<Bytes>,
    /// Whether the entry carries the message's facts (one draft of a decision).
    pub with_cause: bool,
}

impl Draft {
    /// The entry that answers the message: it carries the message's facts.
    pub fn caused(event: Event) -> Self {
        Draft { event, basis: Vec::new(), content: None, with_cause: true }
    }

    /// A further entry of a decision, or one that no message caused.
    pub fn further(event: Event) -> Self {
        Draft { with_cause: false, ..Draft::caused(event) }
    }

    /// With what it was decided on.
    #[must_use]
    pub fn on(mut self, basis: Vec<Basis>) -> Self {
        self.basis = basis;
        self
    }
}

/// What a message leads to.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Entries, at least one, in order.
    Record(Vec<Draft>),
    /// The id is known with the same content: its first outcome again, nothing else.
    Repeat,
    /// The sender is not authenticated: counted, answered to the waiting caller, not ledgered by itself.
    Anonymous(Reason),
    /// Nothing to do now, though the clock says so: it is to be asked again then. Only of [`Action::Wake`](super::command::Action::Wake).
    Wait(Timestamp),
    /// Nothing to do (a local command whose occasion is gone, such as the deadline of a final exchange).
    Nothing,
}

impl Decision {
    /// One entry.
    pub fn one(draft: Draft) -> Self {
        Decision::Record(vec![draft])
    }

    /// The message of an authenticated sender is refused.
    pub fn rejected(reason: Reason) -> Self {
        Decision::one(Draft::caused(Event::Rejected { reason }))
    }

    /// The drafts of a transition, or its refusal.
    pub fn of(judged: Result<Vec<Draft>, Reason>) -> Self {
        match judged {
            Ok(drafts) => Decision::Record(drafts),
            Err(reason) => Decision::rejected(reason),
        }
    }
}

/// A state machine.
pub trait Entity: Default + Clone + PartialEq + Serialize + DeserializeOwned {
    /// Decides without changing anything.
    fn decide(&self, ctx: &Context<'_>, command: &Command, known: Known) -> Decision;

    /// Folds one entry in. Total: never fails, whatever came before.
    fn apply(&mut self, entry: &Entry);

    /// Number of the last entry folded in; 0 at first.
    fn n(&self) -> u64;

    /// When it has something to do by the clock alone ([`Action::Wake`](super::command::Action::Wake)); none: never.
    fn wake(&self) -> Option<Timestamp> {
        None
    }
}
