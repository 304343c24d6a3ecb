//! `dex hat`: persons' data accounts.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::domain::job::JobWord;
use crate::domain::{Address, Id, Kind, Timestamp, Transport};

use super::act::Act;
use super::args::Globals;
use super::fail::Failure;
use super::parse::{PinFile, PublicKey};
use super::{link, member, out, parse};

/// What can be done with a HAT.
#[derive(Debug, Subcommand)]
pub enum HatVerb {
    /// Register a HAT of a platform's domain (for the platform)
    #[command(
        after_help = "Example:\n  dex hat register bob.hubat.net bob.key --key hubat.key\n  dex hat register ann.hubat.net --public-key ann.pem --transport http --bridge dex.example --key hubat.key\n\nWho speaks is the platform of the HAT's domain, here platform:hubat.net, unless --as says otherwise."
    )]
    Register {
        /// The HAT's address
        hat: Id,
        /// The public key that it signs with, or a file with its seed; none for a HAT that its bridge speaks for
        #[arg(required_unless_present = "public_key")]
        signs_with: Option<PublicKey>,
        /// A file with the RSA key (PEM) that its tokens over HTTP are checked by
        #[arg(long, value_name = "FILE")]
        public_key: Option<PinFile>,
        /// How it is spoken to: nats or http
        #[arg(long, value_name = "HOW", value_parser = parse::transport, default_value = "nats")]
        transport: Transport,
        /// The bridge that may speak for it
        #[arg(long, value_name = "ID")]
        bridge: Option<Id>,
    },
    /// Check its tokens over HTTP by another RSA key from now on (for the HAT, its platform or the operator)
    #[command(after_help = "Example:\n  dex hat pin-key ann.hubat.net ann-new.pem --key hubat.key")]
    PinKey {
        /// The HAT's address
        hat: Id,
        /// A file with the RSA key (PEM)
        public_key: PinFile,
    },
    /// Say how it is spoken to, and which bridge may speak for it (for the HAT, its platform or the operator)
    #[command(
        after_help = "Example:\n  dex hat entrust ann.hubat.net --transport http --bridge dex.example --key hubat.key"
    )]
    Entrust {
        /// The HAT's address
        hat: Id,
        /// How it is spoken to: nats or http
        #[arg(long, value_name = "HOW", value_parser = parse::transport)]
        transport: Transport,
        /// The bridge that may speak for it; nobody when not given
        #[arg(long, value_name = "ID")]
        bridge: Option<Id>,
    },
    /// Register a HAT that speaks only HTTP by its address: fetches and pins its key (for a bridge)
    #[command(after_help = super::onboard::EXAMPLES)]
    Onboard(super::onboard::OnboardArgs),
    /// Take it out of force for now (for its platform or the operator)
    #[command(after_help = "Example:\n  dex hat suspend bob.hubat.net --key hubat.key")]
    Suspend {
        /// The HAT's address
        hat: Id,
    },
    /// Put it back in force (for its platform or the operator)
    #[command(after_help = "Example:\n  dex hat resume bob.hubat.net --key hubat.key")]
    Resume {
        /// The HAT's address
        hat: Id,
    },
    /// Close the account for ever; the address is never given out again
    #[command(after_help = "Example:\n  dex hat retire bob.hubat.net --key bob.key")]
    Retire {
        /// The HAT's address
        hat: Id,
    },
    /// List all HATs, in the order of their ids
    #[command(after_help = "Example:\n  dex hat list --json | jq -r .party")]
    List {
        /// Only ids after this one
        #[arg(long, value_name = "ID")]
        after: Option<Id>,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = u64::MAX, hide_default_value = true)]
        limit: u64,
    },
    /// Show standing, plugs, apps and debits
    #[command(after_help = "Example:\n  dex hat show bob.hubat.net --json")]
    Show {
        /// The HAT's address
        hat: Id,
    },
    /// Sign with another key from now on; signed with the one in force
    #[command(after_help = "Example:\n  dex hat rotate-key bob.hubat.net new.key --key bob.key")]
    RotateKey {
        /// The HAT's address
        hat: Id,
        /// The new public key, or a file with its seed
        new: PublicKey,
    },
    /// Declare a key not in force from an instant on
    #[command(after_help = "Example:\n  dex hat revoke-key bob.hubat.net UDX… --key bob.key")]
    RevokeKey {
        /// The HAT's address
        hat: Id,
        /// The public key, or a file with its seed
        public_key: PublicKey,
        /// From then on (RFC 3339 UTC); now when not given
        #[arg(long, value_name = "TIME")]
        since: Option<Timestamp>,
    },
    /// Let a plug write into the HAT
    #[command(after_help = "Example:\n  dex hat connect bob.hubat.net facebook --key bob.key")]
    Connect {
        /// The HAT's address
        hat: Id,
        /// The plug's id
        plug: Id,
    },
    /// Let it write no more
    #[command(after_help = "Example:\n  dex hat disconnect bob.hubat.net facebook --key bob.key")]
    Disconnect {
        /// The HAT's address
        hat: Id,
        /// The plug's id
        plug: Id,
    },
    /// Have a plug fetch now, not when it is due; at most once a minute (for the HAT or the plug)
    #[command(
        after_help = "Examples:\n  dex hat refresh bob.hubat.net facebook --key bob.key\n  dex hat refresh bob.hubat.net facebook feed/posts --as plug:facebook --key facebook.key"
    )]
    Refresh {
        /// The HAT's address
        hat: Id,
        /// The plug's id
        plug: Id,
        /// Endpoint by its name below the plug's namespace; all that are read at intervals when not given
        endpoint: Option<String>,
    },
    /// Take up an offer
    #[command(
        after_help = "Example:\n  dex hat claim bob.hubat.net steps-2026 --key bob.key\n\nThe offer answers by proposing its debit: `dex debit list` shows it, `dex debit enable` confirms the claim."
    )]
    Claim {
        /// The HAT's address
        hat: Id,
        /// The offer's id
        offer: Id,
    },
    /// Give the place in an offer back; its debit is over
    #[command(after_help = "Example:\n  dex hat withdraw bob.hubat.net steps-2026 --key bob.key")]
    Withdraw {
        /// The HAT's address
        hat: Id,
        /// The offer's id
        offer: Id,
    },
    /// Set an app up on the HAT, or accept its published version anew
    #[command(after_help = "Example:\n  dex hat app-setup bob.hubat.net notables --version-named 1.1.4 --key bob.key")]
    AppSetup {
        /// The HAT's address
        hat: Id,
        /// The app's id
        app: Id,
        /// The version that was looked at; refused when another is published by now
        #[arg(long, value_name = "VERSION")]
        version_named: Option<String>,
    },
    /// Disable it
    #[command(after_help = "Example:\n  dex hat app-disable bob.hubat.net notables --key bob.key")]
    AppDisable {
        /// The HAT's address
        hat: Id,
        /// The app's id
        app: Id,
    },
}

