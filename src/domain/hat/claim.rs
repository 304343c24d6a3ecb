//! Claims on offers: the owner asks, the offer answers by way of the exchange.

use super::debits::{room, valid};
use super::state::Hat;
use crate::domain::{Action, Cause, Command, Context, Draft, Event, Kind, Reason};

pub(super) fn decide(ctx: &Context<'_>, hat: &Hat, command: &Command, cause: &Cause) -> Result<Vec<Draft>, Reason> {
    let from_dex = cause.from.kind == Kind::Dex && cause.from.id.as_str() == ctx.origin.as_str();
    let event = match &command.action {
        Action::Claim { offer } => {
            if cause.from != *ctx.entity {
                return Err(Reason::NotPermitted);
            }
            hat.in_force()?;
            // The offer's debit bears the offer's id.
            room(ctx, hat, command, offer)?;
            if hat.claims.len() >= ctx.limits.active_debits_per_hat {
                return Err(Reason::OverQuota);
            }
            Event::Claimed { offer: offer.clone() }
        }
        Action::ClaimReserved { offer, terms } if from_dex => {
            if !hat.claims.contains(offer) {
                return Err(Reason::WrongState);
            }
            valid(terms)?;
            Event::DebitProposed { debit: offer.clone(), terms: Box::new(terms.clone()), offer: Some(offer.clone()) }
        }
        Action::ClaimRefused { offer } if from_dex => {
            if !hat.claims.contains(offer) {
                return Err(Reason::WrongState);
            }
            Event::ClaimRefused { offer: offer.clone() }
        }
        _ => return Err(Reason::NotPermitted),
    };
    Ok(vec![Draft::new(event)])
}
