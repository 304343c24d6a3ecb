//! The sender of an open exchange wants it back.

use super::Open;
use super::check::{Case, permit};
use crate::domain::entity::Draft;
use crate::domain::event::{Direction, Event};
use crate::domain::hat::Hat;
use crate::domain::id::MessageId;
use crate::domain::verdict::Reason;

/// Decides `hat.<hat>.recall.<exchange>`. A delivery that has left is asked back of its
/// recipient; one that is held back ends here. An exchange that is final is not held any more: `not-found`.
pub(crate) fn recall(hat: &Hat, case: &Case<'_>, exchange: MessageId) -> Result<Vec<Draft>, Reason> {
    // Ids are unique per sender: another sender's exchange may carry the same one.
    // Who has asked by way of an offer does not find the HAT by trying addresses: what it asked for ends by its deadline.
    let unnamed = |open: &Open| open.without_pii && open.direction == Direction::Pull;
    let mut held = hat.open.iter().filter(|(_, open)| open.exchange == exchange && !unnamed(open));
    let mut foreign = false;
    let found = held.find(|(_, open)| {
        let own = case.speaks_for(&open.from);
        foreign |= !own;
        own
    });
    permit(found.is_some() || !foreign)?;
    let (delivery, open) = found.ok_or(Reason::NotFound)?;
    // A HAT may take back what left it while it is suspended, as it may take its rights back.
    if !case.is_owner() {
        case.heard_for(&open.from)?;
    }
    if open.recalled || case.at() >= open.deadline {
        return Err(Reason::WrongState);
    }
    // Nothing has left yet: there is nobody to ask.
    if hat.waits(delivery) {
        return Ok(vec![Draft::caused(Event::Recalled(open.close(*delivery)))]);
    }
    Ok(vec![Draft::caused(Event::RecallRequested {
        exchange,
        delivery: *delivery,
        to: open.to.clone(),
        without_pii: open.without_pii,
    })])
}
