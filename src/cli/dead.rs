//! `dex dead`: messages that the exchange could not work on, or would not, by their facts in the ledger.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use crate::domain::time::SECOND;
use crate::domain::{Entry, Event, Timestamp};

use super::args::Globals;
use super::fail::Failure;
use super::folder::Folder;
use super::{ledger, out};

/// What can be done with dead letters.
#[derive(Debug, Subcommand)]
pub enum DeadVerb {
    /// List the dead letters of a state folder, and how many messages were refused before their senders were authenticated
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
        let Event::DeadLetter { subject, sequence, body, reason } = &entry.event else {
            refused(globals, &entry, stored.leaf)?;
            continue;
        };
        if globals.json {
            out::json(&json!({
                "kind": "dead-letter", "leaf": stored.leaf, "at": entry.at, "lane": entry.entity.id, "subject": subject,
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

/// Messages whose senders were not authenticated: one entry for each reason and second.
fn refused(globals: &Globals, entry: &Entry, leaf: u64) -> Result<(), Failure> {
    let Event::RefusedUnauthenticated { reason, count, second } = &entry.event else { return Ok(()) };
    let at = Timestamp(second.saturating_mul(SECOND));
    if globals.json {
        return out::json(&json!({
            "kind": "refused", "leaf": leaf, "at": at, "lane": entry.entity.id, "reason": reason, "count": count,
        }));
    }
    out::line(format_args!("{at}  leaf {leaf}  {reason}  {count} refused before their senders were authenticated"))
}
