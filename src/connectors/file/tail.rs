//! The new lines of a file that grows.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::os::unix::fs::MetadataExt;

use sha2::{Digest, Sha256};

use crate::connectors::error::FetchError;

/// Most bytes read at a time: the longest line, too.
pub(super) const CHUNK: usize = 1 << 20;
/// Most bytes of a CSV file up to the end of its header.
pub(super) const HEADER: usize = 64 * 1024;
/// Bytes at a file's beginning that tell whether it is still the one that it was.
const HEAD: usize = 256;

/// A file at a moment.
#[derive(Debug)]
pub(super) struct Tail {
    file: File,
    pub size: u64,
    /// When it was changed last, seconds since 1970.
    pub changed: i64,
    pub inode: u64,
}

fn fault(error: &std::io::Error) -> FetchError {
    FetchError::Refused(format!("a file cannot be read: {}", error.kind()))
}

impl Tail {
    pub fn of(file: File) -> Result<Tail, FetchError> {
        let data = file.metadata().map_err(|error| fault(&error))?;
        Ok(Tail { size: data.len(), changed: data.mtime(), inode: data.ino(), file })
    }

    /// Up to `most` bytes from an offset.
    pub fn read(&self, offset: u64, most: usize) -> Result<Vec<u8>, FetchError> {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(most).min(most);
        let mut bytes = vec![0; left];
        let mut filled = 0;
        while filled < left {
            match self.file.read_at(&mut bytes[filled..], offset + filled as u64) {
                // It was cut while we read.
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(fault(&error)),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    /// A mark of the file's beginning, as far as it was read: another one is another file in its place.
    pub fn mark(&self, offset: u64) -> Result<String, FetchError> {
        let head = self.read(0, usize::try_from(offset).unwrap_or(HEAD).min(HEAD))?;
        Ok(data_encoding::BASE64URL_NOPAD.encode(&Sha256::digest(&head)[..6]))
    }
}
