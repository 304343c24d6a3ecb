//! Ledger segment files: their names, and the one that is being written.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::disk;
use super::error::{LedgerError, io_at};

const PREFIX: &str = "seg-";

/// File of the segment that starts with this leaf.
pub(super) fn path(dir: &Path, first_leaf: u64) -> PathBuf {
    dir.join(format!("{PREFIX}{first_leaf:020}.dex"))
}

/// First leaves of all segments, ascending.
pub(super) fn list(dir: &Path) -> Result<Vec<u64>, LedgerError> {
    disk::numbered(dir, PREFIX)
}

/// The open segment. Space is reserved ahead of what is written.
#[derive(Debug)]
pub(super) struct SegmentWriter {
    pub file: File,
    pub path: PathBuf,
    pub first_leaf: u64,
    pub len: u64,
    reserved: u64,
}

impl SegmentWriter {
    /// Makes a segment whose first frame is `head`, durably. Without space for it nothing is left behind.
    pub(super) fn create(dir: &Path, first_leaf: u64, head: &[u8], need: u64, ahead: u64) -> Result<Self, LedgerError> {
        let path = path(dir, first_leaf);
        let file =
            OpenOptions::new().write(true).create(true).truncate(true).open(&path).map_err(io_at("create", &path))?;
        let mut segment = Self { file, path, first_leaf, len: 0, reserved: 0 };
        if let Err(e) = segment.reserve(head.len() as u64 + need, ahead) {
            fs::remove_file(&segment.path).map_err(io_at("remove", &segment.path))?;
            return Err(e);
        }
        segment.append(head)?;
        disk::sync_dir(dir)?;
        Ok(segment)
    }

    /// Goes on with a segment that has `len` good bytes and nothing after them.
    pub(super) fn resume(dir: &Path, first_leaf: u64, len: u64) -> Result<Self, LedgerError> {
        let path = path(dir, first_leaf);
        let file = OpenOptions::new().write(true).open(&path).map_err(io_at("open", &path))?;
        Ok(Self { file, path, first_leaf, len, reserved: len })
    }

    /// Holds room for `need` more bytes, reserving at least `ahead` at once.
    pub(super) fn reserve(&mut self, need: u64, ahead: u64) -> Result<(), LedgerError> {
        if self.len + need > self.reserved {
            let bytes = need.max(ahead);
            disk::reserve(&self.file, &self.path, self.len, bytes)?;
            self.reserved = self.len + bytes;
        }
        Ok(())
    }

    /// Writes a frame and syncs it.
    pub(super) fn append(&mut self, frame: &[u8]) -> Result<(), LedgerError> {
        self.file.write_all_at(frame, self.len).map_err(io_at("write", &self.path))?;
        self.file.sync_data().map_err(io_at("sync", &self.path))?;
        self.len += frame.len() as u64;
        Ok(())
    }

    /// Gives back what was reserved and not used.
    pub(super) fn close(&self) -> Result<(), LedgerError> {
        self.file.set_len(self.len).map_err(io_at("close", &self.path))
    }
}
