//! `hat.<hat>.release.<debit>`: records out of the HAT to one debit's client.

use super::check::{Sender, not_in_force};
use super::opening::{self, Move};
use crate::domain::debit::Debit;
use crate::domain::event::{Authority, Direction};
use crate::domain::hat::Hat;
use crate::domain::{Address, Basis, Cause, Command, Context, Draft, Event, Id, MessageId, Reason, Records, Timestamp};

/// Decides a release.
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
    records: &Records,
) -> Result<Vec<Draft>, Reason> {
    if cause.from != *ctx.entity {
        return Err(Reason::NotPermitted);
    }
    hat.in_force()?;
    let debit = hat.debits.get(id).ok_or(Reason::DebitNotFound)?;
    debit.in_force(command.stored_at)?;
    let approval = client_in_force(ctx, hat, debit.client())?;
    opening::quotas(ctx, hat, &cause.from, command.stored_at)?;
    let deadline = opening::deadline(ctx, command)?;
    let asked = match command.pull {
        None => None,
        Some(pull) => {
            // Past its deadline it is answered by nothing any more, even before it is seen to expire.
            let open = hat.open_pull(pull, id).filter(|(_, open)| command.stored_at < open.deadline);
            Some(open.ok_or(Reason::NotFound)?)
        }
    };
    let part = Part {
        exchange: cause.id,
        parent: None,
        pull: command.pull,
        deadline,
        at: command.stored_at,
        basis: [Some(approval), sender.key.clone()].into_iter().flatten().collect(),
    };
    let opened = one(ctx, cause, (id, debit), records, part).ok_or(Reason::NothingSelected)?;
    let mut drafts = vec![opened];
    if let Some((delivery, open)) = asked {
        let closed = open.closed(delivery);
        drafts.push(Draft::new(Event::Settled(Box::new(closed))).further());
    }
    Ok(drafts)
}

/// A release or a part of a fan-out.
pub(super) struct Part {
    pub exchange: MessageId,
    pub parent: Option<MessageId>,
    pub pull: Option<MessageId>,
    pub deadline: Timestamp,
    pub at: Timestamp,
    /// Of the client's approval and the sender's key; the debit's revision is added.
    pub basis: Vec<Basis>,
}

/// The draft of one exchange under one active debit; `None` when its bundle selects nothing.
pub(super) fn one(
    ctx: &Context<'_>,
    cause: &Cause,
    (id, debit): (&Id, &Debit),
    records: &Records,
    mut part: Part,
) -> Option<Draft> {
    let revision = debit.active(part.at)?;
    let selects = |endpoint: &str| revision.terms.bundle.selects(endpoint);
    let (content, count) = records.select(selects)?;
    let bytes = u32::try_from(records.body.len()).unwrap_or(u32::MAX);
    let what = Move {
        exchange: part.exchange,
        parent: part.parent,
        direction: Direction::Release,
        authority: Authority::Debit(id.clone()),
        to: revision.terms.client.clone(),
        pull: part.pull,
        deadline: part.deadline,
        came: (cause.body, records.count(), bytes),
        leaves: (&content, count),
        endpoints: opening::tally(&records.items, selects),
    };
    let opened = opening::opened(ctx, cause, what);
    part.basis.push(Basis { entity: ctx.entity.clone(), n: revision.enabled_n });
    let draft = Draft::new(Event::Opened(Box::new(opened))).on(part.basis).with(content.clone());
    Some(if part.parent.is_some() { draft.further() } else { draft })
}

/// The approval of the debit's client, when it may receive.
pub(super) fn client_in_force(ctx: &Context<'_>, hat: &Hat, client: &Address) -> Result<Basis, Reason> {
    let found = if client == ctx.entity { None } else { ctx.registry.registration(client) };
    let (standing, n) = match &found {
        _ if client == ctx.entity => (hat.registration.standing, hat.registration.standing_n),
        Some(registration) => (registration.standing, registration.standing_n),
        None => return Err(Reason::UnknownParty),
    };
    match not_in_force(standing, Reason::UnknownParty) {
        Some(reason) => Err(reason),
        None => Ok(Basis { entity: client.clone(), n }),
    }
}
