//! An offer: registered by its owner, approved by the operator, claimed by HATs up to an exact maximum.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::command::{Action, Cause, Command};
use super::entity::{Context, Decision, Entity, Known};
use super::entry::Entry;
use super::event::{Event, OfferTerms};
use super::exchange::check::not_in_force;
use super::exchange::{Sender, authenticate};
use super::id::{Id, Kind};
use super::registration::{Profile, Registration, Standing};
use super::verdict::Reason;

/// Where an offer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OfferStanding {
    /// Never registered.
    #[default]
    Unknown,
    /// Registered, waits for approval.
    Draft,
    /// Takes claims within its window.
    Approved,
    /// Rejected by the operator.
    Rejected,
    /// Takes no more claims.
    Closed,
}

/// An offer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Offer {
    /// Number of the last entry.
    pub n: u64,
    /// Where it stands.
    pub standing: OfferStanding,
    /// Its terms.
    pub terms: Option<OfferTerms>,
    /// HATs that hold a place; true once confirmed. Never more than the maximum.
    pub places: BTreeMap<Id, bool>,
}

impl Entity for Offer {
    fn decide(&self, ctx: &Context<'_>, command: &Command, known: Known) -> Decision {
        let Some(cause) = &command.cause else { return Decision::Nothing };
        match authenticate(ctx, &Registration::default(), command, cause, known) {
            Ok(sender) => match self.act(ctx, &sender, command, cause) {
                Ok(event) => Decision::one(event),
                Err(reason) => Decision::rejected(reason),
            },
            Err(decision) => decision,
        }
    }

    fn apply(&mut self, entry: &Entry) {
        self.n = entry.n;
        match &entry.event {
            Event::OfferRegistered { terms } => {
                self.standing = OfferStanding::Draft;
                self.terms = Some((**terms).clone());
            }
            Event::Approved { key: None } => self.standing = OfferStanding::Approved,
            Event::OfferRejected => self.standing = OfferStanding::Rejected,
            Event::OfferClosed => self.standing = OfferStanding::Closed,
            Event::OfferReserved { hat, .. } => {
                self.places.entry(hat.clone()).or_insert(false);
            }
            Event::OfferConfirmed { hat } => {
                self.places.insert(hat.clone(), true);
            }
            _ => {}
        }
    }

    fn n(&self) -> u64 {
        self.n
    }
}

impl Offer {
    fn act(&self, ctx: &Context<'_>, sender: &Sender, command: &Command, cause: &Cause) -> Result<Event, Reason> {
        match &command.action {
            Action::OfferRegister { terms } => self.register(sender, cause, terms),
            Action::Approve { key: None } => {
                operator(sender)?;
                self.stands(OfferStanding::Draft)?;
                Ok(Event::Approved { key: None })
            }
            Action::OfferReject => {
                operator(sender)?;
                self.stands(OfferStanding::Draft)?;
                Ok(Event::OfferRejected)
            }
            Action::OfferClose => {
                let owner = self.terms.as_ref().is_some_and(|terms| terms.owner == cause.from);
                if !owner {
                    operator(sender)?;
                }
                self.stands(OfferStanding::Approved)?;
                Ok(Event::OfferClosed)
            }
            Action::OfferReserve { hat } => {
                exchange_itself(ctx, cause)?;
                Ok(match self.reserve(command, hat) {
                    Ok(event) => event,
                    // The refusal is an event: the HAT that claimed is told.
                    Err(reason) => Event::OfferRefused { hat: hat.clone(), reason },
                })
            }
            Action::OfferConfirm { hat } => {
                exchange_itself(ctx, cause)?;
                match self.places.get(hat) {
                    None => Err(Reason::NotFound),
                    Some(true) => Err(Reason::AlreadyExists),
                    Some(false) => Ok(Event::OfferConfirmed { hat: hat.clone() }),
                }
            }
            _ => Err(Reason::NotPermitted),
        }
    }

    fn register(&self, sender: &Sender, cause: &Cause, terms: &OfferTerms) -> Result<Event, Reason> {
        if cause.from.kind != Kind::Org || terms.owner != cause.from || terms.debit.client != cause.from {
            return Err(Reason::NotPermitted);
        }
        not_in_force(sender.registration.standing, Reason::NotApproved).map_or(Ok(()), Err)?;
        self.stands(OfferStanding::Unknown).map_err(|_| Reason::AlreadyExists)?;
        let sound = terms.max_claims > 0
            && terms.min_claims <= terms.max_claims
            && terms.starts < terms.expires
            && super::hat::valid_terms(&terms.debit);
        if !sound {
            return Err(Reason::Malformed);
        }
        Ok(Event::OfferRegistered { terms: Box::new(terms.clone()) })
    }

    /// A place for `hat`: exact, because claims come here one after the other.
    fn reserve(&self, command: &Command, hat: &Id) -> Result<Event, Reason> {
        let terms = self.terms.as_ref().ok_or(Reason::NotFound)?;
        self.stands(OfferStanding::Approved).map_err(|_| Reason::NotApproved)?;
        if command.stored_at < terms.starts || command.stored_at >= terms.expires {
            return Err(Reason::WrongState);
        }
        let held = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        if !self.places.contains_key(hat) && held >= terms.max_claims {
            return Err(Reason::OfferFull);
        }
        Ok(Event::OfferReserved { hat: hat.clone(), terms: Box::new(terms.debit.clone()) })
    }

    fn stands(&self, wanted: OfferStanding) -> Result<(), Reason> {
        match self.standing {
            standing if standing == wanted => Ok(()),
            OfferStanding::Unknown => Err(Reason::NotFound),
            _ => Err(Reason::WrongState),
        }
    }
}

fn operator(sender: &Sender) -> Result<(), Reason> {
    let may = sender.party.kind == Kind::Operator
        && sender.registration.profile == Some(Profile::Operator)
        && sender.registration.standing == Standing::Active;
    if may { Ok(()) } else { Err(Reason::NotPermitted) }
}

fn exchange_itself(ctx: &Context<'_>, cause: &Cause) -> Result<(), Reason> {
    let may = cause.from.kind == Kind::Dex && cause.from.id.as_str() == ctx.origin.as_str();
    if may { Ok(()) } else { Err(Reason::NotPermitted) }
}
