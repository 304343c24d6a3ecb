//! The few system calls the ledger needs beyond `std`: reserving space, dropping cached pages, syncing folders.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rustix::fs::{Advice, FallocateFlags};
use rustix::io::Errno;

use super::error::{LedgerError, io_at};

/// Reserves `bytes` from `offset` on without changing the file's length, so that writing there cannot meet a full disk.
///
/// # Errors
/// [`LedgerError::NoSpace`] if the disk, a quota or a file-size limit has no room; `Io` otherwise.
pub(super) fn reserve(file: &File, path: &Path, offset: u64, bytes: u64) -> Result<(), LedgerError> {
    if bytes == 0 {
        return Ok(());
    }
    let no_space = || LedgerError::NoSpace { needed: bytes, path: path.to_path_buf() };
    match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, offset, bytes) {
        Ok(()) => Ok(()),
        Err(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => Err(no_space()),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
            // A file system without reservation (NFS before 4.2, some FUSE): what is free now is the best known.
            let stat = rustix::fs::fstatvfs(file).map_err(|e| io_at("see the free space for", path)(e.into()))?;
            if stat.f_bavail.saturating_mul(stat.f_frsize) < bytes { Err(no_space()) } else { Ok(()) }
        }
        Err(e) => Err(io_at("reserve space in", path)(e.into())),
    }
}

/// Sees whether at least `floor` bytes are free on the disk that holds `dir`.
///
/// # Errors
/// [`LedgerError::Scarce`] when they are not; `Io` when the system does not tell.
pub(super) fn room(dir: &Path, floor: u64) -> Result<(), LedgerError> {
    let stat = rustix::fs::statvfs(dir).map_err(|e| io_at("see the free space of", dir)(e.into()))?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    if free < floor { Err(LedgerError::Scarce { free, floor, path: dir.to_path_buf() }) } else { Ok(()) }
}

/// Syncs the file, then drops its pages from the cache, so that what is read next is what the disk holds:
/// after a failed sync Linux keeps showing pages that never reached it.
pub(super) fn forget_cached(file: &File) -> io::Result<()> {
    file.sync_data()?;
    match rustix::fs::fadvise(file, 0, None, Advice::DontNeed) {
        // Memory file systems have nothing behind the cache.
        Ok(()) | Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// Makes the names in a folder durable.
pub(super) fn sync_dir(dir: &Path) -> Result<(), LedgerError> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(io_at("sync folder", dir))
}

/// Makes a folder and its name in its parent durable.
pub(super) fn make_dir(dir: &Path) -> Result<(), LedgerError> {
    fs::create_dir_all(dir).map_err(io_at("make folder", dir))?;
    match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_dir(parent),
        _ => Ok(()),
    }
}

/// The files `<prefix><20 digits>.dex` of a folder with their numbers, ascending.
pub(super) fn numbered(dir: &Path, prefix: &str) -> Result<Vec<u64>, LedgerError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(io_at("list", dir))? {
        let name = entry.map_err(io_at("list", dir))?.file_name();
        let digits = name.to_str().and_then(|n| n.strip_prefix(prefix)?.strip_suffix(".dex"));
        if let Some(n) = digits.filter(|d| d.len() == 20).and_then(|d| d.parse().ok()) {
            found.push(n);
        }
    }
    found.sort_unstable();
    Ok(found)
}
