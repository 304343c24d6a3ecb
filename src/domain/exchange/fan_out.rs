//! The HAT lets records out to every active data debit that selects any of them.

use super::check::{self, Case, permit};
use super::delivery_id::part_id;
use super::release::{begin, take, under};
use crate::domain::entity::Draft;
use crate::domain::event::{Event, Part};
use crate::domain::hat::Hat;
use crate::domain::records::Records;
use crate::domain::verdict::Reason;

/// Decides `hat.<hat>.data`: one [`Event::Fanned`], then an [`Event::Opened`] for each part.
pub(crate) fn fan_out(hat: &Hat, case: &Case<'_>, records: &Records) -> Result<Vec<Draft>, Reason> {
    permit(case.is_owner() && case.command.pull.is_none())?;
    hat.registration.active()?;
    let deadline = check::deadline(case);
    let mut parts = Vec::new();
    let mut opened = Vec::new();
    for (id, debit) in &hat.debits {
        // A debit not in force, or whose client is not, takes no part.
        if debit.in_force(case.at()).is_err() {
            continue;
        }
        let Ok((under, revision)) = under(case, id, debit) else {
            continue;
        };
        let Some(selected) = take(case, revision, records)? else {
            continue;
        };
        if parts.len() >= case.ctx.limits.active_debits_per_hat {
            return Err(Reason::OverQuota);
        }
        let exchange = part_id(case.cause.id, id);
        let by = *deadline.as_ref().map_err(|reason| *reason)?;
        let (part, body) = under.open(case, records, selected, exchange, by);
        hat.free(part.delivery)?;
        parts.push(Part { exchange, debit: id.clone() });
        opened.push(Draft {
            event: begin(part, debit.holds_back()),
            basis: under.basis(case),
            content: Some(body),
            with_cause: false,
        });
    }
    hat.quota(case, parts.len())?;
    hat.may_hold(case, opened.iter().filter(|draft| matches!(draft.event, Event::Held { .. })).count())?;
    if parts.is_empty() {
        return Err(Reason::NothingSelected);
    }
    let fanned = Event::Fanned { digest: case.cause.body, count: records.count(), parts };
    let mut drafts = Vec::with_capacity(1 + opened.len());
    drafts.push(Draft::caused(fanned).on(case.key_basis().into_iter().collect()));
    drafts.append(&mut opened);
    Ok(drafts)
}
