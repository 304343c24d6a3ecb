//! Reading a ledger folder without its writer: for people who look at it, with the daemon running or not.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::checkpoint::{CheckpointError, CheckpointVerifier};
use super::error::{LedgerError, io_at};
use super::hashes::HashFile;
use super::reader::{CommittedHead, LedgerReader, Shared};
use super::{notes, segment};

/// A reader over the ledger of a data folder, up to the newest checkpoint that `verifier` signed. Changes nothing and
/// takes no lock; what is committed later is not seen.
///
/// # Errors
/// `Io` if the folder cannot be read, `Checkpoint` if it holds no checkpoint by this key.
pub fn read(data_dir: &Path, verifier: &CheckpointVerifier) -> Result<LedgerReader, LedgerError> {
    let dir = data_dir.join("ledger");
    let newest = notes::newest_path(&dir);
    let mut texts = vec![fs::read(&newest).map_err(io_at("read", &newest))?];
    // The newest one is not synced, so it may be torn.
    texts.extend(notes::read_synced(&notes::synced_path(&dir))?.into_iter().map(|note| note.text.into_bytes()));
    let mut best: Option<(u64, Arc<str>)> = None;
    let mut wrong = CheckpointError::Malformed("there is none");
    for text in texts {
        let text = String::from_utf8_lossy(&text);
        match verifier.open(&text) {
            Ok(it) if best.as_ref().is_none_or(|(size, _)| it.size > *size) => {
                best = Some((it.size, text.as_ref().into()));
            }
            Ok(_) => {}
            Err(error) => wrong = error,
        }
    }
    let Some((tree_size, checkpoint)) = best else {
        return Err(LedgerError::Checkpoint { known_from: "the checkpoint file", source: wrong });
    };
    reader(dir, CommittedHead { tree_size, checkpoint })
}

/// The same by the newest checkpoint alone, without a look at those before it: for who looks again and again. None
/// while that one is just being written.
///
/// # Errors
/// As [`read`].
pub fn newest(data_dir: &Path, verifier: &CheckpointVerifier) -> Result<Option<LedgerReader>, LedgerError> {
    let dir = data_dir.join("ledger");
    let path = notes::newest_path(&dir);
    let text = fs::read(&path).map_err(io_at("read", &path))?;
    let text = String::from_utf8_lossy(&text);
    match verifier.open(&text) {
        Ok(found) => reader(dir, CommittedHead { tree_size: found.size, checkpoint: text.as_ref().into() }).map(Some),
        Err(CheckpointError::Malformed(_) | CheckpointError::BadSignature(_)) => Ok(None),
        Err(source) => Err(LedgerError::Checkpoint { known_from: "the checkpoint file", source }),
    }
}

fn reader(dir: PathBuf, head: CommittedHead) -> Result<LedgerReader, LedgerError> {
    let segments = segment::list(&dir)?;
    let hashes = HashFile::read_only(&dir)?;
    Ok(LedgerReader(Arc::new(Shared::new(dir, head, &segments, hashes))))
}
