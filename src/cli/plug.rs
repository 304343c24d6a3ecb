//! `dex plug`: acquisition services that write into HATs.

use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::domain::{Address, Id, Kind};

use super::act::Act;
use super::args::Globals;
use super::fail::Failure;
use super::member::{self, MemberVerb};
use super::{link, out, parse};

pub(super) mod manifest;

pub use manifest::text as manifest_text;

/// What can be done with a plug.
#[derive(Debug, Subcommand)]
pub enum PlugVerb {
    /// Register a plug, signed with the key that it brings; it waits for approval
    #[command(
        after_help = "Examples:\n  dex plug register facebook --name 'Facebook plug' --namespace facebook --key facebook.key\n  dex plug register facebook --name 'Facebook plug' --manifest @facebook.toml --key facebook.key\n\nThe manifest says what the plug acquires and how personal each field is: `dex plug manifest new` writes one."
    )]
    Register {
        /// Its id
        id: Id,
        /// Its name, for people
        #[arg(long)]
        name: String,
        /// The namespace that it writes; its id when not given
        #[arg(long)]
        namespace: Option<String>,
        /// Its manifest as TOML or JSON: @FILE, - for stdin, or the text itself
        #[arg(long, value_name = "BODY")]
        manifest: Option<String>,
    },
    /// Ask a HAT's owner to connect the plug; the wish lapses after 7 days (for the plug)
    #[command(
        after_help = "Example:\n  dex plug ask facebook bob.hubat.net --key facebook.key\n\nThe owner answers with `dex hat connect` or `dex hat disconnect`; the answer is an outcome of this message."
    )]
    Ask {
        /// Its id
        id: Id,
        /// The HAT's address
        hat: Id,
    },
    /// Report how its jobs ended since the report before: what its health is told by (for the plug)
    #[command(
        after_help = "Examples:\n  dex plug report facebook --done 120 --lag 15m --key facebook.key\n  dex plug report facebook --failed 1 --error 'the source is over its limit' --key facebook.key\n\n`dex plug show` tells the health: failing after 3 failed jobs without one done, stale when none was done for the manifest's freshForSeconds."
    )]
    Report {
        /// Its id
        id: Id,
        /// Jobs that were done
        #[arg(long, default_value_t = 0)]
        done: u32,
        /// Jobs that failed
        #[arg(long, default_value_t = 0)]
        failed: u32,
        /// How far the newest data that was read lies behind its source, like 90s or 15m
        #[arg(long, value_name = "SPAN", value_parser = parse::span)]
        lag: Option<Duration>,
        /// Why the last one failed; at most 256 bytes, kept in the ledger
        #[arg(long, value_name = "TEXT")]
        error: Option<String>,
    },
    /// Write a manifest, check it, try it on its source
    #[command(subcommand)]
    Manifest(manifest::ManifestVerb),
    /// Show what holds for its jobs, and how those of one HAT stand
    #[command(after_help = "Examples:\n  dex plug jobs facebook\n  dex plug jobs facebook bob.hubat.net --json")]
    Jobs {
        /// Its id
        id: Id,
        /// A HAT that has it connected
        hat: Option<Id>,
    },
    /// Plan no more of its jobs until they are resumed (for the plug or an operator)
    #[command(
        after_help = "Examples:\n  dex plug pause-jobs facebook --key facebook.key\n  dex plug pause-jobs facebook --as operator:root --key operator.key\n\nJobs that are open go on. `dex plug resume-jobs` ends it."
    )]
    PauseJobs {
        /// Its id
        id: Id,
    },
    /// Plan its jobs again; what has waited is spread, not done at once (for the plug or an operator)
    #[command(after_help = "Example:\n  dex plug resume-jobs facebook --key facebook.key")]
    ResumeJobs {
        /// Its id
        id: Id,
    },
    /// Plan none of its jobs for a time, as when its source is down; 0s ends a hold (for the plug or an operator)
    #[command(after_help = "Example:\n  dex plug hold-jobs facebook 30m --key facebook.key")]
    HoldJobs {
        /// Its id
        id: Id,
        /// For how long from now: at most 30d
        #[arg(value_name = "SPAN", value_parser = parse::span)]
        span: Duration,
    },
    #[command(flatten)]
    Member(MemberVerb),
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when it cannot be sent or asked, or is refused.
pub fn run(globals: &Globals, verb: PlugVerb) -> Result<ExitCode, Failure> {
    match verb {
        PlugVerb::Register { id, name, namespace, manifest } => {
            let key = link::signer(globals)?.public();
            let namespace = namespace.unwrap_or_else(|| id.to_string());
            let to = Address::new(Kind::Plug, id);
            let mut body = json!({ "key": key, "name": name, "namespace": namespace });
            if let Some(manifest) = manifest {
                body["manifest"] = manifest::register(&manifest)?;
            }
            let usual = Some(to.clone());
            Act { to, action: &["register"], body, usual, who: "the plug itself" }.run(globals)
        }
        PlugVerb::Ask { id, hat } => {
            let usual = Some(Address::new(Kind::Plug, id.clone()));
            let (to, action) = (Address::new(Kind::Hat, hat), ["plug-connect", id.as_str()]);
            Act { to, action: &action, body: Value::Null, usual, who: "the plug itself" }.run(globals)
        }
        PlugVerb::Report { id, done, failed, lag, error } => {
            let to = Address::new(Kind::Plug, id);
            let mut body = json!({ "done": done, "failed": failed });
            if let Some(lag) = lag {
                body["lagSeconds"] = json!(lag.as_secs());
            }
            if let Some(error) = error {
                body["error"] = json!(error);
            }
            let usual = Some(to.clone());
            Act { to, action: &["report"], body, usual, who: "the plug itself" }.run(globals)
        }
        PlugVerb::Manifest(verb) => manifest::run(globals, &verb),
        PlugVerb::Jobs { id, hat } => {
            let mut question = json!({ "plug": id });
            if let Some(hat) = hat {
                question["hat"] = json!(hat);
            }
            let answer = link::wait(link::ask(globals, "plug.jobs", &question))?;
            if globals.json {
                out::json(&answer)?
            } else {
                out::tree(&answer)?
            }
            Ok(ExitCode::SUCCESS)
        }
        PlugVerb::PauseJobs { id } => schedule(globals, id, json!({ "pause": true })),
        PlugVerb::ResumeJobs { id } => schedule(globals, id, json!({ "pause": false })),
        PlugVerb::HoldJobs { id, span } => schedule(globals, id, json!({ "holdSeconds": span.as_secs() })),
        PlugVerb::Member(MemberVerb::Show { id }) => {
            let answer = link::wait(link::ask(globals, "plug.show", &json!({ "plug": id })))?;
            if globals.json {
                out::json(&answer)?
            } else {
                out::tree(&answer)?
            }
            Ok(ExitCode::SUCCESS)
        }
        PlugVerb::Member(verb) => member::run(globals, Kind::Plug, verb),
    }
}

/// Says what is to hold for all jobs of a plug.
fn schedule(globals: &Globals, id: Id, body: Value) -> Result<ExitCode, Failure> {
    let to = Address::new(Kind::Plug, id);
    let usual = Some(to.clone());
    Act { to, action: &["schedule"], body, usual, who: "the plug itself or an operator" }.run(globals)
}
