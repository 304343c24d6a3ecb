//! The deadline of an exchange has passed.

use uuid::Uuid;

use crate::domain::hat::Hat;
use crate::domain::{Context, Decision, Event};

/// Expires the exchange, unless it has ended or its time has not come.
pub fn decide(ctx: &Context<'_>, hat: &Hat, delivery: Uuid) -> Decision {
    match hat.open.get(&delivery) {
        Some(open) if open.deadline <= ctx.now => Decision::one(Event::Expired(Box::new(open.closed(delivery)))),
        _ => Decision::Nothing,
    }
}
