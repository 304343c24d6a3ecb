//! A plug or an app writes records into the HAT.

use super::check::{self, Case, permit};
use super::delivery_id::delivery_id;
use super::tally::tally;
use crate::domain::entity::Draft;
use crate::domain::entry::Basis;
use crate::domain::event::{Authority, Direction, Event, Opened};
use crate::domain::hat::Hat;
use crate::domain::id::{Id, Kind};
use crate::domain::pii::Dropped;
use crate::domain::records::Records;
use crate::domain::registration::Profile;
use crate::domain::verdict::Reason;

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

fn size(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Decides `hat.<hat>.credit.<by>`.
pub(crate) fn credit(hat: &Hat, case: &Case<'_>, by: &Id, records: &Records) -> Result<Vec<Draft>, Reason> {
    let from = case.from();
    permit(matches!(from.kind, Kind::Plug | Kind::App) && from.id == *by)?;
    hat.registration.active()?;
    case.sender_standing()?;
    let approved = case.sender_approved()?;
    let (connected, authority) = match from.kind {
        Kind::Plug => (hat.plugs.get(by), Authority::Plug(by.clone())),
        _ => (hat.apps.get(by), Authority::App(by.clone())),
    };
    let connected = *connected.ok_or(Reason::NotConnected)?;
    let profile = case.sender.profile.as_ref();
    // An owner has accepted one version of an app: a later one may do no more until it is accepted too.
    let accepted = if from.kind == Kind::App { hat.accepted.get(by) } else { None };
    let consented =
        |endpoint: &str| accepted.is_none_or(|version| version.namespaces.iter().any(|n| lies_in(endpoint, n)));
    if !records.items.iter().all(|r| may_write(profile, &r.endpoint) && consented(&r.endpoint)) {
        return Err(Reason::OutsideNamespace);
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
    basis.push(Basis { entity: to.clone(), n: connected });
    let (count, bytes) = (records.count(), size(records.body.len()));
    let opened = Opened {
        exchange: case.cause.id,
        from: from.clone(),
        parent: None,
        direction: Direction::Credit,
        authority,
        to: to.clone(),
        delivery,
        pull: None,
        since: None,
        limit: None,
        deadline,
        digest_in: case.cause.body,
        digest_out: case.cause.body,
        count_in: count,
        count_out: count,
        bytes_in: bytes,
        bytes_out: bytes,
        endpoints: tally(records.items.iter()),
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
