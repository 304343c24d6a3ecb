//! `dex offer`: data offers.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::Value;

use crate::domain::event::OfferTerms;
use crate::domain::{Address, Id, Kind};

use super::act::Act;
use super::args::Globals;
use super::fail::Failure;
use super::parse;

/// What can be done with an offer.
#[derive(Debug, Subcommand)]
pub enum OfferVerb {
    /// Register an offer; it waits for approval (for its owner)
    #[command(after_help = "Example:\n  dex offer register steps-2026 --terms @offer.json --key acme.key")]
    Register {
        /// Its id
        offer: Id,
        /// Its terms as JSON: @FILE, - for stdin, or the text itself
        #[arg(long, value_name = "BODY")]
        terms: String,
    },
    /// Approve it (for the operator)
    #[command(after_help = "Example:\n  dex offer approve steps-2026 --as operator:main --key operator.key")]
    Approve {
        /// Its id
        offer: Id,
    },
    /// Reject it (for the operator)
    #[command(after_help = "Example:\n  dex offer reject steps-2026 --as operator:main --key operator.key")]
    Reject {
        /// Its id
        offer: Id,
    },
    /// Take no more claims (for its owner or the operator)
    #[command(after_help = "Example:\n  dex offer close steps-2026 --as org:acme --key acme.key")]
    Close {
        /// Its id
        offer: Id,
    },
    /// Take up an offer (for a HAT)
    #[command(
        after_help = "Example:\n  dex offer claim steps-2026 bob.hubat.net --key bob.key\n\nThe offer answers by proposing its debit: `dex debit list` shows it, `dex debit enable` confirms the claim."
    )]
    Claim {
        /// Its id
        offer: Id,
        /// The HAT that claims
        hat: Id,
    },
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when it cannot be sent, or is refused.
pub fn run(globals: &Globals, verb: OfferVerb) -> Result<ExitCode, Failure> {
    let of = |offer| Address::new(Kind::Offer, offer);
    let (to, action, who) = match verb {
        OfferVerb::Register { offer, terms } => {
            let bytes = parse::body(&terms)?;
            let terms: OfferTerms = serde_json::from_slice(&bytes)
                .map_err(|error| Failure::Usage(format!("--terms are no terms of an offer: {error}")))?;
            let body = serde_json::to_value(&terms)
                .map_err(|error| Failure::Usage(format!("the terms cannot be written: {error}")))?;
            let usual = Some(terms.owner);
            return Act { to: of(offer), action: &["register"], body, usual, who: "the offer's owner" }.run(globals);
        }
        OfferVerb::Claim { offer, hat } => {
            let to = Address::new(Kind::Hat, hat);
            let usual = Some(to.clone());
            let action = ["claim", offer.as_str()];
            return Act { to, action: &action, body: Value::Null, usual, who: "the HAT itself" }.run(globals);
        }
        OfferVerb::Approve { offer } => (of(offer), "approve", "the operator"),
        OfferVerb::Reject { offer } => (of(offer), "reject", "the operator"),
        OfferVerb::Close { offer } => (of(offer), "close", "the offer's owner or the operator"),
    };
    Act { to, action: &[action], body: Value::Null, usual: None, who }.run(globals)
}
