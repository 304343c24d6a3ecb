//! What could not be worked on, or was refused before its sender was known, as it is told: by its facts, never its content.

use serde_json::{Value, json};

use crate::domain::time::SECOND;
use crate::domain::{Entry, Event, Timestamp};

/// The row of an entry that is a dead letter, or counts messages refused before authentication; none of another.
pub fn row(leaf: u64, entry: &Entry) -> Option<Value> {
    let lane = &entry.entity.id;
    match &entry.event {
        Event::DeadLetter { subject, sequence, body, reason } => Some(json!({
            "kind": "dead-letter", "leaf": leaf, "at": entry.at, "lane": lane, "subject": subject,
            "sequence": sequence, "body": body, "reason": reason,
        })),
        Event::RefusedUnauthenticated { reason, count, second } => Some(json!({
            "kind": "refused", "leaf": leaf, "at": Timestamp(second.saturating_mul(SECOND)), "lane": lane,
            "reason": reason, "count": count,
        })),
        _ => None,
    }
}
