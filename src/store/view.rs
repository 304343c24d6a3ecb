//! Reads of the state database at one moment: every view is one redb read transaction.

use redb::{ReadOnlyTable, ReadTransaction, ReadableTable, TableDefinition};
use uuid::Uuid;

use super::error::StoreError;
use super::key::IndexKey;
use super::row::{Enveloped, Header, OpenRow, Row};
use crate::domain::{Address, Kind, Registration, Timestamp};

/// `header` → [`Header`].
pub(super) const META: TableDefinition<'static, &'static str, &'static [u8]> = TableDefinition::new("meta");
/// `kind:id` → row.
pub(super) const ROWS: TableDefinition<'static, &'static str, &'static [u8]> = TableDefinition::new("rows");
/// `kind:id` → registration.
pub(super) const REGISTRATIONS: TableDefinition<'static, &'static str, &'static [u8]> =
    TableDefinition::new("registrations");
/// Index key → leaves, 8 bytes big-endian each, ascending, no leaf twice.
pub(super) const INDEX: TableDefinition<'static, &'static [u8; 32], &'static [u8]> = TableDefinition::new("index");
/// Delivery id → open exchange.
pub(super) const OPEN: TableDefinition<'static, &'static [u8; 16], &'static [u8]> = TableDefinition::new("open");
/// `kind:id` → when that entity has something to do by the clock, nanoseconds since the Unix epoch.
pub(super) const WAKES: TableDefinition<'static, &'static str, i64> = TableDefinition::new("wakes");
/// Key of the header in [`META`].
pub(super) const HEADER: &str = "header";

/// Most leaves kept under one index key: the earliest, which hold everything that decided the exchange.
/// Late receipts, which change nothing, are what could go beyond.
pub const LEAVES_MAX: usize = 256;

type Table<K> = ReadOnlyTable<K, &'static [u8]>;

/// The database as one snapshot left it. While a view lives, the pages it sees are not used again:
/// keep it short.
pub struct View {
    transaction: ReadTransaction,
}

/// The rows of one kind, or of all, in the order of their addresses.
pub struct Rows {
    range: redb::Range<'static, &'static str, &'static [u8]>,
    // Keeps the transaction, and with it the pages of `range`, alive.
    _table: Table<&'static str>,
}

pub(super) fn leaves_of(key: &IndexKey, bytes: &[u8]) -> Result<Vec<u64>, StoreError> {
    let (chunks, rest) = bytes.as_chunks::<8>();
    if rest.is_empty() {
        Ok(chunks.iter().map(|leaf| u64::from_be_bytes(*leaf)).collect())
    } else {
        Err(StoreError::Decode {
            what: "the index",
            key: key.uuid().to_string(),
            detail: format!("{} bytes are no list of leaves", bytes.len()),
        })
    }
}

fn address_of(key: &str) -> Result<Address, StoreError> {
    key.parse().map_err(|error| StoreError::Decode {
        what: "the address",
        key: format!("{key:?}"),
        detail: format!("{error}"),
    })
}

impl View {
    pub(super) fn new(transaction: ReadTransaction) -> Self {
        View { transaction }
    }

    /// What the database holds.
    pub fn header(&self) -> Result<Header, StoreError> {
        let meta = self.transaction.open_table(META)?;
        match meta.get(HEADER)? {
            Some(bytes) => Header::unpack(bytes.value()),
            None => {
                Err(StoreError::Decode { what: "the header", key: "the file".into(), detail: "there is none".into() })
            }
        }
    }

    /// The row of one entity.
    pub fn row(&self, entity: &Address) -> Result<Option<Row>, StoreError> {
        let rows = self.transaction.open_table(ROWS)?;
        rows.get(entity.to_string().as_str())?.map(|bytes| Row::unpack(entity, bytes.value())).transpose()
    }

