//! The state database as a handle: opened once, cloned to every thread.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::{Builder, Database, DatabaseError, ReadableDatabase, TableHandle};
use uuid::Uuid;

use super::error::StoreError;
use super::history::HISTORY;
use super::key::IndexKey;
use super::row::{FORMAT, Header, OpenRow, Row};
use super::statistics::{HeldStatistics, STATISTICS};
use super::view::{HEADER, INDEX, META, OPEN, REGISTRATIONS, ROWS, Rows, View, WAKES};
use crate::domain::{Address, Kind, Registration, Timestamp};

/// Memory for pages, bytes, when nothing else is said: 16 MiB.
pub const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// How the database is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Most memory for pages, bytes.
    pub cache_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { cache_bytes: CACHE_BYTES }
    }
}

/// The state database. Clones share one open file; reads go on while a snapshot is written and see the
/// one before it.
#[derive(Clone)]
pub struct StateDb {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    path: PathBuf,
    origin: String,
    through: AtomicU64,
    statistics: HeldStatistics,
}

impl StateDb {
    /// Opens the database at `path` with default [`Options`], or makes a new, empty one there.
    ///
    /// # Errors
    /// As [`StateDb::open_with`].
    pub fn open(path: impl AsRef<Path>, origin: &str) -> Result<Self, StoreError> {
        Self::open_with(path, origin, Options::default())
    }

    /// Opens the database of the exchange `origin` at `path`, or makes a new, empty one there. The folder
    /// must exist.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another process has it, [`StoreError::Newer`] when a newer program
    /// wrote it, [`StoreError::Origin`] when it is another exchange's, [`StoreError::Open`] otherwise.
    pub fn open_with(path: impl AsRef<Path>, origin: &str, options: Options) -> Result<Self, StoreError> {
        let path = path.as_ref().to_path_buf();
        let database =
            Builder::new().set_cache_size(options.cache_bytes).create(&path).map_err(|error| match error {
                DatabaseError::DatabaseAlreadyOpen => StoreError::InUse { path: path.clone() },
                other => StoreError::Open { path: path.clone(), source: Box::new(other.into()) },
            })?;
        let header = match stored_header(&database)? {
            Some(bytes) => {
                let found = Header::format_of(&bytes)?;
                if found > FORMAT {
                    let known = FORMAT;
                    return Err(StoreError::Newer { path, found, known });
                }
                Header::unpack(&bytes)?
            }
            None => start(&database, &path, origin)?,
        };
        if header.origin != origin {
            return Err(StoreError::Origin { path, found: header.origin, expected: origin.into() });
        }
        Ok(StateDb {
            inner: Arc::new(Inner {
                database,
                path,
                origin: header.origin,
                through: AtomicU64::new(header.through),
                statistics: HeldStatistics::default(),
            }),
        })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// The exchange that it belongs to.
    pub fn origin(&self) -> &str {
        &self.inner.origin
    }

    /// Entries with a leaf below this are durably in the database: what partitions keep in memory of
    /// them (known ids) may go. Does not touch the disk.
    pub fn known_through(&self) -> u64 {
        self.inner.through.load(Ordering::Acquire)
    }

    pub(super) fn set_known_through(&self, through: u64) {
        self.inner.through.store(through, Ordering::Release);
    }

    pub(super) fn database(&self) -> &Database {
        &self.inner.database
    }

    pub(super) fn statistics_held(&self) -> &HeldStatistics {
        &self.inner.statistics
    }

    /// Refuses a ledger of `entries` entries that is shorter than what the database holds.
    ///
    /// # Errors
    /// [`StoreError::Ahead`].
    pub fn check_ledger(&self, entries: u64) -> Result<(), StoreError> {
        let through = self.known_through();
        if through <= entries { Ok(()) } else { Err(StoreError::Ahead { through, ledger: entries }) }
    }

    /// The database at this moment, for several reads that must fit together.
    pub fn view(&self) -> Result<View, StoreError> {
        Ok(View::new(self.inner.database.begin_read()?))
    }

    /// What the database holds.
    pub fn header(&self) -> Result<Header, StoreError> {
        self.view()?.header()
    }

    /// The row of one entity.
    pub fn row(&self, entity: &Address) -> Result<Option<Row>, StoreError> {
        self.view()?.row(entity)
    }

    /// The rows of one kind, or of all, in the order of their addresses.
    pub fn rows(&self, kind: Option<Kind>) -> Result<Rows, StoreError> {
        self.view()?.rows(kind)
    }

    /// The leaves under each key, in the order of `keys`, read at one moment.
    pub fn index(&self, keys: &[IndexKey]) -> Result<Vec<Option<Vec<u64>>>, StoreError> {
        self.view()?.index(keys)
    }

    /// All leaves of whatever has this UUID, ascending.
    pub fn index_by_uuid(&self, id: Uuid) -> Result<Vec<u64>, StoreError> {
        self.view()?.index_by_uuid(id)
    }

    /// The registration of one party.
    pub fn registration(&self, party: &Address) -> Result<Option<Registration>, StoreError> {
        self.view()?.registration(party)
    }

    /// All registrations: the registry read model at start.
    pub fn registrations(&self) -> Result<Vec<(Address, Registration)>, StoreError> {
        self.view()?.registrations()
    }

    /// When entities have something to do by the clock; `None` in a file of a program that did not keep it.
    pub fn wakes(&self) -> Result<Option<Vec<(Address, Timestamp)>>, StoreError> {
        self.view()?.wakes()
    }

    /// One open exchange, by its delivery's id.
    pub fn open_row(&self, delivery: Uuid) -> Result<Option<OpenRow>, StoreError> {
        self.view()?.open_row(delivery)
    }

    /// All open exchanges: deadlines and deliveries at start.
    pub fn open_rows(&self) -> Result<Vec<(Uuid, OpenRow)>, StoreError> {
        self.view()?.open_rows()
    }
}

impl std::fmt::Debug for StateDb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StateDb")
            .field("path", &self.inner.path)
            .field("through", &self.known_through())
            .finish_non_exhaustive()
    }
}

/// The header's bytes; none in a file that has no tables yet.
fn stored_header(database: &Database) -> Result<Option<Vec<u8>>, StoreError> {
    let transaction = database.begin_read()?;
    if !transaction.list_tables()?.any(|table| table.name() == META.name()) {
        return Ok(None);
    }
    let meta = transaction.open_table(META)?;
    Ok(meta.get(HEADER)?.map(|bytes| bytes.value().to_vec()))
}

/// Makes the tables and the first header, in one transaction, and makes the file's name durable.
fn start(database: &Database, path: &Path, origin: &str) -> Result<Header, StoreError> {
    let header = Header { format: FORMAT, origin: origin.into(), through: 0, made_at: Timestamp::default() };
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    {
        let mut meta = transaction.open_table(META)?;
        meta.insert(HEADER, header.pack()?.as_slice())?;
        transaction.open_table(ROWS)?;
        transaction.open_table(REGISTRATIONS)?;
        transaction.open_table(INDEX)?;
        transaction.open_table(OPEN)?;
        transaction.open_table(WAKES)?;
        transaction.open_table(HISTORY)?;
        transaction.open_table(STATISTICS)?;
    }
    transaction.commit()?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| StoreError::Open { path: path.into(), source: Box::new(redb::Error::Io(error)) })?;
    Ok(header)
}
