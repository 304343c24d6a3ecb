//! Apps on a HAT: set up and disabled by its owner.

use std::collections::BTreeMap;

use smol_str::SmolStr;

use super::connect::admit;
use super::state::Hat;
use crate::domain::entity::Draft;
use crate::domain::event::Event;
use crate::domain::exchange::check::{Case, permit};
use crate::domain::id::{Address, Id, Kind};
use crate::domain::registration::Profile;
use crate::domain::verdict::Reason;

/// Decides `hat.<hat>.app-setup.<app>`: the owner accepts the published version, the first time or anew. A version that
/// is named must be that one: what was looked at is what is accepted.
pub(super) fn set_up(hat: &Hat, case: &Case<'_>, app: &Id, version: Option<&SmolStr>) -> Result<Vec<Draft>, Reason> {
    let party = Address::new(Kind::App, app.clone());
    permit(case.is_owner())?;
    let registration = case.ctx.registry.registration(&party);
    let published = registration.as_ref().and_then(|registration| match &registration.profile {
        Some(Profile::App { version, namespaces, .. }) => Some((version.clone(), namespaces.clone())),
        _ => None,
    });
    if version.is_some_and(|version| published.as_ref().is_none_or(|(published, _)| version != published)) {
        return Err(Reason::NotFound);
    }
    let renews = match (hat.apps.contains_key(app), &published, hat.accepted.get(app)) {
        (true, Some((published, _)), Some(accepted)) => accepted.version != *published,
        (true, Some(_), None) => version.is_some(),
        _ => false,
    };
    let none = BTreeMap::new();
    let basis = admit(hat, case, party, if renews { &none } else { &hat.apps })?;
    let (published, namespaces) = published.ok_or(Reason::NotApproved)?;
    let event = Event::AppSetUp { app: app.clone(), version: Some(published), namespaces };
    Ok(vec![Draft::caused(event).on(basis)])
}

/// Decides `hat.<hat>.app-disable.<app>`.
pub(super) fn disable(hat: &Hat, case: &Case<'_>, app: &Id) -> Result<Vec<Draft>, Reason> {
    permit(case.is_owner())?;
    hat.not_retired()?;
    if !hat.apps.contains_key(app) {
        return Err(Reason::NotConnected);
    }
    let app = app.clone();
    Ok(vec![Draft::caused(Event::AppDisabled { app })])
}
