//! The spool: content of exchanges that are not final, in segment files that go when nothing in them is live.
//!
//! A [`SpoolRef`] names the place where content was first put and stays good when compaction moves it: copies carry the
//! first place in their header. Record header, little-endian, 32 bytes: magic `DEXS`, version u16, zero u16, length u32,
//! CRC32C u32 (of header and content, with this field zero), first segment u64, first offset u64.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::disk;
use super::error::{LedgerError, io_at};

pub(super) const HEADER: usize = 32;
/// Largest content, bytes.
pub(super) const MAX_CONTENT: u64 = 64 << 20;
const MAGIC: [u8; 4] = *b"DEXS";

/// Where content was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SpoolRef {
    /// Number of the segment; never used twice.
    pub segment: u64,
    /// Byte offset of the record in it.
    pub offset: u64,
    /// Length of the content, bytes.
    pub len: u32,
}

impl SpoolRef {
    fn key(self) -> Place {
        (self.segment, self.offset)
    }

    fn record_len(self) -> u64 {
        HEADER as u64 + u64::from(self.len)
    }

    fn gone(self, what: &'static str) -> LedgerError {
        LedgerError::Content { segment: self.segment, offset: self.offset, what }
    }
}

/// Segment and offset.
type Place = (u64, u64);

#[derive(Debug)]
pub(super) struct Segment {
    /// Made by compaction: its records carry other places in their headers.
    pub copy: bool,
    pub bytes: u64,
    pub open: bool,
    /// Live contents by first place. None: an old segment of which `retain_only` has not told yet.
    pub live: Option<HashMap<Place, u32>>,
}

impl Segment {
    pub(super) fn live_bytes(&self) -> Option<u64> {
        self.live.as_ref().map(|l| l.values().map(|len| HEADER as u64 + u64::from(*len)).sum())
    }

    fn is_done(&self) -> bool {
        !self.open && self.live.as_ref().is_some_and(HashMap::is_empty)
    }
}

#[derive(Debug, Default)]
pub(super) struct Inner {
    pub segments: BTreeMap<u64, Segment>,
    /// First place → where compaction put it.
    pub moved: HashMap<Place, Place>,
    pub next: u64,
}

impl Inner {
    fn place(&self, r: SpoolRef) -> Place {
        self.moved.get(&r.key()).copied().unwrap_or(r.key())
    }
}

#[derive(Debug)]
pub(super) struct Shared {
    pub dir: PathBuf,
    pub inner: Mutex<Inner>,
    /// One compaction at a time.
    pub compacting: Mutex<()>,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change under the lock is complete in itself, so a panic elsewhere leaves it usable.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn path(&self, segment: u64, copy: bool) -> PathBuf {
        self.dir.join(format!("{}{segment:020}.dex", if copy { COPY } else { FIRST }))
    }
}

pub(super) const FIRST: &str = "spool-";
pub(super) const COPY: &str = "copy-";

/// Reads and releases content; cheap to clone, for any thread.
#[derive(Debug, Clone)]
pub struct SpoolHandle(pub(super) Arc<Shared>);

impl SpoolHandle {
    /// Opens the folder. Segment numbers go on above those found and above `used`.
    pub(super) fn open(dir: &Path, used: u64) -> Result<Self, LedgerError> {
        disk::make_dir(dir)?;
        let shared = Shared { dir: dir.to_path_buf(), inner: Mutex::default(), compacting: Mutex::default() };
        let mut inner = Inner { next: used, ..Inner::default() };
        for (prefix, copy) in [(FIRST, false), (COPY, true)] {
            for n in disk::numbered(dir, prefix)? {
                let path = shared.path(n, copy);
                let bytes = fs::metadata(&path).map_err(io_at("see the length of", &path))?.len();
                inner.segments.insert(n, Segment { copy, bytes, open: false, live: None });
                inner.next = inner.next.max(n);
                if copy {
                    for (first, offset) in copied(&path, bytes)? {
                        inner.moved.insert(first, (n, offset));
                    }
                }
            }
        }
        inner.next += 1;
        *shared.lock() = inner;
        Ok(Self(Arc::new(shared)))
    }

    /// The content, checked against its CRC.
    ///
    /// # Errors
    /// [`LedgerError::Content`] if it is gone or damaged; `Io` if it cannot be read.
    pub fn read(&self, r: SpoolRef) -> Result<Bytes, LedgerError> {
        for _ in 0..3 {
            let (path, offset) = {
                let inner = self.0.lock();
                let (segment, offset) = inner.place(r);
                let Some(s) = inner.segments.get(&segment) else {
                    break;
                };
                (self.0.path(segment, s.copy), offset)
            };
            let file = match File::open(&path) {
                Ok(file) => file,
                // Compaction moved it between the look-up and the opening.
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(io_at("open", &path)(e)),
            };
            let mut record = vec![0; r.record_len() as usize];
            return match file.read_exact_at(&mut record, offset) {
                Ok(()) if parse(&record) == Some((r.key(), r.len)) => Ok(Bytes::from(record).slice(HEADER..)),
                Ok(()) => Err(r.gone("damaged, or not the content that was put there")),
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Err(r.gone("cut short")),
                Err(e) => Err(io_at("read", &path)(e)),
            };
        }
        Err(r.gone("not in the spool any more"))
    }

