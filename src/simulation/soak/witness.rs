//! What the participants of a soak were told and what they applied: the promises that the ledger must hold.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use uuid::Uuid;

use crate::domain::{Address, MessageId, Reason, Status};
use crate::wire::{Delivery, OutcomeOut};

/// Contradictions kept as text; more are counted.
const STRAYS_MAX: usize = 20;

/// One outcome as a participant was told it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Said {
    /// Of which message or exchange.
    pub exchange: MessageId,
    /// Where it stands in the ledger.
    pub leaf: u64,
    /// What happened.
    pub status: Status,
    /// Why.
    pub reason: Option<Reason>,
    /// The delivery, where one is named.
    pub delivery: Option<Uuid>,
}

/// What a recipient did with one delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Who.
    pub recipient: Address,
    /// The ids of the records it kept.
    pub records: Vec<String>,
    /// How often it had an effect: once, whatever came twice.
    pub times: u32,
}

/// Everything that was seen.
#[derive(Debug, Clone, Default)]
pub struct Testimony {
    /// Outcomes, each once.
    pub outcomes: HashSet<Said>,
    /// Deliveries that were applied.
    pub applied: HashMap<Uuid, Applied>,
    /// Messages without an outcome.
    pub unanswered: HashSet<MessageId>,
    /// Accepted exchanges of which no end was told.
    pub open: HashSet<MessageId>,
    /// Exchanges of which an end was told.
    pub ended: HashMap<MessageId, Status>,
    /// The first contradictions, as text.
    pub strays: Vec<String>,
    /// All contradictions.
    pub stray_count: u64,
}

/// Shared by all senders and recipients. Grows with the load, which [`super::load::SENT_MAX`] bounds.
#[derive(Debug, Default)]
pub struct Witness {
    seen: Mutex<Testimony>,
}

impl Witness {
    fn seen(&self) -> MutexGuard<'_, Testimony> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message of an exchange is about to leave for the first time.
    pub fn sent(&self, id: MessageId) {
        self.seen().unanswered.insert(id);
    }

    /// Its first outcome.
    pub fn answered(&self, id: MessageId, outcome: &OutcomeOut) {
        let mut seen = self.seen();
        seen.unanswered.remove(&id);
        seen.note(outcome);
        let said = &outcome.outcome;
        if said.status.is_final() {
            return;
        }
        let parts = said.parts.iter().map(|part| part.exchange);
        let opened: Vec<MessageId> = if said.parts.is_empty() { vec![said.exchange] } else { parts.collect() };
        for exchange in opened {
            if !seen.ended.contains_key(&exchange) {
                seen.open.insert(exchange);
            }
        }
    }

    /// It was refused, with or without an entry.
    pub fn refused(&self, id: MessageId, outcome: Option<&OutcomeOut>) {
        let mut seen = self.seen();
        seen.unanswered.remove(&id);
        if let Some(outcome) = outcome {
            seen.note(outcome);
        }
    }

    /// An outcome came, of whatever.
    pub fn told(&self, outcome: &OutcomeOut) {
        let mut seen = self.seen();
        seen.note(outcome);
        let said = &outcome.outcome;
        // A final outcome of an exchange names its delivery and both digests; a refusal opens nothing.
        if !said.status.is_final() || said.status == Status::Rejected || said.digest_out.is_none() {
            return;
        }
        seen.open.remove(&said.exchange);
        match seen.ended.insert(said.exchange, said.status) {
            Some(before) if before != said.status => {
                let text = format!("{} ended as {before} and as {}", said.exchange, said.status);
                seen.stray(text);
            }
            _ => {}
        }
    }

    /// A delivery came. A recipient applies by id: it has an effect the first time only.
    pub fn delivered(&self, recipient: &Address, delivery: &Delivery) {
        let mut seen = self.seen();
        if seen.applied.contains_key(&delivery.id) {
            return;
        }
        let records: Option<Vec<String>> = serde_json::from_slice::<Vec<Value>>(&delivery.body)
            .ok()
            .and_then(|records| records.iter().map(|it| it["recordId"].as_str().map(ToOwned::to_owned)).collect());
        let Some(records) = records else {
            seen.stray(format!("delivery {} holds records that nobody sent", delivery.id));
            return;
        };
        seen.applied.insert(delivery.id, Applied { recipient: recipient.clone(), records, times: 1 });
    }

    /// Something that must not be.
    pub fn stray(&self, what: String) {
        self.seen().stray(what);
    }

    /// Messages without an outcome and exchanges without an end.
    pub fn unfinished(&self) -> usize {
        let seen = self.seen();
        seen.unanswered.len() + seen.open.len()
    }

    /// Exchanges of which an end was told.
    pub fn ended(&self) -> usize {
        self.seen().ended.len()
    }

    /// Everything that was seen until now.
    pub fn testimony(&self) -> Testimony {
        self.seen().clone()
    }
}

impl Testimony {
    fn note(&mut self, outcome: &OutcomeOut) {
        let said = &outcome.outcome;
        self.outcomes.insert(Said {
            exchange: said.exchange,
            leaf: outcome.leaf.index,
            status: said.status,
            reason: said.reason,
            delivery: said.delivery,
        });
    }

    fn stray(&mut self, what: String) {
        self.stray_count += 1;
        if self.strays.len() < STRAYS_MAX {
            self.strays.push(what);
        }
    }
}
