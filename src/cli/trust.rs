//! `dex trust`: is a party approved, with which rules, now or at a past time; and the proof of it, checked here.

use std::process::ExitCode;

use clap::Subcommand;
use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::domain::fact::AsOf;
use crate::domain::{Address, Digest, Entry, Key, Timestamp};
use crate::ledger::CheckpointVerifier;
use crate::ledger::merkle::{commitment, leaf_hash};
use crate::ledger::proof::verify_inclusion;

use super::args::Globals;
use super::fail::Failure;
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
}

/// Runs the verb.
///
/// # Errors
/// [`Failure::Finding`] when the party is not approved or a proof is wrong, else as the query fails.
pub fn run(globals: &Globals, verb: &TrustVerb) -> Result<ExitCode, Failure> {
    let TrustVerb::Verify { address: party, at, proof, dex_key } = verb;
    let mut question = json!({ "party": party });
    if let Some(at) = at {
        question["at"] = json!(at);
    }
    if *proof {
        question["proof"] = json!(true);
    }
    let mut answer = link::wait(link::ask(globals, "trust.verify", &question))?;
    if *proof {
        let verifier = verifier(globals, *dex_key)?;
        answer["checked"] = check(&answer, party, at.unwrap_or(Timestamp(i64::MAX)), &verifier)?;
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

fn verifier(globals: &Globals, key: Option<Key>) -> Result<CheckpointVerifier, Failure> {
    if let (Some(key), Some(origin)) = (key, &globals.origin) {
        return CheckpointVerifier::new(origin, key.0).map_err(|error| Failure::Usage(error.to_string()));
    }
    let health = link::wait(link::ask(globals, "health", &json!({})))?;
    if let Some(key) = key {
        let origin = health["origin"].as_str().unwrap_or_default();
        return CheckpointVerifier::new(origin, key.0).map_err(|error| Failure::Usage(error.to_string()));
    }
    out::note("the exchange was asked for its own key: name it by --dex-key to need nobody's word");
    let named = health["checkpointKey"].as_str().unwrap_or_default();
    CheckpointVerifier::parse(named).map_err(|error| Failure::Finding(format!("health, checkpointKey: {error}")))
}

#[derive(Deserialize)]
struct Statement {
    leaf: u64,
    entry: String,
    salt: String,
    path: Vec<Digest>,
}

/// Checks that each entry is in the signed tree and of this party, folds them, and compares what comes out with
/// what the exchange says.
fn check(answer: &Value, party: &Address, at: Timestamp, verifier: &CheckpointVerifier) -> Result<Value, Failure> {
    let wrong = |what: String| Failure::Finding(format!("the proof is wrong: {what}"));
    let note = answer["checkpoint"].as_str().ok_or_else(|| wrong("it has no checkpoint".into()))?;
    let checkpoint = verifier.open(note).map_err(|error| wrong(format!("the checkpoint: {error}")))?;
    let statements: Vec<Statement> =
        Deserialize::deserialize(&answer["statements"]).map_err(|error| wrong(format!("the statements: {error}")))?;
    let mut entries = Vec::with_capacity(statements.len());
    for it in &statements {
        let leaf = it.leaf;
        let bytes = |text: &str| BASE64.decode(text.as_bytes()).map_err(|_| wrong(format!("leaf {leaf}: no base64")));
        let (entry, salt) = (bytes(&it.entry)?, bytes(&it.salt)?);
        let salt: [u8; 32] = salt.try_into().map_err(|_| wrong(format!("leaf {leaf}: a salt has 32 bytes")))?;
        let hash = leaf_hash(&commitment(&salt, &entry));
        let path: Vec<[u8; 32]> = it.path.iter().map(|digest| digest.0).collect();
        if !verify_inclusion(&hash, leaf, checkpoint.size, &checkpoint.root, &path) {
            return Err(wrong(format!("leaf {leaf} is not in the signed tree of {}", checkpoint.size)));
        }
        let entry: Entry = rmp_serde::from_slice(&entry)
            .map_err(|error| wrong(format!("leaf {leaf} holds no entry that this version reads: {error}")))?;
        if entry.entity != *party {
            return Err(wrong(format!("leaf {leaf} is about {}", entry.entity)));
        }
        entries.push(entry);
    }
    if !entries.is_sorted_by(|a, b| a.n < b.n) {
        return Err(wrong("the entries are not in order".into()));
    }
    let told = AsOf::fold(&entries, at).registration;
    let keys: Vec<Value> = told.keys.iter().map(|it| json!([it.key, it.from, it.until])).collect();
    let said: Vec<Value> =
        answer["keys"].as_array().into_iter().flatten().map(|it| json!([it["key"], it["from"], it["until"]])).collect();
    if json!([told.standing, told.profile, keys]) != json!([answer["standing"], answer["profile"], said]) {
        return Err(wrong("the entries say something else than the answer".into()));
    }
    Ok(json!({
        "entries": entries.len(),
        "treeSize": checkpoint.size,
        "origin": checkpoint.origin,
        "notChecked": "that no entry of the party was left out, which a tree cannot show",
    }))
}
