//! What operators say of fields and of clients, decided.

use smol_str::SmolStr;

use super::class::ClassSet;
use super::word::{CLASSIFIED_BYTES_MAX, Word};
use crate::domain::entity::Draft;
use crate::domain::event::Event;
use crate::domain::exchange::check::{Case, permit};
use crate::domain::id::Kind;
use crate::domain::registration::{Registration, Standing};
use crate::domain::verdict::Reason;

/// Decides `dex.<origin>.classify`: an operator says of what class the fields of an endpoint are.
pub(crate) fn classify(
    own: &Registration,
    case: &Case<'_>,
    endpoint: &SmolStr,
    word: &Word,
) -> Result<Vec<Draft>, Reason> {
    permit(case.is_operator() && case.ctx.entity.kind == Kind::Dex)?;
    if case.ctx.entity.id.as_str() != case.ctx.origin {
        return Err(Reason::UnknownParty);
    }
    case.sender_approved()?;
    let held = own.classified.as_deref();
    let others = held.into_iter().flatten().filter(|(of, _)| *of != endpoint);
    let bytes: usize = others.map(|(of, said)| of.len() + said.word.bytes()).sum();
    if word.is_empty() {
        if held.is_none_or(|held| !held.contains_key(endpoint)) {
            return Err(Reason::NotFound);
        }
    } else if bytes + endpoint.len() + word.bytes() > CLASSIFIED_BYTES_MAX {
        return Err(Reason::OverQuota);
    }
    let event = Event::Classified { endpoint: endpoint.clone(), word: Box::new(word.clone()) };
    Ok(vec![Draft::caused(event).on(case.key_basis().into_iter().collect())])
}

/// Decides `org|app.<id>.allow`: an operator says which classes a client may ever be given; `None`: any.
pub(crate) fn allow(own: &Registration, case: &Case<'_>, classes: Option<ClassSet>) -> Result<Vec<Draft>, Reason> {
    permit(case.is_operator() && matches!(case.ctx.entity.kind, Kind::Org | Kind::App))?;
    case.sender_approved()?;
    // Before it is approved too: so there is no moment in which it is unbounded.
    match own.standing {
        Standing::Unknown => return Err(Reason::UnknownParty),
        Standing::Retired => return Err(Reason::Retired),
        Standing::Pending | Standing::Active | Standing::Suspended => {}
    }
    let event = Event::ClassesAllowed { classes };
    Ok(vec![Draft::caused(event).on(case.key_basis().into_iter().collect())])
}
