//! `dex dead`: messages that the exchange could not work on, or would not, by their facts in the ledger.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::wire::dead;

use super::args::Globals;
use super::fail::Failure;
use super::folder::Folder;
use super::progress::Progress;
use super::{ledger, link, out};

/// What can be done with dead letters.
#[derive(Debug, Subcommand)]
pub enum DeadVerb {
    /// List dead letters, and how many messages were refused before their senders were authenticated
    #[command(
        after_help = "Examples:\n  dex dead list /var/lib/dex --from 100000 --json\n  dex dead list --running --json"
    )]
    List {
        #[command(flatten)]
        folder: Folder,
        /// Ask the running exchange instead of reading its folder
        #[arg(long, conflicts_with_all = ["dir", "config", "dex_key", "verifier"])]
        running: bool,
        /// First leaf to look at
        #[arg(long, value_name = "LEAF", default_value_t = 0)]
        from: u64,
    },
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when the folder cannot be read, entries in it are damaged, or nobody answers.
pub fn run(globals: &Globals, verb: &DeadVerb) -> Result<ExitCode, Failure> {
    let DeadVerb::List { folder, running, from } = verb;
    if *running {
        let question = if *from > 0 { json!({ "after": from - 1 }) } else { json!({}) };
        return link::wait(link::pages(globals, "dead.list", question, u64::MAX, |row| show(globals, row)));
    }
    let reader = ledger::open(globals, folder)?;
    let progress = Progress::new(globals, "reading entries", reader.tree_size());
    for stored in reader.scan(*from) {
        let stored = stored.map_err(|error| Failure::Finding(error.to_string()))?;
        progress.at(stored.leaf);
        if let Some(row) = dead::row(stored.leaf, &ledger::entry(&stored)?) {
            progress.suspend(|| show(globals, &row))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show(globals: &Globals, row: &Value) -> Result<(), Failure> {
    if globals.json {
        return out::json(row);
    }
    let of = |name: &str| out::plain(&row[name]);
    if row["kind"] == "dead-letter" {
        let (subject, sequence, body) = (of("subject"), of("sequence"), of("body"));
        let line = format!("{}  leaf {}  {}  {subject}", of("at"), of("leaf"), of("reason"));
        return out::line(format_args!("{line}  sequence {sequence}  body {body}"));
    }
    let line = format!("{}  leaf {}  {}  {}", of("at"), of("leaf"), of("reason"), of("count"));
    out::line(format_args!("{line} refused before their senders were authenticated"))
}
