//! A data offer: its approval, and the places that it has. Places are counted here and nowhere else,
//! so there are never more than its maximum.

mod clock;
pub mod lifecycle;
mod names;
pub mod places;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::command::{Action, Command};
use super::entity::{Context, Decision, Draft, Entity, Known};
use super::entry::Entry;
use super::event::{Event, HatClaim, OfferTerms};
use super::exchange::check::{self, Case};
use super::id::{Id, MessageId};
use super::party::UNREGISTERED;
use super::time::Timestamp;
use super::verdict::Reason;

/// Most places of one offer: what its state may hold.
pub const CLAIMS_MAX: u32 = 100_000;

/// Most HATs of which anything is kept; beyond it a claim that is over is forgotten at once.
pub const PAST_MAX: usize = 2 * CLAIMS_MAX as usize;

/// Where an offer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OfferStanding {
    /// Never registered.
    #[default]
    Unknown,
    /// Waits for the operator.
    #[serde(alias = "registered")]
    Draft,
    /// Paid for; waits for the operator.
    Paid,
    /// Takes claims within its time.
    Approved,
    /// As many claims are confirmed as it needs; takes more.
    Satisfied,
    /// Satisfied, and all places are taken.
    Oversubscribed,
    /// Its time was over before enough claims were confirmed.
    Expired,
    /// Refused by the operator.
    Rejected,
    /// Takes no more claims.
    Closed,
}

/// Where a claim stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClaimStanding {
    /// Holds a place; its debit is not enabled yet.
    Reserved,
    /// The owner enabled the debit.
    Confirmed,
    /// The debit has run to its end; the place stays taken.
    Completed,
    /// The owner gave the place back.
    Withdrawn,
    /// It was not confirmed in time, or the offer's minimum was not reached in time.
    Lapsed,
}

/// What is kept of a HAT's newest claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimRecord {
    /// Where it stands.
    pub standing: ClaimStanding,
    /// Since when.
    pub at: Timestamp,
    /// The claim's message.
    pub claim: Option<MessageId>,
    /// When it lapses unless it is confirmed.
    pub until: Option<Timestamp>,
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
    /// The newest claim of each HAT, over ones too as long as there is room ([`PAST_MAX`]).
    #[serde(default)]
    pub claims: BTreeMap<Id, ClaimRecord>,
    /// When the reserved places lapse.
    #[serde(default)]
    pub lapses: BTreeSet<(Timestamp, Id)>,
    /// HATs that are still to be told that the minimum is reached.
    #[serde(default)]
    pub untold: BTreeSet<Id>,
    /// Whether the minimum was ever reached.
    #[serde(default)]
    pub satisfied: bool,
    /// When it was registered; none for one that was before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered: Option<Timestamp>,
    /// Under which ids its owner knows those who take part, where it is not to know who they are.
    #[serde(skip)]
    pub names: names::Names,
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
            Action::OfferPay => lifecycle::pay(self, case),
            Action::OfferReject => lifecycle::reject(self, case),
            Action::OfferClose => lifecycle::close(self, case),
            Action::OfferPull { debit, ask } => names::pull(self, case, debit, ask),
            Action::OfferReserve { of, by } => places::reserve(self, case, of, by.as_ref()),
            Action::OfferConfirm(of) => places::confirm(self, case, of),
            Action::OfferLapse { of, completed } => places::lapse(self, case, of, *completed),
            _ => Err(Reason::NotPermitted),
        }
    }

    /// Whether this claim of the HAT holds a place.
    pub fn holds(&self, hat: &Id, claim: Option<MessageId>) -> bool {
        let same = self.claims.get(hat).is_none_or(|record| claim.is_none() || record.claim == claim);
        same && (self.reserved.contains(hat) || self.confirmed.contains(hat))
    }

    /// The claim of each of these HATs.
    fn claims_of<'a>(&self, hats: impl Iterator<Item = &'a Id>) -> Vec<HatClaim> {
        let claim = |hat: &Id| self.claims.get(hat).and_then(|record| record.claim);
        hats.map(|hat| HatClaim { hat: hat.clone(), claim: claim(hat) }).collect()
    }

    /// Takes the HAT's place out of everything; returns what was kept of its claim.
    fn leave(&mut self, hat: &Id) -> Option<ClaimRecord> {
        self.reserved.remove(hat);
        self.confirmed.remove(hat);
        self.untold.remove(hat);
        let record = self.claims.remove(hat);
        if let Some(until) = record.and_then(|record| record.until) {
            self.lapses.remove(&(until, hat.clone()));
        }
        record
    }

    fn over(&mut self, hat: &Id, standing: ClaimStanding, at: Timestamp) {
        if let Some(record) = self.leave(hat)
            && self.claims.len() < PAST_MAX
        {
            self.claims.insert(hat.clone(), ClaimRecord { standing, at, ..record });
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
            return match command.action {
                Action::Wake => clock::wake(self, command.stored_at),
                _ => Decision::Nothing,
            };
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
                self.registered = Some(entry.at);
                self.stand(OfferStanding::Draft);
            }
            Event::OfferPaid => self.stand(OfferStanding::Paid),
            Event::Approved { .. } => self.stand(OfferStanding::Approved),
            Event::OfferRejected => self.stand(OfferStanding::Rejected),
            Event::OfferOversubscribed => self.stand(OfferStanding::Oversubscribed),
            Event::OfferReopened => self.stand(OfferStanding::Satisfied),
            Event::OfferClosed => self.stand(OfferStanding::Closed),
            Event::OfferExpired => self.stand(OfferStanding::Expired),
            Event::OfferSatisfied => {
                self.satisfied = true;
                self.untold = self.confirmed.clone();
                if self.standing != OfferStanding::Closed {
                    self.stand(OfferStanding::Satisfied);
                }
            }
            Event::OfferReserved { hat, claim, until, .. } if !self.holds(hat, *claim) => {
                self.leave(hat);
                self.reserved.insert(hat.clone());
                self.lapses.extend(until.map(|until| (until, hat.clone())));
                let standing = ClaimStanding::Reserved;
                let record = ClaimRecord { standing, at: entry.at, claim: *claim, until: *until };
                self.names.more();
                self.claims.insert(hat.clone(), record);
            }
            Event::OfferConfirmed { hat } => {
                let record = self.leave(hat);
                self.confirmed.insert(hat.clone());
                if self.satisfied {
                    self.untold.insert(hat.clone());
                }
                let (claim, until) = record.map_or((None, None), |record| (record.claim, record.until));
                let record = ClaimRecord { standing: ClaimStanding::Confirmed, at: entry.at, claim, until };
                self.claims.insert(hat.clone(), record);
            }
            Event::OfferReleased { claims } => {
                for of in claims {
                    self.untold.remove(&of.hat);
                }
            }
            Event::OfferLapsed { claims } => {
                for of in claims {
                    self.over(&of.hat, ClaimStanding::Lapsed, entry.at);
                }
            }
            Event::OfferLeft { hat, completed: false } => self.over(hat, ClaimStanding::Withdrawn, entry.at),
            Event::OfferLeft { hat, completed: true } => {
                if let Some(record) = self.claims.get_mut(hat) {
                    record.standing = ClaimStanding::Completed;
                    record.at = entry.at;
                }
            }
            _ => {}
        }
    }

    fn n(&self) -> u64 {
        self.n
    }

    fn wake(&self) -> Option<Timestamp> {
        clock::next(self)
    }
}