/// The platform that vouches for a HAT: the address without its first label.
fn platform_of(hat: &Id) -> Option<Address> {
    let (_, domain) = hat.as_str().split_once('.')?;
    Some(Address::new(Kind::Platform, Id::new(domain).ok()?))
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when it cannot be sent or asked, or is refused.
pub fn run(globals: &Globals, verb: HatVerb) -> Result<ExitCode, Failure> {
    let of = |hat| Address::new(Kind::Hat, hat);
    let (hat, action, object, body) = match verb {
        HatVerb::Register { hat, signs_with, public_key, transport, bridge } => {
            let mut body = entrusted(transport, bridge.as_ref());
            if let Some(key) = signs_with {
                body["key"] = json!(key.0);
            }
            if let Some(pin) = public_key {
                body["publicKey"] = json!(pin.0);
            }
            return by_platform(globals, hat, "register", body);
        }
        HatVerb::PinKey { hat, public_key } => {
            return by_platform(globals, hat, "pin-key", json!({ "publicKey": public_key.0 }));
        }
        HatVerb::Entrust { hat, transport, bridge } => {
            return by_platform(globals, hat, "entrust", entrusted(transport, bridge.as_ref()));
        }
        HatVerb::Onboard(args) => return super::onboard::run(globals, args),
        HatVerb::Suspend { hat } => return by_platform(globals, hat, "suspend", Value::Null),
        HatVerb::Resume { hat } => return by_platform(globals, hat, "resume", Value::Null),
        HatVerb::RotateKey { hat, new } => return member::rotate_key(globals, of(hat), new),
        HatVerb::RevokeKey { hat, public_key, since } => {
            return member::revoke_key(globals, of(hat), public_key, since);
        }
        HatVerb::List { after, limit } => return member::list(globals, Kind::Hat, after, limit),
        HatVerb::Show { hat } => return show(globals, &hat),
        HatVerb::Retire { hat } => (hat, "retire", None, Value::Null),
        HatVerb::Connect { hat, plug } => (hat, "plug-connect", Some(plug), Value::Null),
        HatVerb::Disconnect { hat, plug } => (hat, "plug-disconnect", Some(plug), Value::Null),
        HatVerb::Refresh { hat, plug, endpoint } => {
            let word = JobWord::wanted(endpoint.map(Into::into));
            (hat, "job", Some(plug), serde_json::to_value(word).unwrap_or_default())
        }
        HatVerb::Claim { hat, offer } => (hat, "claim", Some(offer), Value::Null),
        HatVerb::Withdraw { hat, offer } => (hat, "withdraw", Some(offer), Value::Null),
        HatVerb::AppSetup { hat, app, version_named } => {
            let body = version_named.map_or(Value::Null, |version| json!({ "version": version }));
            (hat, "app-setup", Some(app), body)
        }
        HatVerb::AppDisable { hat, app } => (hat, "app-disable", Some(app), Value::Null),
    };
    let to = of(hat);
    let action: Vec<&str> = std::iter::once(action).chain(object.as_ref().map(Id::as_str)).collect();
    let usual = Some(to.clone());
    Act { to, action: &action, body, usual, who: "the HAT itself" }.run(globals)
}

/// How a HAT is spoken to, and who may speak for it.
fn entrusted(transport: Transport, bridge: Option<&Id>) -> Value {
    let mut body = json!({ "transport": transport });
    if let Some(bridge) = bridge {
        body["bridge"] = json!(bridge);
    }
    body
}

fn by_platform(globals: &Globals, hat: Id, action: &str, body: Value) -> Result<ExitCode, Failure> {
    let usual = platform_of(&hat);
    let to = Address::new(Kind::Hat, hat);
    Act { to, action: &[action], body, usual, who: "the HAT's platform" }.run(globals)
}

fn show(globals: &Globals, hat: &Id) -> Result<ExitCode, Failure> {
    let answer = link::wait(link::ask(globals, "hat.show", &json!({ "hat": hat })))?;
    if globals.json {
        out::json(&answer)?;
    } else {
        out::tree(&answer)?;
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_platform_of_a_hat_is_its_domain() {
        let hat = Id::new("bob.hubat.net").expect("id");
        assert_eq!(platform_of(&hat), "platform:hubat.net".parse().ok());
        assert_eq!(platform_of(&Id::new("bob").expect("id")), None);
    }
}
