//! What follows from a committed entry. Derived from the entry alone, so that after a restart the
//! same effects come from the ledger again.

use serde::{Deserialize, Serialize};
use serde_json::json;
use smol_str::SmolStr;
use uuid::Uuid;

use super::bytes::Digest;
use super::entry::Entry;
use super::event::{Closed, Direction, Event, HatClaim, Opened, Part};
use super::exchange::large::Fetching;
use super::id::{Address, Id, Kind, MessageId};
use super::job::{JobEvent, JobStep};
use super::pii::Dropped;
use super::plug::{Connection, ConnectionState};
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
    /// Fields that were left out, for their class was not granted.
    #[serde(default, skip_serializing_if = "Dropped::is_empty")]
    pub dropped: Dropped,
    /// Event time of the entry.
    pub at: Timestamp,
}

/// Something to be sent because of an entry.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // each variant's own text tells what its fields are
pub enum Effect {
    /// Tell `to`. `first`: also plainly to the waiting caller's `Dex-Reply`, when the entry's cause has one.
    Outcome { to: Address, outcome: Outcome, first: bool },
    /// Publish the spooled content to its recipient.
    Deliver(Opened),
    /// Fetch the content of this exchange.
    Fetch(Box<Fetching>),
    /// Ask the HAT for a release.
    Request(Opened),
    /// Ask the recipient to give a delivery back.
    RecallRequest { to: Address, exchange: MessageId, delivery: Uuid, without_pii: bool },
    /// Tell a plug or a HAT how the two stand to each other.
    Connection { to: Address, said: Connection },
    /// Give the workers of this plug the job that is open for this endpoint of the HAT that decided.
    Job { plug: Id, endpoint: SmolStr, job: Uuid },
    /// A job is over.
    JobOver { plug: Id, job: Uuid },
    /// A message of the exchange to another entity, by way of the input stream: `dex.v1.in.<to>.<action>`.
    Send { to: Address, action: String, body: serde_json::Value, number: u16 },
    /// The exchange with this delivery, or this notice, is final: its content and deadline are dropped.
    Close { delivery: Uuid },
}

/// What is told first to the sender of the message that caused an entry: its status, and why.
fn first_status(event: &Event) -> Option<(Status, Option<Reason>)> {
    Some(match event {
        Event::Opened(_) | Event::Fanned { .. } => (Status::Accepted, None),
        // Asked of somebody else; the answer follows.
        Event::RecallRequested { .. } | Event::Claimed { .. } | Event::PlugAsked { .. } | Event::OfferPulled { .. } => {
            (Status::Accepted, None)
        }
        Event::Held { reason, .. } => (Status::Pending, Some(*reason)),
        Event::Fetching(_) => (Status::Pending, None),
        // Waits for another operator.
        Event::Seconded { .. } => (Status::Pending, Some(Reason::NotApproved)),
        Event::Rejected { reason } | Event::OfferRefused { reason, .. } => (Status::Rejected, Some(*reason)),
        Event::Disputed { reason, .. } => (Status::Disputed, Some(*reason)),
        Event::Recalled(_) => (Status::Recalled, Some(Reason::RecalledBySender)),
        Event::LateReceipt { .. } => (Status::Rejected, Some(Reason::WrongState)),
        Event::RefusedUnauthenticated { .. }
        | Event::DeadLetter { .. }
        | Event::OperatorDeclared { .. }
        | Event::Expired(_) => return None,
        _ => (Status::Settled, None),
    })
}