    /// The rows of one kind, or of all.
    pub fn rows(&self, kind: Option<Kind>) -> Result<Rows, StoreError> {
        let table = self.transaction.open_table(ROWS)?;
        let range = match kind {
            // ';' follows ':' in ASCII.
            Some(kind) => table.range(format!("{kind}:").as_str()..format!("{kind};").as_str())?,
            None => table.range::<&str>(..)?,
        };
        Ok(Rows { range, _table: table })
    }

    /// The leaves under each key, in the order of `keys`; `None` where the key is unknown.
    pub fn index(&self, keys: &[IndexKey]) -> Result<Vec<Option<Vec<u64>>>, StoreError> {
        let table = self.transaction.open_table(INDEX)?;
        keys.iter().map(|key| table.get(&key.0)?.map(|bytes| leaves_of(key, bytes.value())).transpose()).collect()
    }

    /// All leaves of whatever has this UUID (message, exchange or delivery), ascending, no leaf twice;
    /// at most [`LEAVES_MAX`], the earliest.
    pub fn index_by_uuid(&self, id: Uuid) -> Result<Vec<u64>, StoreError> {
        let table = self.transaction.open_table(INDEX)?;
        let (mut low, mut high) = ([0u8; 32], [0xff_u8; 32]);
        low[..16].copy_from_slice(id.as_bytes());
        high[..16].copy_from_slice(id.as_bytes());
        let mut leaves = Vec::new();
        for item in table.range::<&[u8; 32]>(&low..=&high)? {
            let (key, bytes) = item?;
            leaves.extend(leaves_of(&IndexKey(*key.value()), bytes.value())?);
            leaves.sort_unstable();
            leaves.dedup();
            leaves.truncate(LEAVES_MAX);
        }
        Ok(leaves)
    }

    /// The registration of one party.
    pub fn registration(&self, party: &Address) -> Result<Option<Registration>, StoreError> {
        let table = self.transaction.open_table(REGISTRATIONS)?;
        table.get(party.to_string().as_str())?.map(|bytes| Registration::unpack(party, bytes.value())).transpose()
    }

    /// All registrations, in the order of their addresses.
    pub fn registrations(&self) -> Result<Vec<(Address, Registration)>, StoreError> {
        let table = self.transaction.open_table(REGISTRATIONS)?;
        table
            .iter()?
            .map(|item| {
                let (key, bytes) = item?;
                let party = address_of(key.value())?;
                let registration = Registration::unpack(&party, bytes.value())?;
                Ok((party, registration))
            })
            .collect()
    }

    /// When entities have something to do by the clock; `None` in a file of a program that did not keep it.
    pub fn wakes(&self) -> Result<Option<Vec<(Address, Timestamp)>>, StoreError> {
        let table = match self.transaction.open_table(WAKES) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let all = table.iter()?.map(|item| {
            let (key, at) = item?;
            Ok((address_of(key.value())?, Timestamp(at.value())))
        });
        all.collect::<Result<Vec<_>, StoreError>>().map(Some)
    }

    /// One open exchange, by its delivery's id.
    pub fn open_row(&self, delivery: Uuid) -> Result<Option<OpenRow>, StoreError> {
        let table = self.transaction.open_table(OPEN)?;
        table.get(delivery.as_bytes())?.map(|bytes| OpenRow::unpack(&delivery, bytes.value())).transpose()
    }

    /// All open exchanges, in the order of their delivery ids.
    pub fn open_rows(&self) -> Result<Vec<(Uuid, OpenRow)>, StoreError> {
        let table = self.transaction.open_table(OPEN)?;
        table
            .iter()?
            .map(|item| {
                let (key, bytes) = item?;
                let delivery = Uuid::from_bytes(*key.value());
                Ok((delivery, OpenRow::unpack(&delivery, bytes.value())?))
            })
            .collect()
    }
}

impl Iterator for Rows {
    type Item = Result<(Address, Row), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.range.next().map(|item| {
            let (key, bytes) = item?;
            let address = address_of(key.value())?;
            let row = Row::unpack(&address, bytes.value())?;
            Ok((address, row))
        })
    }
}
