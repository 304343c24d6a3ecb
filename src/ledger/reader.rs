//! Reading what is committed: records by leaf or in order, proofs, tiles. From any thread, without stopping the writer.
//!
//! Where a leaf's frame is, is found by walking frame headers from the nearest known one; one place per 64 KiB walked over
//! is remembered: at most 256 KiB of memory for each GiB of ledger that was ever read at random.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use arc_swap::ArcSwap;

use super::error::{LedgerError, io_at};
use super::frame::{Frames, HEADER, Header, Step};
use super::group::Stored;
use super::hashes::HashFile;
use super::merkle::{Hash, commitment, range_root};
use super::{proof, segment};

/// Bytes between remembered frames, and bytes read at once while walking.
const STRIDE: u64 = 64 << 10;

/// What is committed.
#[derive(Debug)]
pub(super) struct CommittedHead {
    pub tree_size: u64,
    pub checkpoint: Arc<str>,
}

/// Remembered frames of one segment: (first leaf, offset), ascending in both.
#[derive(Debug, Default)]
struct Places(Mutex<Vec<(u64, u64)>>);

#[derive(Debug)]
pub(super) struct Shared {
    pub dir: PathBuf,
    pub head: ArcSwap<CommittedHead>,
    segments: RwLock<Vec<(u64, Arc<Places>)>>,
    pub hashes: HashFile,
}

impl Shared {
    pub(super) fn new(dir: PathBuf, head: CommittedHead, segments: &[u64], hashes: HashFile) -> Self {
        let segments = segments.iter().map(|first| (*first, Arc::default())).collect();
        Self { dir, head: ArcSwap::from_pointee(head), segments: RwLock::new(segments), hashes }
    }

    pub(super) fn add_segment(&self, first_leaf: u64) {
        self.segments.write().unwrap_or_else(PoisonError::into_inner).push((first_leaf, Arc::default()));
    }

    /// The segment that holds the leaf.
    fn segment_of(&self, leaf: u64) -> Option<(u64, Arc<Places>)> {
        let segments = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        let after = segments.partition_point(|(first, _)| *first <= leaf);
        segments.get(after.checked_sub(1)?).cloned()
    }

    /// First leaf of the segment after the one that starts at `first`.
    fn segment_after(&self, first: u64) -> Option<u64> {
        let segments = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        segments.get(segments.partition_point(|(f, _)| *f <= first)).map(|(f, _)| *f)
    }
}

/// Reads the committed part of a ledger; cheap to clone, for any thread.
#[derive(Debug, Clone)]
pub struct LedgerReader(pub(super) Arc<Shared>);

impl LedgerReader {
    /// Entries committed.
    #[must_use]
    pub fn tree_size(&self) -> u64 {
        self.0.head.load().tree_size
    }

    /// The newest signed checkpoint, a C2SP signed note.
    #[must_use]
    pub fn checkpoint(&self) -> Arc<str> {
        self.0.head.load().checkpoint.clone()
    }

    /// One record. Reads and checks its whole frame.
    ///
    /// # Errors
    /// `OutOfRange` if the leaf is not committed, `Damaged` if its frame is, `Io`.
    pub fn read(&self, leaf: u64) -> Result<Stored, LedgerError> {
        self.has("leaf", leaf, self.tree_size().checked_sub(1))?;
        let (path, offset) = self.locate(leaf)?;
        let mut frames = Frames::one(&path, offset)?;
        match frames.step()? {
            Step::Frame(frame) => {
                let offset = frame.offset;
                let records = frame.stored(leaf).map_err(|what| self.damaged(&frames, offset, leaf, what))?;
                let found = records.into_iter().next().filter(|r| r.leaf == leaf);
                found.ok_or_else(|| self.damaged(&frames, offset, leaf, "the leaf is not in its frame".into()))
            }
            Step::End => Err(self.damaged(&frames, frames.offset(), leaf, "the frame is missing".into())),
            Step::Bad(what) => Err(self.damaged(&frames, frames.offset(), leaf, what)),
        }
    }

    /// All records from a leaf on, in order, up to what is committed now. Holds one frame (at most 64 MiB) in memory.
    #[must_use]
    pub fn scan(&self, from_leaf: u64) -> Scan {
        Scan {
            reader: self.clone(),
            next: from_leaf,
            end: self.tree_size(),
            frames: None,
            ready: Vec::new().into_iter(),
        }
    }

