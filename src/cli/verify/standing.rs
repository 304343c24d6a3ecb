//! An answer of `trust.verify` with its proof: the entries are in the signed tree, and folded again they say the same.

use serde::Deserialize;
use serde_json::Value;

use crate::domain::{Address, Digest, Timestamp};
use crate::wire::standing::told;

use super::outcome::entry;
use super::roots::Roots;
use super::{Report, Wrong};

const KIND: &str = "answer of trust.verify";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Statement {
    leaf: u64,
    entry: String,
    salt: String,
    path: Vec<Digest>,
}

/// What was checked.
pub struct Checked {
    /// Who.
    pub party: Address,
    /// How many entries.
    pub entries: usize,
    /// The tree that they are in.
    pub tree: crate::ledger::Checkpoint,
}

/// Checks that each entry is in the signed tree and of this party, folds them, and compares what comes out with what the
/// exchange says.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn check(answer: &Value, roots: &Roots) -> Result<Checked, String> {
    let field = |name: &str| answer[name].as_str().ok_or_else(|| format!("it has no {name}"));
    let party: Address = field("party")?.parse().map_err(|error| format!("party: {error}"))?;
    let at: Timestamp = field("at")?.parse().map_err(|error| format!("at: {error}"))?;
    let tree = roots.checkpoint(field("checkpoint")?)?;
    if answer["treeSize"] != tree.size {
        return Err(format!("it names a tree of {}, its checkpoint one of {}", answer["treeSize"], tree.size));
    }
    let statements: Vec<Statement> =
        Deserialize::deserialize(&answer["statements"]).map_err(|error| format!("the statements: {error}"))?;
    let mut entries = Vec::with_capacity(statements.len());
    for it in &statements {
        let entry = entry(it.leaf, &it.entry, &it.salt, &it.path, &tree)?;
        if entry.entity != party {
            return Err(format!("leaf {} is about {}", it.leaf, entry.entity));
        }
        entries.push((it.leaf, entry));
    }
    if !entries.is_sorted_by(|a, b| a.1.n < b.1.n) {
        return Err("the entries are not in order".into());
    }
    let placed: Vec<_> = entries.iter().map(|(leaf, entry)| (*leaf, entry)).collect();
    let wanted = told(&party, &placed, Timestamp(i64::MAX), at);
    let mut said = answer.clone();
    for name in ["statements", "checkpoint", "treeSize", "revokedLater", "checked"] {
        said.as_object_mut().and_then(|said| said.remove(name));
    }
    if said != wanted {
        return Err("the entries say something else than the answer".into());
    }
    Ok(Checked { party, entries: entries.len(), tree })
}

/// What an answer proves.
pub fn report(answer: &Value, roots: &Roots) -> Result<Report, Wrong> {
    let Checked { party, entries, tree } = check(answer, roots).map_err(|what| Wrong::Found { kind: KIND, what })?;
    let mut not_proved = vec![
        "that no entry of the party was left out, which a tree cannot show".to_owned(),
        format!("for which time it was asked: it says {}", answer["at"].as_str().unwrap_or_default()),
    ];
    if answer.get("revokedLater").is_some() {
        not_proved.push("what it says was revoked later".into());
    }
    Ok(Report {
        kind: KIND,
        proved: vec![
            format!("{party} stands as {} by its {entries} entries", answer["standing"].as_str().unwrap_or_default()),
            format!("these are in the tree of {} that the exchange signed", tree.size),
        ],
        not_proved,
        origin: tree.origin,
    })
}
