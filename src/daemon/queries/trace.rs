//! `exchange.trace`: every step of one exchange, from ledger and tail.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::actors::shared::Shared;
use crate::domain::event::Direction;
use crate::domain::{Entry, Event, Timestamp};
use crate::store::Sealed;
use crate::wire::subject;

use super::ask::{Answer, not_found, question, unreadable, unreadable_entry};
use super::{history, steps};

/// Most ids that a trace follows: a fan-out's parts and their deliveries.
const IDS_MAX: usize = 256;
/// Most steps of one answer, the earliest.
const STEPS_MAX: usize = 500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    id: Uuid,
    /// With the entries themselves and their proofs.
    #[serde(default)]
    proof: bool,
}

/// All steps of the message, exchange or delivery with this id, in the order of their leaves; from a
/// fan-out also those of its parts. Digests and counts, never content.
///
/// What is not to be known by its recipient is told only to who knows the id that the HAT gave it: nothing leads there
/// from the delivery or from the recipient's own messages about it.
pub fn trace(shared: &Shared, body: &[u8]) -> Answer {
    let Question { id, proof } = question(body)?;
    let mut found: BTreeMap<u64, Arc<Sealed>> = BTreeMap::new();
    let mut seen = BTreeSet::from([id]);
    let mut next = vec![id];
    let mut first = true;
    while !next.is_empty() && found.len() < STEPS_MAX {
        let ids = BTreeSet::from_iter(next.drain(..));
        let mut looked = look(shared, &ids)?;
        if std::mem::take(&mut first) {
            let hidden = looked.iter().any(|sealed| hides(&sealed.entry));
            looked.retain(|sealed| !(hidden || may_hide(&sealed.entry)) || told_to_sender(&sealed.entry, id));
        }
        for sealed in looked {
            for below in followed(&sealed.entry) {
                if seen.len() < IDS_MAX && seen.insert(below) {
                    next.push(below);
                }
            }
            found.insert(sealed.leaf, sealed);
        }
    }
    if found.is_empty() {
        return Err(not_found(format!("nothing with the id {id} is in the ledger of {}", shared.origin)));
    }
    let last = found.values().rev().find_map(|sealed| {
        let own = mentions(&sealed.entry, &BTreeSet::from([id]));
        steps::status(&sealed.entry.event).filter(|_| own)
    });
    let truncated = found.len() > STEPS_MAX;
    let steps: Vec<Value> = found.values().take(STEPS_MAX).map(|sealed| steps::step(sealed)).collect();
    let mut answer = json!({ "exchange": id, "steps": steps, "treeSize": shared.reader.tree_size() });
    if truncated {
        answer["truncated"] = json!(true);
    }
    if proof {
        let entries: Vec<Arc<Sealed>> = found.into_values().take(STEPS_MAX).collect();
        let mut proven = history::statements(shared, &entries, Timestamp(i64::MAX))?;
        for name in ["statements", "treeSize", "checkpoint"] {
            answer[name] = proven[name].take();
        }
    }
    if let Some((status, reason)) = last {
        answer["status"] = json!(status);
        if let Some(reason) = reason {
            answer["reason"] = json!(reason);
        }
    }
    Ok(answer)
}

/// Whether an entry may be about what its recipient is not to know the HAT of: it does not say, and came by a lane. That says
/// nothing of others with the same id: a delivery that has settled may have a late receipt as well.
fn may_hide(entry: &Entry) -> bool {
    let by_lane = || entry.cause.as_ref().is_some_and(|cause| subject::is_lane(&cause.subject));
    matches!(entry.event, Event::Rejected { .. } | Event::LateReceipt { .. }) && by_lane()
}

/// Whether an entry is about what its recipient is not to know the HAT of.
fn hides(entry: &Entry) -> bool {
    match &entry.event {
        Event::Opened(opened) | Event::Held { opened, .. } | Event::Released(opened) | Event::Fetched(opened) => {
            opened.without_pii
        }
        Event::Fetching(fetching) => fetching.without_pii,
        Event::OfferPulled { .. } | Event::PullRefused { .. } => true,
        Event::RecallRequested { without_pii, .. } => *without_pii,
        event => event.closed().is_some_and(|closed| closed.without_pii),
    }
}

