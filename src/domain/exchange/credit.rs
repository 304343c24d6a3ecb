//! A plug or an app writes records into the HAT.

use super::check::{self, Case, permit};
use super::delivery_id::delivery_id;
use super::tally::tally;
use crate::domain::app::Accepted;
use crate::domain::entity::Draft;
use crate::domain::entry::Basis;
use crate::domain::event::{Authority, Direction, Event, Opened};
use crate::domain::hat::Hat;
use crate::domain::id::{Address, Id, Kind};
use crate::domain::pii::Dropped;
use crate::domain::records::Records;
use crate::domain::registration::Profile;
use crate::domain::verdict::Reason;
use uuid::Uuid;

/// Whether an endpoint lies in a namespace: its first part is the namespace's name.
fn lies_in(endpoint: &str, namespace: &str) -> bool {
    endpoint.strip_prefix(namespace).is_some_and(|rest| rest.starts_with('/'))
}

fn may_write(profile: Option<&Profile>, endpoint: &str) -> bool {
    match profile {
        Some(Profile::Plug { namespace, .. }) => lies_in(endpoint, namespace),
        Some(Profile::App { namespaces, .. }) => namespaces.iter().any(|n| lies_in(endpoint, n)),
        _ => false,
    }
}

/// A plug or app as the HAT lets it write.
pub(crate) struct Writer<'a> {
    /// The right under which it writes.
    pub authority: Authority,
    /// Number of the entry that connected it (or set it up).
    pub connected: u64,
    profile: Option<&'a Profile>,
    accepted: Option<&'a Accepted>,
}

impl<'a> Writer<'a> {
    /// That `from`, of this id and profile, is connected to the HAT.
    pub fn of(hat: &'a Hat, from: &Address, by: &Id, profile: Option<&'a Profile>) -> Result<Self, Reason> {
        let (connected, authority) = match from.kind {
            Kind::Plug => (hat.plugs.get(by), Authority::Plug(by.clone())),
            _ => (hat.apps.get(by), Authority::App(by.clone())),
        };
        let connected = *connected.ok_or(Reason::NotConnected)?;
        // An owner has accepted one version of an app: a later one may do no more until it is accepted too.
        let accepted = if from.kind == Kind::App { hat.accepted.get(by) } else { None };
        Ok(Writer { authority, connected, profile, accepted })
    }

    /// Whether a record of this endpoint may come from it.
    pub fn may_write(&self, endpoint: &str) -> bool {
        let consented = || self.accepted.is_none_or(|version| version.namespaces.iter().any(|n| lies_in(endpoint, n)));
        may_write(self.profile, endpoint) && consented()
    }
}

fn size(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// That the records are of the job that is open.
fn bound(hat: &Hat, case: &Case<'_>, plug: &Id, job: Uuid, records: &Records) -> Result<(), Reason> {
    permit(case.from().kind == Kind::Plug)?;
    let (track, current) = hat.jobs.with(plug, job).ok_or(Reason::WrongState)?;
    if case.at() >= current.ends {
        return Err(Reason::WrongState);
    }
    let Some(Profile::Plug { namespace, .. }) = &case.sender.profile else {
        return Err(Reason::NotPermitted);
    };
    let of_it = |endpoint: &str| {
        let rest = endpoint.strip_prefix(namespace.as_str()).and_then(|rest| rest.strip_prefix('/'));
        rest == Some(track.endpoint.as_str())
    };
    if records.items.iter().all(|record| of_it(&record.endpoint)) { Ok(()) } else { Err(Reason::OutsideNamespace) }
}

/// Decides `hat.<hat>.credit.<by>`.
pub(crate) fn credit(hat: &Hat, case: &Case<'_>, by: &Id, records: &Records) -> Result<Vec<Draft>, Reason> {
    let from = case.from();
    permit(matches!(from.kind, Kind::Plug | Kind::App) && from.id == *by)?;
    hat.registration.active()?;
    case.sender_standing()?;
    let approved = case.sender_approved()?;
    let writer = Writer::of(hat, from, by, case.sender.profile.as_ref())?;
    if !records.items.iter().all(|r| writer.may_write(&r.endpoint)) {
        return Err(Reason::OutsideNamespace);
    }
    if let Some(job) = case.command.job {
        bound(hat, case, by, job, records)?;
    }
    hat.quota(case, 1)?;
    let deadline = check::deadline(case)?;
    let to = case.ctx.entity;
    let delivery = delivery_id(case.ctx.delivery_key, to, from, case.cause.id, None);
    hat.free(delivery)?;

    let mut basis = Vec::with_capacity(3);
    basis.push(Basis { entity: from.clone(), n: approved });
    if case.key_n != Some(approved) {
        basis.extend(case.key_basis());
    }
    basis.push(Basis { entity: to.clone(), n: writer.connected });
    let (count, bytes) = (records.count(), size(records.body.len()));
    let opened = Opened {
        exchange: case.cause.id,
        from: from.clone(),
        parent: None,
        direction: Direction::Credit,
        authority: writer.authority,
        to: to.clone(),
        delivery,
        pull: None,
        job: case.command.job,
        since: None,
        skip: None,
        limit: None,
        deadline,
        digest_in: case.cause.body,
        digest_out: case.cause.body,
        count_in: count,
        count_out: count,
        bytes_in: bytes,
        bytes_out: bytes,
        endpoints: tally(records.items.iter()),
        large: None,
        dropped: Dropped::default(),
        without_pii: false,
    };
    Ok(vec![Draft {
        event: Event::Opened(Box::new(opened)),
        basis,
        content: Some(records.body.clone()),
        with_cause: true,
    }])
}
