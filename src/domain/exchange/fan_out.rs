//! The HAT lets records out to every active data debit that selects any of them.
//!
//! What goes to all debits has been evaluated for none of them, whoever brings it: the exchange filters and maps each
//! record itself. A debit with conditions takes no part: whether they hold is the HAT's to find out, for that debit, and
//! to say with a `release` that names it or an answer to a pull.

use super::check::{self, Case, permit};
use super::delivery_id::part_id;
use super::release::{begin, stream, under};
use crate::domain::bundle::TooLarge;
use crate::domain::entity::Draft;
use crate::domain::event::{Event, Part};
use crate::domain::hat::Hat;
use crate::domain::pii::Passed;
use crate::domain::records::Records;
use crate::domain::verdict::Reason;

/// Decides `hat.<hat>.data`: one [`Event::Fanned`], then an [`Event::Opened`] for each part.
pub(crate) fn fan_out(hat: &Hat, case: &Case<'_>, records: &Records) -> Result<Vec<Draft>, Reason> {
    permit(case.is_owner() && case.command.pull.is_none())?;
    hat.registration.active()?;
    let deadline = check::deadline(case);
    let mut parts = Vec::new();
    let mut opened = Vec::new();
    let (mut too_large, mut withheld) = (false, false);
    for (id, debit) in &hat.debits {
        // A debit not in force, or whose client is not, takes no part.
        if debit.in_force(case.at()).is_err() {
            continue;
        }
        let Ok((under, revision)) = under(case, id, debit) else {
            continue;
        };
        if revision.terms.conditions.is_some() {
            continue;
        }
        // One client's mapping that makes too much of it does not keep it from the others.
        let (selected, dropped) = match stream(case, &under, revision, records) {
            Ok(Passed { taken: Some(selected), dropped }) => (selected, dropped),
            Ok(Passed { taken: None, dropped }) => {
                withheld |= under.nothing(&dropped) == Reason::PiiNotGranted;
                continue;
            }
            Err(TooLarge) => {
                too_large = true;
                continue;
            }
        };
        if parts.len() >= case.ctx.limits.active_debits_per_hat {
            return Err(Reason::OverQuota);
        }
        let exchange = part_id(case.cause.id, id);
        let by = *deadline.as_ref().map_err(|reason| *reason)?;
        let (part, body) = under.open(case, records, (selected, dropped), exchange, by);
        hat.free(part.delivery)?;
        parts.push(Part { exchange, debit: id.clone(), dropped });
        let basis = under.basis(case, &part.endpoints);
        let event = begin(part, debit.holds_back(), Some(&under.gate));
        opened.push(Draft { event, basis, content: Some(body), with_cause: false });
    }
    hat.quota(case, parts.len())?;
    hat.may_hold(case, opened.iter().filter(|draft| matches!(draft.event, Event::Held { .. })).count())?;
    if parts.is_empty() {
        return Err(match (too_large, withheld) {
            (true, _) => Reason::TooLarge,
            (false, true) => Reason::PiiNotGranted,
            (false, false) => Reason::NothingSelected,
        });
    }
    let fanned = Event::Fanned { digest: case.cause.body, count: records.count(), parts, fetched: None };
    let mut drafts = Vec::with_capacity(1 + opened.len());
    drafts.push(Draft::caused(fanned).on(case.key_basis().into_iter().collect()));
    drafts.append(&mut opened);
    Ok(drafts)
}
