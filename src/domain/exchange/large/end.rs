//! The content has been fetched, or could not be: the exchange goes on its way, or ends.

use std::sync::Arc;

use uuid::Uuid;

use super::{Facts, Fetching, Found, PartFound, Selected, Upload};
use crate::domain::entity::{Context, Decision, Draft};
use crate::domain::entry::Basis;
use crate::domain::event::{Authority, Event, Opened, Part};
use crate::domain::exchange::Open;
use crate::domain::exchange::credit::Writer;
use crate::domain::exchange::release::{answered, begin, blurred, gate};
use crate::domain::hat::Hat;
use crate::domain::id::{Address, Id};
use crate::domain::pii::Gate;
use crate::domain::registration::Transport;
use crate::domain::time::Timestamp;
use crate::domain::verdict::Reason;

fn size(bytes: u64) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// A content that is here, at the time when its HAT decides on it.
struct Here<'a> {
    hat: &'a Hat,
    ctx: &'a Context<'a>,
    at: Timestamp,
    fetching: &'a Fetching,
    open: &'a Open,
}

/// Decides the local command. `found` is what the content came to; rights are looked at once more, for it may have
/// taken long.
pub(crate) fn fetched(
    hat: &Hat,
    ctx: &Context<'_>,
    at: Timestamp,
    delivery: Uuid,
    found: &Result<Found, Reason>,
) -> Decision {
    let (Some(fetching), Some(open)) = (hat.fetching.get(&delivery), hat.open.get(&delivery)) else {
        return Decision::Nothing;
    };
    // Its deadline has an entry of its own.
    if at >= open.deadline {
        return Decision::Nothing;
    }
    let here = Here { hat, ctx, at, fetching, open };
    let judged = found.as_ref().map_err(|reason| *reason).and_then(|found| match (&fetching.authority, found) {
        (Authority::Plug(by) | Authority::App(by), Found::One(facts)) => here.credited(by, facts),
        (Authority::Debit(debit), Found::One(facts)) => here.released(debit, facts),
        (Authority::Debits, Found::Parts(parts)) => here.parted(parts),
        // What is fetched for one recipient is found for one.
        _ => Err(Reason::Internal),
    });
    match judged {
        Ok(drafts) => Decision::Record(drafts),
        Err(reason) => Decision::one(Draft::further(Event::Dropped { closed: open.close(delivery), reason })),
    }
}

/// What still lets a content out.
struct Still {
    client: Address,
    held: bool,
    gate: Arc<Gate>,
    basis: Vec<Basis>,
}

