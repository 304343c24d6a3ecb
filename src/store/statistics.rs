//! Statistics on disk: a row for what is neither slot nor endpoint, one for each slot of a window, one for each endpoint
//! of the catalogue. Written with a snapshot, only those that have changed; a fold of entries like every row.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use redb::{ReadableDatabase, ReadableTable, ReadableTableMetadata, Table, TableDefinition, TableError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::db::StateDb;
use super::error::StoreError;
use super::tail::Sealed;
use crate::domain::statistics::catalogue::Endpoint;
use crate::domain::statistics::{Bucket, Head, K_DEFAULT, Statistics, Window};

/// `head`, `slot/<window>/<beginning>`, `endpoint/<name>` → bytes in an envelope.
pub(super) const STATISTICS: TableDefinition<'static, &'static str, &'static [u8]> = TableDefinition::new("statistics");
const HEAD: &str = "head";
/// Version of the envelope.
const ENVELOPE: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    v: u8,
    value: T,
}

/// The statistics of the entries that the database holds.
#[derive(Debug, Default)]
pub(super) struct HeldStatistics(Mutex<Held>);

#[derive(Debug, Default)]
enum Held {
    /// Not read yet.
    #[default]
    Unread,
    /// As of the header's position.
    Here(Box<Statistics>),
    /// None are kept.
    Off,
}

/// Keys with what is to stand there; none: nothing any more.
type Rows = Vec<(String, Option<Vec<u8>>)>;

/// What a snapshot changes in the statistics.
#[derive(Debug, Clone)]
pub struct StatisticsChange {
    /// As they are then.
    pub after: Statistics,
    rows: Rows,
}

impl PartialEq for StatisticsChange {
    fn eq(&self, other: &Self) -> bool {
        self.after.through() == other.after.through() && self.rows == other.rows
    }
}

fn pack<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    let envelope = Envelope { v: ENVELOPE, value };
    rmp_serde::to_vec_named(&envelope).map_err(|source| StoreError::Encode { what: "the statistics", source })
}

fn read<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T, StoreError> {
    let fail = |detail: String| StoreError::Decode { what: "the statistics", key: key.to_owned(), detail };
    let envelope: Envelope<T> = rmp_serde::from_slice(bytes).map_err(|error| fail(error.to_string()))?;
    if envelope.v > ENVELOPE {
        return Err(fail(format!("its version {} is newer than {ENVELOPE}", envelope.v)));
    }
    Ok(envelope.value)
}

/// Beginnings are never negative where clocks are anything like right; they sort as numbers do.
fn slot_key(window: Window, begins: i64) -> String {
    format!("slot/{window}/{begins:020}")
}

fn endpoint_key(name: &str) -> String {
    format!("endpoint/{name}")
}

type Slots<'a> = BTreeMap<String, &'a Arc<Bucket>>;

fn slots(of: &Statistics) -> Slots<'_> {
    Window::ALL
        .into_iter()
        .flat_map(|window| of.ring(window).slots().iter().map(move |(begins, it)| (slot_key(window, *begins), it)))
        .collect()
}

/// The rows that differ: what is shared between two clones is the same.
fn changes(before: Option<&Statistics>, after: &Statistics) -> Result<Rows, StoreError> {
    let mut rows = vec![(HEAD.to_owned(), Some(pack(&after.head())?))];
    let (old, new) = (before.map(slots).unwrap_or_default(), slots(after));
    for (key, bucket) in &new {
        if !old.get(key).is_some_and(|held| Arc::ptr_eq(held, bucket)) {
            rows.push((key.clone(), Some(pack(&***bucket)?)));
        }
    }
    rows.extend(old.into_keys().filter(|key| !new.contains_key(key)).map(|key| (key, None)));
    let held = before.map(|before| before.catalogue().endpoints());
    for (name, endpoint) in after.catalogue().endpoints() {
        let same = held.and_then(|held| held.get(name)).is_some_and(|held| Arc::ptr_eq(held, endpoint));
        if !same {
            rows.push((endpoint_key(name), Some(pack(&**endpoint)?)));
        }
    }
    Ok(rows)
}

