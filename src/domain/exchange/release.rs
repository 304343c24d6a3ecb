//! The HAT lets records out under one data debit.

use std::sync::Arc;

use smol_str::SmolStr;
use uuid::Uuid;

use super::Open;
use super::answer::answer;
use super::check::{self, Case, permit};
use super::delivery_id::delivery_id;
use crate::domain::bundle::{Taken, TooLarge};
use crate::domain::bytes::Digest;
use crate::domain::command::PullAsk;
use crate::domain::debit::{Debit, Revision};
use crate::domain::entity::{Context, Draft, RegistryView};
use crate::domain::entry::Basis;
use crate::domain::event::{Authority, Direction, Event, Opened};
use crate::domain::hat::Hat;
use crate::domain::id::{Address, Id, MessageId};
use crate::domain::pii::{Dropped, Gate, Mask, Passed, pseudonym};
use crate::domain::records::Records;
use crate::domain::registration::Registration;
use crate::domain::time::{SECOND, Timestamp};
use crate::domain::verdict::Reason;

/// What a release goes under and to.
pub(crate) struct Under<'a> {
    /// The debit's id.
    pub debit: &'a Id,
    /// Its client, who receives.
    pub client: &'a Address,
    /// Number of the entry by which the owner enabled it.
    pub enabled: u64,
    /// Number of the entry that the client's standing rests on.
    pub standing: u64,
    /// The client's registration.
    pub registration: Arc<Registration>,
    /// What its terms let pass.
    pub gate: Arc<Gate>,
}

/// A deadline that does not tell which other deliveries were sent with this one: a whole minute, or a whole second when
/// it is nearer than two minutes. One that is nearer than ten seconds stays as it is.
pub(crate) fn blurred(deadline: Timestamp, at: Timestamp) -> Timestamp {
    let step = match deadline.since(at) / SECOND {
        ..10 => 1,
        10..120 => SECOND,
        _ => 60 * SECOND,
    };
    Timestamp(deadline.0 - deadline.0.rem_euclid(step))
}

/// The id of the delivery under this debit: one that tells neither whose it is nor when it was sent, where its client is
/// not to know.
pub(crate) fn delivery_of(mask: &Mask<'_>, without_pii: bool, exchange: MessageId, debit: &Id) -> Uuid {
    let Mask { key, hat, client } = *mask;
    match without_pii {
        true => pseudonym::delivery(key, client, hat, exchange, debit),
        false => delivery_id(key, client, hat, exchange, Some(debit)),
    }
}

impl Under<'_> {
    /// The authority entries that this rests on.
    pub fn basis(&self, case: &Case<'_>, endpoints: &[(SmolStr, u32)]) -> Vec<Basis> {
        let mut basis = Vec::with_capacity(3);
        basis.extend(case.key_basis());
        basis.push(Basis { entity: case.ctx.entity.clone(), n: self.enabled });
        let client = |n| Basis { entity: self.client.clone(), n };
        basis.push(client(self.standing));
        basis.extend(self.registration.allowed.filter(|allowed| allowed.n != self.standing).map(|it| client(it.n)));
        basis.extend(self.gate.basis(endpoints.iter().map(|(endpoint, _)| endpoint)));
        basis
    }

    /// What ids of records are hidden with.
    pub fn mask<'c>(&'c self, case: &'c Case<'_>) -> Mask<'c> {
        Mask { key: case.ctx.delivery_key, hat: case.ctx.entity, client: self.client }
    }

    /// Why nothing of a body leaves.
    pub fn nothing(&self, dropped: &Dropped) -> Reason {
        self.gate.nothing(dropped)
    }

    /// The exchange that moves `selected` out.
    pub fn open(
        &self,
        case: &Case<'_>,
        records: &Records,
        (selected, dropped): (Taken, Dropped),
        exchange: MessageId,
        deadline: Timestamp,
    ) -> (Opened, bytes::Bytes) {
        let from = case.ctx.entity;
        let without_pii = self.gate.without_pii();
        let delivery = delivery_of(&self.mask(case), without_pii, exchange, self.debit);
        let deadline = if without_pii { blurred(deadline, case.at()) } else { deadline };
        // Everything selected as it is: the body goes on as it came, and so does its digest.
        let whole = selected.body == records.body;
        let opened = Opened {
            exchange,
            from: from.clone(),
            parent: (exchange != case.cause.id).then_some(case.cause.id),
            direction: Direction::Release,
            authority: Authority::Debit(self.debit.clone()),
            to: self.client.clone(),
            delivery,
            pull: case.command.pull,
            job: None,
            since: None,
            skip: None,
            limit: None,
            deadline,
            digest_in: case.cause.body,
            digest_out: if whole { case.cause.body } else { Digest::of(&selected.body) },
            count_in: records.count(),
            count_out: selected.count,
            bytes_in: u32::try_from(records.body.len()).unwrap_or(u32::MAX),
            bytes_out: u32::try_from(selected.body.len()).unwrap_or(u32::MAX),
            endpoints: selected.endpoints,
            large: None,
            dropped,
            without_pii,
        };
        (opened, selected.body)
    }
}

/// What a revision lets its client have, by what the registry says now.
pub(crate) fn gate(registry: &dyn RegistryView, client: &Registration, revision: &Revision) -> Arc<Gate> {
    let (classes, version) = (client.classes(), registry.catalogue_version());
    revision.gates.of(&revision.terms, classes, version, || registry.catalogue())
}

