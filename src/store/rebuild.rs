//! The state database made anew from the whole ledger.

use std::sync::Arc;

use super::db::StateDb;
use super::error::StoreError;
use super::fold::{RegistryFold, fold_rows};
use super::row::Row;
use super::tail::{Sealed, Tail};
use crate::domain::{Address, Timestamp};

/// Entries folded at once.
pub const REBUILD_BATCH: usize = 50_000;

/// What a rebuild did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rebuilt {
    /// Entries read.
    pub entries: u64,
    /// Snapshots written.
    pub batches: u64,
    /// Entries with a leaf below this are in.
    pub through: u64,
}

/// Folds a whole ledger, in order, into an empty database, `batch` entries at a time. The outcome is the
/// same as that of incremental snapshots at whatever points (but for the times of publishing, which the
/// ledger does not hold). Entries that were forgotten are simply not there: leaves may be missing, an
/// entity's numbers may not.
///
/// # Errors
/// [`StoreError::NotEmpty`], [`StoreError::Order`], [`StoreError::Source`] when the iterator fails, and
/// those of [`fold_rows`] and [`StateDb::write`].
pub fn rebuild<X>(
    db: &StateDb,
    entries: impl IntoIterator<Item = Result<Sealed, X>>,
    registry: RegistryFold,
    fold: impl Fn(&Address, Option<&Row>, &[Arc<Sealed>]) -> Result<Row, StoreError>,
    batch: usize,
    made_at: Timestamp,
) -> Result<Rebuilt, StoreError>
where
    X: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let through = db.known_through();
    if through > 0 {
        return Err(StoreError::NotEmpty { through });
    }
    let tail = Tail::new(batch);
    let mut rebuilt = Rebuilt::default();
    let flush = |tail: &Tail, rebuilt: &mut Rebuilt| -> Result<(), StoreError> {
        let snapshot = fold_rows(db, tail, registry, &fold, rebuilt.through, made_at)?;
        db.write(&snapshot)?;
        tail.written(&snapshot);
        rebuilt.batches += 1;
        Ok(())
    };
    for sealed in entries {
        let sealed = sealed.map_err(|error| StoreError::Source(error.into()))?;
        if sealed.leaf < rebuilt.through {
            return Err(StoreError::Order { last: rebuilt.through - 1, found: sealed.leaf });
        }
        rebuilt.through = sealed.leaf + 1;
        rebuilt.entries += 1;
        if tail.push(&[Arc::new(sealed)]).held >= batch {
            flush(&tail, &mut rebuilt)?;
        }
    }
    if !tail.is_empty() || rebuilt.batches == 0 {
        flush(&tail, &mut rebuilt)?;
    }
    Ok(rebuilt)
}
