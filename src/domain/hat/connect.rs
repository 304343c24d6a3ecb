//! Plugs on a HAT: they may ask; they are connected and disconnected by its owner.

use super::jobs;
use super::state::Hat;
use crate::domain::entity::Draft;
use crate::domain::entry::Basis;
use crate::domain::event::Event;
use crate::domain::exchange::check::{self, Case, permit};
use crate::domain::id::{Address, Id, Kind};
use crate::domain::plug::{CONNECTING_FOR, CONNECTING_MAX};
use crate::domain::verdict::Reason;

/// What the owner's connecting of `party` rests on.
///
/// # Errors
/// Why it may not be connected: `party` is not in force, or `held` is full or has it already.
pub(super) fn admit(
    hat: &Hat,
    case: &Case<'_>,
    party: Address,
    held: &std::collections::BTreeMap<Id, u64>,
) -> Result<Vec<Basis>, Reason> {
    permit(case.is_owner())?;
    hat.registration.active()?;
    let n = check::active(case.ctx, &party)?;
    if held.contains_key(&party.id) {
        return Err(Reason::AlreadyExists);
    }
    if held.len() >= case.ctx.limits.connections_per_hat {
        return Err(Reason::OverQuota);
    }
    let mut basis = Vec::with_capacity(2);
    basis.push(Basis { entity: party, n });
    basis.extend(case.key_basis());
    Ok(basis)
}

/// Decides `hat.<hat>.plug-connect.<plug>`: the owner connects it, or the plug itself asks for that.
pub(super) fn connect(hat: &Hat, case: &Case<'_>, plug: &Id) -> Result<Vec<Draft>, Reason> {
    let party = Address::new(Kind::Plug, plug.clone());
    if case.speaks_for(&party) {
        return ask(hat, case, plug);
    }
    let basis = admit(hat, case, party, &hat.plugs)?;
    let asked = hat.connecting.get(plug).map(|asked| asked.id);
    let mut drafts = vec![Draft::caused(Event::PlugConnected { plug: plug.clone(), asked }).on(basis)];
    drafts.extend(jobs::begin(hat, case.ctx, plug, case.at()));
    Ok(drafts)
}

/// The plug asks; the owner has time to answer.
fn ask(hat: &Hat, case: &Case<'_>, plug: &Id) -> Result<Vec<Draft>, Reason> {
    hat.registration.active()?;
    let n = case.sender_approved()?;
    hat.quota(case, 0)?;
    if hat.plugs.contains_key(plug) || hat.connecting.contains_key(plug) {
        return Err(Reason::AlreadyExists);
    }
    if hat.connecting.len() >= CONNECTING_MAX {
        return Err(Reason::RecipientOverQuota);
    }
    let mut basis = vec![Basis { entity: case.from().clone(), n }];
    if case.key_n != Some(n) {
        basis.extend(case.key_basis());
    }
    let until = case.at().plus(CONNECTING_FOR);
    let again = Some(case.ctx.limits.connecting_again);
    Ok(vec![Draft::caused(Event::PlugAsked { plug: plug.clone(), until, again }).on(basis)])
}

/// Decides `hat.<hat>.plug-disconnect.<plug>`: the owner ends the connection, or declines what the plug asks for.
pub(super) fn disconnect(hat: &Hat, case: &Case<'_>, plug: &Id) -> Result<Vec<Draft>, Reason> {
    permit(case.is_owner())?;
    hat.not_retired()?;
    let asked = hat.connecting.get(plug).map(|asked| asked.id);
    let plug = plug.clone();
    if !hat.plugs.contains_key(&plug) {
        let asked = asked.ok_or(Reason::NotConnected)?;
        return Ok(vec![Draft::caused(Event::PlugUnanswered { plug, asked, declined: true })]);
    }
    let over = jobs::over(hat.jobs.of(&plug));
    let mut drafts = vec![Draft::caused(Event::PlugDisconnected { plug })];
    drafts.extend(over);
    Ok(drafts)
}