impl Here<'_> {
    fn credited(&self, by: &Id, facts: &Facts) -> Result<Vec<Draft>, Reason> {
        let Here { hat, ctx, fetching, .. } = self;
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
        Ok(vec![Draft::further(Event::Fetched(Box::new(self.opened(facts)))).on(basis)])
    }

    /// That what was selected under a debit may go under it still.
    fn still(&self, id: &Id, facts: &Facts) -> Result<Still, Reason> {
        let Here { hat, ctx, at, .. } = self;
        let debit = hat.debits.get(id).ok_or(Reason::DebitNotFound)?;
        let client = ctx.registry.registration(&debit.client).ok_or(Reason::UnknownParty)?;
        let standing = client.active()?;
        let (revision, enabled) = debit.in_force(*at)?;
        // Selected by terms that the owner has replaced since.
        let same = |selected: &&Selected| selected.enabled == enabled;
        let selected = facts.under.as_ref().filter(same).ok_or(Reason::DebitNotActive)?;
        // Or by what its client may not have any more.
        let gate = gate(ctx.registry, &client, revision);
        if !gate.lets_the_same(&selected.gate) {
            return Err(Reason::PiiNotGranted);
        }
        let mut basis =
            vec![Basis { entity: ctx.entity.clone(), n: enabled }, Basis { entity: debit.client.clone(), n: standing }];
        basis.extend(gate.basis(facts.endpoints.iter().map(|(endpoint, _)| endpoint)));
        Ok(Still { client: debit.client.clone(), held: debit.holds_back(), gate, basis })
    }

    fn released(&self, id: &Id, facts: &Facts) -> Result<Vec<Draft>, Reason> {
        let Here { hat, ctx, at, fetching, .. } = self;
        hat.registration.active()?;
        let Still { held, basis, client, gate } = self.still(id, facts)?;
        self.may_hold(usize::from(held))?;
        // A pull that has ended meanwhile has no answer.
        let request = fetching.pull.map(|pull| answered(hat, ctx, *at, &client, pull, id)).transpose()?;
        let opened = self.opened(facts);
        let event = if held { begin(opened, true, Some(&gate)) } else { Event::Fetched(Box::new(opened)) };
        let mut drafts = vec![Draft::further(event).on(basis)];
        drafts.extend(request.map(|(request, open)| Draft::further(Event::Settled(open.close(request)))));
        Ok(drafts)
    }

    fn may_hold(&self, more: usize) -> Result<(), Reason> {
        let room = self.hat.held.len() + more <= self.ctx.limits.held_per_hat;
        if more == 0 || room { Ok(()) } else { Err(Reason::OverQuota) }
    }

    /// A part for each debit of which anything is left; then the fan-out itself, so that nobody takes what lies on disk for
    /// something that belongs to nobody.
    fn parted(&self, found: &[PartFound]) -> Result<Vec<Draft>, Reason> {
        let Here { hat, ctx, at, fetching, open } = self;
        hat.registration.active()?;
        let (mut parts, mut drafts, mut why) = (Vec::new(), Vec::new(), Vec::new());
        let (mut held, mut bytes) = (0, hat.large_open().saturating_sub(u64::from(open.bytes)));
        for part in found {
            let judged = part.facts.as_ref().map_err(|reason| *reason);
            let (facts, still) = match judged.and_then(|facts| Ok((facts, self.still(&part.debit, facts)?))) {
                Ok(both) => both,
                Err(reason) => {
                    why.push(reason);
                    continue;
                }
            };
            hat.free(part.delivery)?;
            held += usize::from(still.held);
            bytes = bytes.saturating_add(facts.size);
            let (deadline, without_pii) = (fetching.deadline, still.gate.without_pii());
            let opened = Opened {
                exchange: part.exchange,
                parent: Some(fetching.exchange),
                authority: Authority::Debit(part.debit.clone()),
                to: still.client,
                delivery: part.delivery,
                deadline: if without_pii { blurred(deadline, *at) } else { deadline },
                without_pii,
                ..self.opened(facts)
            };
            parts.push(Part { exchange: part.exchange, debit: part.debit.clone(), dropped: facts.dropped });
            drafts.push(Draft::further(begin(opened, still.held, Some(&still.gate))).on(still.basis));
        }
        if parts.is_empty() {
            let told = [Reason::TooLarge, Reason::PiiNotGranted, Reason::NothingSelected];
            let first = told.into_iter().find(|reason| why.contains(reason)).or(why.first().copied());
            return Err(first.unwrap_or(Reason::NothingSelected));
        }
        self.may_hold(held)?;
        let limits = ctx.limits;
        if hat.open.len() - 1 + parts.len() > limits.open_per_hat || bytes > limits.large_per_hat {
            return Err(Reason::RecipientOverQuota);
        }
        let (digest, count) = (fetching.object.digest, fetching.object.count);
        let fetched = Some(open.close(fetching.delivery));
        drafts.push(Draft::further(Event::Fanned { digest, count, parts, fetched }));
        Ok(drafts)
    }

    fn opened(&self, facts: &Facts) -> Opened {
        let fetching = self.fetching;
        let object = &fetching.object;
        Opened {
            exchange: fetching.exchange,
            from: fetching.from.clone(),
            parent: None,
            direction: fetching.direction,
            authority: fetching.authority.clone(),
            to: fetching.to.clone(),
            delivery: fetching.delivery,
            pull: fetching.pull,
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
            without_pii: fetching.without_pii,
            large: Some(Box::new(Upload { by: fetching.by.clone(), object: object.id })),
        }
    }
}