/// Whether the id that is asked for is one that the sender of the exchange has given, and no other knows.
fn told_to_sender(entry: &Entry, id: Uuid) -> bool {
    // What the client asks by way of an offer leads to the HAT.
    let asked = |without_pii: bool, direction: Direction| without_pii && direction == Direction::Pull;
    let unnamed = match &entry.event {
        Event::OfferPulled { .. } | Event::PullRefused { .. } => true,
        Event::Opened(opened) => asked(opened.without_pii, opened.direction),
        event => event.closed().is_some_and(|closed| asked(closed.without_pii, closed.direction)),
    };
    if unnamed {
        return false;
    }
    let exchange = match &entry.event {
        Event::Opened(opened) | Event::Held { opened, .. } | Event::Released(opened) | Event::Fetched(opened) => {
            Some(opened.exchange)
        }
        Event::Fetching(fetching) => Some(fetching.exchange),
        Event::RecallRequested { exchange, .. } => Some(*exchange),
        event => event.closed().map(|closed| closed.exchange),
    };
    let own = entry.cause.as_ref().is_some_and(|cause| cause.id.0 == id && !subject::is_lane(&cause.subject));
    own || exchange.is_some_and(|exchange| exchange.0 == id)
}

/// Committed entries that are about one of these ids.
fn look(shared: &Shared, ids: &BTreeSet<Uuid>) -> Result<Vec<Arc<Sealed>>, crate::wire::Problem> {
    let mut found = Vec::new();
    // The tail first: what a snapshot moves meanwhile is then in the index.
    for entity in shared.tail.dirty() {
        let entries = shared.tail.of(&entity);
        found.extend(entries.into_iter().filter(|sealed| mentions(&sealed.entry, ids)));
    }
    for id in ids {
        for leaf in shared.db.index_by_uuid(*id).map_err(|error| unreadable(&error))? {
            if found.iter().any(|sealed| sealed.leaf == leaf) {
                continue;
            }
            // Without it the rest would tell half of what happened, or that nothing did.
            found.push(shared.entry(leaf).ok_or_else(unreadable_entry)?);
        }
    }
    Ok(found)
}

/// Whether an entry is about one of these ids.
fn mentions(entry: &Entry, ids: &BTreeSet<Uuid>) -> bool {
    if entry.cause.as_ref().is_some_and(|cause| ids.contains(&cause.id.0)) {
        return true;
    }
    match &entry.event {
        Event::Fetching(fetching) => ids.contains(&fetching.exchange.0) || ids.contains(&fetching.delivery),
        Event::Opened(opened) | Event::Held { opened, .. } | Event::Released(opened) | Event::Fetched(opened) => {
            ids.contains(&opened.exchange.0) || ids.contains(&opened.delivery)
        }
        Event::Settled(closed)
        | Event::Disputed { closed, .. }
        | Event::Expired(closed)
        | Event::Dropped { closed, .. }
        | Event::Recalled(closed) => ids.contains(&closed.exchange.0) || ids.contains(&closed.delivery),
        Event::RecallRequested { exchange, delivery, .. } => ids.contains(&exchange.0) || ids.contains(delivery),
        Event::LateReceipt { delivery, .. } => ids.contains(delivery),
        Event::Fanned { fetched: Some(fetched), .. } => {
            ids.contains(&fetched.exchange.0) || ids.contains(&fetched.delivery)
        }
        _ => false,
    }
}

/// The ids below an entry: a fan-out's parts, an exchange's delivery. Never upwards, so that a
/// delivery's id does not lead to what others got.
fn followed(entry: &Entry) -> Vec<Uuid> {
    match &entry.event {
        Event::Fanned { parts, .. } => parts.iter().map(|part| part.exchange.0).collect(),
        Event::Opened(opened) | Event::Held { opened, .. } => vec![opened.delivery],
        Event::Fetching(fetching) => vec![fetching.delivery],
        _ => Vec::new(),
    }
}
