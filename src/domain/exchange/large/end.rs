//! The content has been fetched, or could not be: the exchange goes on its way, or ends.

use uuid::Uuid;

use super::{Facts, Fetching, Upload};
use crate::domain::entity::{Context, Decision, Draft};
use crate::domain::entry::Basis;
use crate::domain::event::{Authority, Event, Opened};
use crate::domain::exchange::credit::Writer;
use crate::domain::exchange::release::gate;
use crate::domain::hat::Hat;
use crate::domain::id::Id;
use crate::domain::registration::Transport;
use crate::domain::time::Timestamp;
use crate::domain::verdict::Reason;

fn size(bytes: u64) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Decides the local command. `found` is what the content came to; rights are looked at once more, for it may have
/// taken long.
pub(crate) fn fetched(
    hat: &Hat,
    ctx: &Context<'_>,
    at: Timestamp,
    delivery: Uuid,
    found: &Result<Facts, Reason>,
) -> Decision {
    let (Some(fetching), Some(open)) = (hat.fetching.get(&delivery), hat.open.get(&delivery)) else {
        return Decision::Nothing;
    };
    // Its deadline has an entry of its own.
    if at >= open.deadline {
        return Decision::Nothing;
    }
    let judged = found.as_ref().map_err(|reason| *reason).and_then(|facts| match &fetching.authority {
        Authority::Plug(by) | Authority::App(by) => credited(hat, ctx, fetching, by, facts),
        Authority::Debit(debit) => released(hat, ctx, at, fetching, debit, facts),
    });
    Decision::one(match judged {
        Ok(draft) => draft,
        Err(reason) => Draft::further(Event::Dropped { closed: open.close(delivery), reason }),
    })
}

fn credited(hat: &Hat, ctx: &Context<'_>, fetching: &Fetching, by: &Id, facts: &Facts) -> Result<Draft, Reason> {
    hat.registration.active()?;
    let sender = ctx.registry.registration(&fetching.from).ok_or(Reason::UnknownParty)?;
    let approved = sender.active()?;
    let writer = Writer::of(hat, &fetching.from, by, sender.profile.as_ref())?;
    // Who is carried over HTTP by now takes it in one piece.
    if hat.registration.transport() == Transport::Http {
        return Err(Reason::TooLarge);
    }
    if !facts.namespaces.iter().all(|namespace| writer.may_write(&format!("{namespace}/"))) {
        return Err(Reason::OutsideNamespace);
    }
    let basis = vec![
        Basis { entity: fetching.from.clone(), n: approved },
        Basis { entity: ctx.entity.clone(), n: writer.connected },
    ];
    Ok(Draft::further(Event::Fetched(Box::new(opened(fetching, facts)))).on(basis))
}

fn released(
    hat: &Hat,
    ctx: &Context<'_>,
    at: Timestamp,
    fetching: &Fetching,
    id: &Id,
    facts: &Facts,
) -> Result<Draft, Reason> {
    hat.registration.active()?;
    let debit = hat.debits.get(id).ok_or(Reason::DebitNotFound)?;
    let client = ctx.registry.registration(&debit.client).ok_or(Reason::UnknownParty)?;
    let standing = client.active()?;
    let (revision, enabled) = debit.in_force(at)?;
    // Selected by terms that the owner has replaced since.
    let selected = facts.under.as_ref().filter(|selected| selected.enabled == enabled).ok_or(Reason::DebitNotActive)?;
    // Or by what its client may not have any more.
    let gate = gate(ctx.registry, &client, revision);
    if gate.without_pii() {
        return Err(Reason::TooLarge);
    }
    if !gate.lets_the_same(&selected.gate) {
        return Err(Reason::PiiNotGranted);
    }
    let opened = Box::new(opened(fetching, facts));
    let event = if debit.holds_back() {
        if hat.held.len() >= ctx.limits.held_per_hat {
            return Err(Reason::OverQuota);
        }
        Event::Held { opened, reason: Reason::OfferBelowMinimum }
    } else {
        Event::Fetched(opened)
    };
    let mut basis =
        vec![Basis { entity: ctx.entity.clone(), n: enabled }, Basis { entity: debit.client.clone(), n: standing }];
    basis.extend(gate.basis(facts.endpoints.iter().map(|(endpoint, _)| endpoint)));
    Ok(Draft::further(event).on(basis))
}

fn opened(fetching: &Fetching, facts: &Facts) -> Opened {
    let object = &fetching.object;
    Opened {
        exchange: fetching.exchange,
        from: fetching.from.clone(),
        parent: None,
        direction: fetching.direction,
        authority: fetching.authority.clone(),
        to: fetching.to.clone(),
        delivery: fetching.delivery,
        pull: None,
        job: None,
        since: None,
        limit: None,
        skip: None,
        deadline: fetching.deadline,
        digest_in: object.digest,
        digest_out: facts.digest,
        count_in: object.count,
        count_out: facts.count,
        bytes_in: size(object.size),
        bytes_out: size(facts.size),
        endpoints: facts.endpoints.clone(),
        dropped: facts.dropped,
        without_pii: false,
        large: Some(Box::new(Upload { by: fetching.by.clone(), object: object.id })),
    }
}
