//! Who waits for an outcome, and what of it may be told there.

use crate::domain::{Cause, Entry, Event};
use crate::wire::{OutcomeOut, header, subject};

/// Most bytes of outcomes in one message, by a generous estimate: well under the broker's largest payload.
const OUTCOMES_BYTES_MAX: usize = 384 * 1024;

/// How many of these outcomes, at least one, go into one message.
pub(super) fn fitting(outcomes: &[OutcomeOut]) -> usize {
    let mut bytes = 0;
    let most = outcomes.iter().take_while(|out| {
        bytes += 640 + 256 * out.outcome.parts.len();
        bytes <= OUTCOMES_BYTES_MAX
    });
    most.count().max(1)
}

/// Where the caller of a message waits, when it named an inbox.
pub(super) fn reply_of(cause: &Cause) -> Option<&str> {
    cause.reply.as_deref().filter(|reply| header::is_inbox(reply))
}

/// Whether who sent the message may hold the entry itself, which names the HAT: not the client that is not to know it.
/// Of what came by a lane and was refused it is not known whose it was; what is asked by way of an offer names it.
pub(super) fn may_hold(entry: &Entry) -> bool {
    let by_lane = entry.cause.as_ref().is_some_and(|cause| subject::is_lane(&cause.subject));
    match &entry.event {
        Event::OfferPulled { .. } => false,
        _ if !by_lane => true,
        event => event.closed().is_some_and(|closed| !closed.without_pii),
    }
}

/// Whether the proof shall come with the outcome.
pub(super) fn wants_proof(cause: &Cause) -> bool {
    cause.want.as_deref() == Some(header::WANT_PROOF)
}
