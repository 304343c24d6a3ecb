//! What a HAT reports of itself.

use super::state::Hat;
use crate::domain::entity::Draft;
use crate::domain::event::Event;
use crate::domain::exchange::check::{Case, permit};
use crate::domain::report::Report;
use crate::domain::verdict::Reason;

/// Decides `hat.<hat>.report`. A batch that only repeats what was reported is taken too: it adds nothing.
pub(super) fn report(hat: &Hat, case: &Case<'_>, report: &Report) -> Result<Vec<Draft>, Reason> {
    permit(case.is_owner())?;
    hat.registration.active()?;
    hat.quota(case, 0)?;
    let added = match &hat.reports {
        Some(reports) => reports.decide(report),
        None => crate::domain::report::Reports::default().decide(report),
    };
    let mut draft = Draft::caused(Event::Reported(Box::new(added)));
    if let Some(basis) = case.key_basis() {
        draft = draft.on(vec![basis]);
    }
    Ok(vec![draft])
}
