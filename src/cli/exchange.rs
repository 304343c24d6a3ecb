//! `dex exchange`: what became of one exchange.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::domain::MessageId;

use super::args::Globals;
use super::fail::{FINDING, Failure};
use super::{link, out, verify};

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
    /// Say why a message would be accepted or refused now, rule by rule; it is not sent. Exit code 1: refused
    #[command(
        after_help = "Example:\n  dex sign --as plug:facebook --key facebook.key --to hat:bob.hubat.net --action credit.facebook --body @posts.json --json \\\n      | dex exchange explain -\n\nThe file is what `dex sign --json` prints. Without Dex-Key and Dex-Sig in it, or under a key that is not the sender's,\nonly its form is told: what the exchange knows of others is told to the sender alone."
    )]
    Explain {
        /// The message's file; - for stdin
        file: PathBuf,
    },
}

/// Runs the verb.
///
/// # Errors
/// [`Failure::Finding`] when nothing with this id is known, else as the query fails.
pub fn run(globals: &Globals, verb: &ExchangeVerb) -> Result<ExitCode, Failure> {
    match verb {
        ExchangeVerb::Trace { id } => trace(globals, *id),
        ExchangeVerb::Explain { file } => explain(globals, file),
    }
}

fn trace(globals: &Globals, id: MessageId) -> Result<ExitCode, Failure> {
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

fn explain(globals: &Globals, file: &Path) -> Result<ExitCode, Failure> {
    let bytes = verify::read(file)?;
    let saved: Value = serde_json::from_slice(&bytes)
        .map_err(|error| Failure::Usage(format!("{} is no message as JSON: {error}", file.display())))?;
    let (Value::String(_), Value::Object(_)) = (&saved["subject"], &saved["headers"]) else {
        return Err(Failure::Usage("a message has subject, headers and body, as `dex sign --json` prints them".into()));
    };
    let body = saved["body"].as_str().ok_or_else(|| Failure::Usage("the file has no body, which is text".into()))?;
    let question = json!({ "subject": saved["subject"], "headers": saved["headers"], "body": body });
    let answer = link::wait(link::ask(globals, "exchange.explain", &question))?;
    if globals.json {
        out::json(&answer)?;
    } else {
        let reason = answer["reason"].as_str().map(|reason| format!("  {reason}")).unwrap_or_default();
        out::line(format_args!("{}{reason}", out::plain(&answer["verdict"])))?;
        for check in answer["checks"].as_array().into_iter().flatten() {
            let mark = match check["passed"].as_bool() {
                Some(true) => "passed",
                Some(false) => "FAILED",
                None => "not reached",
            };
            out::line(format_args!("  {mark:11}  {:9}  {}", out::plain(&check["rule"]), out::plain(&check["detail"])))?;
        }
        for it in answer["basis"].as_array().into_iter().flatten() {
            out::line(format_args!(
                "  rests on entry {} of {}, leaf {}",
                it["n"],
                out::plain(&it["entity"]),
                it["leaf"]
            ))?;
        }
        if let Some(hint) = answer["hint"].as_str() {
            out::line(format_args!("  {hint}"))?;
        }
    }
    Ok(if answer["refused"] == true { ExitCode::from(FINDING) } else { ExitCode::SUCCESS })
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
