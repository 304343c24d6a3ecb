//! `hat.<hat>.data`: records addressed to nobody, one exchange per active debit that selects any.

use super::check::Sender;
use super::delivery_id::part_id;
use super::opening;
use super::release::{Part, client_in_force, one};
use crate::domain::event::Part as Named;
use crate::domain::hat::Hat;
use crate::domain::{Cause, Command, Context, Draft, Event, Reason, Records};

/// Decides a fan-out.
///
/// # Errors
/// The first check that fails; `nothing-selected` when no debit selects anything.
pub fn decide(
    ctx: &Context<'_>,
    hat: &Hat,
    sender: &Sender,
    command: &Command,
    cause: &Cause,
    records: &Records,
) -> Result<Vec<Draft>, Reason> {
    if cause.from != *ctx.entity {
        return Err(Reason::NotPermitted);
    }
    hat.in_force()?;
    opening::quotas(ctx, hat, &cause.from, command.stored_at)?;
    let deadline = opening::deadline(ctx, command)?;
    let mut parts = Vec::new();
    let mut drafts = Vec::new();
    for (id, debit) in &hat.debits {
        if parts.len() == ctx.limits.active_debits_per_hat {
            break;
        }
        let Ok(approval) = client_in_force(ctx, hat, debit.client()) else { continue };
        let exchange = part_id(cause.id, id);
        let part = Part {
            exchange,
            parent: Some(cause.id),
            pull: None,
            deadline,
            at: command.stored_at,
            basis: [Some(approval), sender.key.clone()].into_iter().flatten().collect(),
        };
        if let Some(draft) = one(ctx, cause, (id, debit), records, part) {
            parts.push(Named { exchange, debit: id.clone() });
            drafts.push(draft);
        }
    }
    if parts.is_empty() {
        return Err(Reason::NothingSelected);
    }
    opening::room(ctx, hat, parts.len())?;
    let mut all = vec![Draft::new(Event::Fanned { digest: cause.body, count: records.count(), parts })];
    all.append(&mut drafts);
    Ok(all)
}
