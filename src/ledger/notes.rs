//! The checkpoint files: `checkpoint` holds the newest note and is not synced; `checkpoints` holds synced ones, oldest first.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::checkpoint::{Checkpoint, CheckpointError, CheckpointVerifier};
use super::disk;
use super::error::{LedgerError, io_at};

/// When the file of synced notes is larger than this, every second note is dropped.
const MOST: u64 = 1 << 20;

/// A note in the file of synced ones, and where it starts.
pub(super) struct Note {
    pub offset: u64,
    pub text: String,
}

/// The two files, being written.
#[derive(Debug)]
pub(super) struct Notes {
    newest: File,
    newest_path: PathBuf,
    synced: File,
    synced_path: PathBuf,
    len: u64,
}

/// What the files say.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The newest note that was synced.
    pub synced: Option<Checkpoint>,
    /// The newest note written, if it reached the file whole.
    pub newest: Option<Checkpoint>,
}

pub(super) fn newest_path(dir: &Path) -> PathBuf {
    dir.join("checkpoint")
}

pub(super) fn synced_path(dir: &Path) -> PathBuf {
    dir.join("checkpoints")
}

impl Notes {
    /// Opens both files, dropping a torn last note.
    pub(super) fn open(dir: &Path, verifier: &CheckpointVerifier) -> Result<(Self, Known), LedgerError> {
        let (newest_path, synced_path) = (newest_path(dir), synced_path(dir));
        let open = |path: &Path| {
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(path)
                .map_err(io_at("open", path))
        };
        let (newest, synced) = (open(&newest_path)?, open(&synced_path)?);

        let mut known = Known { newest: read_newest(&newest_path, verifier)?, synced: None };
        let mut len = 0;
        for note in read_synced(&synced_path)?.iter().rev() {
            match verifier.open(&note.text) {
                Ok(checkpoint) => {
                    known.synced = Some(checkpoint);
                    len = note.offset + note.text.len() as u64 + 1;
                    break;
                }
                // Not written whole; the one before it was synced.
                Err(CheckpointError::Malformed(_) | CheckpointError::BadSignature(_)) => {}
                Err(source) => {
                    return Err(LedgerError::Checkpoint { known_from: "the file of stored checkpoints", source });
                }
            }
        }
        // Only if there is something to cut: it would give back the room that was reserved.
        if synced.metadata().map_err(io_at("see the length of", &synced_path))?.len() != len {
            synced.set_len(len).map_err(io_at("cut", &synced_path))?;
        }
        Ok((Self { newest, newest_path, synced, synced_path, len }, known))
    }

    /// Holds room for the files, so that storing a note cannot meet a full disk.
    pub(super) fn reserve(&self) -> Result<(), LedgerError> {
        disk::reserve(&self.newest, &self.newest_path, 0, 4096)?;
        disk::reserve(&self.synced, &self.synced_path, 0, MOST + 4096)
    }

    /// Writes the newest note, without a sync. Sizes only grow, so a note is never shorter than the one it covers.
    pub(super) fn write(&self, note: &str) -> Result<(), LedgerError> {
        self.newest.write_all_at(note.as_bytes(), 0).map_err(io_at("write", &self.newest_path))
    }

    /// Writes the first note of a run: the file may hold a longer one.
    pub(super) fn restart(&self, note: &str) -> Result<(), LedgerError> {
        self.newest.set_len(note.len() as u64).map_err(io_at("cut", &self.newest_path))?;
        self.write(note)
    }

    /// Appends a note and syncs it.
    pub(super) fn store(&mut self, note: &str) -> Result<(), LedgerError> {
        let line = format!("{note}\n");
        self.synced.write_all_at(line.as_bytes(), self.len).map_err(io_at("write", &self.synced_path))?;
        self.synced.sync_data().map_err(io_at("sync", &self.synced_path))?;
        self.len += line.len() as u64;
        if self.len > MOST {
            self.thin()?;
        }
        Ok(())
    }

    /// Drops every second note but the last, so that the file keeps a bound and the past stays covered.
    fn thin(&mut self) -> Result<(), LedgerError> {
        let notes = read_synced(&self.synced_path)?;
        let last = notes.len().saturating_sub(1);
        let kept: String = notes
            .iter()
            .enumerate()
            .filter(|(i, _)| i % 2 == 0 || *i == last)
            .map(|(_, n)| format!("{}\n", n.text))
            .collect();
        let path = self.synced_path.with_extension("new");
        let write = || -> io::Result<File> {
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
            file.write_all_at(kept.as_bytes(), 0)?;
            file.sync_all()?;
            fs::rename(&path, &self.synced_path)?;
            Ok(file)
        };
        self.synced = write().map_err(io_at("rewrite", &path))?;
        disk::sync_dir(self.synced_path.parent().unwrap_or(Path::new(".")))?;
        self.len = kept.len() as u64;
        Ok(())
    }
}

/// The newest note, if the file holds one whole.
pub(super) fn read_newest(path: &Path, verifier: &CheckpointVerifier) -> Result<Option<Checkpoint>, LedgerError> {
    let text = match fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(io_at("read", path)(e)),
    };
    match verifier.open(&text) {
        Ok(checkpoint) => Ok(Some(checkpoint)),
        Err(CheckpointError::Malformed(_) | CheckpointError::BadSignature(_)) => Ok(None),
        Err(source) => Err(LedgerError::Checkpoint { known_from: "the checkpoint file", source }),
    }
}

/// All whole notes of the file of synced ones: each is two paragraphs (text, signatures) and ends with an empty line.
pub(super) fn read_synced(path: &Path) -> Result<Vec<Note>, LedgerError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(io_at("read", path)(e)),
    };
    let (mut notes, mut start) = (Vec::new(), 0);
    let blank = |from: usize| bytes.get(from..)?.windows(2).position(|w| w == b"\n\n").map(|at| from + at);
    while let Some(end) = blank(start).and_then(|body| blank(body + 2)) {
        let text = String::from_utf8_lossy(&bytes[start..=end]).into_owned();
        notes.push(Note { offset: start as u64, text });
        start = end + 2;
    }
    Ok(notes)
}
