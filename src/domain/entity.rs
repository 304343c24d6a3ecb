//! The one shape of every state machine: `decide` reads, `apply` folds.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use smol_str::SmolStr;

use super::command::Command;
use super::entry::{Basis, ENTRY_VERSION, Entry};
use super::event::Event;
use super::id::Address;
use super::limits::Limits;
use super::registration::Registration;
use super::time::Timestamp;
use super::verdict::Reason;

/// Read access to the registrations of all parties, at most 2 s behind the ledger.
pub trait RegistryView {
    /// The registration of `party`, if it ever had one.
    fn registration(&self, party: &Address) -> Option<Arc<Registration>>;
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
    /// Whether the entry carries the message's facts (the first draft of a decision).
    pub with_cause: bool,
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
    /// Nothing to do (a local command whose occasion is gone, such as the deadline of a final exchange).
    Nothing,
}

/// A state machine.
pub trait Entity: Default + Clone + PartialEq + Serialize + DeserializeOwned {
    /// Decides without changing anything.
    fn decide(&self, ctx: &Context<'_>, command: &Command, known: Known) -> Decision;

    /// Folds one entry in. Total: never fails, whatever came before.
    fn apply(&mut self, entry: &Entry);

    /// Number of the last entry folded in; 0 at first.
    fn n(&self) -> u64;
}

impl Draft {
    /// A draft that carries the message's facts.
    pub fn new(event: Event) -> Self {
        Draft { event, basis: Vec::new(), content: None, with_cause: true }
    }

    /// A refusal.
    pub fn rejected(reason: Reason) -> Self {
        Draft::new(Event::Rejected { reason })
    }

    /// With what it was decided on.
    #[must_use]
    pub fn on(mut self, basis: Vec<Basis>) -> Self {
        self.basis = basis;
        self
    }

    /// With content to spool.
    #[must_use]
    pub fn with(mut self, content: Bytes) -> Self {
        self.content = Some(content);
        self
    }

    /// A further draft of the same decision: the message's facts stand in the first.
    #[must_use]
    pub fn further(mut self) -> Self {
        self.with_cause = false;
        self
    }
}

impl Decision {
    /// One entry.
    pub fn one(event: Event) -> Self {
        Decision::Record(vec![Draft::new(event)])
    }

    /// A refusal.
    pub fn rejected(reason: Reason) -> Self {
        Decision::Record(vec![Draft::rejected(reason)])
    }
}

/// Makes entries of drafts, numbered from `first_n` on, each with the content it spools.
pub fn seal(entity: &Address, first_n: u64, command: &Command, drafts: Vec<Draft>) -> Vec<(Entry, Option<Bytes>)> {
    let mut cause = command.cause.clone();
    let number = |place: usize| first_n + place as u64;
    drafts
        .into_iter()
        .enumerate()
        .map(|(place, draft)| {
            let entry = Entry {
                v: ENTRY_VERSION,
                entity: entity.clone(),
                n: number(place),
                at: command.stored_at,
                cause: if draft.with_cause { cause.take() } else { None },
                basis: draft.basis,
                event: draft.event,
            };
            (entry, draft.content)
        })
        .collect()
}
