//! `dex plug`: acquisition services that write into HATs.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use crate::domain::{Address, Id, Kind};

use super::act::Act;
use super::args::Globals;
use super::fail::Failure;
use super::link;
use super::member::{self, MemberVerb};

/// What can be done with a plug.
#[derive(Debug, Subcommand)]
pub enum PlugVerb {
    /// Register a plug, signed with the key that it brings; it waits for approval
    #[command(
        after_help = "Example:\n  dex plug register facebook --name 'Facebook plug' --namespace facebook --key facebook.key"
    )]
    Register {
        /// Its id
        id: Id,
        /// Its name, for people
        #[arg(long)]
        name: String,
        /// The namespace that it writes; its id when not given
        #[arg(long)]
        namespace: Option<String>,
    },
    #[command(flatten)]
    Member(MemberVerb),
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when it cannot be sent or asked, or is refused.
pub fn run(globals: &Globals, verb: PlugVerb) -> Result<ExitCode, Failure> {
    match verb {
        PlugVerb::Register { id, name, namespace } => {
            let key = link::signer(globals)?.public();
            let namespace = namespace.unwrap_or_else(|| id.to_string());
            let to = Address::new(Kind::Plug, id);
            let body = json!({ "key": key, "name": name, "namespace": namespace });
            let usual = Some(to.clone());
            Act { to, action: &["register"], body, usual, who: "the plug itself" }.run(globals)
        }
        PlugVerb::Member(verb) => member::run(globals, Kind::Plug, verb),
    }
}
