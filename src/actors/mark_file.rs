//! Small marks that are kept beside the state: read at a start, replaced as a whole.

use std::io;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The mark in the file. One that cannot be read is as none, which costs messages that go out twice: that is told.
pub fn read<T: DeserializeOwned>(file: &Path) -> Option<T> {
    let read = match std::fs::read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        read => read,
    };
    let mark = read.and_then(|bytes| Ok(serde_json::from_slice(&bytes)?));
    mark.inspect_err(|error| tracing::warn!(file = %file.display(), %error, "a mark cannot be read")).ok()
}

/// Replaces the file as a whole. Not synced: what is lost with it is only where a start may begin.
///
/// # Errors
/// When the file cannot be written.
pub fn write<T: Serialize>(file: &Path, mark: &T) -> io::Result<()> {
    let new = file.with_extension("mark.new");
    std::fs::write(&new, serde_json::to_vec(mark)?)?;
    std::fs::rename(new, file)
}
