//! `dex org`: data acquirers.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use crate::domain::{Address, Id, Kind};

use super::act::Act;
use super::args::Globals;
use super::fail::Failure;
use super::link;
use super::member::{self, MemberVerb};

/// What can be done with an org.
#[derive(Debug, Subcommand)]
pub enum OrgVerb {
    /// Register an org, signed with the key that it brings; it waits for approval
    #[command(after_help = "Example:\n  dex org register acme --name 'Acme Research' --key acme.key")]
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
pub fn run(globals: &Globals, verb: OrgVerb) -> Result<ExitCode, Failure> {
    match verb {
        OrgVerb::Register { id, name } => {
            let key = link::signer(globals)?.public();
            let to = Address::new(Kind::Org, id);
            let body = json!({ "key": key, "name": name });
            let usual = Some(to.clone());
            Act { to, action: &["register"], body, usual, who: "the org itself" }.run(globals)
        }
        OrgVerb::Member(verb) => member::run(globals, Kind::Org, verb),
    }
}
