//! `dex hat onboard`: registers HATs that speak only HTTP by their addresses.

use std::process::ExitCode;

use clap::Args;
use futures_util::StreamExt;
use serde_json::json;

use crate::bridge::hat::{Door, DoorOptions};
use crate::bridge::{Onboarded, Onboarding};
use crate::domain::{Address, Id};
use crate::http::resolve::Fixed;

use super::args::Globals;
use super::fail::Failure;
use super::{link, out};

/// Examples, shown by `dex hat onboard --help`.
pub const EXAMPLES: &str = "Examples:
  dex hat onboard bob.hubat.net --as bridge:dex.example --key state/bridge.key
  dex hat onboard ann.hubat.net bob.hubat.net --as bridge:dex.example --key state/bridge.key --json

Fetches https://HAT/publickey, checks that it is an RSA key and that the HAT is up, and registers the HAT with that key
pinned, its transport http and the bridge that speaks. Doing it again changes nothing. A HAT that shows another key than
the pinned one is refused: its address stays with the key that it was registered with.
Exit code 1: at least one HAT was not onboarded.";

/// HATs under way at the same time.
const AT_ONCE: usize = 32;

/// Which HATs, and how they are reached.
#[derive(Debug, Args)]
pub struct OnboardArgs {
    /// Addresses of the HATs
    #[arg(required = true, value_name = "HAT")]
    hats: Vec<Id>,
    /// Go to this address for a name (or *.domain), not to the one in DNS
    #[arg(long, value_name = "NAME=ADDRESS:PORT", value_parser = Fixed::parse)]
    resolve: Vec<Fixed>,
    /// Go to private and loopback addresses too (only in closed test networks)
    #[arg(long)]
    private_addresses: bool,
    /// Speak without TLS (only in closed test networks)
    #[arg(long)]
    plain_http: bool,
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when no bridge speaks, or nobody answers.
pub fn run(globals: &Globals, args: OnboardArgs) -> Result<ExitCode, Failure> {
    let party = link::speaker(globals, None, "a bridge")?;
    if party.kind.as_str() != "bridge" {
        return Err(Failure::Usage(format!("{party} is no bridge: say which by --as, like --as bridge:dex.example")));
    }
    link::wait(onboard(globals, party, args))
}

async fn onboard(globals: &Globals, party: Address, args: OnboardArgs) -> Result<ExitCode, Failure> {
    let options = DoorOptions {
        plain: args.plain_http,
        private: args.private_addresses,
        fixed: args.resolve,
        ..DoorOptions::default()
    };
    let door = Door::new(&options).map_err(|error| Failure::Unavailable(format!("no HTTP client: {error}")))?;
    let bridge = link::connect(globals, party).await?;
    let onboarding = Onboarding::new(bridge, door, AT_ONCE);
    let mut results = std::pin::pin!(onboarding.onboard_all(futures_util::stream::iter(args.hats)));
    let mut all = true;
    while let Some((hat, done)) = results.next().await {
        let result = match &done {
            Ok(Onboarded::Registered) => "registered".to_owned(),
            Ok(Onboarded::Known) => "known".to_owned(),
            Err(error) => error.to_string(),
        };
        all &= done.is_ok();
        if globals.json {
            out::json(&json!({ "hat": hat, "onboarded": done.is_ok(), "result": result }))?;
        } else {
            out::line(format_args!("{hat}: {result}"))?;
        }
    }
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
