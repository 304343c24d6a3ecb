//! `dex debit`: data debits, the right under which records leave a HAT.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::domain::event::{Bundle, DebitTerms, PropertyQuery};
use crate::domain::pii::ClassSet;
use crate::domain::{Address, Id, Kind, Timestamp};

use super::act::Act;
use super::args::Globals;
use super::fail::Failure;
use super::{link, out, parse};

/// What can be done with a data debit.
#[derive(Debug, Subcommand)]
pub enum DebitVerb {
    /// Propose a debit to a HAT's owner (for the client)
    #[command(after_help = "Examples:
  dex debit propose bob.hubat.net acme.steps --client org:acme --purpose 'Step count study' --endpoint fitbit/activity --period 30d --key acme.key
  dex debit propose bob.hubat.net acme.steps --client org:acme --purpose 'Step count study' --endpoint fitbit/activity --classes quasi --key acme.key
  dex debit propose bob.hubat.net acme.steps --terms @terms.json --key acme.key")]
    Propose(Proposal),
    /// Propose a further revision, which waits for the owner (for the client)
    #[command(after_help = "Example:\n  dex debit amend bob.hubat.net acme.steps --terms @terms.json --key acme.key")]
    Amend(Proposal),
    /// Accept the newest revision (for the HAT)
    #[command(after_help = "Example:\n  dex debit enable bob.hubat.net acme.steps --key bob.key")]
    Enable {
        /// The HAT's address
        hat: Id,
        /// The debit's id
        debit: Id,
        /// The revision that is accepted; refused when it is not the newest
        #[arg(long, value_name = "N")]
        revision: Option<u32>,
    },
    /// Withdraw the right (for the HAT)
    #[command(after_help = "Example:\n  dex debit disable bob.hubat.net acme.steps --at-period-end --key bob.key")]
    Disable {
        /// The HAT's address
        hat: Id,
        /// The debit's id
        debit: Id,
        /// Not at once but when the running period ends
        #[arg(long)]
        at_period_end: bool,
    },
    /// Show one debit with its revisions
    #[command(after_help = "Example:\n  dex debit show bob.hubat.net acme.steps")]
    Show {
        /// The HAT's address
        hat: Id,
        /// The debit's id
        debit: Id,
    },
    /// List the debits of a HAT
    #[command(after_help = "Example:\n  dex debit list bob.hubat.net --json")]
    List {
        /// The HAT's address
        hat: Id,
    },
}

/// The terms of a debit: flags, or a file.
#[derive(Debug, Args)]
pub struct Proposal {
    /// The HAT's address
    hat: Id,
    /// The debit's id, chosen by the client
    debit: Id,
    /// All terms as JSON: @FILE, - for stdin, or the text itself
    #[arg(long, value_name = "BODY", conflicts_with_all = ["client", "purpose", "endpoints", "period", "start", "once", "terms_url", "client_name", "client_url", "logo_url", "application", "description", "conditions", "classes"])]
    terms: Option<String>,
    /// Who receives: an org, an app or another HAT; who speaks when not given
    #[arg(long, value_name = "PARTY")]
    client: Option<Address>,
    /// Why the data is processed
    #[arg(long, required_unless_present = "terms")]
    purpose: Option<String>,
    /// An endpoint, namespace/path; may be given several times
    #[arg(long = "endpoint", value_name = "ENDPOINT", required_unless_present_any = ["terms", "bundle"])]
    endpoints: Vec<String>,
    /// Instead of endpoints a whole bundle as JSON: @FILE, - for stdin, or the text itself
    #[arg(long, value_name = "BODY", conflicts_with_all = ["terms", "endpoints"])]
    bundle: Option<String>,
    /// Length of a period
    #[arg(long, value_name = "SPAN", default_value = "30d", value_parser = parse::seconds)]
    period: u32,
    /// One period only; rolls on when not given
    #[arg(long)]
    once: bool,
    /// When it starts (RFC 3339 UTC); when it is enabled, if not given
    #[arg(long, value_name = "TIME")]
    start: Option<Timestamp>,
    /// Where the terms stand
    #[arg(long, value_name = "URL")]
    terms_url: Option<String>,
    /// What the client calls itself, for the owner to read
    #[arg(long, value_name = "NAME")]
    client_name: Option<String>,
    /// The client's own page
    #[arg(long, value_name = "URL")]
    client_url: Option<String>,
    /// The client's logo
    #[arg(long, value_name = "URL")]
    logo_url: Option<String>,
    /// The application that the debit belongs to
    #[arg(long, value_name = "ID")]
    application: Option<String>,
    /// What the owner is asked for, in words
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// What the HAT must find before it releases, a bundle as JSON: @FILE, - for stdin, or the text itself
    #[arg(long, value_name = "BODY")]
    conditions: Option<String>,
    /// The classes of personal data that are granted (quasi, direct, special; none alone: nothing personal); what the
    /// bundle names, when not given
    #[arg(long, value_name = "CLASS,…", value_parser = parse::classes)]
    classes: Option<ClassSet>,
}

