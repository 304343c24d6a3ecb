//! `hat.<hat>.recall.<exchange>`: the sender wants it back. Deliveries are published as soon as they are
//! committed, so the recipient is always asked.

use crate::domain::event::Direction;
use crate::domain::hat::Hat;
use crate::domain::{Cause, Draft, Event, MessageId, Reason};

/// Decides a recall.
///
/// # Errors
/// `not-found` when the sender has no open exchange of this id: it is final, or there never was one.
pub fn decide(hat: &Hat, cause: &Cause, exchange: MessageId) -> Result<Vec<Draft>, Reason> {
    let open = hat
        .open
        .iter()
        .find(|(_, open)| open.exchange == exchange && open.from == cause.from && open.direction != Direction::Pull);
    let (delivery, open) = open.ok_or(Reason::NotFound)?;
    if open.recall {
        return Err(Reason::WrongState);
    }
    let event = Event::RecallRequested { exchange, delivery: *delivery, to: open.to.clone() };
    Ok(vec![Draft::new(event)])
}
