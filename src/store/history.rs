//! The history of each party: which leaves hold its standing, keys, connections and debits. Written with a
//! snapshot, by the persistence thread; nothing of it is on the path of a message.

use redb::{ReadableDatabase, TableDefinition, TableError};

use super::db::StateDb;
use super::error::StoreError;
use crate::domain::fact::Fact;
use crate::domain::{Address, Entry};

/// `kind:id`, 0, kind of fact, number of the entry (8 bytes big-endian) → leaf.
pub(super) const HISTORY: TableDefinition<'static, &'static [u8], u64> = TableDefinition::new("history");

/// One entry of a party: its number and its leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The entity's entry number.
    pub n: u64,
    /// The leaf that holds it.
    pub leaf: u64,
}

fn key(party: &Address, fact: Fact, n: u64) -> Vec<u8> {
    let mut key = party.to_string().into_bytes();
    // An address never holds a zero byte, so no party's range lies in another's.
    key.extend([0, fact as u8]);
    key.extend(n.to_be_bytes());
    key
}

pub(super) fn put<'a>(
    table: &mut redb::Table<'_, &'static [u8], u64>,
    entries: impl Iterator<Item = (&'a Entry, u64)>,
) -> Result<(), StoreError> {
    let mut keys: Vec<(Vec<u8>, u64)> =
        entries.filter_map(|(it, leaf)| Some((key(&it.entity, it.event.fact()?, it.n), leaf))).collect();
    keys.sort_unstable();
    for (key, leaf) in keys {
        table.insert(key.as_slice(), leaf)?;
    }
    Ok(())
}

impl StateDb {
    /// Where a party's entries of one kind of fact stand, oldest first, at most `most`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn history(&self, party: &Address, fact: Fact, most: usize) -> Result<Vec<Place>, StoreError> {
        let (low, high) = (key(party, fact, 0), key(party, fact, u64::MAX));
        let transaction = self.database().begin_read()?;
        let table = transaction.open_table(HISTORY)?;
        let range = table.range(low.as_slice()..=high.as_slice())?.take(most);
        range
            .map(|item| {
                let (key, leaf) = item?;
                let n = key.value().last_chunk::<8>().map_or(0, |n| u64::from_be_bytes(*n));
                Ok(Place { n, leaf: leaf.value() })
            })
            .collect()
    }

    /// Whether the file is of a program that kept no history.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn lacks_history(&self) -> Result<bool, StoreError> {
        let transaction = self.database().begin_read()?;
        match transaction.open_table(HISTORY) {
            Ok(_) => Ok(false),
            Err(TableError::TableDoesNotExist(_)) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes the history of what the file holds already: `entries` are those below
    /// [`StateDb::known_through`] with their leaves. All of it or nothing.
    ///
    /// # Errors
    /// What `entries` ends with, and those of the file.
    pub fn write_history<X: From<StoreError>>(
        &self,
        entries: impl Iterator<Item = Result<(Entry, u64), X>>,
    ) -> Result<(), X> {
        let redb = |error: redb::Error| X::from(StoreError::Database(Box::new(error)));
        let mut transaction = self.database().begin_write().map_err(|error| redb(error.into()))?;
        transaction.set_quick_repair(true);
        {
            let mut table = transaction.open_table(HISTORY).map_err(|error| redb(error.into()))?;
            for item in entries {
                let (entry, leaf) = item?;
                put(&mut table, std::iter::once((&entry, leaf)))?;
            }
        }
        transaction.commit().map_err(|error| redb(error.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Event;
    use crate::store::toy::{self, hat, snapshot};
    use crate::store::{Sealed, Tail};
    use std::sync::Arc;

    fn entries() -> Vec<Arc<Sealed>> {
        let plug = |text: &str| crate::domain::Id::new(text).expect("an id");
        [
            toy::entry(1, 1, toy::registered(1), Some(hat(1))),
            toy::entry(1, 2, Event::PlugConnected { plug: plug("facebook"), asked: None }, Some(hat(1))),
            toy::entry(2, 1, toy::registered(1), Some(hat(2))),
            toy::entry(1, 3, toy::event_opened(&toy::opened(1, 3)), Some(hat(1))),
            toy::entry(1, 4, Event::Suspended, Some(hat(1))),
        ]
        .into_iter()
        .zip(100..)
        .map(|(entry, leaf)| toy::sealed(leaf, entry))
        .collect()
    }

    /// Makes the file like one of a program that kept no history.
    fn forget(db: &StateDb) {
        let transaction = db.database().begin_write().expect("writes");
        assert!(transaction.delete_table(HISTORY).expect("deletes"));
        transaction.commit().expect("commits");
    }

    fn told(db: &StateDb) -> Vec<(Vec<Place>, Vec<Place>)> {
        let of = |i, fact| db.history(&hat(i), fact, 10).expect("reads");
        [1, 2, 3].map(|i| (of(i, Fact::Registration), of(i, Fact::Connection))).into()
    }

    #[test]
    fn each_party_has_its_own_history_and_an_old_file_gets_the_same() {
        let (_folder, db) = toy::database();
        assert!(!db.lacks_history().expect("reads"));
        let tail = Tail::default();
        let _ = tail.push(&entries());
        snapshot(&db, &tail, 105).expect("a snapshot");
        let place = |n, leaf| Place { n, leaf };
        let wanted = vec![
            (vec![place(1, 100), place(4, 104)], vec![place(2, 101)]),
            (vec![place(1, 102)], vec![]),
            (vec![], vec![]),
        ];
        assert_eq!(told(&db), wanted);
        assert_eq!(db.history(&hat(1), Fact::Registration, 1).expect("reads").len(), 1);

        forget(&db);
        assert!(db.lacks_history().expect("reads"));
        let all = entries();
        let failing = all
            .iter()
            .map(|it| Ok((it.entry.clone(), it.leaf)))
            .take(2)
            .chain(std::iter::once(Err(StoreError::NotEmpty { through: 1 })));
        assert!(db.write_history(failing).is_err());
        assert!(db.lacks_history().expect("reads"), "half a history is none");
        db.write_history(all.iter().map(|it| Ok::<_, StoreError>((it.entry.clone(), it.leaf)))).expect("writes");
        assert_eq!(told(&db), wanted);
    }
}
