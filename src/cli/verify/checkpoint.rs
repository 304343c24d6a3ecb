//! A signed checkpoint: the note itself, or the answer of `ledger.checkpoint` around it.

use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use super::roots::Roots;
use super::{Report, Wrong};

const KIND: &str = "checkpoint";

fn wrong(what: String) -> Wrong {
    Wrong::Found { kind: KIND, what }
}

/// The note.
pub fn check(note: &str, roots: &Roots) -> Result<Report, Wrong> {
    let checkpoint = roots.checkpoint(note).map_err(wrong)?;
    Ok(Report {
        kind: KIND,
        proved: vec![format!(
            "the exchange signed a tree of {} entries with the root {}",
            checkpoint.size,
            HEXLOWER.encode(&checkpoint.root)
        )],
        not_proved: vec!["that others were shown the same tree: compare with a checkpoint of theirs".into()],
        origin: checkpoint.origin,
    })
}

/// The answer of the query.
pub fn answer(answer: &Value, roots: &Roots) -> Result<Report, Wrong> {
    let note = answer["checkpoint"].as_str().ok_or_else(|| wrong("checkpoint is no text".into()))?;
    let checkpoint = roots.checkpoint(note).map_err(wrong)?;
    if *answer != json!({ "checkpoint": note, "treeSize": checkpoint.size, "origin": checkpoint.origin }) {
        return Err(wrong("the answer says something else than the note in it".into()));
    }
    check(note, roots)
}
