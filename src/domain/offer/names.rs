//! Under which ids the owner of an offer without personal data knows the debits of those who take part, and what it asks
//! for by such an id.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::Offer;
use crate::domain::command::PullAsk;
use crate::domain::entity::Draft;
use crate::domain::entry::Basis;
use crate::domain::event::Event;
use crate::domain::exchange::check::{self, Case, permit};
use crate::domain::exchange::pull::bounded;
use crate::domain::exchange::pull_unnamed::UnnamedPull;
use crate::domain::id::Id;
use crate::domain::pii::pseudonym;
use crate::domain::verdict::Reason;

/// The HAT behind each id that was worked out, kept beside the state: equal to any other. Bounded by the claims of which
/// anything is kept.
#[derive(Debug, Default)]
pub struct Names(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    hats: HashMap<Id, Id>,
    /// All who have claimed by now are in it.
    whole: bool,
}

impl Names {
    /// Somebody has claimed.
    pub(super) fn more(&mut self) {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner).whole = false;
    }

    /// The HAT whose claim on `offer` its owner knows by this id. Works ids out under `key` when claims have come since the
    /// last time, some microseconds each.
    fn hat(&self, key: &[u8; 32], offer: &Id, claims: impl Iterator<Item = Id>, name: &Id) -> Option<Id> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hat) = known.hats.get(name) {
            return Some(hat.clone());
        }
        if !known.whole {
            known.hats = claims.map(|hat| (pseudonym::debit(key, &hat, offer), hat)).collect();
            known.whole = true;
        }
        known.hats.get(name).cloned()
    }
}

impl Clone for Names {
    fn clone(&self) -> Self {
        Names::default()
    }
}

impl Eq for Names {}

impl PartialEq for Names {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// Decides `offer.<offer>.pull.<debit>`: the owner asks for data by the id under which it knows a debit.
pub(super) fn pull(offer: &Offer, case: &Case<'_>, debit: &Id, ask: &PullAsk) -> Result<Vec<Draft>, Reason> {
    let terms = offer.terms.as_deref().ok_or(Reason::NotFound)?;
    // Where HATs have names the HAT itself is asked.
    permit(terms.owner == *case.from() && terms.debit.without_pii)?;
    case.sender_standing()?;
    let approved = case.sender_approved()?;
    bounded(ask).map_err(|_| Reason::Malformed)?;
    let deadline = check::deadline(case)?;
    let own = &case.ctx.entity.id;
    let hat = offer.names.hat(case.ctx.delivery_key, own, offer.claims.keys().cloned(), debit);
    let hat = hat.filter(|hat| offer.claims.contains_key(hat)).ok_or(Reason::DebitNotFound)?;
    let mut basis = vec![Basis { entity: case.from().clone(), n: approved }];
    if case.key_n != Some(approved) {
        basis.extend(case.key_basis());
    }
    let (pull, by, digest) = (case.cause.id, case.from().clone(), case.cause.body);
    let pull = Box::new(UnnamedPull { pull, by, digest, deadline, ask: ask.clone() });
    Ok(vec![Draft::caused(Event::OfferPulled { hat, pull }).on(basis)])
}
