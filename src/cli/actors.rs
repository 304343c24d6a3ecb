//! `dex actors`: the actors of a running exchange, by partition and kind.

use std::process::ExitCode;

use serde_json::json;

use super::args::Globals;
use super::fail::Failure;
use super::{link, out};

/// Examples, shown by `dex actors --help`.
pub const EXAMPLES: &str = "Examples:
  dex actors
  dex actors --json | jq '.partitions[].kinds[] | select(.restarts > 0)'

Counts, never which entities they are: live and quarantined by partition and kind, restarts since the daemon's start,
messages in mailboxes, what waits before the ledger and the output, the checks of health.";

/// Asks the exchange and prints what it says.
///
/// # Errors
/// [`Failure`] when nobody answers.
pub fn run(globals: &Globals) -> Result<ExitCode, Failure> {
    let answer = link::wait(link::ask(globals, "actors.show", &json!({})))?;
    if globals.json {
        out::json(&answer)?
    } else {
        out::tree(&answer)?
    }
    Ok(ExitCode::SUCCESS)
}
