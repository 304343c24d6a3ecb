//! A HAT's registration: vouched for by a platform, suspended, resumed, retired; its keys.

use super::jobs;
use super::state::Hat;
use crate::domain::bytes::Key;
use crate::domain::entity::Draft;
use crate::domain::entry::Basis;
use crate::domain::event::Event;
use crate::domain::exchange::check::{self, Case, permit};
use crate::domain::id::{Address, Id, Kind};
use crate::domain::party;
use crate::domain::pin::Pin;
use crate::domain::registration::{Profile, Standing, Transport};
use crate::domain::time::Timestamp;
use crate::domain::verdict::Reason;

/// Whether a platform vouches for this HAT id: it lies in the platform's domain.
fn in_domain(hat: &Id, platform: &Id) -> bool {
    hat.as_str()
        .strip_suffix(platform.as_str())
        .and_then(|rest| rest.strip_suffix('.'))
        .is_some_and(|label| !label.is_empty())
}

fn is_own_platform(hat: &Hat, case: &Case<'_>) -> bool {
    let from = case.from();
    from.kind == Kind::Platform && hat.platform.as_ref() == Some(&from.id)
}

/// Whether a guardian speaks: an operator or the HAT's platform.
fn is_guardian(hat: &Hat, case: &Case<'_>) -> bool {
    case.is_operator() || is_own_platform(hat, case)
}

/// The certified platform in whose domain this HAT's id lies, the longest name first.
fn platform_of(case: &Case<'_>) -> Option<Address> {
    let mut rest = case.ctx.entity.id.as_str();
    while let Some((_, domain)) = rest.split_once('.') {
        rest = domain;
        let Ok(id) = Id::new(domain) else { continue };
        let platform = Address::new(Kind::Platform, id);
        if check::active(case.ctx, &platform).is_ok() {
            return Some(platform);
        }
    }
    None
}

/// Who may say what HAT an address is: the platform of its domain, an operator, or, by having asked the address itself, a
/// bridge: one of that platform's name, or any where no platform is certified for the domain.
fn may_vouch(case: &Case<'_>) -> bool {
    let (from, hat) = (case.from(), &case.ctx.entity.id);
    match from.kind {
        Kind::Platform => in_domain(hat, &from.id),
        Kind::Operator => true,
        Kind::Bridge => platform_of(case).is_none_or(|platform| platform.id == from.id),
        _ => false,
    }
}

/// That a HAT can be reached like this: over HTTP by a bridge in force and with a key to check its tokens by.
fn reachable(
    case: &Case<'_>,
    public_key: Option<&Pin>,
    transport: Transport,
    bridge: Option<&Id>,
) -> Result<Option<Basis>, Reason> {
    if transport == Transport::Http && (public_key.is_none() || bridge.is_none()) {
        return Err(Reason::Malformed);
    }
    let Some(bridge) = bridge else { return Ok(None) };
    let entity = Address::new(Kind::Bridge, bridge.clone());
    let n = check::active(case.ctx, &entity)?;
    Ok(Some(Basis { entity, n }))
}

/// Decides `hat.<hat>.register`.
pub(super) fn register(hat: &Hat, case: &Case<'_>, key: Option<Key>, profile: &Profile) -> Result<Vec<Draft>, Reason> {
    permit(may_vouch(case))?;
    if hat.registration.standing == Standing::Retired {
        return Err(Reason::Retired);
    }
    let n = case.sender_approved()?;
    if hat.registration.standing != Standing::Unknown {
        return Err(Reason::AlreadyExists);
    }
    let Profile::Hat { public_key, transport, bridge } = profile else {
        return Err(Reason::Malformed);
    };
    if key.is_none() && public_key.is_none() {
        return Err(Reason::Malformed);
    }
    let by = case.from().clone();
    let mut basis = vec![Basis { entity: by.clone(), n }];
    let carried = reachable(case, public_key.as_ref(), *transport, bridge.as_ref())?;
    basis.extend(carried.filter(|carried| carried.entity != by));
    let event = Event::Registered { key, profile: profile.clone(), by };
    Ok(vec![Draft::caused(event).on(basis)])
}

/// Decides `hat.<hat>.pin-key`: another key for its tokens over HTTP, by the HAT itself or a guardian. Never by its bridge:
/// who only saw another key at the address may be looking at somebody else's server.
pub(super) fn pin_key(hat: &Hat, case: &Case<'_>, public_key: &Pin) -> Result<Vec<Draft>, Reason> {
    permit(case.is_self() || is_guardian(hat, case))?;
    hat.registration.active()?;
    case.sender_approved()?;
    if hat.registration.pin() == Some(public_key) {
        return Err(Reason::AlreadyExists);
    }
    let event = Event::PinChanged { public_key: public_key.clone() };
    Ok(vec![Draft::caused(event).on(case.key_basis().into_iter().collect())])
}

/// Decides `hat.<hat>.entrust`, by the HAT itself or a guardian.
pub(super) fn entrust(
    hat: &Hat,
    case: &Case<'_>,
    transport: Transport,
    bridge: Option<&Id>,
) -> Result<Vec<Draft>, Reason> {
    permit(case.is_self() || is_guardian(hat, case))?;
    hat.registration.active()?;
    case.sender_approved()?;
    let mut basis: Vec<Basis> = case.key_basis().into_iter().collect();
    basis.extend(reachable(case, hat.registration.pin(), transport, bridge)?);
    if hat.registration.transport() == transport && hat.registration.bridge() == bridge {
        return Err(Reason::AlreadyExists);
    }
    let event = Event::Entrusted { transport, bridge: bridge.cloned() };
    Ok(vec![Draft::caused(event).on(basis)])
}

/// Decides `hat.<hat>.suspend`.
pub(super) fn suspend(hat: &Hat, case: &Case<'_>) -> Result<Vec<Draft>, Reason> {
    let mut drafts = party::suspend(&hat.registration, case, is_guardian(hat, case))?;
    drafts.extend(jobs::over(hat.jobs.iter()));
    Ok(drafts)
}

/// Decides `hat.<hat>.resume`.
pub(super) fn resume(hat: &Hat, case: &Case<'_>) -> Result<Vec<Draft>, Reason> {
    party::resume(&hat.registration, case, is_guardian(hat, case))
}

/// Decides `hat.<hat>.retire`, by the HAT, its platform or an operator.
pub(super) fn retire(hat: &Hat, case: &Case<'_>) -> Result<Vec<Draft>, Reason> {
    permit(case.is_self() || is_guardian(hat, case))?;
    hat.not_retired()?;
    if !case.is_self() {
        case.sender_approved()?;
    }
    let mut drafts = vec![Draft::caused(Event::Retired)];
    drafts.extend(jobs::over(hat.jobs.iter()));
    Ok(drafts)
}

/// Decides `hat.<hat>.rotate-key`.
pub(super) fn rotate_key(hat: &Hat, case: &Case<'_>, key: Key) -> Result<Vec<Draft>, Reason> {
    party::rotate_key(&hat.registration, case, key)
}

/// Decides `hat.<hat>.revoke-key`.
pub(super) fn revoke_key(hat: &Hat, case: &Case<'_>, key: Key, since: Timestamp) -> Result<Vec<Draft>, Reason> {
    let guardian = is_guardian(hat, case);
    party::revoke_key(&hat.registration, case, guardian, key, since)
}
