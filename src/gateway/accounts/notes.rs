//! Small things that the gateway must not forget: descriptions of the catalogue, generations of offers' tokens.

use std::collections::BTreeMap;

use serde_json::Value;

use super::store::Kept;
use super::{AccountError, Accounts};

/// Most notes.
const NOTES_MAX: usize = 50_000;

impl Accounts {
    /// A note.
    pub fn note(&self, key: &str) -> Option<Value> {
        self.read().notes.get(key).cloned()
    }

    /// All notes whose keys begin so, in order, without that beginning.
    pub fn notes(&self, prefix: &str) -> BTreeMap<String, Value> {
        let memory = self.read();
        let from = memory.notes.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
        from.map(|(key, value)| (key[prefix.len()..].to_owned(), value.clone())).collect()
    }

    /// Keeps notes, and drops those without a value, all or none.
    ///
    /// # Errors
    /// [`AccountError`] when there are too many or they cannot be written.
    pub fn take_notes(&self, notes: Vec<(String, Option<Value>)>) -> Result<(), AccountError> {
        let _change = self.change();
        let fresh = {
            let memory = self.read();
            let new = notes.iter().filter(|(key, value)| value.is_some() && !memory.notes.contains_key(key)).count();
            memory.notes.len() + new
        };
        if fresh > NOTES_MAX {
            return Err(AccountError::Full(NOTES_MAX));
        }
        self.store.keep(&Kept::Notes(notes.clone()))?;
        let mut memory = self.write();
        for (key, value) in notes {
            match value {
                Some(value) => memory.notes.insert(key, value),
                None => memory.notes.remove(&key),
            };
        }
        Ok(())
    }
}