impl Proposal {
    fn terms(&self, globals: &Globals) -> Result<DebitTerms, Failure> {
        if let Some(argument) = &self.terms {
            let bytes = parse::body(argument)?;
            return serde_json::from_slice(&bytes)
                .map_err(|error| Failure::Usage(format!("--terms are no terms of a debit: {error}")));
        }
        let client = self.client.clone().or_else(|| globals.party.clone());
        let client = client.ok_or_else(|| Failure::Usage("name who receives: --client org:…".into()))?;
        let bundle = |flag: &str, argument: &Option<String>| -> Result<Option<Bundle>, Failure> {
            let Some(argument) = argument else {
                return Ok(None);
            };
            serde_json::from_slice(&parse::body(argument)?)
                .map(Some)
                .map_err(|error| Failure::Usage(format!("{flag} is refused: {error}")))
        };
        let conditions = bundle("--conditions", &self.conditions)?;
        let text = |given: &Option<String>| given.as_deref().map(Into::into);
        let asked = bundle("--bundle", &self.bundle)?.unwrap_or_else(|| {
            let property = PropertyQuery::all(&self.endpoints);
            let name: String = self.debit.as_str().chars().map(|c| if c == '.' { '-' } else { c }).take(64).collect();
            Bundle { name: name.into(), bundle: [("data".into(), property)].into() }
        });
        Ok(DebitTerms {
            client,
            purpose: self.purpose.as_deref().unwrap_or_default().into(),
            bundle: asked,
            start: self.start,
            period_seconds: self.period,
            cancel_at_period_end: self.once,
            terms_url: text(&self.terms_url),
            request_client_name: text(&self.client_name),
            request_client_url: text(&self.client_url),
            request_client_logo_url: text(&self.logo_url),
            request_application_id: text(&self.application),
            request_description: text(&self.description),
            conditions,
            classes: self.classes,
            without_pii: false,
        })
    }
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when it cannot be sent or asked, or is refused.
pub fn run(globals: &Globals, verb: DebitVerb) -> Result<ExitCode, Failure> {
    match verb {
        DebitVerb::Propose(proposal) => propose(globals, proposal, "debit-propose"),
        DebitVerb::Amend(proposal) => propose(globals, proposal, "debit-amend"),
        DebitVerb::Enable { hat, debit, revision } => {
            let body = revision.map_or(Value::Null, |revision| json!({ "revision": revision }));
            by_hat(globals, hat, &debit, "debit-enable", body)
        }
        DebitVerb::Disable { hat, debit, at_period_end } => {
            let body = json!({ "atPeriodEnd": at_period_end });
            by_hat(globals, hat, &debit, "debit-disable", body)
        }
        DebitVerb::Show { hat, debit } => show(globals, &hat, &debit),
        DebitVerb::List { hat } => list(globals, &hat),
    }
}

fn propose(globals: &Globals, proposal: Proposal, action: &str) -> Result<ExitCode, Failure> {
    let terms = proposal.terms(globals)?;
    let body = serde_json::to_value(&terms)
        .map_err(|error| Failure::Usage(format!("the terms cannot be written: {error}")))?;
    let to = Address::new(Kind::Hat, proposal.hat);
    let action = [action, proposal.debit.as_str()];
    Act { to, action: &action, body, usual: Some(terms.client), who: "the debit's client" }.run(globals)
}

fn by_hat(globals: &Globals, hat: Id, debit: &Id, action: &str, body: Value) -> Result<ExitCode, Failure> {
    let to = Address::new(Kind::Hat, hat);
    let usual = Some(to.clone());
    Act { to, action: &[action, debit.as_str()], body, usual, who: "the HAT itself" }.run(globals)
}

fn show(globals: &Globals, hat: &Id, debit: &Id) -> Result<ExitCode, Failure> {
    let answer = link::wait(link::ask(globals, "debit.show", &json!({ "hat": hat, "debit": debit })))?;
    if globals.json {
        out::json(&answer)?;
    } else {
        out::tree(&answer)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn list(globals: &Globals, hat: &Id) -> Result<ExitCode, Failure> {
    link::wait(link::pages(globals, "debit.list", json!({ "hat": hat }), u64::MAX, |item| {
        if globals.json {
            return out::json(item);
        }
        let of = |name: &str| out::plain(&item[name]);
        let (debit, standing, client, end) = (of("debit"), of("standing"), of("client"), of("end"));
        let period = out::plain(&item["period"]["number"]);
        out::line(format_args!("{debit}  {standing}  {client}  period {period}  until {end}"))
    }))
}
