//! `hat.<hat>.pull.<debit>`: the client asks the HAT for a release.

use bytes::Bytes;

use super::check::{Sender, not_in_force};
use super::opening::{self, Move};
use crate::domain::command::PullAsk;
use crate::domain::event::{Authority, Direction};
use crate::domain::hat::Hat;
use crate::domain::{Basis, Cause, Command, Context, Draft, Event, Id, Reason};

/// Decides a pull.
///
/// # Errors
/// The first check that fails.
pub fn decide(
    ctx: &Context<'_>,
    hat: &Hat,
    sender: &Sender,
    command: &Command,
    cause: &Cause,
    id: &Id,
    ask: &PullAsk,
) -> Result<Vec<Draft>, Reason> {
    // Whoever is not the client learns nothing about the debit.
    let debit = hat.debits.get(id).filter(|debit| *debit.client() == cause.from).ok_or(Reason::DebitNotFound)?;
    hat.in_force()?;
    not_in_force(sender.registration.standing, Reason::NotApproved).map_or(Ok(()), Err)?;
    let revision = debit.in_force(command.stored_at)?;
    opening::quotas(ctx, hat, &cause.from, command.stored_at)?;
    let deadline = opening::deadline(ctx, command)?;
    let nothing = Bytes::new();
    let what = Move {
        exchange: cause.id,
        parent: None,
        direction: Direction::Pull,
        authority: Authority::Debit(id.clone()),
        to: ctx.entity.clone(),
        pull: None,
        deadline,
        came: (cause.body, 0, 0),
        leaves: (&nothing, 0),
        endpoints: Vec::new(),
    };
    let mut opened = opening::opened(ctx, cause, what);
    opened.since = ask.since;
    opened.limit = ask.limit;
    let granted = Basis { entity: ctx.entity.clone(), n: revision.enabled_n };
    let approval = Basis { entity: cause.from.clone(), n: sender.registration.standing_n };
    let basis = [Some(approval), sender.key.clone(), Some(granted)].into_iter().flatten().collect();
    Ok(vec![Draft::new(Event::Opened(Box::new(opened))).on(basis)])
}
