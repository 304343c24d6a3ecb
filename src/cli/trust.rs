//! `dex trust`: is a party approved, with which rules, now or at a past time, with the proof of it checked here; and the
//! signed trust bundle, with which much of it is answered without asking.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::client::ids;
use crate::domain::{Address, Key, Timestamp};
use crate::wire::canonical::canonical;
use crate::wire::trust_bundle::{self, Root, Ruling, TrustBundle};

use super::args::Globals;
use super::fail::Failure;
use super::verify::{self, Roots};
use super::{link, out};

/// What can be asked about trust.
#[derive(Debug, Subcommand)]
pub enum TrustVerb {
    /// Say whether a party is approved, with which keys and rules; exit code 1 when it is not
    #[command(
        after_help = "Examples:\n  dex trust verify plug:facebook\n  dex trust verify hat:bob.hubat.net --at 2026-01-31T12:00:00Z --json\n  dex trust verify org:acme --proof --dex-key UDX…\n\nA past time is answered from the entries of the ledger up to it. With --proof the entries come with their paths to a\nsigned checkpoint, are checked here, and are folded again: the exchange's word counts for nothing but that it left\nnone out. Name its key by --dex-key, from a source that you trust; else it is asked of the exchange itself."
    )]
    Verify {
        /// The party, like plug:facebook
        address: Address,
        /// As of this instant (RFC 3339 UTC); now when not given
        #[arg(long, value_name = "TIME")]
        at: Option<Timestamp>,
        /// Ask for the proof, and check it
        #[arg(long)]
        proof: bool,
        /// The exchange's public key
        #[arg(long, value_name = "KEY", requires = "proof")]
        dex_key: Option<Key>,
    },
    /// Fetch the signed list of who may take part, to be used without asking until it expires
    #[command(
        after_help = "Examples:\n  dex trust bundle --out bundle.json --dex-key UDX…\n  dex trust bundle | jq .bundle.parties\n\nWithout --out it goes to stdout, byte for byte as it was signed. Name the exchange's key by --dex-key, from a source that\nyou trust; else it is asked of the exchange itself. `dex verify` checks a saved one, `dex trust may` asks it."
    )]
    Bundle {
        /// Write it to this file
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// The exchange's public key
        #[arg(long, value_name = "KEY")]
        dex_key: Option<Key>,
    },
    /// Show the parties of a trust bundle: the exchange's current one, or a saved one
    #[command(after_help = "Examples:\n  dex trust show\n  dex trust show --bundle bundle.json --dex-key UDX…")]
    Show {
        /// A saved one: nothing is asked of anybody
        #[arg(long, value_name = "FILE", requires = "dex_key")]
        bundle: Option<PathBuf>,
        /// The exchange's public key
        #[arg(long, value_name = "KEY")]
        dex_key: Option<Key>,
    },
    /// Ask a saved bundle whether a party may write a namespace, or an app has a role, under a key; exit code 1 when not
    #[command(
        after_help = "Examples:\n  dex trust may plug:facebook facebook --with UAB… --bundle bundle.json --dex-key UDX…\n  dex trust may app:notables --role namespaceread --detail rumpel --with UAC… --bundle bundle.json --dex-key UDX…\n\nOf an app its roles are shown, as its published manifest asks for them. Nothing is asked of anybody. Which HATs have connected the party, a bundle does not tell."
    )]
    May {
        /// The plug or app
        address: Address,
        /// The namespace
        #[arg(required_unless_present = "role", conflicts_with = "role")]
        namespace: Option<String>,
        /// A role of an app instead, such as namespaceread
        #[arg(long)]
        role: Option<String>,
        /// Of what the role is; of anything when not given
        #[arg(long, requires = "role", conflicts_with = "namespace")]
        detail: Option<String>,
        /// The public key that it signs with
        #[arg(long, value_name = "KEY")]
        with: Key,
        /// The bundle
        #[arg(long, value_name = "FILE")]
        bundle: PathBuf,
        /// The exchange's public key
        #[arg(long, value_name = "KEY")]
        dex_key: Key,
        /// At this instant, while the bundle is in force; now when not given
        #[arg(long, value_name = "TIME")]
        at: Option<Timestamp>,
    },
}

