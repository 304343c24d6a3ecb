//! `dex bridge`: who speaks for HATs that speak only HTTP.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use crate::domain::{Address, Id, Kind};

use super::act::Act;
use super::args::Globals;
use super::fail::Failure;
use super::link;
use super::member::{self, MemberVerb};

/// What can be done with a bridge.
#[derive(Debug, Subcommand)]
pub enum BridgeVerb {
    /// Register a bridge, signed with the key that it brings; it waits for approval
    #[command(after_help = "Example:\n  dex bridge register hubat.net --name 'HubAT bridge' --key bridge.key")]
    Register {
        /// Its id
        id: Id,
        /// Its name, for people
        #[arg(long)]
        name: String,
    },
    #[command(flatten)]
    Member(MemberVerb),
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when it cannot be sent or asked, or is refused.
pub fn run(globals: &Globals, verb: BridgeVerb) -> Result<ExitCode, Failure> {
    match verb {
        BridgeVerb::Register { id, name } => {
            let key = link::signer(globals)?.public();
            let to = Address::new(Kind::Bridge, id);
            let body = json!({ "key": key, "name": name });
            let usual = Some(to.clone());
            Act { to, action: &["register"], body, usual, who: "the bridge itself" }.run(globals)
        }
        BridgeVerb::Member(verb) => member::run(globals, Kind::Bridge, verb),
    }
}
