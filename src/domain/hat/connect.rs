//! Plugs on a HAT: connected and disconnected by its owner.

use super::state::Hat;
use crate::domain::entity::Draft;
use crate::domain::entry::Basis;
use crate::domain::event::Event;
use crate::domain::exchange::check::{self, Case, permit};
use crate::domain::id::{Address, Id, Kind};
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

/// Decides `hat.<hat>.plug-connect.<plug>`.
pub(super) fn connect(hat: &Hat, case: &Case<'_>, plug: &Id) -> Result<Vec<Draft>, Reason> {
    let party = Address::new(Kind::Plug, plug.clone());
    let basis = admit(hat, case, party, &hat.plugs)?;
    let plug = plug.clone();
    Ok(vec![Draft::caused(Event::PlugConnected { plug }).on(basis)])
}

/// Decides `hat.<hat>.plug-disconnect.<plug>`.
pub(super) fn disconnect(hat: &Hat, case: &Case<'_>, plug: &Id) -> Result<Vec<Draft>, Reason> {
    permit(case.is_owner())?;
    hat.not_retired()?;
    if !hat.plugs.contains_key(plug) {
        return Err(Reason::NotConnected);
    }
    let plug = plug.clone();
    Ok(vec![Draft::caused(Event::PlugDisconnected { plug })])
}
