//! A party's entries out of ledger and tail, in order, with what proves them.

use std::sync::Arc;

use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::actors::shared::Shared;
use crate::domain::fact::Fact;
use crate::domain::{Address, Digest, Reason, Timestamp};
use crate::store::{Place, Sealed};
use crate::wire::Problem;

use super::ask::unreadable;
use super::proofs;

/// Most entries of one kind of fact that are looked at for one party.
pub const ENTRIES_MAX: usize = 4096;
/// Most entries that come with their proof in one answer: some 3 KiB each.
pub const STATEMENTS_MAX: usize = 64;

/// Where the party's entries of this kind stand, oldest first; at most [`ENTRIES_MAX`] and one.
pub fn places(shared: &Shared, party: &Address, fact: Fact) -> Result<Vec<Place>, Problem> {
    // The tail first: what a snapshot moves meanwhile is then in the file.
    let tail = shared.tail.of(party);
    let mut places = shared.db.history(party, fact, ENTRIES_MAX + 1).map_err(|error| unreadable(&error))?;
    let last = places.last().map_or(0, |place| place.n);
    let fresh = tail.iter().filter(|it| it.entry.n > last && it.entry.event.fact() == Some(fact));
    places.extend(fresh.map(|it| Place { n: it.entry.n, leaf: it.leaf }));
    Ok(places)
}

/// The party's entries of these kinds, in order of their numbers.
///
/// # Errors
/// `too-large` when there are more than [`ENTRIES_MAX`], `internal` when one cannot be read.
pub fn entries(shared: &Shared, party: &Address, facts: &[Fact]) -> Result<Vec<Arc<Sealed>>, Problem> {
    let mut all = Vec::new();
    for fact in facts {
        all.extend(places(shared, party, *fact)?);
    }
    if all.len() > ENTRIES_MAX {
        let detail = format!("{party} has more than {ENTRIES_MAX} entries about itself: ask how it stands now");
        return Err(Problem::new(Reason::TooLarge, detail, None));
    }
    all.sort_unstable();
    let tail = shared.tail.of(party);
    let read = |place: &Place| {
        let fresh = tail.iter().find(|it| it.entry.n == place.n).cloned();
        fresh.or_else(|| shared.entry(place.leaf)).ok_or_else(|| {
            Problem::new(Reason::Internal, "the ledger cannot be read: run `dex ledger check`".to_owned(), None)
        })
    };
    all.iter().map(read).collect()
}

/// What proves each of these entries to anybody: bytes, salt and path to one signed checkpoint.
///
/// # Errors
/// `too-large` when there are more than [`STATEMENTS_MAX`], `internal` when the ledger cannot be read.
pub fn statements(shared: &Shared, entries: &[Arc<Sealed>], until: Timestamp) -> Result<Value, Problem> {
    let entries: Vec<_> = entries.iter().filter(|it| it.entry.at <= until).collect();
    if entries.len() > STATEMENTS_MAX {
        let detail = format!(
            "{} entries are more than the {STATEMENTS_MAX} that come with their proofs: ask ledger.proof leaf by leaf",
            entries.len()
        );
        return Err(Problem::new(Reason::TooLarge, detail, None));
    }
    let note = shared.reader.checkpoint();
    let size = proofs::size_of(&note).unwrap_or(0);
    let mut statements = Vec::with_capacity(entries.len());
    for sealed in entries {
        let stored = shared.reader.read(sealed.leaf).map_err(|error| proofs::unread(&error))?;
        let path = shared.reader.inclusion_proof(sealed.leaf, size).map_err(|error| proofs::unread(&error))?;
        statements.push(json!({
            "leaf": sealed.leaf,
            "entry": BASE64.encode(&stored.entry),
            "salt": BASE64.encode(&stored.salt),
            "path": path.into_iter().map(Digest).collect::<Vec<_>>(),
        }));
    }
    Ok(json!({ "statements": statements, "treeSize": size, "checkpoint": note.as_ref() }))
}