/// The first outcome of the message that caused `entry`.
fn first_outcome(entry: &Entry) -> Option<Effect> {
    let cause = entry.cause.as_ref()?;
    // The exchange does not tell itself: it sees its own entries.
    if cause.from.kind == Kind::Dex {
        return None;
    }
    let (status, reason) = first_status(&entry.event)?;
    let mut outcome = Outcome {
        exchange: cause.id,
        status,
        reason,
        parts: Vec::new(),
        delivery: None,
        digest_in: cause.body,
        digest_out: None,
        count: 0,
        dropped: Dropped::default(),
        at: entry.at,
    };
    match &entry.event {
        Event::Opened(opened) | Event::Held { opened, .. } => {
            outcome.delivery = Some(opened.delivery);
            outcome.digest_out = Some(opened.digest_out);
            outcome.count = opened.count_out;
            outcome.dropped = opened.dropped;
        }
        Event::Fetching(fetching) => {
            // One that goes to all debits has none of its own.
            outcome.delivery = fetching.debits.is_empty().then_some(fetching.delivery);
            outcome.digest_in = fetching.object.digest;
            outcome.count = fetching.object.count;
        }
        Event::Fanned { count, parts, .. } => {
            outcome.count = *count;
            outcome.parts = parts.clone();
        }
        Event::Settled(closed) | Event::Disputed { closed, .. } | Event::Recalled(closed) => {
            // To the recipient: of the exchange it learns its own delivery and no more.
            outcome.delivery = Some(closed.delivery);
            outcome.count = closed.count;
        }
        Event::LateReceipt { delivery, .. } => outcome.delivery = Some(*delivery),
        Event::NoticePosted(posted) => outcome.delivery = Some(posted.notice),
        _ => {}
    }
    Some(Effect::Outcome { to: cause.from.clone(), outcome, first: true })
}

/// The final outcome for the sender of an exchange, and its end.
fn finals(effects: &mut Vec<Effect>, closed: &Closed, status: Status, reason: Option<Reason>, at: Timestamp) {
    effects.push(Effect::Outcome {
        to: closed.from.clone(),
        outcome: Outcome {
            exchange: closed.exchange,
            status,
            reason,
            parts: Vec::new(),
            delivery: Some(closed.delivery),
            digest_in: closed.digest_in,
            digest_out: Some(closed.digest_out),
            count: closed.count,
            dropped: Dropped::default(),
            at,
        },
        first: false,
    });
    effects.push(Effect::Close { delivery: closed.delivery });
}

/// The final outcome of what `to` asked for, which somebody else answered.
fn answered(
    entry: &Entry,
    to: Address,
    asked: MessageId,
    digest_in: Digest,
    status: Status,
    reason: Option<Reason>,
) -> Effect {
    Effect::Outcome {
        to,
        outcome: Outcome {
            exchange: asked,
            status,
            reason,
            parts: Vec::new(),
            delivery: None,
            digest_in,
            digest_out: None,
            count: 0,
            dropped: Dropped::default(),
            at: entry.at,
        },
        first: false,
    }
}

fn connection(entry: &Entry, plug: &Id, state: ConnectionState) -> Connection {
    let (hat, plug) = (entry.entity.id.clone(), plug.clone());
    Connection { hat, plug, state, at: entry.at, n: entry.n, until: None }
}

/// How an exchange leaves for its recipient.
fn leave(opened: &Opened) -> Effect {
    match opened.direction {
        Direction::Pull => Effect::Request(opened.clone()),
        Direction::Credit | Direction::Release => Effect::Deliver(opened.clone()),
    }
}

/// The sender of an exchange that was held or fetched is told how it stands now.
fn told(opened: &Opened, status: Status, reason: Option<Reason>, at: Timestamp) -> Effect {
    Effect::Outcome {
        to: opened.from.clone(),
        outcome: Outcome {
            exchange: opened.exchange,
            status,
            reason,
            parts: Vec::new(),
            delivery: Some(opened.delivery),
            digest_in: opened.digest_in,
            digest_out: Some(opened.digest_out),
            count: opened.count_out,
            dropped: opened.dropped,
            at,
        },
        first: false,
    }
}

/// The sender of a content that was fetched for all debits is told what it has become.
fn parted(fetched: &Closed, count: u32, parts: &[Part], at: Timestamp) -> Effect {
    Effect::Outcome {
        to: fetched.from.clone(),
        outcome: Outcome {
            exchange: fetched.exchange,
            status: Status::Accepted,
            reason: None,
            parts: parts.to_vec(),
            delivery: None,
            digest_in: fetched.digest_in,
            digest_out: None,
            count,
            dropped: Dropped::default(),
            at,
        },
        first: false,
    }
}

