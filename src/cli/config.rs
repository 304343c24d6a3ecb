//! `dex config`: the daemon's configuration, checked and shown.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::config::{self, Config};

use super::args::Globals;
use super::fail::{FINDING, Failure};
use super::out;

/// What can be done with a configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigVerb {
    /// Check file and environment; names all problems at once, exit code 1 when there are any
    #[command(
        after_help = "Examples:\n  dex config check /etc/dex/dex.toml\n  DEX__EXCHANGE__PARTITIONS=0 dex config check"
    )]
    Check {
        /// Configuration file (TOML); the defaults when not given
        #[arg(env = "DEX_CONFIG")]
        file: Option<PathBuf>,
    },
    /// Print the configuration in force: defaults, file and environment together
    #[command(after_help = "Example:\n  dex config show /etc/dex/dex.toml --json")]
    Show {
        /// Configuration file (TOML); the defaults when not given
        #[arg(env = "DEX_CONFIG")]
        file: Option<PathBuf>,
    },
}

/// Reads defaults, file and environment.
///
/// # Errors
/// [`Failure::Finding`] naming every problem.
pub fn load(file: Option<&Path>) -> Result<Config, Failure> {
    config::load(file).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(|problem| format!("\n  {problem}")).collect();
        Failure::Finding(format!("the configuration is wrong:{}", lines.concat()))
    })
}

/// Runs the verb.
///
/// # Errors
/// [`Failure::Finding`] when the configuration is wrong.
pub fn run(globals: &Globals, verb: &ConfigVerb) -> Result<ExitCode, Failure> {
    match verb {
        ConfigVerb::Check { file } => check(globals, file.as_deref()),
        ConfigVerb::Show { file } => show(globals, file.as_deref()),
    }
}

fn check(globals: &Globals, file: Option<&Path>) -> Result<ExitCode, Failure> {
    let problems = config::load(file).err().unwrap_or_default();
    if globals.json {
        let found: Vec<Value> = problems
            .iter()
            .map(|it| json!({ "place": it.place, "key": it.key, "what": it.what, "remedy": it.remedy }))
            .collect();
        out::json(&json!({ "ok": found.is_empty(), "problems": found }))?;
    } else if problems.is_empty() {
        out::line("the configuration is right")?;
    } else {
        for problem in &problems {
            out::line(problem)?;
        }
    }
    if problems.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::from(FINDING))
}

fn show(globals: &Globals, file: Option<&Path>) -> Result<ExitCode, Failure> {
    let value = serde_json::to_value(load(file)?)
        .map_err(|error| Failure::Finding(format!("the configuration cannot be written: {error}")))?;
    if globals.json {
        out::json(&value)?;
    } else {
        out::tree(&value)?;
    }
    Ok(ExitCode::SUCCESS)
}
