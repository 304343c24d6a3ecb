//! `dex plug manifest`: a plug's manifest written, checked, and tried on its source, without an exchange.

mod check;
mod new;
pub mod text;
mod trial;

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::Value;

use crate::cli::args::Globals;
use crate::cli::fail::Failure;
use crate::cli::parse;

/// What can be done with a manifest.
#[derive(Debug, Subcommand)]
pub enum ManifestVerb {
    /// Write a manifest with comments, to begin with
    #[command(
        after_help = "Examples:\n  dex plug manifest new > plug.toml\n  dex plug manifest new --kind ical > calendar.toml\n\ndocs/connectors.md has every setting; examples/plugs has ready ones."
    )]
    New {
        /// How its source is read
        #[arg(long, value_enum, default_value_t = new::KindArg::HttpJson)]
        kind: new::KindArg,
    },
    /// Say whether a manifest is one that the exchange takes and a worker can fetch by, and what it comes to
    #[command(
        after_help = "Examples:\n  dex plug manifest check plug.toml\n  dex plug manifest check plug.json --json"
    )]
    Check {
        /// The manifest, TOML or JSON; - for stdin
        file: String,
    },
    /// Fetch once and show the records, the class of each field, and what would be sent; nothing is sent
    #[command(after_help = trial::EXAMPLES)]
    Try(Box<trial::TryArgs>),
}

/// Runs the verb.
///
/// # Errors
/// [`Failure::Finding`] when the manifest or its source is not in order, [`Failure::Usage`] when it cannot be read.
pub fn run(globals: &Globals, verb: &ManifestVerb) -> Result<ExitCode, Failure> {
    match verb {
        ManifestVerb::New { kind } => new::run(*kind)?,
        ManifestVerb::Check { file } => check::run(globals, &text::file(file)?)?,
        ManifestVerb::Try(args) => trial::run(globals, args)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads and checks a manifest before a plug is registered with it; as the JSON that is sent.
///
/// # Errors
/// As [`run`].
pub fn register(argument: &str) -> Result<Value, Failure> {
    let manifest = text::value(&parse::body(argument)?)?;
    check::Checked::read(&manifest)?;
    Ok(manifest)
}
