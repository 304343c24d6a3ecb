//! `dex app`: applications with a manifest.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::domain::app::Manifest;
use crate::domain::{Address, Id, Kind};

use super::act::Act;
use super::args::Globals;
use super::fail::Failure;
use super::member::{self, MemberVerb, allow};
use super::parse::PublicKey;
use super::{link, out, parse};

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
        /// Its whole manifest as JSON: @FILE, - for stdin, or the text itself
        #[arg(long, value_name = "BODY", conflicts_with_all = ["name", "app_version", "namespaces"])]
        manifest: Option<String>,
        /// Its name, for people
        #[arg(long, required_unless_present = "manifest")]
        name: Option<String>,
        /// Its version
        #[arg(long, value_name = "VERSION", required_unless_present = "manifest")]
        app_version: Option<String>,
        /// A namespace that it may write; may be given several times
        #[arg(long = "namespace", value_name = "NAMESPACE")]
        namespaces: Vec<String>,
    },
    /// Bring a further version, which waits while the published one stays in force; bring a higher one to change what it may do
    #[command(after_help = "Example:\n  dex app version notables @manifest.json --key notables.key")]
    Version {
        /// Its id
        id: Id,
        /// The manifest as JSON: @FILE, - for stdin, or the text itself
        manifest: String,
    },
    /// Say which classes of personal data it may ever be given (for the operator)
    #[command(
        after_help = "Example:\n  dex app allow notables none,quasi --as operator:main --key operator.key\n\n`any` takes the bound away."
    )]
    Allow {
        /// Its id
        id: Id,
        /// quasi, direct, special, or none alone; any: no bound
        #[arg(value_name = "CLASS,…")]
        classes: String,
    },
    /// Publish the version that was looked at (for the operator)
    #[command(
        after_help = "Example:\n  dex app publish notables UDX… --version-named 1.1.4 --as operator:main --key operator.key"
    )]
    Publish {
        /// Its id
        id: Id,
        /// Public key of the registration to publish, or a file with its seed
        public_key: PublicKey,
        /// Refused when what waits is another version by now
        #[arg(long, value_name = "VERSION")]
        version_named: Option<String>,
    },
    /// List the published versions, oldest first
    #[command(after_help = "Example:\n  dex app history notables --json")]
    History {
        /// Its id
        id: Id,
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
        AppVerb::Register { id, manifest: Some(manifest), .. } => bring(globals, id, "register", &manifest),
        AppVerb::Register { id, manifest: None, name, app_version, namespaces } => {
            let key = link::signer(globals)?.public();
            let to = Address::new(Kind::App, id);
            let body = json!({ "key": key, "name": name, "version": app_version, "namespaces": namespaces });
            let usual = Some(to.clone());
            Act { to, action: &["register"], body, usual, who: "the app itself" }.run(globals)
        }
        AppVerb::Version { id, manifest } => bring(globals, id, "version", &manifest),
        AppVerb::Allow { id, classes } => allow(globals, Address::new(Kind::App, id), &classes),
        AppVerb::Publish { id, public_key, version_named } => {
            let mut body = json!({ "key": public_key.0 });
            if let Some(version) = version_named {
                body["version"] = json!(version);
            }
            let to = Address::new(Kind::App, id);
            Act { to, action: &["publish"], body, usual: None, who: "the operator" }.run(globals)
        }
        AppVerb::History { id } => history(globals, &Address::new(Kind::App, id)),
        AppVerb::Member(verb) => member::run(globals, Kind::App, verb),
    }
}

/// Registers a manifest, signed with the key that it brings.
fn bring(globals: &Globals, id: Id, verb: &str, manifest: &str) -> Result<ExitCode, Failure> {
    let manifest: Value = serde_json::from_slice(&parse::body(manifest)?)
        .map_err(|error| Failure::Usage(format!("the manifest is no JSON: {error}")))?;
    Manifest::read(&id, &manifest).map_err(|fault| Failure::Finding(format!("refused at {fault}")))?;
    let key = link::signer(globals)?.public();
    let to = Address::new(Kind::App, id);
    let (usual, body) = (Some(to.clone()), json!({ "key": key, "manifest": manifest }));
    Act { to, action: &[verb], body, usual, who: "the app itself" }.run(globals)
}

fn history(globals: &Globals, app: &Address) -> Result<ExitCode, Failure> {
    let answer = link::wait(link::ask(globals, "trust.verify", &json!({ "party": app })))?;
    let versions = answer["versions"].as_array().cloned().unwrap_or_default();
    if globals.json {
        out::json(&versions)?;
    } else {
        for version in &versions {
            let of = |name: &str| out::plain(&version[name]);
            out::line(format_args!("{}  published {}  entry {}  {}", of("version"), of("at"), of("n"), of("digest")))?;
        }
    }
    if versions.is_empty() {
        return Err(Failure::Finding(format!("no version of {app} was ever published here")));
    }
    Ok(ExitCode::SUCCESS)
}