    /// Root of the tree of the first `tree_size` entries.
    ///
    /// # Errors
    /// `OutOfRange`, `Io`.
    pub fn root(&self, tree_size: u64) -> Result<Hash, LedgerError> {
        self.has("tree size", tree_size, Some(self.tree_size()))?;
        range_root(&self.0.hashes, 0, tree_size).map_err(io_at("read", self.0.hashes.path()))
    }

    /// The RFC 9162 inclusion proof of a leaf in the tree of `tree_size` entries.
    ///
    /// # Errors
    /// `OutOfRange`, `Io`.
    pub fn inclusion_proof(&self, leaf: u64, tree_size: u64) -> Result<Vec<Hash>, LedgerError> {
        self.has("tree size", tree_size, Some(self.tree_size()))?;
        self.has("leaf", leaf, tree_size.checked_sub(1))?;
        proof::inclusion(&self.0.hashes, leaf, tree_size).map_err(io_at("read", self.0.hashes.path()))
    }

    /// The RFC 9162 proof that the tree of `new` entries extends that of `old`.
    ///
    /// # Errors
    /// `OutOfRange`, `Io`.
    pub fn consistency_proof(&self, old: u64, new: u64) -> Result<Vec<Hash>, LedgerError> {
        self.has("tree size", new, Some(self.tree_size()))?;
        self.has("tree size", old, Some(new))?;
        proof::consistency(&self.0.hashes, old, new).map_err(io_at("read", self.0.hashes.path()))
    }

    /// A C2SP `tlog-tiles` hash tile: `width` (1 to 256) hashes of tree level 8 × `level`, from hash 256 × `index` on.
    ///
    /// # Errors
    /// `OutOfRange` if the tile is not complete to that width, `Io`.
    pub fn tile(&self, level: u32, index: u64, width: u64) -> Result<Vec<u8>, LedgerError> {
        let row = self.tree_size().checked_shr(level.saturating_mul(8)).unwrap_or(0);
        self.has_tile(index, width, row)?;
        self.0.hashes.row(level * 8, index * 256, width)
    }

    /// A C2SP `tlog-tiles` entry bundle: `width` (1 to 256) leaf data from leaf 256 × `index` on. Leaf data is the 32-byte
    /// commitment, each after its length as big-endian u16.
    ///
    /// # Errors
    /// `OutOfRange`, `Damaged`, `Io`.
    pub fn entry_bundle(&self, index: u64, width: u64) -> Result<Vec<u8>, LedgerError> {
        self.has_tile(index, width, self.tree_size())?;
        let mut bundle = Vec::with_capacity(width as usize * 34);
        for stored in self.scan(index * 256).take(width as usize) {
            let stored = stored?;
            bundle.extend_from_slice(&32u16.to_be_bytes());
            bundle.extend_from_slice(&commitment(&stored.salt, &stored.entry));
        }
        Ok(bundle)
    }

    fn has_tile(&self, index: u64, width: u64, row: u64) -> Result<(), LedgerError> {
        let end = index.checked_mul(256).and_then(|i| i.checked_add(width)).unwrap_or(u64::MAX);
        let most = if (1..=256).contains(&width) { Some(row) } else { None };
        self.has("tile", end, most)
    }

    /// Refuses what is above the highest allowed value.
    fn has(&self, what: &'static str, asked: u64, highest: Option<u64>) -> Result<(), LedgerError> {
        if highest.is_some_and(|h| asked <= h) {
            return Ok(());
        }
        Err(LedgerError::OutOfRange { what, asked, tree_size: self.tree_size() })
    }

    /// File and offset of the frame that holds a committed leaf.
    fn locate(&self, leaf: u64) -> Result<(PathBuf, u64), LedgerError> {
        let (first, places) = self.0.segment_of(leaf).ok_or(LedgerError::OutOfRange {
            what: "leaf",
            asked: leaf,
            tree_size: self.tree_size(),
        })?;
        let path = segment::path(&self.0.dir, first);
        let file = File::open(&path).map_err(io_at("open", &path))?;
        let offset = walk(&file, &places, first, leaf).map_err(io_at("find a leaf in", &path))?;
        Ok((path, offset))
    }

    fn damaged(&self, frames: &Frames, offset: u64, leaf: u64, what: String) -> LedgerError {
        LedgerError::Damaged { path: frames.path().to_path_buf(), offset, leaf, promised: self.tree_size(), what }
    }
}

