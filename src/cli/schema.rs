//! `dex schema`: what each action's body is.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use crate::wire::schema::{self, ActionSchema};

use super::args::Globals;
use super::fail::Failure;
use super::out;

/// Examples, shown by `dex schema --help`.
pub const EXAMPLES: &str = "Examples:
  dex schema                      every action and who may send it
  dex schema plug.register        its body: JSON Schema and an example
  dex schema hat.credit --json | jq .example";

/// Which action.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// Kind and action, like hat.credit; all of them when not given
    action: Option<String>,
}

/// Prints actions. Asks nobody.
///
/// # Errors
/// [`Failure::Usage`] when there is no such action.
pub fn run(globals: &Globals, args: &SchemaArgs) -> Result<ExitCode, Failure> {
    let Some(name) = &args.action else {
        for action in schema::all() {
            if globals.json {
                out::json(&whole(&action))?;
            } else {
                out::line(format_args!("{:<34} {}", action.action, action.who))?;
            }
        }
        return Ok(ExitCode::SUCCESS);
    };
    let action = schema::of(name)
        .ok_or_else(|| Failure::Usage(format!("there is no action {name:?}: `dex schema` lists all")))?;
    if globals.json {
        out::json(&whole(&action))?;
        return Ok(ExitCode::SUCCESS);
    }
    out::line(format_args!("{}\nfrom: {}", action.action, action.who))?;
    match (&action.body, &action.example) {
        (Some(body), Some(example)) => {
            out::line(format_args!("\nbody, JSON Schema:\n{body:#}\n\nexample:\n{example:#}"))?;
        }
        _ => out::line("body: none")?,
    }
    Ok(ExitCode::SUCCESS)
}

fn whole(action: &ActionSchema) -> Value {
    json!({ "action": action.action, "who": action.who, "body": action.body, "example": action.example })
}