/// Runs the verb.
///
/// # Errors
/// [`Failure::Finding`] when the party is not approved or may not, or a proof or bundle is wrong, else as the query fails.
pub fn run(globals: &Globals, verb: &TrustVerb) -> Result<ExitCode, Failure> {
    match verb {
        TrustVerb::Verify { address, at, proof, dex_key } => approved(globals, address, *at, *proof, *dex_key),
        TrustVerb::Bundle { out, dex_key } => fetch(globals, out.as_deref(), *dex_key),
        TrustVerb::Show { bundle: Some(file), dex_key } => show(globals, &saved(globals, file, *dex_key)?),
        TrustVerb::Show { bundle: None, dex_key } => show(globals, &asked(globals, *dex_key)?.0),
        TrustVerb::May { address, namespace, role, detail, with, bundle, dex_key, at } => {
            let bundle = saved(globals, bundle, Some(*dex_key))?;
            let at = at.unwrap_or_else(ids::now);
            let ruling = match role {
                Some(role) => bundle.may_act(address, with, role, detail.as_deref(), at),
                None => bundle.may_write(address, with, namespace.as_deref().unwrap_or_default(), at),
            };
            may(globals, &bundle, address, ruling)
        }
    }
}

/// Tells a ruling, and of an app its published version and roles.
fn may(globals: &Globals, bundle: &TrustBundle, party: &Address, ruling: Ruling) -> Result<ExitCode, Failure> {
    let rules = bundle.party(party).map(|party| &party.rules);
    let roles = rules.and_then(|rules| rules.roles.as_ref());
    if globals.json {
        let reason = if let Ruling::MayNot(reason) = ruling { Some(reason) } else { None };
        out::json(&json!({
            "may": ruling == Ruling::May, "reason": reason, "says": ruling.to_string(),
            "version": rules.and_then(|rules| rules.version.as_ref()), "roles": roles,
        }))?;
    } else {
        out::line(ruling)?;
        if let Some(version) = rules.and_then(|rules| rules.version.as_ref()) {
            let told = roles.map(|roles| roles.iter().map(ToString::to_string).collect::<Vec<_>>());
            let told = told.map_or_else(|| "not told".to_owned(), |roles| roles.join(", "));
            out::line(format_args!("version {version}, roles: {told}"))?;
        }
    }
    Ok(if ruling == Ruling::May { ExitCode::SUCCESS } else { ExitCode::from(super::fail::FINDING) })
}

fn approved(
    globals: &Globals,
    party: &Address,
    at: Option<Timestamp>,
    proof: bool,
    dex_key: Option<Key>,
) -> Result<ExitCode, Failure> {
    let mut question = json!({ "party": party });
    if let Some(at) = at {
        question["at"] = json!(at);
    }
    if proof {
        question["proof"] = json!(true);
    }
    let mut answer = link::wait(link::ask(globals, "trust.verify", &question))?;
    if proof {
        let checked = verify::check_standing(&answer, &roots(globals, dex_key)?)
            .map_err(|what| Failure::Finding(format!("the proof is wrong: {what}")))?;
        if checked.party != *party || at.is_some_and(|at| answer["at"] != json!(at)) {
            return Err(Failure::Finding("the proof is wrong: it answers another question".into()));
        }
        answer["checked"] = json!({
            "entries": checked.entries,
            "treeSize": checked.tree.size,
            "origin": checked.tree.origin,
            "notChecked": "that no entry of the party was left out, which a tree cannot show",
        });
    }
    if globals.json {
        out::json(&answer)?;
    } else {
        // The proof's bytes say nothing to people.
        let mut shown = answer.clone();
        for name in ["statements", "checkpoint"] {
            shown.as_object_mut().and_then(|shown| shown.remove(name));
        }
        out::tree(&shown)?;
    }
    if answer["approved"] == true {
        return Ok(ExitCode::SUCCESS);
    }
    Err(Failure::Finding(format!("{party} is not approved: {}", out::plain(&answer["standing"]))))
}

