//! What `dex plug`, `dex app`, `dex org` and `dex bridge` have in common: approval, standing, keys, and looking.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::domain::{Address, Id, Kind, Timestamp};

use super::act::Act;
use super::args::Globals;
use super::fail::Failure;
use super::parse::PublicKey;
use super::{link, out, parse};

/// What can be done with a plug, an app, an org or a bridge.
#[derive(Debug, Subcommand)]
pub enum MemberVerb {
    /// Approve a registration that waits (for the operator)
    #[command(
        after_help = "Example (`plug`, `app`, `org` or `bridge` alike):\n  dex plug approve facebook UDX… --as operator:main --key operator.key\n\nThe key is named so that nobody can squat on an id: `show` lists what waits."
    )]
    Approve {
        /// Its id
        id: Id,
        /// Public key of the registration to approve, or a file with its seed
        public_key: PublicKey,
    },
    /// Refuse a registration that waits, and say why (for the operator)
    #[command(
        after_help = "Example (`plug`, `app`, `org` or `bridge` alike):\n  dex plug decline facebook UDX… 'no privacy policy' --as operator:main --key operator.key"
    )]
    Decline {
        /// Its id
        id: Id,
        /// Public key of the registration to refuse, or a file with its seed
        public_key: PublicKey,
        /// Why, for the party to read; at most 256 bytes, kept in the ledger
        why: String,
    },
    /// Take it out of force for now (for the operator; an app also for itself)
    #[command(
        after_help = "Example (`plug`, `app`, `org` or `bridge` alike):\n  dex plug suspend facebook --as operator:main --key operator.key"
    )]
    Suspend {
        /// Its id
        id: Id,
    },
    /// Put it back in force (for the operator)
    #[command(
        after_help = "Example (`plug`, `app`, `org` or `bridge` alike):\n  dex plug resume facebook --as operator:main --key operator.key"
    )]
    Resume {
        /// Its id
        id: Id,
    },
    /// Sign with another key from now on; signed with the one in force
    #[command(
        after_help = "Example (`plug`, `app`, `org` or `bridge` alike):\n  dex plug rotate-key facebook new.key --key facebook.key"
    )]
    RotateKey {
        /// Its id
        id: Id,
        /// The new public key, or a file with its seed
        new: PublicKey,
    },
    /// Declare a key not in force from an instant on
    #[command(
        after_help = "Example (`plug`, `app`, `org` or `bridge` alike):\n  dex plug revoke-key facebook UDX… --since 2026-01-31T12:00:00Z --key facebook.key"
    )]
    RevokeKey {
        /// Its id
        id: Id,
        /// The public key, or a file with its seed
        public_key: PublicKey,
        /// From then on (RFC 3339 UTC); now when not given
        #[arg(long, value_name = "TIME")]
        since: Option<Timestamp>,
    },
    /// Show where it stands: standing, keys, profile, what waits for approval
    #[command(after_help = "Example (`plug`, `app`, `org` or `bridge` alike):\n  dex plug show facebook --json")]
    Show {
        /// Its id
        id: Id,
    },
    /// List all of them, in the order of their ids
    #[command(after_help = "Example (`plug`, `app`, `org` or `bridge` alike):\n  dex plug list --json | jq .party")]
    List {
        /// Only ids after this one
        #[arg(long, value_name = "ID")]
        after: Option<Id>,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = u64::MAX, hide_default_value = true)]
        limit: u64,
    },
}

/// Runs the verb on a party of this kind.
///
/// # Errors
/// [`Failure`] when it cannot be sent or asked, or is refused.
pub fn run(globals: &Globals, kind: Kind, verb: MemberVerb) -> Result<ExitCode, Failure> {
    let operator = "the operator";
    let (id, action, body, usual, who) = match verb {
        MemberVerb::Approve { id, public_key } => {
            let action = if kind == Kind::App { "publish" } else { "approve" };
            (id, action, json!({ "key": public_key.0 }), None, operator)
        }
        MemberVerb::Decline { id, public_key, why } => {
            (id, "decline", json!({ "key": public_key.0, "why": why }), None, operator)
        }
        MemberVerb::Suspend { id } => (id, "suspend", Value::Null, None, operator),
        MemberVerb::Resume { id } => (id, "resume", Value::Null, None, operator),
        MemberVerb::RotateKey { id, new } => {
            return rotate_key(globals, Address::new(kind, id), new);
        }
        MemberVerb::RevokeKey { id, public_key, since } => {
            return revoke_key(globals, Address::new(kind, id), public_key, since);
        }
        MemberVerb::Show { id } => return show(globals, &Address::new(kind, id)),
        MemberVerb::List { after, limit } => return list(globals, kind, after, limit),
    };
    let to = Address::new(kind, id);
    Act { to, action: &[action], body, usual, who }.run(globals)
}

/// `rotate-key` of any party.
///
/// # Errors
/// [`Failure`] when it cannot be sent or is refused.
pub fn rotate_key(globals: &Globals, party: Address, new: PublicKey) -> Result<ExitCode, Failure> {
    let usual = Some(party.clone());
    let body = json!({ "key": new.0 });
    Act { to: party, action: &["rotate-key"], body, usual, who: "the party itself" }.run(globals)
}

/// `revoke-key` of any party.
///
/// # Errors
/// [`Failure`] when it cannot be sent or is refused.
pub fn revoke_key(
    globals: &Globals,
    party: Address,
    key: PublicKey,
    since: Option<Timestamp>,
) -> Result<ExitCode, Failure> {
    let usual = Some(party.clone());
    let since = since.unwrap_or_else(crate::client::ids::now);
    let body = json!({ "key": key.0, "since": since });
    Act { to: party, action: &["revoke-key"], body, usual, who: "the party itself" }.run(globals)
}

/// `allow` of an org or app: which classes of personal data it may ever be given; `any`: no bound.
///
/// # Errors
/// [`Failure`] when there is no such class, or it cannot be sent or is refused.
pub fn allow(globals: &Globals, party: Address, classes: &str) -> Result<ExitCode, Failure> {
    let body = match classes {
        "any" => json!({}),
        classes => json!({ "classes": parse::classes(classes).map_err(Failure::Usage)? }),
    };
    Act { to: party, action: &["allow"], body, usual: None, who: "the operator" }.run(globals)
}

/// Shows what the exchange knows of a party.
///
/// # Errors
/// [`Failure::Finding`] when it was never registered, else as the query fails.
pub fn show(globals: &Globals, party: &Address) -> Result<ExitCode, Failure> {
    let answer = link::wait(link::ask(globals, "trust.verify", &json!({ "party": party })))?;
    if globals.json {
        out::json(&answer)?;
    } else {
        out::tree(&answer)?;
    }
    if answer["standing"] == "unknown" && answer["pending"].as_array().is_none_or(Vec::is_empty) {
        return Err(Failure::Finding(format!("{party} was never registered here")));
    }
    Ok(ExitCode::SUCCESS)
}

/// Lists the parties of a kind.
///
/// # Errors
/// As the query fails.
pub fn list(globals: &Globals, kind: Kind, after: Option<Id>, limit: u64) -> Result<ExitCode, Failure> {
    let mut question = json!({});
    if let Some(after) = after {
        question["after"] = json!(after);
    }
    link::wait(link::pages(globals, &format!("{kind}.list"), question, limit, |item| {
        if globals.json {
            return out::json(item);
        }
        let name = out::plain(&item["profile"]["name"]);
        let (party, standing) = (out::plain(&item["party"]), out::plain(&item["standing"]));
        out::line(format_args!("{party}  {standing}  {name}"))
    }))
}
