//! Contents on this machine's disk: one file each, named by its delivery, whole and synced under that name.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::domain::bundle::Scratch;
use crate::domain::exchange::large::Slate;

/// Ending of a file that is being written.
const PART: &str = "part";
/// Bytes gathered before they are written.
const BUFFER: usize = 256 * 1024;

/// The folder.
#[derive(Debug, Clone)]
pub struct Files(PathBuf);

/// A file that nobody finds any more: it is gone once it is closed, whatever happens.
pub struct Nameless(File);

impl Scratch for Nameless {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        self.0.read_exact_at(into, at)
    }
}

/// A content that is being written.
pub struct Draft {
    out: BufWriter<File>,
    part: PathBuf,
    whole: PathBuf,
    kept: bool,
}

impl Files {
    /// The folder, made when it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        Ok(Files(folder))
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    fn path(&self, delivery: Uuid) -> PathBuf {
        self.0.join(delivery.hyphenated().to_string())
    }

    /// Begins a content; what was there of an earlier try goes.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn begin(&self, delivery: Uuid) -> io::Result<Draft> {
        let whole = self.path(delivery);
        let part = whole.with_extension(PART);
        Ok(Draft { out: BufWriter::with_capacity(BUFFER, File::create(&part)?), part, whole, kept: false })
    }

    /// A file to put the records of a content in order in.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn scratch(&self, delivery: Uuid) -> io::Result<Nameless> {
        let path = self.path(delivery).with_extension(PART);
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
        fs::remove_file(&path)?;
        Ok(Nameless(file))
    }

    /// A content that is here, with its bytes.
    ///
    /// # Errors
    /// When it is not here.
    pub fn read(&self, delivery: Uuid) -> io::Result<(File, u64)> {
        let file = File::open(self.path(delivery))?;
        let size = file.metadata()?.len();
        Ok((file, size))
    }

    /// Removes a content, and what was begun of it. One that is not here is no error.
    ///
    /// # Errors
    /// When the disk does not do it.
    pub fn remove(&self, delivery: Uuid) -> io::Result<()> {
        let whole = self.path(delivery);
        for path in [whole.with_extension(PART), whole] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Contents that are here, whole or not, with their bytes.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn list(&self) -> io::Result<BTreeMap<Uuid, u64>> {
        let mut found = BTreeMap::new();
        for item in fs::read_dir(&self.0)? {
            let path = item?.path();
            let named = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse::<Uuid>().ok());
            if let Some(delivery) = named {
                // One may go while they are listed.
                *found.entry(delivery).or_default() += fs::metadata(&path).map_or(0, |facts| facts.len());
            }
        }
        Ok(found)
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Slate for Draft {
    fn wipe(&mut self) -> io::Result<()> {
        // What is gathered is written before it goes there.
        self.out.rewind()?;
        self.out.get_ref().set_len(0)
    }
}

impl Draft {
    /// Puts it under its name, synced with its folder.
    ///
    /// # Errors
    /// When any of that fails: it is not here then.
    pub fn keep(mut self) -> io::Result<()> {
        self.out.flush()?;
        self.out.get_ref().sync_all()?;
        fs::rename(&self.part, &self.whole)?;
        self.kept = true;
        match self.whole.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }
}

impl Drop for Draft {
    /// What was not kept goes.
    fn drop(&mut self) {
        if !self.kept
            && let Err(error) = fs::remove_file(&self.part)
        {
            tracing::debug!(%error, "what was begun of a content stays until it is swept");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_that_is_wiped_takes_no_room_and_can_be_written_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Files::open(folder.path().join("large")).expect("made");
        let delivery = Uuid::from_u128(7);
        let mut draft = files.begin(delivery).expect("begun");
        draft.write_all(&vec![b'x'; BUFFER + 100]).expect("written");
        draft.write_all(b"more").expect("written");
        draft.wipe().expect("wiped");
        assert_eq!(files.list().expect("listed"), BTreeMap::from([(delivery, 0)]));
        draft.write_all(b"[]").expect("written");
        draft.keep().expect("kept");
        assert_eq!(fs::read(files.path(delivery)).expect("there"), b"[]");
    }
}