/// The exchange's key as it is named, else as the exchange says it.
fn roots(globals: &Globals, key: Option<Key>) -> Result<Roots, Failure> {
    let health = |name: &str| -> Result<Value, Failure> {
        Ok(link::wait(link::ask(globals, "health", &json!({})))?[name].take())
    };
    let key = match key {
        Some(key) => key,
        None => {
            out::note("the exchange was asked for its own key: name it by --dex-key to need nobody's word");
            let named = health("key")?;
            let key = named.as_str().and_then(|text| text.parse().ok());
            key.ok_or_else(|| Failure::Finding("health names no key of the exchange".into()))?
        }
    };
    Roots::new(globals.origin.clone(), Some(key), None, ids::now()).map_err(|error| Failure::Finding(error.to_string()))
}

fn open(globals: &Globals, bytes: &[u8], keys: &[Key]) -> Result<TrustBundle, Failure> {
    let wrong = |error: trust_bundle::BundleError| Failure::Finding(format!("the trust bundle: {error}"));
    let (named, _) = trust_bundle::named(bytes).map_err(wrong)?;
    let origin = globals.origin.as_deref().unwrap_or(&named);
    trust_bundle::check(bytes, Root { origin, keys }, ids::now()).map_err(wrong)
}

fn saved(globals: &Globals, file: &Path, key: Option<Key>) -> Result<TrustBundle, Failure> {
    let bytes = verify::read(file)?;
    open(globals, &bytes, &key.into_iter().collect::<Vec<_>>())
}

fn asked(globals: &Globals, key: Option<Key>) -> Result<(TrustBundle, Vec<u8>), Failure> {
    let roots = roots(globals, key)?;
    let answer = link::wait(link::ask(globals, "trust.bundle", &json!({})))?;
    let bytes =
        canonical(&answer).map_err(|error| Failure::Finding(format!("the trust bundle is damaged: {error}")))?;
    Ok((open(globals, &bytes, &roots.keys)?, bytes))
}

fn fetch(globals: &Globals, file: Option<&Path>, key: Option<Key>) -> Result<ExitCode, Failure> {
    let (bundle, bytes) = asked(globals, key)?;
    let Some(file) = file else {
        use std::io::Write;
        let mut out = std::io::stdout().lock();
        out.write_all(&bytes)?;
        out.flush()?;
        return Ok(ExitCode::SUCCESS);
    };
    std::fs::write(file, &bytes)
        .map_err(|error| Failure::Usage(format!("{} cannot be written: {error}", file.display())))?;
    let (parties, expires) = (bundle.parties.len(), bundle.expires);
    if globals.json {
        out::json(&json!({ "file": file, "generation": bundle.generation, "parties": parties, "expires": expires }))?;
    } else {
        out::line(format_args!("{}: {parties} parties, in force until {expires}", file.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn show(globals: &Globals, bundle: &TrustBundle) -> Result<ExitCode, Failure> {
    if globals.json {
        out::json(bundle)?;
        return Ok(ExitCode::SUCCESS);
    }
    out::line(format_args!(
        "{}  generation {}  issued {}  in force until {}",
        bundle.origin, bundle.generation, bundle.issued, bundle.expires
    ))?;
    for party in &bundle.parties {
        let standing = serde_json::to_value(party.standing).unwrap_or_default();
        let rules = party.rules.namespaces.iter().chain(&party.rules.domain).map(|it| it.as_str());
        let rules: Vec<&str> = rules.collect();
        let keys: Vec<&str> =
            party.keys.iter().filter(|held| held.until.is_none()).map(|held| held.fingerprint.as_str()).collect();
        out::line(format_args!("{}  {}  {}  {}", party.party, out::plain(&standing), rules.join(","), keys.join(",")))?;
    }
    if !bundle.complete {
        out::note(format_args!("{} parties had no room in it", bundle.omitted));
    }
    Ok(ExitCode::SUCCESS)
}