/// Offset of the frame that holds a leaf, by walking headers from the nearest remembered frame.
fn walk(file: &File, places: &Places, first: u64, leaf: u64) -> io::Result<u64> {
    let bad = |what: &'static str| io::Error::new(io::ErrorKind::InvalidData, what);
    let start = {
        let known = places.0.lock().unwrap_or_else(PoisonError::into_inner);
        let after = known.partition_point(|(l, _)| *l <= leaf);
        after.checked_sub(1).map_or((first, 0), |i| known[i])
    };
    let (mut offset, mut passed) = (start.1, Vec::new());
    let mut buffer = vec![0; STRIDE as usize];
    let (mut at, mut filled) = (0, 0);
    let found = loop {
        if at + HEADER > filled {
            (at, filled) = (0, file.read_at(&mut buffer, offset)?);
            if filled < HEADER {
                return Err(bad("the segment ends before the leaf"));
            }
        }
        let header =
            Header::parse(buffer[at..at + HEADER].try_into().expect("the slice has that length")).map_err(bad)?;
        let end = header.end_leaf().ok_or_else(|| bad("the frame header makes no sense"))?;
        if header.first_leaf > leaf {
            return Err(bad("a frame is missing"));
        }
        let last = passed.last().map_or(start.1, |(_, o)| *o);
        if offset >= last + STRIDE {
            passed.push((header.first_leaf, offset));
        }
        if end > leaf {
            break offset;
        }
        offset += header.frame_len();
        at = usize::try_from(header.frame_len()).ok().and_then(|n| at.checked_add(n)).unwrap_or(usize::MAX - HEADER);
    };
    if !passed.is_empty() {
        let mut known = places.0.lock().unwrap_or_else(PoisonError::into_inner);
        let end = known.last().map_or(0, |(_, o)| *o);
        // Another thread may have walked here meanwhile.
        known.extend(passed.into_iter().filter(|(_, o)| *o > end));
    }
    Ok(found)
}

/// Records in order; see [`LedgerReader::scan`]. Ends after the first error.
#[derive(Debug)]
pub struct Scan {
    reader: LedgerReader,
    next: u64,
    end: u64,
    frames: Option<(u64, Frames)>,
    ready: std::vec::IntoIter<Stored>,
}

impl Scan {
    /// Fetches the frame that holds `self.next`.
    fn fill(&mut self) -> Result<(), LedgerError> {
        if self.frames.is_none() {
            let first = self.reader.0.segment_of(self.next).map_or(0, |(first, _)| first);
            let (path, offset) = self.reader.locate(self.next)?;
            self.frames = Some((first, Frames::open(&path, offset)?));
        }
        while let Some((first, frames)) = &mut self.frames {
            let what = match frames.step()? {
                Step::Frame(frame)
                    if frame.header.end_leaf().is_some_and(|end| end > self.next) && frame.header.count > 0 =>
                {
                    let records = match frame.stored(self.next) {
                        Ok(records) if records.first().is_some_and(|r| r.leaf == self.next) => records,
                        Ok(_) => return Err(self.lost(frame.offset, "leaves are missing".into())),
                        Err(what) => return Err(self.lost(frame.offset, what)),
                    };
                    self.ready = records.into_iter();
                    return Ok(());
                }
                // A segment's head, or a group in which only positions moved.
                Step::Frame(_) => continue,
                Step::End => match self.reader.0.segment_after(*first) {
                    Some(next) if next == self.next => {
                        *first = next;
                        *frames = Frames::open(&segment::path(&self.reader.0.dir, next), 0)?;
                        continue;
                    }
                    _ => "the segment ends before the leaf".into(),
                },
                Step::Bad(what) => what,
            };
            let offset = frames.offset();
            return Err(self.lost(offset, what));
        }
        Ok(())
    }

    fn lost(&self, offset: u64, what: String) -> LedgerError {
        let first = self.frames.as_ref().map_or(0, |(first, _)| *first);
        let path = segment::path(&self.reader.0.dir, first);
        LedgerError::Damaged { path, offset, leaf: self.next, promised: self.end, what }
    }
}

impl Iterator for Scan {
    type Item = Result<Stored, LedgerError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.end {
            return None;
        }
        if self.ready.len() == 0
            && let Err(e) = self.fill()
        {
            self.end = 0;
            return Some(Err(e));
        }
        let record = self.ready.next()?;
        self.next = record.leaf + 1;
        Some(Ok(record))
    }
}