/// Writes the rows; returns their bytes.
pub(super) fn put(
    table: &mut Table<'_, &'static str, &'static [u8]>,
    change: &StatisticsChange,
) -> Result<u64, StoreError> {
    let mut bytes = 0;
    for (key, row) in &change.rows {
        match row {
            Some(row) => {
                bytes += row.len() as u64;
                table.insert(key.as_str(), row.as_slice())?;
            }
            None => drop(table.remove(key.as_str())?),
        }
    }
    Ok(bytes)
}

impl StateDb {
    fn held<T>(&self, work: impl FnOnce(&mut Held) -> T) -> T {
        work(&mut self.statistics_held().0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn hold_statistics(&self, change: &StatisticsChange) {
        self.held(|held| *held = Held::Here(Box::new(change.after.clone())));
    }

    /// From now on none are kept, and those on disk fall behind.
    pub fn keep_no_statistics(&self) {
        self.held(|held| *held = Held::Off);
    }

    /// The statistics that the file holds, of whatever entries; none when it holds none.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn stored_statistics(&self) -> Result<Option<Statistics>, StoreError> {
        let transaction = self.database().begin_read()?;
        let table = match transaction.open_table(STATISTICS) {
            Ok(table) => table,
            Err(TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let Some(head) = table.get(HEAD)? else { return Ok(None) };
        let head: Head = read(HEAD, head.value())?;
        let (mut slots, mut endpoints) = (Vec::new(), Vec::new());
        for item in table.iter()? {
            let (key, bytes) = item?;
            let key = key.value();
            if let Some(name) = key.strip_prefix("endpoint/") {
                let endpoint: Endpoint = read(key, bytes.value())?;
                endpoints.push((SmolStr::new(name), Arc::new(endpoint)));
            } else if let Some((window, begins)) = key.strip_prefix("slot/").and_then(|rest| rest.split_once('/'))
                && let (Ok(window), Ok(begins)) = (window.parse(), begins.parse())
            {
                let bucket: Bucket = read(key, bytes.value())?;
                slots.push((window, begins, Arc::new(bucket)));
            }
        }
        Ok(Some(Statistics::restored(head, slots, endpoints)))
    }

    /// The statistics of just the entries that the database holds; none when none are kept, or those on disk are of
    /// others.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn statistics(&self) -> Result<Option<Statistics>, StoreError> {
        let through = self.known_through();
        let found = self.held(|held| match held {
            Held::Unread => None,
            Held::Here(here) => Some(Some((**here).clone())),
            Held::Off => Some(None),
        });
        let found = match found {
            Some(found) => found,
            None => match self.stored_statistics()? {
                None if through == 0 => Some(Statistics::new(K_DEFAULT)),
                stored => stored,
            },
        };
        Ok(found.filter(|it| it.through() == through))
    }

    /// Puts statistics in the place of those on disk. They must be of just the entries that the database holds.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn replace_statistics(&self, statistics: &Statistics) -> Result<(), StoreError> {
        let change = StatisticsChange { rows: changes(None, statistics)?, after: statistics.clone() };
        let mut transaction = self.database().begin_write()?;
        transaction.set_quick_repair(true);
        transaction.delete_table(STATISTICS)?;
        {
            let mut table = transaction.open_table(STATISTICS)?;
            put(&mut table, &change)?;
        }
        transaction.commit()?;
        self.hold_statistics(&change);
        Ok(())
    }

    /// Folds `new` entries, those between the header's position and the snapshot's, in any order, into the statistics.
    pub(super) fn fold_statistics(
        &self,
        mut new: Vec<Arc<Sealed>>,
        through: u64,
    ) -> Result<Option<StatisticsChange>, StoreError> {
        let Some(before) = self.statistics()? else { return Ok(None) };
        new.sort_unstable_by_key(|sealed| sealed.leaf);
        let mut after = before.clone();
        for sealed in new {
            after.apply(sealed.leaf, sealed.committed, &sealed.entry);
        }
        after.reach(through);
        Ok(Some(StatisticsChange { rows: changes(Some(&before), &after)?, after }))
    }

    /// How many rows of statistics there are.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn statistics_rows(&self) -> Result<u64, StoreError> {
        let transaction = self.database().begin_read()?;
        match transaction.open_table(STATISTICS) {
            Ok(table) => Ok(table.len()?),
            Err(TableError::TableDoesNotExist(_)) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}
