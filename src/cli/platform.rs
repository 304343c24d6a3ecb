//! `dex platform`: certified HAT providers.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::domain::{Address, Id, Kind, Timestamp};

use super::act::Act;
use super::args::Globals;
use super::fail::Failure;
use super::member;
use super::parse::PublicKey;

/// What can be done with a platform.
#[derive(Debug, Subcommand)]
pub enum PlatformVerb {
    /// Certify a HAT provider for a domain (for the operator)
    #[command(
        after_help = "Example:\n  dex platform certify hubat.net hubat.key --name HubAT --as operator:main --key operator.key"
    )]
    Certify {
        /// The domain: it vouches for HATs whose address ends in it
        id: Id,
        /// The platform's public key, or a file with its seed
        public_key: PublicKey,
        /// Its name, for people; the domain when not given
        #[arg(long)]
        name: Option<String>,
    },
    /// Take it out of force for now (for the operator)
    #[command(after_help = "Example:\n  dex platform suspend hubat.net --as operator:main --key operator.key")]
    Suspend {
        /// The domain
        id: Id,
    },
    /// Put it back in force (for the operator)
    #[command(after_help = "Example:\n  dex platform resume hubat.net --as operator:main --key operator.key")]
    Resume {
        /// The domain
        id: Id,
    },
    /// Sign with another key from now on; signed with the one in force
    #[command(after_help = "Example:\n  dex platform rotate-key hubat.net new.key --key hubat.key")]
    RotateKey {
        /// The domain
        id: Id,
        /// The new public key, or a file with its seed
        new: PublicKey,
    },
    /// Declare a key not in force from an instant on
    #[command(after_help = "Example:\n  dex platform revoke-key hubat.net UDX… --key hubat.key")]
    RevokeKey {
        /// The domain
        id: Id,
        /// The public key, or a file with its seed
        public_key: PublicKey,
        /// From then on (RFC 3339 UTC); now when not given
        #[arg(long, value_name = "TIME")]
        since: Option<Timestamp>,
    },
    /// List all platforms, in the order of their ids
    #[command(after_help = "Example:\n  dex platform list --json | jq -r .party")]
    List {
        /// Only ids after this one
        #[arg(long, value_name = "ID")]
        after: Option<Id>,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = u64::MAX, hide_default_value = true)]
        limit: u64,
    },
    /// Show where it stands
    #[command(after_help = "Example:\n  dex platform show hubat.net")]
    Show {
        /// The domain
        id: Id,
    },
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when it cannot be sent or asked, or is refused.
pub fn run(globals: &Globals, verb: PlatformVerb) -> Result<ExitCode, Failure> {
    let of = |id| Address::new(Kind::Platform, id);
    let (to, action, body) = match verb {
        PlatformVerb::Certify { id, public_key, name } => {
            let name = name.unwrap_or_else(|| id.to_string());
            (of(id), "certify", json!({ "key": public_key.0, "name": name }))
        }
        PlatformVerb::Suspend { id } => (of(id), "suspend", Value::Null),
        PlatformVerb::Resume { id } => (of(id), "resume", Value::Null),
        PlatformVerb::RotateKey { id, new } => return member::rotate_key(globals, of(id), new),
        PlatformVerb::RevokeKey { id, public_key, since } => {
            return member::revoke_key(globals, of(id), public_key, since);
        }
        PlatformVerb::List { after, limit } => return member::list(globals, Kind::Platform, after, limit),
        PlatformVerb::Show { id } => return member::show(globals, &of(id)),
    };
    Act { to, action: &[action], body, usual: None, who: "the operator" }.run(globals)
}
