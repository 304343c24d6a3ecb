//! `dex plug`: acquisition services that write into HATs.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::domain::plug::Manifest;
use crate::domain::{Address, Id, Kind};

use super::act::Act;
use super::args::Globals;
use super::fail::Failure;
use super::member::{self, MemberVerb};
use super::{link, parse};

/// What can be done with a plug.
#[derive(Debug, Subcommand)]
pub enum PlugVerb {
    /// Register a plug, signed with the key that it brings; it waits for approval
    #[command(
        after_help = "Examples:\n  dex plug register facebook --name 'Facebook plug' --namespace facebook --key facebook.key\n  dex plug register facebook --name 'Facebook plug' --manifest @facebook.json --key facebook.key\n\nThe manifest says what the plug acquires and how personal each field is: `dex schema plug.register` shows one."
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
        /// Its manifest as JSON: @FILE, - for stdin, or the text itself
        #[arg(long, value_name = "BODY")]
        manifest: Option<String>,
    },
    /// Ask a HAT's owner to connect the plug; the wish lapses after 7 days (for the plug)
    #[command(
        after_help = "Example:\n  dex plug ask facebook bob.hubat.net --key facebook.key\n\nThe owner answers with `dex hat connect` or `dex hat disconnect`; the answer is an outcome of this message."
    )]
    Ask {
        /// Its id
        id: Id,
        /// The HAT's address
        hat: Id,
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
        PlugVerb::Register { id, name, namespace, manifest } => {
            let key = link::signer(globals)?.public();
            let namespace = namespace.unwrap_or_else(|| id.to_string());
            let to = Address::new(Kind::Plug, id);
            let mut body = json!({ "key": key, "name": name, "namespace": namespace });
            if let Some(manifest) = manifest {
                body["manifest"] = read(&manifest)?;
            }
            let usual = Some(to.clone());
            Act { to, action: &["register"], body, usual, who: "the plug itself" }.run(globals)
        }
        PlugVerb::Ask { id, hat } => {
            let usual = Some(Address::new(Kind::Plug, id.clone()));
            let (to, action) = (Address::new(Kind::Hat, hat), ["plug-connect", id.as_str()]);
            Act { to, action: &action, body: Value::Null, usual, who: "the plug itself" }.run(globals)
        }
        PlugVerb::Member(verb) => member::run(globals, Kind::Plug, verb),
    }
}

/// Reads and checks a manifest before anything is sent.
fn read(manifest: &str) -> Result<Value, Failure> {
    let manifest: Value = serde_json::from_slice(&parse::body(manifest)?)
        .map_err(|error| Failure::Usage(format!("the manifest is no JSON: {error}")))?;
    Manifest::read(&manifest).map_err(|fault| Failure::Finding(format!("refused at {fault}")))?;
    Ok(manifest)
}
