//! An outcome with its proof: the entry, its place in the signed tree, and that the entry says what the outcome does.

use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::Value;

use crate::domain::Digest;
use crate::domain::effect::Effect;
use crate::domain::{Entry, effects_of};
use crate::ledger::Checkpoint;
use crate::ledger::merkle::{commitment, leaf_hash};
use crate::ledger::proof::verify_inclusion;
use crate::wire::OutcomeOut;

use super::roots::Roots;
use super::{Report, Wrong};

const KIND: &str = "outcome";

fn wrong(what: impl Into<String>) -> Wrong {
    Wrong::Found { kind: KIND, what: what.into() }
}

/// The entry of a leaf, when it is in the tree.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn entry(leaf: u64, entry: &str, salt: &str, path: &[Digest], tree: &Checkpoint) -> Result<Entry, String> {
    let bytes = |text: &str| BASE64.decode(text.as_bytes()).map_err(|_| format!("leaf {leaf}: no base64"));
    let (entry, salt) = (bytes(entry)?, bytes(salt)?);
    let salt: [u8; 32] = salt.try_into().map_err(|_| format!("leaf {leaf}: a salt has 32 bytes"))?;
    let hash = leaf_hash(&commitment(&salt, &entry));
    let path: Vec<[u8; 32]> = path.iter().map(|digest| digest.0).collect();
    if !verify_inclusion(&hash, leaf, tree.size, &tree.root, &path) {
        return Err(format!("leaf {leaf} is not in the signed tree of {}", tree.size));
    }
    rmp_serde::from_slice(&entry)
        .map_err(|error| format!("leaf {leaf} holds no entry that this version reads: {error}"))
}

/// What an outcome proves.
pub fn check(value: &Value, roots: &Roots) -> Result<Report, Wrong> {
    let out = OutcomeOut::deserialize(value).map_err(|error| wrong(error.to_string()))?;
    if serde_json::to_value(&out).ok().as_ref() != Some(value) {
        return Err(wrong("it holds what no outcome has, or writes it another way"));
    }
    let proof = out.proof.as_ref().ok_or_else(|| wrong("it has no proof"))?;
    let tree = roots.checkpoint(&proof.checkpoint).map_err(wrong)?;
    if out.leaf.log != tree.origin {
        return Err(wrong(format!("its leaf is in the log {:?}, its checkpoint of {:?}", out.leaf.log, tree.origin)));
    }
    if out.tree_size != tree.size {
        return Err(wrong(format!("it names a tree of {}, its checkpoint one of {}", out.tree_size, tree.size)));
    }
    let entry = entry(out.leaf.index, &proof.entry, &proof.salt, &proof.path, &tree).map_err(wrong)?;
    let told = effects_of(&entry).into_iter().find_map(|effect| match effect {
        Effect::Outcome { to, outcome, .. } if outcome == out.outcome => Some(to),
        _ => None,
    });
    let Some(to) = told else {
        return Err(wrong("the entry in the ledger says something else than the outcome"));
    };
    let status = out.outcome.status;
    Ok(Report {
        kind: KIND,
        proved: vec![
            format!(
                "the exchange recorded, at {}, that {} is {status}, and owes this outcome to {to}",
                entry.at, out.outcome.exchange
            ),
            format!(
                "entry {} of {} is leaf {} of the tree of {} that the exchange signed",
                entry.n, entry.entity, out.leaf.index, tree.size
            ),
        ],
        not_proved: vec!["what became of the exchange after this entry".into()],
        origin: tree.origin,
    })
}
