//! The deadline of an exchange has passed.

use uuid::Uuid;

use crate::domain::entity::{Decision, Draft};
use crate::domain::event::Event;
use crate::domain::hat::Hat;
use crate::domain::time::Timestamp;

/// Decides the local command: an exchange still open at its deadline is expired.
pub(crate) fn deadline(hat: &Hat, now: Timestamp, delivery: Uuid) -> Decision {
    match hat.open.get(&delivery) {
        Some(open) if now >= open.deadline => Decision::one(Draft::further(Event::Expired(open.close(delivery)))),
        _ => Decision::Nothing,
    }
}
