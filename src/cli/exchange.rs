//! `dex exchange`: what became of one exchange.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::domain::MessageId;

use super::args::Globals;
use super::fail::Failure;
use super::{link, out};

/// What can be asked about an exchange.
#[derive(Debug, Subcommand)]
pub enum ExchangeVerb {
    /// Show every step of one exchange with its times, leaves and statuses
    #[command(
        after_help = "Example:\n  dex exchange trace 01890a5d-ac96-774b-bcce-b302099a8057 --json\n\nThe id is that of the message, of an exchange or of a delivery. Digests and counts are shown, never content."
    )]
    Trace {
        /// Id of a message, exchange or delivery
        id: MessageId,
    },
}

/// Runs the verb.
///
/// # Errors
/// [`Failure::Finding`] when nothing with this id is known, else as the query fails.
pub fn run(globals: &Globals, verb: &ExchangeVerb) -> Result<ExitCode, Failure> {
    let ExchangeVerb::Trace { id } = verb;
    let answer = link::wait(link::ask(globals, "exchange.trace", &json!({ "id": id })))?;
    if globals.json {
        out::json(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let status = answer["status"].as_str().unwrap_or("no exchange");
    out::line(format_args!("{id}  {status}"))?;
    for step in answer["steps"].as_array().into_iter().flatten() {
        out::line(step_line(step))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// One step: when, where, what, then whatever else the entry says.
fn step_line(step: &Value) -> String {
    const FIRST: [&str; 4] = ["at", "leaf", "entity", "event"];
    let of = |name: &str| out::plain(&step[name]);
    let mut line = format!("{}  leaf {}  {}  {}", of("at"), of("leaf"), of("entity"), of("event"));
    for (name, value) in step.as_object().into_iter().flatten() {
        if !FIRST.contains(&name.as_str()) && name != "n" {
            line.push_str(&format!("\n    {name}: {}", out::plain(value)));
        }
    }
    line
}
