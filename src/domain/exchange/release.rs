//! The HAT lets records out under one data debit.

use super::answer::answer;
use super::check::{self, Case, permit};
use super::delivery_id::delivery_id;
use crate::domain::bundle::{Taken, TooLarge};
use crate::domain::bytes::Digest;
use crate::domain::command::PullAsk;
use crate::domain::debit::{Debit, Revision};
use crate::domain::entity::Draft;
use crate::domain::entry::Basis;
use crate::domain::event::{Authority, Direction, Event, Opened};
use crate::domain::hat::Hat;
use crate::domain::id::{Address, Id, MessageId};
use crate::domain::records::Records;
use crate::domain::time::Timestamp;
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
}

impl Under<'_> {
    /// The authority entries that this rests on.
    pub fn basis(&self, case: &Case<'_>) -> Vec<Basis> {
        let mut basis = Vec::with_capacity(3);
        basis.extend(case.key_basis());
        basis.push(Basis { entity: case.ctx.entity.clone(), n: self.enabled });
        basis.push(Basis { entity: self.client.clone(), n: self.standing });
        basis
    }

    /// The exchange that moves `selected` out.
    pub fn open(
        &self,
        case: &Case<'_>,
        records: &Records,
        selected: Taken,
        exchange: MessageId,
        deadline: Timestamp,
    ) -> (Opened, bytes::Bytes) {
        let from = case.ctx.entity;
        let key = case.ctx.delivery_key;
        // Everything selected as it is: the body goes on as it came, and so does its digest.
        let whole = selected.body == records.body;
        let opened = Opened {
            exchange,
            from: from.clone(),
            parent: (exchange != case.cause.id).then_some(case.cause.id),
            direction: Direction::Release,
            authority: Authority::Debit(self.debit.clone()),
            to: self.client.clone(),
            delivery: delivery_id(key, self.client, from, exchange, Some(self.debit)),
            pull: case.command.pull,
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
        };
        (opened, selected.body)
    }
}

/// Finds a debit that is active at the message's time, its client in force; and the revision that holds.
pub(crate) fn under<'a>(case: &Case<'_>, id: &'a Id, debit: &'a Debit) -> Result<(Under<'a>, &'a Revision), Reason> {
    let standing = check::active(case.ctx, &debit.client)?;
    let (revision, enabled) = debit.in_force(case.at())?;
    let under = Under { debit: id, client: &debit.client, enabled, standing };
    Ok((under, revision))
}

/// What the revision's bundle selects of records, each by itself. `evaluated`: the HAT has taken them through the
/// bundle already.
pub(crate) fn sieve(
    revision: &Revision,
    evaluated: bool,
    records: &Records,
    most: usize,
) -> Result<Option<Taken>, TooLarge> {
    let (programs, bundle) = (&revision.program, &revision.terms.bundle);
    let program = if evaluated { programs.of_evaluated(bundle) } else { programs.of(bundle) };
    program.take(records, most)
}

/// What the revision's bundle selects of a body that streams out: each record filtered and mapped by itself.
pub(crate) fn stream(case: &Case<'_>, revision: &Revision, records: &Records) -> Result<Option<Taken>, TooLarge> {
    sieve(revision, false, records, case.ctx.limits.body_bytes)
}

/// What the revision's bundle selects of a body brought for its debit alone, which may not become larger than a body may
/// be. `asked` is what the pull asks for that it answers.
///
/// A bridge brings what the HAT itself has made of the bundle: only what the bundle names passes. Otherwise records
/// that stream out are filtered and mapped one by one; an answer to a pull is ordered and limited too, and depends on
/// the debit's conditions.
fn take(
    case: &Case<'_>,
    revision: &Revision,
    records: &Records,
    asked: Option<&PullAsk>,
) -> Result<Option<Taken>, TooLarge> {
    let most = case.ctx.limits.body_bytes;
    match asked {
        Some(ask) => answer(revision, records, ask, case.is_bridge(), most),
        None => sieve(revision, case.is_bridge(), records, most),
    }
}

/// The exchange begins: on its way, or held back until the offer of its debit has reached its minimum.
pub(crate) fn begin(opened: Opened, held: bool) -> Event {
    let opened = Box::new(opened);
    if held { Event::Held { opened, reason: Reason::OfferBelowMinimum } } else { Event::Opened(opened) }
}

/// Decides `hat.<hat>.release.<debit>`.
pub(crate) fn release(hat: &Hat, case: &Case<'_>, id: &Id, records: &Records) -> Result<Vec<Draft>, Reason> {
    permit(case.is_owner())?;
    hat.registration.active()?;
    let debit = hat.debits.get(id).ok_or(Reason::DebitNotFound)?;
    let held = debit.holds_back();
    let (under, revision) = under(case, id, debit)?;
    let answered = match case.command.pull {
        Some(pull) => {
            let (to, from) = (case.ctx.entity, under.client);
            let request = delivery_id(case.ctx.delivery_key, to, from, pull, Some(id));
            // Open exchanges of other directions never have this id: it names recipient and sender.
            let open = hat.open.get(&request).filter(|open| case.at() < open.deadline);
            let open = open.filter(|_| !hat.held.contains_key(&request));
            Some((request, open.ok_or(Reason::NotFound)?))
        }
        None => None,
    };
    // A pull that is answered makes room for its answer.
    hat.quota(case, usize::from(answered.is_none()))?;
    let selected = take(case, revision, records, answered.map(|(_, open)| &open.ask));
    let selected = selected.map_err(|TooLarge| Reason::TooLarge)?.ok_or(Reason::NothingSelected)?;
    let deadline = check::deadline(case)?;
    let (opened, body) = under.open(case, records, selected, case.cause.id, deadline);
    hat.free(opened.delivery)?;
    hat.may_hold(case, usize::from(held))?;
    let mut drafts = Vec::with_capacity(2);
    drafts.push(Draft { event: begin(opened, held), basis: under.basis(case), content: Some(body), with_cause: true });
    drafts.extend(answered.map(|(request, open)| Draft::further(Event::Settled(open.close(request)))));
    Ok(drafts)
}