    /// Says that the content is not needed any more. Its segment file goes with the last live content in it, unless it is
    /// the open one. Content that is not live is passed over.
    ///
    /// # Errors
    /// If a segment file cannot be deleted; the content counts as released all the same.
    pub fn release(&self, r: SpoolRef) -> Result<(), LedgerError> {
        let mut inner = self.0.lock();
        let (segment, _) = inner.place(r);
        let live = inner.segments.get_mut(&segment).and_then(|s| s.live.as_mut());
        if live.and_then(|l| l.remove(&r.key())).is_none() {
            return Ok(());
        }
        inner.moved.remove(&r.key());
        self.drop_if_done(&mut inner, segment)
    }

    /// Tells at start which content of earlier runs is live; the rest is dropped. Content committed since the ledger was
    /// opened is known already and stays, named here or not.
    ///
    /// # Returns
    /// Those of `live` that are not in the spool.
    ///
    /// # Errors
    /// If a segment file cannot be deleted.
    pub fn retain_only(&self, live: &[SpoolRef]) -> Result<Vec<SpoolRef>, LedgerError> {
        let mut inner = self.0.lock();
        let old: Vec<u64> = inner.segments.iter().filter(|(_, s)| s.live.is_none()).map(|(n, _)| *n).collect();
        for n in &old {
            inner.segments.get_mut(n).expect("listed under the same lock").live = Some(HashMap::new());
        }
        let mut missing = Vec::new();
        for r in live {
            let (segment, offset) = inner.place(*r);
            match inner.segments.get_mut(&segment) {
                Some(Segment { bytes, live: Some(live), .. })
                    if offset + r.record_len() <= *bytes && old.contains(&segment) =>
                {
                    live.insert(r.key(), r.len);
                }
                Some(Segment { live: Some(live), .. }) if live.contains_key(&r.key()) => {}
                _ => missing.push(*r),
            }
        }
        let Inner { segments, moved, .. } = &mut *inner;
        moved.retain(|first, (segment, _)| {
            segments.get(segment).and_then(|s| s.live.as_ref()).is_some_and(|l| l.contains_key(first))
        });
        for n in old {
            self.drop_if_done(&mut inner, n)?;
        }
        Ok(missing)
    }

    /// Bytes of all segment files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.lock().segments.values().map(|s| s.bytes).sum()
    }

    /// Segment files.
    #[must_use]
    pub fn segments(&self) -> usize {
        self.0.lock().segments.len()
    }

    pub(super) fn drop_if_done(&self, inner: &mut Inner, segment: u64) -> Result<(), LedgerError> {
        if !inner.segments.get(&segment).is_some_and(Segment::is_done) {
            return Ok(());
        }
        let copy = inner.segments.remove(&segment).is_some_and(|s| s.copy);
        let path = self.0.path(segment, copy);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(io_at("delete", &path)(e)),
            _ => Ok(()),
        }
    }
}

/// Appends the record of one content.
pub(super) fn encode(out: &mut Vec<u8>, first: Place, content: &[u8]) {
    let start = out.len();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[1, 0, 0, 0]);
    out.extend_from_slice(&(content.len() as u32).to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&first.0.to_le_bytes());
    out.extend_from_slice(&first.1.to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&out[start..]), content);
    out[start + 12..start + 16].copy_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(content);
}

/// First place and length of a whole, intact record.
pub(super) fn parse(record: &[u8]) -> Option<(Place, u32)> {
    let (head, content) = record.split_at_checked(HEADER)?;
    let (first, len, crc) = parse_header(head)?;
    let mut bare = [0; HEADER];
    bare.copy_from_slice(head);
    bare[12..16].fill(0);
    let fits = content.len() == len as usize && crc32c::crc32c_append(crc32c::crc32c(&bare), content) == crc;
    fits.then_some((first, len))
}

fn parse_header(head: &[u8]) -> Option<(Place, u32, u32)> {
    let u32_at = |i: usize| u32::from_le_bytes([head[i], head[i + 1], head[i + 2], head[i + 3]]);
    let u64_at = |i: usize| u64::from(u32_at(i)) | u64::from(u32_at(i + 4)) << 32;
    let known = head[..4] == MAGIC && head[4..8] == [1, 0, 0, 0];
    known.then(|| ((u64_at(16), u64_at(24)), u32_at(8), u32_at(12)))
}

/// First place and offset of the whole records in a file made by compaction; a torn end is left out.
pub(super) fn copied(path: &Path, bytes: u64) -> Result<Vec<(Place, u64)>, LedgerError> {
    let file = File::open(path).map_err(io_at("open", path))?;
    let (mut found, mut offset, mut record) = (Vec::new(), 0, Vec::new());
    while offset + HEADER as u64 <= bytes {
        let mut head = [0; HEADER];
        file.read_exact_at(&mut head, offset).map_err(io_at("read", path))?;
        let Some((first, len, _)) = parse_header(&head) else {
            break;
        };
        let end = offset + HEADER as u64 + u64::from(len);
        if end > bytes {
            break;
        }
        record.resize((end - offset) as usize, 0);
        file.read_exact_at(&mut record, offset).map_err(io_at("read", path))?;
        if parse(&record).is_none() {
            break;
        }
        found.push((first, offset));
        offset = end;
    }
    Ok(found)
}
