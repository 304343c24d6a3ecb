//! `dex app`: applications with a manifest.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use crate::domain::{Address, Id, Kind};

use super::act::Act;
use super::args::Globals;
use super::fail::Failure;
use super::link;
use super::member::{self, MemberVerb};

/// What can be done with an app.
#[derive(Debug, Subcommand)]
pub enum AppVerb {
    /// Register an app, signed with the key that it brings; it waits for approval
    #[command(
        after_help = "Example:\n  dex app register notables --name Notables --app-version 1.0.0 --namespace rumpel --key notables.key"
    )]
    Register {
        /// Its id
        id: Id,
        /// Its name, for people
        #[arg(long)]
        name: String,
        /// Its version
        #[arg(long, value_name = "VERSION")]
        app_version: String,
        /// A namespace that it may write; may be given several times
        #[arg(long = "namespace", value_name = "NAMESPACE")]
        namespaces: Vec<String>,
    },
    #[command(flatten)]
    Member(MemberVerb),
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when it cannot be sent or asked, or is refused.
pub fn run(globals: &Globals, verb: AppVerb) -> Result<ExitCode, Failure> {
    match verb {
        AppVerb::Register { id, name, app_version, namespaces } => {
            let key = link::signer(globals)?.public();
            let to = Address::new(Kind::App, id);
            let body = json!({ "key": key, "name": name, "version": app_version, "namespaces": namespaces });
            let usual = Some(to.clone());
            Act { to, action: &["register"], body, usual, who: "the app itself" }.run(globals)
        }
        AppVerb::Member(verb) => member::run(globals, Kind::App, verb),
    }
}
