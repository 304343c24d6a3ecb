//! `dex serve`: the daemon.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::config::LogFormat;

use super::config;
use super::fail::Failure;

/// Examples, shown by `dex serve --help`.
pub const EXAMPLES: &str = "Examples:
  dex serve                                    starts its own nats-server on loopback
  dex serve --config /etc/dex/dex.toml
  DEX__NATS__URL=nats://10.0.0.5:4222 dex serve

SIGTERM and SIGINT drain and stop. SIGHUP reads the configuration again; a bad file leaves the old one in force.
Exit code 1: it could not start. 75: the ledger could not be written; a restart reads what is durable.
78: the configuration is wrong; dex config check names all problems.";

/// How the daemon runs.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Configuration file (TOML); the defaults when not given
    #[arg(long, env = "DEX_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Runs the daemon until it is told to stop.
///
/// # Errors
/// [`Failure::Config`] when the configuration is wrong, [`Failure::Finding`] when something that it needs is
/// not there.
pub fn run(args: &ServeArgs) -> Result<ExitCode, Failure> {
    let config = config::load(args.config.as_deref()).map_err(|failure| Failure::Config(failure.to_string()))?;
    let format = match config.log.format {
        LogFormat::Text => crate::telemetry::LogFormat::Text,
        LogFormat::Json => crate::telemetry::LogFormat::Json,
        LogFormat::Journald => crate::telemetry::LogFormat::Journald,
    };
    crate::telemetry::init_logs(&config.log.level, format)
        .map_err(|error| Failure::Finding(format!("log: {error}")))?;
    actix::System::new()
        .block_on(crate::daemon::run(config, args.config.as_deref()))
        .map_err(|error| Failure::Finding(format!("{error:#}")))
}