/// A message to each of these HATs about its claim on the offer that decided.
fn to_claimers<'e>(entry: &'e Entry, verb: &'e str, claims: &'e [HatClaim]) -> impl Iterator<Item = Effect> + 'e {
    let action = format!("{verb}.{}", entry.entity.id.to_token());
    claims.iter().zip(0..).map(move |(of, number)| Effect::Send {
        to: Address::new(Kind::Hat, of.hat.clone()),
        action: action.clone(),
        body: of.claim.map_or_else(|| json!({}), |claim| json!({ "claim": claim })),
        number,
    })
}

/// What follows from what has happened to a job.
fn of_job(effects: &mut Vec<Effect>, entry: &Entry, event: &JobEvent) {
    let (plug, job) = (event.plug.clone(), event.job);
    match &event.step {
        JobStep::Planned { .. } => effects.push(Effect::Job { plug, endpoint: event.endpoint.clone(), job }),
        JobStep::Progressed { .. } => {}
        step => {
            effects.push(Effect::JobOver { plug, job });
            let (JobStep::Failed { failure, .. } | JobStep::Dead { failure, .. }) = step else { return };
            effects.extend(failure.tell.map(|seconds| Effect::Send {
                to: Address::new(Kind::Plug, event.plug.clone()),
                action: "schedule".into(),
                body: json!({ "holdSeconds": seconds, "hat": entry.entity.id.as_str() }),
                number: 0,
            }));
        }
    }
}