/// Finds a debit that is active at the message's time, its client in force; and the revision that holds.
pub(crate) fn under<'a>(case: &Case<'_>, id: &'a Id, debit: &'a Debit) -> Result<(Under<'a>, &'a Revision), Reason> {
    let registry = case.ctx.registry;
    let registration = registry.registration(&debit.client).ok_or(Reason::UnknownParty)?;
    let standing = registration.active()?;
    let (revision, enabled) = debit.in_force(case.at())?;
    let gate = gate(registry, &registration, revision);
    let under = Under { debit: id, client: &debit.client, enabled, standing, registration, gate };
    Ok((under, revision))
}

/// What the revision's bundle selects of a body that streams out: each record filtered and mapped by itself, without
/// what is not granted. `evaluated`: the HAT has taken the records through the bundle already.
///
/// # Errors
/// [`TooLarge`] when it comes to more than `most` bytes.
pub(crate) fn sieve(
    revision: &Revision,
    gate: &Gate,
    mask: &Mask<'_>,
    evaluated: bool,
    records: &Records,
    most: usize,
) -> Result<Passed, TooLarge> {
    let (bundle, programs) = gate.bundle(&revision.terms, &revision.program);
    let program = if evaluated { programs.of_evaluated(bundle) } else { programs.of(bundle) };
    gate.pass(program.take(records, most)?, most, mask)
}

/// The same of a body that a HAT sends to all of its debits.
pub(crate) fn stream(
    case: &Case<'_>,
    under: &Under<'_>,
    revision: &Revision,
    records: &Records,
) -> Result<Passed, TooLarge> {
    sieve(revision, &under.gate, &under.mask(case), false, records, case.ctx.limits.body_bytes)
}

/// What the revision's bundle selects of a body brought for its debit alone, which may not become larger than a body may
/// be. `asked` is what the pull asks for that it answers.
///
/// A bridge brings what the HAT itself has made of the bundle: only what the bundle names passes. Otherwise records
/// that stream out are filtered and mapped one by one; an answer to a pull is ordered and limited too, and depends on
/// the debit's conditions.
fn take(
    case: &Case<'_>,
    under: &Under<'_>,
    revision: &Revision,
    records: &Records,
    asked: Option<&PullAsk>,
) -> Result<Passed, TooLarge> {
    let most = case.ctx.limits.body_bytes;
    let Some(ask) = asked else {
        return sieve(revision, &under.gate, &under.mask(case), case.is_bridge(), records, most);
    };
    let (bundle, programs) = under.gate.bundle(&revision.terms, &revision.program);
    let conditions = revision.terms.conditions.as_ref();
    let taken = answer((bundle, programs), conditions, records, ask, case.is_bridge(), most)?;
    under.gate.pass(taken, most, &under.mask(case))
}

/// The exchange begins: on its way, or held back until the offer of its debit has reached its minimum.
/// `gate`: what let its content pass, if it has any; it is judged once more when it leaves.
pub(crate) fn begin(opened: Opened, held: bool, gate: Option<&Gate>) -> Event {
    let opened = Box::new(opened);
    if !held {
        return Event::Opened(opened);
    }
    let gate = gate.map(|gate| gate.fingerprint(opened.endpoints.iter().map(|(endpoint, _)| endpoint)));
    Event::Held { opened, reason: Reason::OfferBelowMinimum, gate }
}

/// The open request that a release with this `Dex-Pull` answers.
pub(crate) fn answered<'h>(
    hat: &'h Hat,
    ctx: &Context<'_>,
    at: Timestamp,
    client: &Address,
    pull: MessageId,
    debit: &Id,
) -> Result<(Uuid, &'h Open), Reason> {
    let request = delivery_id(ctx.delivery_key, ctx.entity, client, pull, Some(debit));
    // Open exchanges of other directions never have this id: it names recipient and sender.
    let open = hat.open.get(&request).filter(|open| at < open.deadline);
    let open = open.filter(|_| !hat.held.contains_key(&request));
    Ok((request, open.ok_or(Reason::NotFound)?))
}

/// Decides `hat.<hat>.release.<debit>`.
pub(crate) fn release(hat: &Hat, case: &Case<'_>, id: &Id, records: &Records) -> Result<Vec<Draft>, Reason> {
    permit(case.is_owner())?;
    hat.registration.active()?;
    let debit = hat.debits.get(id).ok_or(Reason::DebitNotFound)?;
    let held = debit.holds_back();
    let (under, revision) = under(case, id, debit)?;
    let request = |pull| answered(hat, case.ctx, case.at(), under.client, pull, id);
    let answered = case.command.pull.map(request).transpose()?;
    // A pull that is answered makes room for its answer.
    hat.quota(case, usize::from(answered.is_none()))?;
    let passed = take(case, &under, revision, records, answered.map(|(_, open)| &open.ask));
    let Passed { taken, dropped } = passed.map_err(|TooLarge| Reason::TooLarge)?;
    let selected = taken.ok_or_else(|| under.nothing(&dropped))?;
    let deadline = check::deadline(case)?;
    let (opened, body) = under.open(case, records, (selected, dropped), case.cause.id, deadline);
    hat.free(opened.delivery)?;
    hat.may_hold(case, usize::from(held))?;
    let basis = under.basis(case, &opened.endpoints);
    let mut drafts = Vec::with_capacity(2);
    drafts.push(Draft { event: begin(opened, held, Some(&under.gate)), basis, content: Some(body), with_cause: true });
    drafts.extend(answered.map(|(request, open)| Draft::further(Event::Settled(open.close(request)))));
    Ok(drafts)
}
