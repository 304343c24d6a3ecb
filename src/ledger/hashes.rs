//! The hash file: every complete subtree's hash in stored order (64 bytes an entry). Derived: rebuilt from the segments if
//! it is short or wrong. Synced before a checkpoint is stored, so that what is below that checkpoint need not be hashed again.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk;
use super::error::{LedgerError, io_at};
use super::merkle::{Hash, HashSource, stored_count, stored_index};

/// Space is reserved in steps of this, bytes.
const STEP: u64 = 4 << 20;

/// The hash file, shared by the writer and the readers.
#[derive(Debug, Clone)]
pub(super) struct HashFile {
    file: Arc<File>,
    path: Arc<PathBuf>,
}

/// Bytes of the hash file of a tree.
pub(super) fn bytes(size: u64) -> u64 {
    stored_count(size) * 32
}

impl HashFile {
    pub(super) fn path_in(dir: &Path) -> PathBuf {
        dir.join("hashes")
    }

    pub(super) fn open(dir: &Path) -> Result<Self, LedgerError> {
        let path = Self::path_in(dir);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        Ok(Self { file: Arc::new(file.map_err(io_at("open", &path))?), path: Arc::new(path) })
    }

    /// An existing hash file, for reading only.
    pub(super) fn read_only(dir: &Path) -> Result<Self, LedgerError> {
        let path = Self::path_in(dir);
        Ok(Self { file: Arc::new(File::open(&path).map_err(io_at("open", &path))?), path: Arc::new(path) })
    }

    /// Holds room for the hashes of a tree growing from `size` to `grown` leaves; `reserved` is how far room was held before.
    pub(super) fn reserve(&self, size: u64, grown: u64, reserved: &mut u64) -> Result<(), LedgerError> {
        let (have, want) = (bytes(size), bytes(grown));
        if want > *reserved {
            let ahead = (want - have).max(STEP);
            disk::reserve(&self.file, &self.path, have, ahead)?;
            *reserved = have + ahead;
        }
        Ok(())
    }

    /// Writes the hashes that follow those of a tree of `size` leaves.
    pub(super) fn append(&self, size: u64, hashes: &[u8]) -> Result<(), LedgerError> {
        self.file.write_all_at(hashes, bytes(size)).map_err(io_at("write", &self.path))
    }

    /// Drops what is beyond the hashes of a tree of `size` leaves.
    pub(super) fn truncate(&self, size: u64) -> Result<(), LedgerError> {
        self.file.set_len(bytes(size)).map_err(io_at("cut", &self.path))
    }

    pub(super) fn sync(&self) -> Result<(), LedgerError> {
        self.file.sync_data().map_err(io_at("sync", &self.path))
    }

    /// Reads `count` hashes of one level, from `index` on.
    pub(super) fn row(&self, level: u32, index: u64, count: u64) -> Result<Vec<u8>, LedgerError> {
        let mut row = Vec::with_capacity(count as usize * 32);
        for i in index..index + count {
            row.extend_from_slice(&self.hash(level, i).map_err(io_at("read", &self.path))?);
        }
        Ok(row)
    }

    pub(super) fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(into, offset)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl HashSource for HashFile {
    fn hash(&self, level: u32, index: u64) -> io::Result<Hash> {
        let mut hash = [0; 32];
        self.file.read_exact_at(&mut hash, stored_index(level, index) * 32)?;
        Ok(hash)
    }
}
