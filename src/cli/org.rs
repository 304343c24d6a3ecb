//! `dex org`: data acquirers.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use crate::domain::{Address, Id, Kind};

use super::act::Act;
use super::args::Globals;
use super::fail::Failure;
use super::link;
use super::member::{self, MemberVerb, allow};

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
    /// Say which classes of personal data it may ever be given (for the operator)
    #[command(
        after_help = "Examples:\n  dex org allow acme none,quasi --as operator:main --key operator.key\n  dex org allow acme any --as operator:main --key operator.key\n\nBefore the org is approved too, so that it is never without bound."
    )]
    Allow {
        /// Its id
        id: Id,
        /// quasi, direct, special, or none alone; any: no bound
        #[arg(value_name = "CLASS,…")]
        classes: String,
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
        OrgVerb::Allow { id, classes } => allow(globals, Address::new(Kind::Org, id), &classes),
        OrgVerb::Member(verb) => member::run(globals, Kind::Org, verb),
    }
}
