//! One snapshot, written in one transaction.

use std::sync::Arc;

use redb::{Durability, ReadableTable, Table};
use uuid::Uuid;

use super::db::StateDb;
use super::error::StoreError;
use super::history::{self, HISTORY};
use super::key::IndexKey;
use super::row::{Enveloped, Header, OpenRow, Row, SpoolPlace};
use super::statistics::{self, STATISTICS, StatisticsChange};
use super::tail::Sealed;
use super::view::{HEADER, INDEX, LEAVES_MAX, META, OPEN, REGISTRATIONS, ROWS, WAKES, leaves_of};
use crate::domain::{Address, Registration, Timestamp};

/// What one snapshot changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// What the database holds afterwards.
    pub header: Header,
    /// Rows, whole, at most one per entity.
    pub rows: Vec<(Address, Row)>,
    /// Registrations, whole, at most one per party.
    pub registrations: Vec<(Address, Registration)>,
    /// Entries for the history of their parties; those that speak of no right are passed over.
    pub facts: Vec<Arc<Sealed>>,
    /// Leaves to add to the exchange index; one that is there already is no harm.
    pub index: Vec<(IndexKey, u64)>,
    /// Exchanges opened, by delivery id.
    pub opened: Vec<(Uuid, OpenRow)>,
    /// Exchanges that were held and have left, with the leaf of the entry by which they did.
    pub released: Vec<(Uuid, u64)>,
    /// Content that the spool copied forward. Passed over where the exchange is not open (any more).
    pub moved: Vec<(Uuid, SpoolPlace)>,
    /// When deliveries were last published. Passed over where the exchange is not open (any more).
    pub published: Vec<(Uuid, Timestamp)>,
    /// Exchanges that are final, by delivery id; they leave after all else is done.
    pub closed: Vec<Uuid>,
    /// The statistics of just these entries; none when none are kept.
    pub statistics: Option<StatisticsChange>,
}

impl Batch {
    /// A snapshot that changes nothing but the header.
    pub fn new(header: Header) -> Self {
        Batch {
            header,
            rows: Vec::new(),
            registrations: Vec::new(),
            facts: Vec::new(),
            index: Vec::new(),
            opened: Vec::new(),
            released: Vec::new(),
            moved: Vec::new(),
            published: Vec::new(),
            closed: Vec::new(),
            statistics: None,
        }
    }
}

/// What a write did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriteStats {
    /// Rows written.
    pub rows: usize,
    /// Registrations written.
    pub registrations: usize,
    /// Index keys written.
    pub index_keys: usize,
    /// Exchanges opened.
    pub opened: usize,
    /// Spool places changed.
    pub moved: usize,
    /// Exchanges that left.
    pub closed: usize,
    /// Bytes of values written (rows, registrations, leaves, open exchanges).
    pub bytes: u64,
}

type Text<'t> = Table<'t, &'static str, &'static [u8]>;
type Leaves<'t> = Table<'t, &'static [u8; 32], &'static [u8]>;
type Open<'t> = Table<'t, &'static [u8; 16], &'static [u8]>;

impl StateDb {
    /// Writes a snapshot: all of it, durably, or nothing. One writer at a time; a second waits.
    ///
    /// # Errors
    /// [`StoreError::Origin`], [`StoreError::Backward`] and [`StoreError::RowBack`] when the batch does
    /// not follow what is there, [`StoreError::Database`] when the disk fails.
    pub fn write(&self, batch: &Batch) -> Result<WriteStats, StoreError> {
        if batch.header.origin != self.origin() {
            return Err(StoreError::Origin {
                path: self.path().into(),
                found: self.origin().into(),
                expected: batch.header.origin.clone(),
            });
        }
        let mut transaction = self.database().begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        // Two syncs instead of one, and in return a killed process opens the file at once instead of
        // walking all of it.
        transaction.set_quick_repair(true);
        let mut stats = WriteStats::default();
        {
            let mut meta = transaction.open_table(META)?;
            let held = match meta.get(HEADER)? {
                Some(bytes) => Header::unpack(bytes.value())?.through,
                None => 0,
            };
            let new = batch.header.through;
            if new < held {
                return Err(StoreError::Backward { held, new });
            }
            meta.insert(HEADER, batch.header.pack()?.as_slice())?;
            put_rows(&mut transaction.open_table(ROWS)?, batch, &mut stats)?;
            put_registrations(&mut transaction.open_table(REGISTRATIONS)?, batch, &mut stats)?;
            put_index(&mut transaction.open_table(INDEX)?, batch, &mut stats)?;
            put_open(&mut transaction.open_table(OPEN)?, batch, &mut stats)?;
            let wakes = batch.rows.iter().filter_map(|(entity, row)| row.wake.map(|wake| (entity, wake)));
            put_wakes(&mut transaction.open_table(WAKES)?, wakes)?;
            let entries = batch.facts.iter().map(|it| (&it.entry, it.leaf));
            history::put(&mut transaction.open_table(HISTORY)?, entries)?;
            if let Some(change) = &batch.statistics {
                stats.bytes += statistics::put(&mut transaction.open_table(STATISTICS)?, change)?;
            }
        }
        transaction.commit()?;
        self.set_known_through(batch.header.through);
        if let Some(change) = &batch.statistics {
            self.hold_statistics(change);
        }
        Ok(stats)
    }
}

