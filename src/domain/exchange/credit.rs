//! `hat.<hat>.credit.<plug-or-app>`: records into the HAT, under a connected, approved plug or app.

use super::check::{Sender, not_in_force};
use super::opening::{self, Move};
use crate::domain::event::{Authority, Direction};
use crate::domain::hat::Hat;
use crate::domain::registration::Profile;
use crate::domain::{Basis, Cause, Command, Context, Draft, Event, Id, Kind, Reason, Records};

/// Decides a credit.
///
/// # Errors
/// The first check that fails.
pub fn decide(
    ctx: &Context<'_>,
    hat: &Hat,
    sender: &Sender,
    command: &Command,
    cause: &Cause,
    by: &Id,
    records: &Records,
) -> Result<Vec<Draft>, Reason> {
    let authority = match cause.from.kind {
        Kind::Plug if cause.from.id == *by => Authority::Plug(by.clone()),
        Kind::App if cause.from.id == *by => Authority::App(by.clone()),
        _ => return Err(Reason::NotPermitted),
    };
    hat.in_force()?;
    if let Some(reason) = not_in_force(sender.registration.standing, Reason::NotApproved) {
        return Err(reason);
    }
    let connection = match authority {
        Authority::App(_) => hat.apps.get(by),
        _ => hat.plugs.get(by),
    };
    let connection = *connection.ok_or(Reason::NotConnected)?;
    let within = |endpoint: &str| match &sender.registration.profile {
        Some(Profile::Plug { namespace, .. }) => of_namespace(endpoint, namespace),
        Some(Profile::App { namespaces, .. }) => namespaces.iter().any(|namespace| of_namespace(endpoint, namespace)),
        _ => false,
    };
    if !records.items.iter().all(|record| within(&record.endpoint)) {
        return Err(Reason::OutsideNamespace);
    }
    opening::quotas(ctx, hat, &cause.from, command.stored_at)?;
    let deadline = opening::deadline(ctx, command)?;
    let bytes = u32::try_from(records.body.len()).unwrap_or(u32::MAX);
    let what = Move {
        exchange: cause.id,
        parent: None,
        direction: Direction::Credit,
        authority,
        to: ctx.entity.clone(),
        pull: None,
        deadline,
        came: (cause.body, records.count(), bytes),
        leaves: (&records.body, records.count()),
        endpoints: opening::tally(&records.items, |_| true),
    };
    let opened = opening::opened(ctx, cause, what);
    let approval = Basis { entity: cause.from.clone(), n: sender.registration.standing_n };
    let connected = Basis { entity: ctx.entity.clone(), n: connection };
    let basis = [Some(approval), sender.key.clone(), Some(connected)].into_iter().flatten().collect();
    Ok(vec![Draft::new(Event::Opened(Box::new(opened))).on(basis).with(records.body.clone())])
}

fn of_namespace(endpoint: &str, namespace: &str) -> bool {
    endpoint.strip_prefix(namespace).is_some_and(|rest| rest.starts_with('/'))
}
