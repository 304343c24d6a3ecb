//! The file of accounts, tokens and idempotency keys: `gateway.redb` in the state folder, mode 0600.

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use std::collections::BTreeMap;

use redb::{Builder, Database, ReadableDatabase, ReadableTable, TableDefinition};
use serde_json::Value;

use super::token::{Secret, TokenRow};
use super::{Account, AccountError};
use crate::gateway::once::Record;

/// The file's name in the state folder.
pub const FILE: &str = "gateway.redb";
/// Memory for its pages, bytes.
const CACHE_BYTES: usize = 4 * 1024 * 1024;
const ACCOUNTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("accounts");
const ONCE: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("once");
const NOTES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("notes");
const TOKENS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("tokens");

/// A change of the table of idempotency keys, or of notes.
#[derive(Debug)]
pub enum Kept {
    /// Keeps a key.
    Put([u8; 32], Record),
    /// Forgets keys.
    Drop(Vec<[u8; 32]>),
    /// Keeps notes; drops those without a value.
    Notes(Vec<(String, Option<Value>)>),
}

/// The open file. Every write is synced before it returns.
pub(super) struct Store {
    database: Database,
}

fn store(error: impl std::fmt::Display) -> AccountError {
    AccountError::Store(error.to_string())
}

impl Store {
    pub fn open(state: &Path) -> Result<Self, AccountError> {
        let path = state.join(FILE);
        // Made by us first, so that it never has another mode.
        std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(store)?;
        let database = Builder::new().set_cache_size(CACHE_BYTES).create(&path).map_err(store)?;
        let write = database.begin_write().map_err(store)?;
        write.open_table(ACCOUNTS).map_err(store)?;
        write.open_table(TOKENS).map_err(store)?;
        write.open_table(ONCE).map_err(store)?;
        write.open_table(NOTES).map_err(store)?;
        write.commit().map_err(store)?;
        Ok(Store { database })
    }

    pub fn accounts(&self) -> Result<Vec<Account>, AccountError> {
        let read = self.database.begin_read().map_err(store)?;
        let table = read.open_table(ACCOUNTS).map_err(store)?;
        let mut all = Vec::new();
        for item in table.iter().map_err(store)? {
            let (_, value) = item.map_err(store)?;
            all.push(serde_json::from_slice(value.value()).map_err(store)?);
        }
        Ok(all)
    }

    pub fn tokens(&self) -> Result<Vec<(Secret, TokenRow)>, AccountError> {
        let read = self.database.begin_read().map_err(store)?;
        let table = read.open_table(TOKENS).map_err(store)?;
        let mut all = Vec::new();
        for item in table.iter().map_err(store)? {
            let (key, value) = item.map_err(store)?;
            all.push((*key.value(), serde_json::from_slice(value.value()).map_err(store)?));
        }
        Ok(all)
    }

    pub fn once(&self) -> Result<Vec<([u8; 32], Record)>, AccountError> {
        let read = self.database.begin_read().map_err(store)?;
        let table = read.open_table(ONCE).map_err(store)?;
        let mut all = Vec::new();
        for item in table.iter().map_err(store)? {
            let (key, value) = item.map_err(store)?;
            all.push((*key.value(), serde_json::from_slice(value.value()).map_err(store)?));
        }
        Ok(all)
    }

    pub fn notes(&self) -> Result<BTreeMap<String, Value>, AccountError> {
        let read = self.database.begin_read().map_err(store)?;
        let table = read.open_table(NOTES).map_err(store)?;
        let mut all = BTreeMap::new();
        for item in table.iter().map_err(store)? {
            let (key, value) = item.map_err(store)?;
            all.insert(key.value().to_owned(), serde_json::from_slice(value.value()).map_err(store)?);
        }
        Ok(all)
    }

    pub fn keep(&self, what: &Kept) -> Result<(), AccountError> {
        let write = self.database.begin_write().map_err(store)?;
        {
            let mut table = write.open_table(ONCE).map_err(store)?;
            match what {
                Kept::Put(key, record) => {
                    let bytes = serde_json::to_vec(record).map_err(store)?;
                    table.insert(key, bytes.as_slice()).map_err(store)?;
                }
                Kept::Drop(dead) => {
                    for key in dead {
                        table.remove(key).map_err(store)?;
                    }
                }
                Kept::Notes(notes) => {
                    let mut table = write.open_table(NOTES).map_err(store)?;
                    for (key, value) in notes {
                        match value {
                            Some(value) => {
                                drop(table.insert(key.as_str(), value.to_string().as_bytes()).map_err(store)?)
                            }
                            None => drop(table.remove(key.as_str()).map_err(store)?),
                        }
                    }
                }
            }
        }
        write.commit().map_err(store)
    }

    pub fn put(&self, account: &Account) -> Result<(), AccountError> {
        let bytes = serde_json::to_vec(account).map_err(store)?;
        let write = self.database.begin_write().map_err(store)?;
        {
            let mut table = write.open_table(ACCOUNTS).map_err(store)?;
            table.insert(account.name.as_str(), bytes.as_slice()).map_err(store)?;
        }
        write.commit().map_err(store)
    }

    /// Puts one token and drops others, at once.
    pub fn put_token(&self, secret: &Secret, row: &TokenRow, dead: &[Secret]) -> Result<(), AccountError> {
        let bytes = serde_json::to_vec(row).map_err(store)?;
        let write = self.database.begin_write().map_err(store)?;
        {
            let mut table = write.open_table(TOKENS).map_err(store)?;
            for old in dead {
                table.remove(old).map_err(store)?;
            }
            table.insert(secret, bytes.as_slice()).map_err(store)?;
        }
        write.commit().map_err(store)
    }

    pub fn drop_tokens(&self, dead: &[Secret]) -> Result<(), AccountError> {
        if dead.is_empty() {
            return Ok(());
        }
        let write = self.database.begin_write().map_err(store)?;
        {
            let mut table = write.open_table(TOKENS).map_err(store)?;
            for old in dead {
                table.remove(old).map_err(store)?;
            }
        }
        write.commit().map_err(store)
    }
}
