//! `dead.list`: dead letters, and what was refused before its sender was known, from the ledger.

use serde::Deserialize;
use serde_json::json;

use super::ask::{Answer, malformed, question};
use super::proofs::unread;
use crate::actors::shared::{Shared, sealed};
use crate::domain::Reason;
use crate::wire::{Problem, dead};

/// Most rows of a page.
const ROWS_MAX: usize = 1000;
/// Most entries that one question looks at: the next page goes on from there, with rows or without.
const ENTRIES_MAX: u64 = 50_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    after: Option<u64>,
    limit: Option<usize>,
}

/// `{items, next?}`: `next` is the `after` of the next page, a leaf.
pub fn list(shared: &Shared, body: &[u8]) -> Answer {
    let Question { after, limit } = question(body)?;
    let limit = limit.unwrap_or(ROWS_MAX);
    if !(1..=ROWS_MAX).contains(&limit) {
        return Err(malformed(format!("limit is not 1 to {ROWS_MAX}")));
    }
    let from = after.map_or(0, |after| after.saturating_add(1));
    let end = shared.reader.tree_size();
    let mut items = Vec::new();
    let mut last = None;
    if from < end {
        for stored in shared.reader.scan(from) {
            let stored = stored.map_err(|error| unread(&error))?;
            let leaf = stored.leaf;
            let entry = sealed(shared, stored).map_err(|error| {
                tracing::error!(%error, leaf, "an entry of the ledger cannot be read");
                Problem::new(Reason::Internal, "the ledger cannot be read: run `dex ledger check`".to_owned(), None)
            })?;
            items.extend(dead::row(leaf, &entry.entry));
            last = Some(leaf);
            if items.len() >= limit || leaf - from + 1 >= ENTRIES_MAX {
                break;
            }
        }
    }
    let mut answer = json!({ "items": items });
    if let Some(last) = last.filter(|last| last + 1 < end) {
        answer["next"] = json!(last);
    }
    Ok(answer)
}
