//! `dex offer`: data offers.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::domain::event::OfferTerms;
use crate::domain::pii::ClassSet;
use crate::domain::{Address, Id, Kind};

use super::act::Act;
use super::args::Globals;
use super::fail::Failure;
use super::{link, out, parse};

/// What can be done with an offer.
#[derive(Debug, Subcommand)]
pub enum OfferVerb {
    /// Register an offer; it waits for approval (for its owner)
    #[command(
        after_help = "Examples:\n  dex offer register steps-2026 --terms @offer.json --key acme.key\n  dex offer register steps-2026 --terms @offer.json --without-pii --key acme.key"
    )]
    Register {
        /// Its id
        offer: Id,
        /// Its terms as JSON: @FILE, - for stdin, or the text itself
        #[arg(long, value_name = "BODY")]
        terms: String,
        /// The classes of personal data that its debit grants, instead of what the terms say
        #[arg(long, value_name = "CLASS,…", value_parser = parse::classes)]
        classes: Option<ClassSet>,
        /// Ask for no personal data: HATs come under pseudonyms, and nothing direct or special is delivered
        #[arg(long)]
        without_pii: bool,
    },
    /// Note that it is paid for; it waits for approval (for the operator)
    #[command(after_help = "Example:\n  dex offer pay steps-2026 --as operator:main --key operator.key")]
    Pay {
        /// Its id
        offer: Id,
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
    /// Show an offer: its terms, where it stands, how many places are taken
    #[command(after_help = "Example:\n  dex offer show steps-2026 --json")]
    Show {
        /// Its id
        offer: Id,
    },
    /// List all offers, in the order of their ids
    #[command(after_help = "Example:\n  dex offer list --json | jq -r .offer")]
    List {
        /// Only ids after this one
        #[arg(long, value_name = "ID")]
        after: Option<Id>,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = u64::MAX, hide_default_value = true)]
        limit: u64,
    },
    /// List the claims on an offer with where each stands, in the order of the HATs
    #[command(
        after_help = "Example:\n  dex offer claims steps-2026 --json | jq -r 'select(.standing == \"confirmed\").hat'"
    )]
    Claims {
        /// Its id
        offer: Id,
    },
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when it cannot be sent, or is refused.
pub fn run(globals: &Globals, verb: OfferVerb) -> Result<ExitCode, Failure> {
    let of = |offer| Address::new(Kind::Offer, offer);
    let (to, action, who) = match verb {
        OfferVerb::Register { offer, terms, classes, without_pii } => {
            let bytes = parse::body(&terms)?;
            let mut terms: OfferTerms = serde_json::from_slice(&bytes)
                .map_err(|error| Failure::Usage(format!("--terms are no terms of an offer: {error}")))?;
            terms.debit.classes = classes.or(terms.debit.classes);
            terms.debit.without_pii |= without_pii;
            let body = serde_json::to_value(&terms)
                .map_err(|error| Failure::Usage(format!("the terms cannot be written: {error}")))?;
            let usual = Some(terms.owner);
            return Act { to: of(offer), action: &["register"], body, usual, who: "the offer's owner" }.run(globals);
        }
        OfferVerb::Show { offer } => return show(globals, &offer),
        OfferVerb::List { after, limit } => return list(globals, after, limit),
        OfferVerb::Claims { offer } => return claims(globals, &offer),
        OfferVerb::Pay { offer } => (of(offer), "pay", "the operator"),
        OfferVerb::Approve { offer } => (of(offer), "approve", "the operator"),
        OfferVerb::Reject { offer } => (of(offer), "reject", "the operator"),
        OfferVerb::Close { offer } => (of(offer), "close", "the offer's owner or the operator"),
    };
    Act { to, action: &[action], body: Value::Null, usual: None, who }.run(globals)
}

fn show(globals: &Globals, offer: &Id) -> Result<ExitCode, Failure> {
    let answer = link::wait(link::ask(globals, "offer.show", &json!({ "offer": offer })))?;
    if globals.json {
        out::json(&answer)?;
    } else {
        out::tree(&answer)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn list(globals: &Globals, after: Option<Id>, limit: u64) -> Result<ExitCode, Failure> {
    let mut question = json!({});
    if let Some(after) = after {
        question["after"] = json!(after);
    }
    link::wait(link::pages(globals, "offer.list", question, limit, |item| {
        if globals.json {
            return out::json(item);
        }
        let text = |name: &str| out::plain(&item[name]);
        let (offer, standing, owner) = (text("offer"), text("standing"), text("owner"));
        let (reserved, confirmed, most) = (text("reserved"), text("confirmed"), text("maxClaims"));
        let title = text("title");
        out::line(format_args!("{offer}  {standing}  {owner}  {confirmed}+{reserved} of {most}  {title}"))
    }))
}

fn claims(globals: &Globals, offer: &Id) -> Result<ExitCode, Failure> {
    link::wait(link::pages(globals, "offer.claims", json!({ "offer": offer }), u64::MAX, |item| {
        if globals.json {
            return out::json(item);
        }
        let text = |name: &str| out::plain(&item[name]);
        // Of an offer without personal data only the debit's id is told.
        match item.get("debit") {
            Some(debit) => out::line(format_args!("{}  {}", out::plain(debit), text("standing"))),
            None => out::line(format_args!("{}  {}  since {}", text("hat"), text("standing"), text("since"))),
        }
    }))
}
