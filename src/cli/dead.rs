//! `dex dead`: messages that the exchange could not work on, by their facts in the ledger.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use crate::domain::Event;

use super::args::Globals;
use super::fail::Failure;
use super::folder::Folder;
use super::{ledger, out};

/// What can be done with dead letters.
#[derive(Debug, Subcommand)]
pub enum DeadVerb {
    /// List the dead letters of a state folder
    #[command(after_help = "Example:\n  dex dead list /var/lib/dex --from 100000 --json")]
    List {
        #[command(flatten)]
        folder: Folder,
        /// First leaf to look at
        #[arg(long, value_name = "LEAF", default_value_t = 0)]
        from: u64,
    },
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when the folder cannot be read, or entries in it are damaged.
pub fn run(globals: &Globals, verb: &DeadVerb) -> Result<ExitCode, Failure> {
    let DeadVerb::List { folder, from } = verb;
    for stored in ledger::open(globals, folder)?.scan(*from) {
        let stored = stored.map_err(|error| Failure::Finding(error.to_string()))?;
        let entry = ledger::entry(&stored)?;
        let Event::DeadLetter { subject, sequence, body, reason } = &entry.event else { continue };
        if globals.json {
            out::json(&json!({
                "leaf": stored.leaf, "at": entry.at, "lane": entry.entity.id, "subject": subject,
                "sequence": sequence, "body": body, "reason": reason,
            }))?;
        } else {
            out::line(format_args!(
                "{}  leaf {}  {reason}  {subject}  sequence {sequence}  body {body}",
                entry.at, stored.leaf
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
