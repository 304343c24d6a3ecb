//! Drafts become numbered entries.

use bytes::Bytes;

use super::command::Command;
use super::entity::Draft;
use super::entry::{ENTRY_VERSION, Entry};
use super::id::Address;

/// Numbers `drafts` as the entries `first_n`, `first_n + 1`, … of `entity`, with the content to spool
/// beside each. Their time is the command's: the message's store time, or the partition's now for a
/// local command.
pub fn seal(entity: &Address, first_n: u64, command: &Command, drafts: Vec<Draft>) -> Vec<(Entry, Option<Bytes>)> {
    let numbered = drafts.into_iter().zip(first_n..);
    numbered
        .map(|(draft, n)| {
            let entry = Entry {
                v: ENTRY_VERSION,
                entity: entity.clone(),
                n,
                at: command.stored_at,
                cause: draft.with_cause.then(|| command.cause.clone()).flatten(),
                basis: draft.basis,
                event: draft.event,
            };
            (entry, draft.content)
        })
        .collect()
}
