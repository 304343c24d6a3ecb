//! A recipient says what came and what it did with it.

use super::Open;
use super::check::{Case, permit};
use crate::domain::command::Receipt;
use crate::domain::entity::Draft;
use crate::domain::event::{Direction, Event, Verdict};
use crate::domain::hat::Hat;
use crate::domain::id::Kind;
use crate::domain::verdict::Reason;

/// Decides `hat.<hat>.receipt` and `lane.<lane>.receipt`. Who has retired, or lost its right, is heard all the same: what
/// was delivered was delivered, and both sides' word on it is kept. Who is suspended is not heard till it is resumed: the
/// exchange stays open until then, or expires.
pub(crate) fn receipt(hat: &Hat, case: &Case<'_>, receipt: &Receipt) -> Result<Vec<Draft>, Reason> {
    let delivery = receipt.delivery;
    let late = || Ok(vec![Draft::caused(Event::LateReceipt { delivery, verdict: receipt.verdict })]);
    // Who is not to know whose data it was given does not find that out by trying addresses.
    let by_lane = case.command.addressed.kind == Kind::Lane;
    // What it asked for itself, by way of an offer, is the HAT's alone to answer.
    let own = |open: &Open| open.direction == Direction::Pull && case.speaks_for(&open.to);
    let Some(open) = hat.open.get(&delivery).filter(|open| by_lane || !open.without_pii || own(open)) else {
        case.heard_for(case.from())?;
        return late();
    };
    permit(case.speaks_for(&open.to))?;
    case.heard_for(&open.to)?;
    if hat.waits(&delivery) {
        return Err(Reason::WrongState);
    }
    if case.at() >= open.deadline {
        return late();
    }
    let disputed = |reason| Event::Disputed { closed: open.close(delivery), reason, said: Box::new(receipt.clone()) };
    let event = match receipt.verdict {
        Verdict::Returned if open.recalled => Event::Recalled(open.close(delivery)),
        Verdict::Returned => return Err(Reason::WrongState),
        Verdict::Refused => disputed(Reason::RefusedByRecipient),
        // Only the release that answers it settles a pull.
        Verdict::Accepted if open.direction == Direction::Pull => return Err(Reason::WrongState),
        Verdict::Accepted if receipt.digest != open.digest_out => disputed(Reason::DigestMismatch),
        Verdict::Accepted if receipt.count != open.count => disputed(Reason::CountMismatch),
        Verdict::Accepted => Event::Settled(open.close(delivery)),
    };
    let mut draft = Draft::caused(event);
    draft.basis.extend(case.key_basis());
    Ok(vec![draft])
}