/// What follows from a committed entry, in the order in which it is to leave.
pub fn effects_of(entry: &Entry) -> Vec<Effect> {
    let mut effects = Vec::with_capacity(3);
    effects.extend(first_outcome(entry));
    let at = entry.at;
    let of = |claim: Option<MessageId>| match claim {
        Some(claim) => json!({ "hat": entry.entity.id.as_str(), "claim": claim }),
        None => json!({ "hat": entry.entity.id.as_str() }),
    };
    // What was asked had no content; what answers it stands for its digest.
    let answer = |to: Address, asked: MessageId, status: Status, reason: Option<Reason>| {
        let digest = entry.cause.as_ref().map_or_else(|| Digest::of(&[]), |cause| cause.body);
        answered(entry, to, asked, digest, status, reason)
    };
    let over = |claim: MessageId, completed: bool| {
        let mut body = of(Some(claim));
        body["completed"] = json!(completed);
        body
    };
    let send = |kind: Kind, id: &Id, action: String, body: serde_json::Value| Effect::Send {
        to: Address::new(kind, id.clone()),
        action,
        body,
        number: 0,
    };
    match &entry.event {
        Event::Opened(opened) => effects.push(leave(opened)),
        Event::Released(opened) | Event::Fetched(opened) => {
            effects.push(told(opened, Status::Accepted, None, at));
            effects.push(leave(opened));
        }
        Event::Fetching(fetching) => effects.push(Effect::Fetch(fetching.clone())),
        Event::Fanned { count, parts, fetched: Some(fetched), .. } => {
            effects.push(parted(fetched, *count, parts, at));
            effects.push(Effect::Close { delivery: fetched.delivery });
        }
        Event::Held { opened, reason, .. } if entry.cause.is_none() && opened.large.is_some() => {
            effects.push(told(opened, Status::Pending, Some(*reason), at));
        }
        Event::Dropped { closed, reason } => finals(&mut effects, closed, Status::Rejected, Some(*reason), at),
        Event::Settled(closed) => finals(&mut effects, closed, Status::Settled, None, at),
        Event::Disputed { closed, reason, .. } => {
            finals(&mut effects, closed, Status::Disputed, Some(*reason), at);
        }
        Event::Expired(closed) => {
            let reason = Some(Reason::DeadlinePassed);
            finals(&mut effects, closed, Status::Expired, reason, at);
        }
        Event::Recalled(closed) => {
            let reason = Some(Reason::RecalledBySender);
            finals(&mut effects, closed, Status::Recalled, reason, at);
        }
        Event::RecallRequested { exchange, delivery, to, without_pii } => effects.push(Effect::RecallRequest {
            to: to.clone(),
            exchange: *exchange,
            delivery: *delivery,
            without_pii: *without_pii,
        }),
        Event::Claimed { offer, by } => {
            let claim = entry.cause.as_ref().map(|cause| cause.id);
            let mut body = of(claim);
            if let Some(by) = by {
                body["by"] = json!(by);
            }
            effects.push(send(Kind::Offer, offer, "reserve".into(), body));
        }
        Event::OfferPulled { hat, pull } => {
            let action = format!("pull-asked.{}", entry.entity.id.to_token());
            effects.push(send(Kind::Hat, hat, action, json!(pull)));
        }
        Event::PullRefused { pull, by, digest, reason } => {
            effects.push(answered(entry, by.clone(), *pull, *digest, Status::Rejected, Some(*reason)));
        }
        Event::DebitEnabled { offer: Some(offer), claim, .. } => {
            effects.push(send(Kind::Offer, offer, "confirm".into(), of(*claim)))
        }
        Event::DebitEnded { debit, claim: Some(claim), .. } => {
            effects.push(send(Kind::Offer, debit, "lapse".into(), over(*claim, true)))
        }
        Event::ClaimWithdrawn { offer, claim } => {
            effects.push(send(Kind::Offer, offer, "lapse".into(), over(*claim, false)))
        }
        Event::OfferReserved { hat, terms, claim, until } => {
            let action = format!("claim-reserved.{}", entry.entity.id.to_token());
            let mut body = json!({ "terms": terms });
            if let Some(claim) = claim {
                body["claim"] = json!(claim);
            }
            if let Some(until) = until {
                body["until"] = json!(until);
            }
            effects.push(send(Kind::Hat, hat, action, body));
        }
        Event::OfferRefused { hat, claim, .. } => {
            let refused = [HatClaim { hat: hat.clone(), claim: *claim }];
            effects.extend(to_claimers(entry, "claim-refused", &refused));
        }
        Event::OfferReleased { claims } => effects.extend(to_claimers(entry, "claim-released", claims)),
        Event::OfferLapsed { claims } => effects.extend(to_claimers(entry, "claim-lapsed", claims)),
        Event::Job(event) => of_job(&mut effects, entry, event),
        Event::NoticeEnded { notice } => effects.push(Effect::Close { delivery: *notice }),
        Event::DebitProposed { claim: Some(claim), .. } => {
            effects.push(answer(entry.entity.clone(), *claim, Status::Settled, None))
        }
        Event::ClaimRefused { claim, .. } => {
            let reason = Some(Reason::OfferFull);
            effects.push(answer(entry.entity.clone(), *claim, Status::Rejected, reason));
        }
        Event::PlugAsked { plug, until, .. } | Event::PlugAskedAgain { plug, until, .. } => {
            let mut said = connection(entry, plug, ConnectionState::Connecting);
            said.until = Some(*until);
            effects.push(Effect::Connection { to: entry.entity.clone(), said });
        }
        Event::PlugConnected { plug, asked } => {
            let to = Address::new(Kind::Plug, plug.clone());
            effects.extend(asked.map(|asked| answer(to.clone(), asked, Status::Settled, None)));
            effects.push(Effect::Connection { to, said: connection(entry, plug, ConnectionState::Connected) });
        }
        Event::PlugDisconnected { plug } => {
            let to = Address::new(Kind::Plug, plug.clone());
            effects.push(Effect::Connection { to, said: connection(entry, plug, ConnectionState::Disconnected) });
        }
        Event::PlugUnanswered { plug, asked, declined } => {
            let (status, reason) = match declined {
                true => (Status::Rejected, Reason::RefusedByRecipient),
                false => (Status::Expired, Reason::DeadlinePassed),
            };
            let to = Address::new(Kind::Plug, plug.clone());
            effects.push(answer(to, *asked, status, Some(reason)));
        }
        _ => {}
    }
    effects
}