impl StateDb {
    /// Writes when each of these entities has something to do by the clock: for a file that does not hold it yet.
    ///
    /// # Errors
    /// [`StoreError::Database`] when the disk fails.
    pub fn write_wakes(&self, wakes: &[(Address, Timestamp)]) -> Result<(), StoreError> {
        let mut transaction = self.database().begin_write()?;
        transaction.set_quick_repair(true);
        put_wakes(&mut transaction.open_table(WAKES)?, wakes.iter().map(|(entity, at)| (entity, Some(*at))))?;
        transaction.commit()?;
        Ok(())
    }
}

fn put_wakes<'a>(
    table: &mut Table<'_, &'static str, i64>,
    wakes: impl Iterator<Item = (&'a Address, Option<Timestamp>)>,
) -> Result<(), StoreError> {
    for (entity, wake) in wakes {
        let key = entity.to_string();
        match wake {
            Some(at) => table.insert(key.as_str(), at.0)?,
            None => table.remove(key.as_str())?,
        };
    }
    Ok(())
}

/// References in the order of their keys as text: sorted inserts touch each page of the tree once.
fn by_text<T>(items: &[(Address, T)]) -> Vec<(String, &Address, &T)> {
    let mut sorted: Vec<_> = items.iter().map(|(address, item)| (address.to_string(), address, item)).collect();
    sorted.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    sorted
}

fn put_rows(table: &mut Text<'_>, batch: &Batch, stats: &mut WriteStats) -> Result<(), StoreError> {
    for (key, entity, row) in by_text(&batch.rows) {
        let bytes = row.pack()?;
        stats.bytes += bytes.len() as u64;
        stats.rows += 1;
        if let Some(old) = table.insert(key.as_str(), bytes.as_slice())? {
            let held = Row::n_of(entity, old.value())?;
            if row.n < held {
                return Err(StoreError::RowBack { entity: entity.clone(), held, new: row.n });
            }
        }
    }
    Ok(())
}

fn put_registrations(table: &mut Text<'_>, batch: &Batch, stats: &mut WriteStats) -> Result<(), StoreError> {
    for (key, _, registration) in by_text(&batch.registrations) {
        let bytes = registration.pack()?;
        stats.bytes += bytes.len() as u64;
        stats.registrations += 1;
        table.insert(key.as_str(), bytes.as_slice())?;
    }
    Ok(())
}

fn put_index(table: &mut Leaves<'_>, batch: &Batch, stats: &mut WriteStats) -> Result<(), StoreError> {
    let mut sorted = batch.index.clone();
    sorted.sort_unstable();
    sorted.dedup();
    let mut bytes = Vec::new();
    for group in sorted.chunk_by(|a, b| a.0 == b.0) {
        let key = &group[0].0;
        let old = match table.get(&key.0)? {
            Some(old) => leaves_of(key, old.value())?,
            None => Vec::new(),
        };
        let mut leaves = old.clone();
        leaves.extend(group.iter().map(|(_, leaf)| *leaf));
        leaves.sort_unstable();
        leaves.dedup();
        leaves.truncate(LEAVES_MAX);
        if leaves == old {
            continue;
        }
        bytes.clear();
        bytes.extend(leaves.iter().flat_map(|leaf| leaf.to_be_bytes()));
        table.insert(&key.0, bytes.as_slice())?;
        stats.bytes += bytes.len() as u64;
        stats.index_keys += 1;
    }
    Ok(())
}

fn put_open(table: &mut Open<'_>, batch: &Batch, stats: &mut WriteStats) -> Result<(), StoreError> {
    let mut opened: Vec<_> = batch.opened.iter().collect();
    opened.sort_unstable_by_key(|(delivery, _)| *delivery);
    for (delivery, row) in opened {
        let bytes = row.pack()?;
        stats.bytes += bytes.len() as u64;
        stats.opened += 1;
        table.insert(delivery.as_bytes(), bytes.as_slice())?;
    }
    for (delivery, leaf) in &batch.released {
        change(table, delivery, |row| row.leaf = *leaf)?;
    }
    for (delivery, place) in &batch.moved {
        let moved = change(table, delivery, |row| row.spool = Some(*place))?;
        stats.moved += usize::from(moved);
    }
    for (delivery, at) in &batch.published {
        change(table, delivery, |row| row.published_at = Some(*at))?;
    }
    let mut closed = batch.closed.clone();
    closed.sort_unstable();
    for delivery in &closed {
        let gone = table.remove(delivery.as_bytes())?.is_some();
        stats.closed += usize::from(gone);
    }
    Ok(())
}

/// Changes an open exchange in place; false when it is not open.
fn change(table: &mut Open<'_>, delivery: &Uuid, change: impl FnOnce(&mut OpenRow)) -> Result<bool, StoreError> {
    let Some(mut row) =
        table.get(delivery.as_bytes())?.map(|bytes| OpenRow::unpack(delivery, bytes.value())).transpose()?
    else {
        return Ok(false);
    };
    change(&mut row);
    table.insert(delivery.as_bytes(), row.pack()?.as_slice())?;
    Ok(true)
}
