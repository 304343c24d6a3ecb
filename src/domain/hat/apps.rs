//! Apps on a HAT: set up and disabled by its owner.

use super::connect::admit;
use super::state::Hat;
use crate::domain::entity::Draft;
use crate::domain::event::Event;
use crate::domain::exchange::check::{Case, permit};
use crate::domain::id::{Address, Id, Kind};
use crate::domain::verdict::Reason;

/// Decides `hat.<hat>.app-setup.<app>`.
pub(super) fn set_up(hat: &Hat, case: &Case<'_>, app: &Id) -> Result<Vec<Draft>, Reason> {
    let party = Address::new(Kind::App, app.clone());
    let basis = admit(hat, case, party, &hat.apps)?;
    let app = app.clone();
    Ok(vec![Draft::caused(Event::AppSetUp { app }).on(basis)])
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
