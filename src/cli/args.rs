//! Arguments that every verb takes.

use std::path::PathBuf;
use std::time::Duration;

use crate::domain::Address;

use super::parse;

/// Arguments that every verb takes.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// Print data as JSON, one value a line
    #[arg(long, global = true)]
    pub json: bool,
    /// Where the exchange's NATS server is; several addresses separated by commas
    #[arg(long, global = true, env = "DEX_URL", value_name = "URL", default_value = "nats://127.0.0.1:4222")]
    pub url: String,
    /// NATS credentials file (.creds), where the broker asks for one
    #[arg(long, global = true, env = "DEX_CREDS", value_name = "FILE")]
    pub creds: Option<PathBuf>,
    /// File that holds the party's signing seed (SU…), made by `dex keys new`
    #[arg(long, global = true, env = "DEX_KEY", value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Party that speaks, like hat:bob.hubat.net; most verbs know whom they need
    #[arg(long = "as", global = true, env = "DEX_PARTY", value_name = "PARTY")]
    pub party: Option<Address>,
    /// The exchange's origin, which signatures name; asked of the exchange when not given
    #[arg(long, global = true, env = "DEX_ORIGIN", value_name = "NAME")]
    pub origin: Option<String>,
    /// How long to wait for the exchange: 500ms, 15s, 2m
    #[arg(long, global = true, value_name = "SPAN", default_value = "15s", value_parser = parse::span)]
    pub timeout: Duration,
}
