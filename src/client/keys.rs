//! A party's key in a file: made, stored with mode 0600, read back.

use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rand::RngCore;
use rand::rngs::OsRng;
use zeroize::{Zeroize, Zeroizing};

use crate::wire::Signer;

/// Longest key file that is read, bytes: a seed, a line end and a comment.
const FILE_BYTES_MAX: u64 = 4096;

/// What is wrong with a key file.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It is there already; a key is never written over.
    #[error("key file {0} is there already; name another or remove it first")]
    Exists(PathBuf),
    /// Read or write failed.
    #[error("key file {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What failed.
        source: std::io::Error,
    },
    /// Others can read it.
    #[error("key file {path} can be read by others (mode {mode:03o}); run: chmod 600 {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It holds no seed.
    #[error("key file {0} holds no line that is a user nkey's seed (58 characters that begin with SU)")]
    NoSeed(PathBuf),
}

/// A new key from the system's random source.
pub fn generate() -> Signer {
    let mut seed = [0u8; 32];
    OsRng.fill_bytes(&mut seed);
    let signer = Signer::from_seed(&seed);
    seed.zeroize();
    signer
}

/// Writes a key's seed to a new file that only its owner can read.
///
/// # Errors
/// [`KeyFileError`]; a file that is there already is left as it is.
pub fn store(path: &Path, signer: &Signer) -> Result<(), KeyFileError> {
    let io = |source| KeyFileError::Io { path: path.to_owned(), source };
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = match opened {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(KeyFileError::Exists(path.to_owned()));
        }
        other => other.map_err(io)?,
    };
    let text = Zeroizing::new(format!("{}\n", signer.seed_text().as_str()));
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io)
}

/// Reads a key from its file: the first line that is a seed, so comments may stand around it.
///
/// # Errors
/// [`KeyFileError`]; a file that others can read is refused.
pub fn load(path: &Path) -> Result<Signer, KeyFileError> {
    let io = |source| KeyFileError::Io { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(io)?;
    let mode = file.metadata().map_err(io)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Open { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::new());
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(io)?;
    text.lines().find_map(|line| Signer::from_seed_text(line).ok()).ok_or_else(|| KeyFileError::NoSeed(path.to_owned()))
}

/// Reads the key at `path`, made first when there is none.
///
/// # Errors
/// [`KeyFileError`].
pub fn load_or_make(path: &Path) -> Result<Signer, KeyFileError> {
    match load(path) {
        Err(KeyFileError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            let signer = generate();
            store(path, &signer)?;
            Ok(signer)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_is_private_and_is_never_written_over() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("bob.key");
        let made = load_or_make(&path).expect("made");
        assert_eq!(load(&path).expect("loads").public(), made.public());
        assert_eq!(load_or_make(&path).expect("loads").public(), made.public());
        let mode = std::fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(matches!(store(&path, &generate()), Err(KeyFileError::Exists(_))));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("mode");
        assert!(matches!(load(&path), Err(KeyFileError::Open { mode: 0o644, .. })));
    }

    #[test]
    fn a_file_without_a_seed_is_named() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("x.key");
        std::fs::write(&path, "nothing\n").expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("mode");
        let error = load(&path).expect_err("fails").to_string();
        assert!(error.contains("x.key"), "{error}");
    }
}
