//! What follows from a committed entry. Derived from the entry alone, so that after a restart the
//! same effects come from the ledger again.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::bytes::Digest;
use super::command::Cause;
use super::entry::Entry;
use super::event::{Closed, Direction, Event, Opened, Part};
use super::id::{Address, Id, Kind, MessageId};
use super::time::Timestamp;
use super::verdict::{Reason, Status};

/// What a party is told about one of its messages or exchanges. The place in the ledger is added
/// where it is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The exchange's (or registry message's) id.
    pub exchange: MessageId,
    /// How it stands.
    pub status: Status,
    /// Why, when refused, disputed, expired or held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The parts of a fan-out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// The delivery's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Uuid>,
    /// SHA-256 of the body that came.
    pub digest_in: Digest,
    /// SHA-256 of the body as delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest_out: Option<Digest>,
    /// Records.
    pub count: u32,
    /// Event time of the entry.
    pub at: Timestamp,
}

/// Something to be sent because of an entry.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Tell `to`. `first`: also plainly to the waiting caller's `Dex-Reply`, when the entry's cause has one.
    Outcome {
        to: Address,
        outcome: Outcome,
        first: bool,
    },
    /// Publish the spooled content to its recipient.
    Deliver(Opened),
    /// Ask the HAT for a release.
    Request(Opened),
    /// Ask the recipient to give a delivery back.
    RecallRequest {
        to: Address,
        exchange: MessageId,
        delivery: Uuid,
    },
    /// A message of the exchange to another entity, by way of the input stream: the action's tokens, ids as they are; `number` tells several of one entry apart.
    Send {
        to: Address,
        action: Vec<String>,
        body: serde_json::Value,
        number: u16,
    },
    /// The exchange with this delivery is final: its content and deadline are dropped.
    Close { delivery: Uuid },
}

/// What follows from a committed entry: answers to its message, deliveries, messages to other entities.
pub fn effects_of(entry: &Entry) -> Vec<Effect> {
    let mut effects = Vec::with_capacity(3);
    if let Some(cause) = &entry.cause {
        let outcome = first_outcome(entry, cause);
        effects.push(Effect::Outcome { to: cause.from.clone(), outcome, first: true });
    }
    match &entry.event {
        Event::Opened(opened) if opened.direction == Direction::Pull => {
            effects.push(Effect::Request((**opened).clone()));
        }
        Event::Opened(opened) => effects.push(Effect::Deliver((**opened).clone())),
        Event::Settled(closed) => end(&mut effects, entry, closed, Status::Settled, None),
        Event::Disputed { closed, reason } => end(&mut effects, entry, closed, Status::Disputed, Some(*reason)),
        Event::Expired(closed) => end(&mut effects, entry, closed, Status::Expired, Some(Reason::DeadlinePassed)),
        Event::Recalled(closed) => end(&mut effects, entry, closed, Status::Recalled, Some(Reason::RecalledBySender)),
        Event::RecallRequested { exchange, delivery, to } => {
            effects.push(Effect::RecallRequest { to: to.clone(), exchange: *exchange, delivery: *delivery });
        }
        Event::Claimed { offer } => {
            effects.push(send(Kind::Offer, offer, &["reserve"], hat_body(&entry.entity.id)));
        }
        Event::DebitEnabled { offer: Some(offer), .. } => {
            effects.push(send(Kind::Offer, offer, &["confirm"], hat_body(&entry.entity.id)));
        }
        Event::OfferReserved { hat, terms } => {
            let action = ["claim-reserved", entry.entity.id.as_str()];
            effects.push(send(Kind::Hat, hat, &action, serde_json::json!({ "terms": terms })));
        }
        Event::OfferRefused { hat, .. } => {
            let action = ["claim-refused", entry.entity.id.as_str()];
            effects.push(send(Kind::Hat, hat, &action, serde_json::json!({})));
        }
        _ => {}
    }
    effects
}

fn hat_body(hat: &Id) -> serde_json::Value {
    serde_json::json!({ "hat": hat })
}

fn send(kind: Kind, id: &Id, action: &[&str], body: serde_json::Value) -> Effect {
    Effect::Send {
        to: Address::new(kind, id.clone()),
        action: action.iter().map(|token| (*token).to_owned()).collect(),
        body,
        number: 0,
    }
}

/// What the sender of the message is told first.
fn first_outcome(entry: &Entry, cause: &Cause) -> Outcome {
    let mut outcome = Outcome {
        exchange: cause.id,
        status: Status::Settled,
        reason: None,
        parts: Vec::new(),
        delivery: None,
        digest_in: cause.body,
        digest_out: None,
        count: 0,
        at: entry.at,
    };
    match &entry.event {
        Event::Opened(opened) => {
            outcome.status = Status::Accepted;
            outcome.delivery = Some(opened.delivery);
            outcome.digest_out = Some(opened.digest_out);
            outcome.count = opened.count_out;
        }
        Event::Fanned { count, parts, .. } => {
            outcome.status = Status::Accepted;
            outcome.count = *count;
            outcome.parts.clone_from(parts);
        }
        Event::Rejected { reason } => {
            outcome.status = Status::Rejected;
            outcome.reason = Some(*reason);
        }
        // A receipt: how it left the exchange.
        Event::Settled(closed) => of_receipt(&mut outcome, closed, Status::Settled, None),
        Event::Disputed { closed, reason } => of_receipt(&mut outcome, closed, Status::Disputed, Some(*reason)),
        Event::Recalled(closed) => {
            of_receipt(&mut outcome, closed, Status::Recalled, Some(Reason::RecalledBySender));
        }
        Event::LateReceipt { delivery, .. } => outcome.delivery = Some(*delivery),
        Event::RecallRequested { delivery, .. } => {
            outcome.status = Status::Accepted;
            outcome.delivery = Some(*delivery);
        }
        _ => {}
    }
    outcome
}

fn of_receipt(outcome: &mut Outcome, closed: &Closed, status: Status, reason: Option<Reason>) {
    outcome.status = status;
    outcome.reason = reason;
    outcome.delivery = Some(closed.delivery);
    outcome.digest_out = Some(closed.digest_out);
    outcome.count = closed.count;
}

/// An exchange has ended: its sender is told, its content goes.
fn end(effects: &mut Vec<Effect>, entry: &Entry, closed: &Closed, status: Status, reason: Option<Reason>) {
    let outcome = Outcome {
        exchange: closed.exchange,
        status,
        reason,
        parts: Vec::new(),
        delivery: Some(closed.delivery),
        digest_in: closed.digest_in,
        digest_out: Some(closed.digest_out),
        count: closed.count,
        at: entry.at,
    };
    effects.push(Effect::Outcome { to: closed.from.clone(), outcome, first: false });
    effects.push(Effect::Close { delivery: closed.delivery });
}
