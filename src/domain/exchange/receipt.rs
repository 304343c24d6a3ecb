//! Receipts: both sides agree, or it is seen.

use crate::domain::command::Receipt;
use crate::domain::event::{Direction, Verdict};
use crate::domain::hat::Hat;
use crate::domain::{Cause, Command, Draft, Event, Reason};

/// Decides a receipt.
///
/// # Errors
/// `not-permitted` when its signer is not the delivery's recipient, `wrong-state` for a return that
/// nobody asked for.
pub fn decide(hat: &Hat, command: &Command, cause: &Cause, receipt: &Receipt) -> Result<Vec<Draft>, Reason> {
    let late = || {
        let event = Event::LateReceipt { delivery: receipt.delivery, verdict: receipt.verdict };
        Ok(vec![Draft::new(event)])
    };
    let Some(open) = hat.open.get(&receipt.delivery) else {
        return late();
    };
    if cause.from != open.to || open.direction == Direction::Pull {
        return Err(Reason::NotPermitted);
    }
    if command.stored_at >= open.deadline {
        return late();
    }
    let closed = Box::new(open.closed(receipt.delivery));
    let event = match receipt.verdict {
        Verdict::Returned if open.recall => Event::Recalled(closed),
        Verdict::Returned => return Err(Reason::WrongState),
        Verdict::Refused => Event::Disputed { closed, reason: Reason::RefusedByRecipient },
        Verdict::Accepted if receipt.digest != open.digest_out => {
            Event::Disputed { closed, reason: Reason::DigestMismatch }
        }
        Verdict::Accepted if receipt.count != open.count => Event::Disputed { closed, reason: Reason::CountMismatch },
        Verdict::Accepted => Event::Settled(closed),
    };
    Ok(vec![Draft::new(event)])
}
