//! Room on the disk, asked before anything is written: a database that meets a full disk in the middle of
//! a write answers with that error until it is opened again.

use std::path::Path;

/// Bytes that must be free before rows are written.
pub const ROOM_MIN: u64 = 32 << 20;

/// Bytes that this user may still write on the disk that holds `path`.
///
/// # Errors
/// When the system does not tell.
pub fn bytes_free(path: &Path) -> std::io::Result<u64> {
    let facts = rustix::fs::statvfs(path)?;
    Ok(facts.f_bavail.saturating_mul(facts.f_frsize))
}
