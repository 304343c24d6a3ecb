//! `ledger.checkpoint` and `ledger.proof`: what proves an outcome to anybody.

use data_encoding::HEXLOWER;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::actors::shared::Shared;
use crate::domain::Reason;
use crate::ledger::LedgerError;
use crate::ledger::merkle::{Hash, commitment, leaf_hash};
use crate::wire::Problem;

use super::ask::{Answer, not_found, question};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Question {
    leaf: u64,
    tree_size: Option<u64>,
}

/// The ledger cannot be read: logged here, told to the caller without its inside.
pub fn unread(error: &LedgerError) -> Problem {
    if let LedgerError::OutOfRange { .. } = error {
        return not_found(error.to_string());
    }
    tracing::error!(%error, "a query cannot read the ledger");
    Problem::new(Reason::Internal, "the ledger cannot be read: run `dex ledger check`".to_owned(), None)
}

/// In hex, as in the proof that comes with an outcome.
fn hashes(path: &[Hash]) -> Vec<String> {
    path.iter().map(|hash| HEXLOWER.encode(hash)).collect()
}

/// The tree size that a checkpoint note names on its second line.
pub fn size_of(note: &str) -> Option<u64> {
    note.lines().nth(1)?.parse().ok()
}

/// The newest signed checkpoint.
pub fn checkpoint(shared: &Shared, body: &[u8]) -> Answer {
    let Nothing {} = question(body)?;
    let note = shared.reader.checkpoint();
    Ok(json!({ "checkpoint": note.as_ref(), "treeSize": size_of(&note), "origin": shared.origin }))
}

/// The inclusion path of a leaf. In an older tree than the newest checkpoint's, the way from that tree
/// to the checkpoint comes with it.
pub fn proof(shared: &Shared, body: &[u8]) -> Answer {
    let Question { leaf, tree_size } = question(body)?;
    let note = shared.reader.checkpoint();
    let signed = size_of(&note).unwrap_or(0);
    let size = tree_size.unwrap_or(signed);
    if size > signed || leaf >= size {
        return Err(not_found(format!(
            "leaf {leaf} in a tree of {size}: the checkpoint is of size {signed}, and a leaf is below its tree's size"
        )));
    }
    let reader = &shared.reader;
    let stored = reader.read(leaf).map_err(|error| unread(&error))?;
    let path = reader.inclusion_proof(leaf, size).map_err(|error| unread(&error))?;
    let root = reader.root(size).map_err(|error| unread(&error))?;
    let data = commitment(&stored.salt, &stored.entry);
    let mut answer = json!({
        "leaf": leaf,
        "commitment": HEXLOWER.encode(&data),
        "leafHash": HEXLOWER.encode(&leaf_hash(&data)),
        "treeSize": size,
        "root": HEXLOWER.encode(&root),
        "path": hashes(&path),
        "checkpoint": note.as_ref(),
    });
    if size < signed {
        let path = reader.consistency_proof(size, signed).map_err(|error| unread(&error))?;
        answer["consistency"] = Value::from(hashes(&path));
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_names_its_size_on_its_second_line() {
        assert_eq!(size_of("dex.example\n42\nroot\n\n— dex.example x\n"), Some(42));
        assert_eq!(size_of("dex.example\n"), None);
    }
}
