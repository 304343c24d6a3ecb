//! A data offer: its approval, and the places that it has. Places are counted here and nowhere else,
//! so there are never more than its maximum.

pub mod lifecycle;
pub mod places;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::command::{Action, Command};
use super::entity::{Context, Decision, Draft, Entity, Known};
use super::entry::Entry;
use super::event::{Event, OfferTerms};
use super::exchange::check::{self, Case};
use super::id::Id;
use super::party::UNREGISTERED;
use super::verdict::Reason;

/// Most places of one offer: what its state may hold.
pub const CLAIMS_MAX: u32 = 100_000;

/// Where an offer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OfferStanding {
    /// Never registered.
    #[default]
    Unknown,
    /// Waits for the operator.
    Registered,
    /// Takes claims within its time.
    Approved,
    /// Refused by the operator.
    Rejected,
    /// Takes no more claims.
    Closed,
}

/// A data offer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Offer {
    /// Number of the last entry folded in.
    pub n: u64,
    /// Where it stands.
    pub standing: OfferStanding,
    /// Number of the entry that last changed the standing.
    pub standing_n: u64,
    /// What is offered; none before it is registered.
    pub terms: Option<Box<OfferTerms>>,
    /// HATs that hold a place, their debit not enabled yet.
    pub reserved: BTreeSet<Id>,
    /// HATs whose owner enabled the debit.
    pub confirmed: BTreeSet<Id>,
}

impl Offer {
    /// Places taken.
    pub fn taken(&self) -> usize {
        self.reserved.len() + self.confirmed.len()
    }

    fn judge(&self, case: &Case<'_>) -> Result<Vec<Draft>, Reason> {
        match &case.command.action {
            Action::OfferRegister { terms } => lifecycle::register(self, case, terms),
            Action::Approve { key } => lifecycle::approve(self, case, *key),
            Action::OfferReject => lifecycle::reject(self, case),
            Action::OfferClose => lifecycle::close(self, case),
            Action::OfferReserve { hat } => places::reserve(self, case, hat),
            Action::OfferConfirm { hat } => places::confirm(self, case, hat),
            _ => Err(Reason::NotPermitted),
        }
    }

    fn stand(&mut self, standing: OfferStanding) {
        self.standing = standing;
        self.standing_n = self.n;
    }
}

impl Entity for Offer {
    fn decide(&self, ctx: &Context<'_>, command: &Command, known: Known) -> Decision {
        let Some(cause) = &command.cause else {
            return Decision::Nothing;
        };
        match check::authenticate(&UNREGISTERED, ctx, command, cause, known) {
            Ok(case) => Decision::of(self.judge(&case)),
            Err(decision) => decision,
        }
    }

    fn apply(&mut self, entry: &Entry) {
        self.n = entry.n;
        match &entry.event {
            Event::OfferRegistered { terms } => {
                self.terms = Some(terms.clone());
                self.stand(OfferStanding::Registered);
            }
            Event::Approved { .. } => self.stand(OfferStanding::Approved),
            Event::OfferRejected => self.stand(OfferStanding::Rejected),
            Event::OfferClosed => self.stand(OfferStanding::Closed),
            Event::OfferReserved { hat, .. } if !self.confirmed.contains(hat) => {
                self.reserved.insert(hat.clone());
            }
            Event::OfferConfirmed { hat } => {
                self.reserved.remove(hat);
                self.confirmed.insert(hat.clone());
            }
            _ => {}
        }
    }

    fn n(&self) -> u64 {
        self.n
    }
}
