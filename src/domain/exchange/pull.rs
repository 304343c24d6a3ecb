//! The client of a data debit asks the HAT for a release.

use uuid::Uuid;

use super::check::{self, Case, permit};
use super::delivery_id::delivery_id;
use super::release::begin;
use crate::domain::bytes::Digest;
use crate::domain::command::PullAsk;
use crate::domain::entity::Draft;
use crate::domain::entry::Basis;
use crate::domain::event::{Authority, Direction, Opened};
use crate::domain::hat::Hat;
use crate::domain::id::{Address, Id, Kind, MessageId};
use crate::domain::pii::Dropped;
use crate::domain::time::Timestamp;
use crate::domain::verdict::Reason;

/// Most records that may be asked for.
pub const PULL_RECORDS_MAX: u32 = 10_000;
/// Most records that may be left out at the beginning.
pub const PULL_SKIP_MAX: u32 = 1_000_000;

/// The body of the request that the HAT gets: what `digest_out` of a pull is of.
pub fn ask_body(ask: &PullAsk) -> Vec<u8> {
    serde_json::to_vec(ask).expect("a time and numbers are JSON")
}

impl Opened {
    /// For a pull: what is asked.
    pub fn ask(&self) -> PullAsk {
        PullAsk { since: self.since, skip: self.skip, limit: self.limit }
    }
}

/// Whether what is asked keeps its bounds.
///
/// # Errors
/// A sentence.
pub fn bounded(ask: &PullAsk) -> Result<(), String> {
    if ask.limit.is_some_and(|limit| !(1..=PULL_RECORDS_MAX).contains(&limit)) {
        return Err(format!("limit is not 1 to {PULL_RECORDS_MAX}"));
    }
    if ask.skip.is_some_and(|skip| skip > PULL_SKIP_MAX) {
        return Err(format!("skip is not 0 to {PULL_SKIP_MAX}"));
    }
    Ok(())
}

/// The exchange by which the HAT `to` is asked, but for its id, its deadline and the digest of what came.
pub(super) fn requested(
    from: &Address,
    to: &Address,
    debit: &Id,
    delivery: Uuid,
    ask: &PullAsk,
    body: &[u8],
) -> Opened {
    let bytes = u32::try_from(body.len()).unwrap_or(u32::MAX);
    Opened {
        exchange: MessageId(Uuid::nil()),
        from: from.clone(),
        parent: None,
        direction: Direction::Pull,
        authority: Authority::Debit(debit.clone()),
        to: to.clone(),
        delivery,
        pull: None,
        job: None,
        since: ask.since,
        skip: ask.skip,
        limit: ask.limit,
        deadline: Timestamp::default(),
        digest_in: Digest::of(body),
        digest_out: Digest::of(body),
        count_in: 0,
        count_out: 0,
        bytes_in: bytes,
        bytes_out: bytes,
        endpoints: Vec::new(),
        large: None,
        dropped: Dropped::default(),
        without_pii: false,
    }
}

/// Decides `hat.<hat>.pull.<debit>`.
pub(crate) fn pull(hat: &Hat, case: &Case<'_>, id: &Id, ask: &PullAsk) -> Result<Vec<Draft>, Reason> {
    let from = case.from();
    // Who is not to know whose data it is given cannot ask a HAT for it by name.
    let debit = hat.debits.get(id).filter(|debit| !debit.without_pii());
    permit(match debit {
        Some(debit) => debit.client == *from,
        None => matches!(from.kind, Kind::Org | Kind::App | Kind::Hat) && !case.is_self(),
    })?;
    hat.registration.active()?;
    case.sender_standing()?;
    let debit = debit.ok_or(Reason::DebitNotFound)?;
    let approved = case.sender_approved()?;
    let (_, enabled) = debit.in_force(case.at())?;
    hat.quota(case, 1)?;
    let held = debit.holds_back();
    hat.may_hold(case, usize::from(held))?;
    bounded(ask).map_err(|_| Reason::Malformed)?;
    let deadline = check::deadline(case)?;
    let to = case.ctx.entity;
    let delivery = delivery_id(case.ctx.delivery_key, to, from, case.cause.id, Some(id));
    hat.free(delivery)?;

    let mut basis = vec![Basis { entity: from.clone(), n: approved }];
    if case.key_n != Some(approved) {
        basis.extend(case.key_basis());
    }
    basis.push(Basis { entity: to.clone(), n: enabled });
    let opened = Opened {
        exchange: case.cause.id,
        digest_in: case.cause.body,
        deadline,
        ..requested(from, to, id, delivery, ask, &ask_body(ask))
    };
    Ok(vec![Draft::caused(begin(opened, held, None)).on(basis)])
}
