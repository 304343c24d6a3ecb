//! Opening below a root: no link is followed on the way, wherever it leads.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::connectors::error::FetchError;

/// Most items of a folder that are looked through.
const ITEMS_MAX: usize = 10_000;

/// A folder that may be read.
#[derive(Debug)]
pub(super) struct Folder {
    fd: OwnedFd,
}

/// A file of a folder.
#[derive(Debug)]
pub(super) struct Found {
    pub name: OsString,
    pub inode: u64,
}

/// The folder below the first root that has it; none when no root has.
pub(super) fn folder(roots: &[PathBuf], parts: &[String]) -> Result<Option<Folder>, FetchError> {
    if roots.is_empty() {
        return FetchError::refused("no folder is allowed for files: name one in the configuration");
    }
    for root in roots {
        if let Some(fd) = below(root, parts)? {
            return Ok(Some(Folder { fd }));
        }
    }
    Ok(None)
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

fn below(root: &Path, parts: &[String]) -> Result<Option<OwnedFd>, FetchError> {
    // The root itself is the operator's word: it may be a link.
    let mut at = match rustix::fs::open(root, FOLDER, Mode::empty()) {
        Ok(fd) => fd,
        Err(error) => return absent(error, "an allowed folder for files"),
    };
    for part in parts {
        at = match rustix::fs::openat(&at, part.as_str(), FOLDER | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(fd) => fd,
            Err(error) => return absent(error, "a folder on the way to the files"),
        };
    }
    Ok(Some(at))
}

fn absent<T>(error: Errno, what: &str) -> Result<Option<T>, FetchError> {
    match error {
        Errno::NOENT => Ok(None),
        // With NOFOLLOW a link is one of these two.
        Errno::LOOP | Errno::NOTDIR => FetchError::refused(format!("{what} is a link, or no folder")),
        error => FetchError::refused(format!("{what} cannot be read: {error}")),
    }
}

impl Folder {
    /// Its files and what else is in it, by name.
    pub fn list(&self) -> Result<Vec<OsString>, FetchError> {
        let fail = |error: Errno| FetchError::Refused(format!("the folder of the files cannot be listed: {error}"));
        let mut names = Vec::new();
        for item in Dir::read_from(&self.fd).map_err(fail)? {
            let item = item.map_err(fail)?;
            let name = item.file_name().to_bytes();
            if !matches!(name, b"." | b"..") {
                names.push(OsStr::from_bytes(name).to_owned());
            }
            if names.len() > ITEMS_MAX {
                let why = format!("the folder of the files has more than {ITEMS_MAX} items");
                return Err(FetchError::TooLarge(why));
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// The regular file of this name; none for what is not there, a link or anything else.
    pub fn find(&self, name: &OsStr) -> Option<Found> {
        let stat = rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        regular.then(|| Found { name: name.to_owned(), inode: stat.st_ino })
    }

    /// Opens a file to read it.
    pub fn open(&self, found: &Found) -> Result<File, FetchError> {
        // Not blocking: a pipe that took the file's place would wait for ever.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let fd = rustix::fs::openat(&self.fd, found.name.as_os_str(), flags, Mode::empty());
        let fd = fd.map_err(|error| FetchError::Refused(format!("a file cannot be opened: {error}")))?;
        let file = File::from(fd);
        match file.metadata() {
            Ok(data) if data.is_file() => Ok(file),
            _ => FetchError::refused("what was a file is none any more"),
        }
    }
}
