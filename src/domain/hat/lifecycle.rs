//! A HAT's registration: vouched for by a platform, suspended, resumed, retired; its keys.

use super::state::Hat;
use crate::domain::bytes::Key;
use crate::domain::entity::Draft;
use crate::domain::entry::Basis;
use crate::domain::event::Event;
use crate::domain::exchange::check::{Case, permit};
use crate::domain::id::{Id, Kind};
use crate::domain::party;
use crate::domain::registration::{Profile, Standing};
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

/// Decides `hat.<hat>.register`, signed by a platform of whose domain the HAT's id is.
pub(super) fn register(hat: &Hat, case: &Case<'_>, key: Key, profile: &Profile) -> Result<Vec<Draft>, Reason> {
    let from = case.from();
    permit(from.kind == Kind::Platform && in_domain(&case.ctx.entity.id, &from.id))?;
    if hat.registration.standing == Standing::Retired {
        return Err(Reason::Retired);
    }
    let n = case.sender_approved()?;
    if hat.registration.standing != Standing::Unknown {
        return Err(Reason::AlreadyExists);
    }
    if *profile != Profile::Hat {
        return Err(Reason::Malformed);
    }
    let by = from.clone();
    let entity = by.clone();
    let event = Event::Registered { key, profile: Profile::Hat, by };
    Ok(vec![Draft::caused(event).on(vec![Basis { entity, n }])])
}

/// Decides `hat.<hat>.suspend`.
pub(super) fn suspend(hat: &Hat, case: &Case<'_>) -> Result<Vec<Draft>, Reason> {
    party::suspend(&hat.registration, case, is_guardian(hat, case))
}

/// Decides `hat.<hat>.resume`.
pub(super) fn resume(hat: &Hat, case: &Case<'_>) -> Result<Vec<Draft>, Reason> {
    party::resume(&hat.registration, case, is_guardian(hat, case))
}

/// Decides `hat.<hat>.retire`, by the HAT or its platform.
pub(super) fn retire(hat: &Hat, case: &Case<'_>) -> Result<Vec<Draft>, Reason> {
    permit(case.is_self() || is_own_platform(hat, case))?;
    hat.not_retired()?;
    if !case.is_self() {
        case.sender_approved()?;
    }
    Ok(vec![Draft::caused(Event::Retired)])
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
