//! An append-only file of frames, each with its length and checksum: what is in it after a sync is there after a kill.
//!
//! ```text
//! u32 length, little endian · u32 CRC-32C of the bytes · the bytes, MessagePack
//! ```

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Largest frame, bytes: far above any body.
const FRAME_MAX: u32 = 64 << 20;

/// The file, open and locked for this process alone.
pub struct Journal<T> {
    path: PathBuf,
    file: File,
    length: u64,
    entries: PhantomData<T>,
}

fn frame(out: &mut Vec<u8>, entry: &impl Serialize) -> io::Result<()> {
    let begin = out.len();
    out.extend_from_slice(&[0; 8]);
    rmp_serde::encode::write_named(out, entry).map_err(io::Error::other)?;
    let body = &out[begin + 8..];
    let length = u32::try_from(body.len()).ok().filter(|length| *length <= FRAME_MAX);
    let length = length.ok_or_else(|| io::Error::other("an entry of more than 64 MiB"))?;
    let sum = crc32c::crc32c(body);
    out[begin..begin + 4].copy_from_slice(&length.to_le_bytes());
    out[begin + 4..begin + 8].copy_from_slice(&sum.to_le_bytes());
    Ok(())
}

/// Syncs the folder of a path, so that the name itself is there after a power cut.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

impl<T: Serialize + DeserializeOwned> Journal<T> {
    /// Opens or makes it, hands every whole entry to `each`, and cuts off what a kill has left half-written.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when another process has it open, and what reading gives.
    pub fn open(path: &Path, mut each: impl FnMut(T)) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        file.try_lock().map_err(io::Error::from)?;
        sync_folder(path)?;
        let mut reader = BufReader::new(&mut file);
        let mut length = 0;
        while let Some((entry, bytes)) = read(&mut reader)? {
            each(entry);
            length += bytes;
        }
        drop(reader);
        file.set_len(length)?;
        file.seek(SeekFrom::Start(length))?;
        Ok(Journal { path: path.to_owned(), file, length, entries: PhantomData })
    }

    /// Adds entries; they are on disk when this returns.
    ///
    /// # Errors
    /// What writing gives. Nothing may be added after that: whether they are there is not known.
    pub fn append<'a>(&mut self, entries: impl IntoIterator<Item = &'a T>) -> io::Result<()>
    where
        T: 'a,
    {
        let mut bytes = Vec::new();
        for entry in entries {
            frame(&mut bytes, entry)?;
        }
        if bytes.is_empty() {
            return Ok(());
        }
        self.file.write_all(&bytes)?;
        self.file.sync_data()?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Puts a file with only these entries in its place, at once or not at all.
    ///
    /// # Errors
    /// What writing gives; the old file stays then.
    pub fn replace(&mut self, entries: impl IntoIterator<Item = T>) -> io::Result<()> {
        let beside = self.path.with_extension("new");
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&beside)?;
        file.try_lock().map_err(io::Error::from)?;
        let (mut bytes, mut length) = (Vec::new(), 0);
        for entry in entries {
            bytes.clear();
            frame(&mut bytes, &entry)?;
            file.write_all(&bytes)?;
            length += bytes.len() as u64;
        }
        file.sync_all()?;
        std::fs::rename(&beside, &self.path)?;
        sync_folder(&self.path)?;
        (self.file, self.length) = (file, length);
        Ok(())
    }
}

/// The next entry and its bytes; none at the end and where the rest is no whole entry.
fn read<T: DeserializeOwned>(reader: &mut impl Read) -> io::Result<Option<(T, u64)>> {
    let mut head = [0; 8];
    if !whole(reader, &mut head)? {
        return Ok(None);
    }
    let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let (length, sum) = (number(0), number(4));
    if length > FRAME_MAX {
        return Ok(None);
    }
    let mut body = vec![0; length as usize];
    if !whole(reader, &mut body)? || crc32c::crc32c(&body) != sum {
        return Ok(None);
    }
    let entry = rmp_serde::from_slice(&body)
        .map_err(|error| io::Error::other(format!("an entry that this version does not know: {error}")))?;
    Ok(Some((entry, 8 + u64::from(length))))
}

/// Fills `room`; false when the file ends before.
fn whole(reader: &mut impl Read, room: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(room) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(path: &Path) -> Vec<String> {
        let mut found = Vec::new();
        Journal::<String>::open(path, |entry| found.push(entry)).expect("opened");
        found
    }

    #[test]
    fn what_was_synced_is_there_and_a_torn_end_is_cut_off_wherever_it_tears() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal");
        {
            let mut journal = Journal::open(&path, |_: String| ()).expect("opened");
            journal.append(&["one".to_owned(), "two".to_owned()]).expect("written");
            journal.append(&["three".to_owned()]).expect("written");
            let other = Journal::open(&path, |_: String| ());
            assert_eq!(other.err().map(|error| error.kind()), Some(io::ErrorKind::WouldBlock));
        }
        let bytes = std::fs::read(&path).expect("read");
        let two = bytes.len() - 8 - 6;
        for cut in two..bytes.len() {
            std::fs::write(&path, &bytes[..cut]).expect("written");
            assert_eq!(all(&path), ["one", "two"], "cut at {cut}");
            assert_eq!(std::fs::metadata(&path).expect("there").len(), two as u64);
        }
        for flipped in two..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[flipped] ^= 0x40;
            std::fs::write(&path, &damaged).expect("written");
            assert_eq!(all(&path), ["one", "two"], "flipped at {flipped}");
        }
        let mut journal = Journal::open(&path, |_: String| ()).expect("opened");
        journal.append(&["four".to_owned()]).expect("written");
        journal.replace(["two".to_owned(), "four".to_owned()]).expect("replaced");
        journal.append(&["five".to_owned()]).expect("written");
        assert_eq!(journal.length(), std::fs::metadata(&path).expect("there").len());
        drop(journal);
        assert_eq!(all(&path), ["two", "four", "five"]);
    }
}
