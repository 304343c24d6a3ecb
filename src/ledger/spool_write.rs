//! Writing to the spool: the open segment that a commit appends to, and compaction.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::PoisonError;

use super::disk;
use super::error::{LedgerError, io_at};
use super::group::NewRecord;
use super::spool::{HEADER, MAX_CONTENT, Segment, SpoolHandle, SpoolRef, encode};

/// Contents are gathered up to this many bytes for one write.
const GATHER: usize = 256 << 10;

#[derive(Debug)]
struct Open {
    file: File,
    path: PathBuf,
    number: u64,
    len: u64,
    reserved: u64,
}

/// The writing end of the spool.
#[derive(Debug)]
pub(super) struct SpoolWriter {
    pub handle: SpoolHandle,
    open: Option<Open>,
    buffer: Vec<u8>,
    segment_bytes: u64,
    ahead: u64,
}

/// What a compaction did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Segment files whose live content was copied forward.
    pub segments: u64,
    /// Bytes copied.
    pub bytes: u64,
}

/// Bytes the contents of these records take in the spool.
pub(super) fn bytes_of(records: &[NewRecord]) -> Result<u64, LedgerError> {
    let mut bytes = 0;
    for content in records.iter().filter_map(|r| r.content.as_ref()) {
        if content.len() as u64 > MAX_CONTENT {
            return Err(LedgerError::TooLarge { what: "content", bytes: content.len() as u64, limit: MAX_CONTENT });
        }
        bytes += (HEADER + content.len()) as u64;
    }
    Ok(bytes)
}

impl SpoolWriter {
    pub(super) fn new(handle: SpoolHandle, segment_bytes: u64, ahead: u64) -> Self {
        Self { handle, open: None, buffer: Vec::new(), segment_bytes, ahead }
    }

    /// Holds room for `need` bytes and tells where each content will be. Opens a new segment when the last one is full
    /// (and at the first content of a run: what follows a torn end is then in no one's way).
    pub(super) fn plan(&mut self, records: &[NewRecord], need: u64) -> Result<Vec<Option<SpoolRef>>, LedgerError> {
        if need == 0 {
            return Ok(vec![None; records.len()]);
        }
        if self.open.as_ref().is_none_or(|o| o.len >= self.segment_bytes) {
            self.rotate(need)?;
        }
        let open = self.open.as_mut().expect("a segment was just opened");
        if open.len + need > open.reserved {
            let bytes = need.max(self.ahead);
            disk::reserve(&open.file, &open.path, open.len, bytes)?;
            open.reserved = open.len + bytes;
        }
        let mut offset = open.len;
        let mut place = |content: &bytes::Bytes| {
            let r = SpoolRef { segment: open.number, offset, len: content.len() as u32 };
            offset += (HEADER + content.len()) as u64;
            r
        };
        Ok(records.iter().map(|r| r.content.as_ref().map(&mut place)).collect())
    }

    /// Writes the contents where `plan` said and syncs them; they are live from now on.
    pub(super) fn append(&mut self, records: &[NewRecord], refs: &[Option<SpoolRef>]) -> Result<(), LedgerError> {
        let placed = || records.iter().zip(refs).filter_map(|(record, r)| Some((record.content.as_ref()?, (*r)?)));
        if placed().next().is_none() {
            return Ok(());
        }
        let open = self.open.as_mut().expect("plan opened a segment for the contents");
        self.buffer.clear();
        for (content, r) in placed() {
            encode(&mut self.buffer, (r.segment, r.offset), content);
            if self.buffer.len() >= GATHER {
                open.file.write_all_at(&self.buffer, open.len).map_err(io_at("write", &open.path))?;
                open.len += self.buffer.len() as u64;
                self.buffer.clear();
            }
        }
        open.file.write_all_at(&self.buffer, open.len).map_err(io_at("write", &open.path))?;
        open.len += self.buffer.len() as u64;
        // One large content must not be held for ever.
        self.buffer.shrink_to(2 * GATHER);
        open.file.sync_data().map_err(io_at("sync", &open.path))?;
        let mut inner = self.handle.0.lock();
        if let Some(segment) = inner.segments.get_mut(&open.number) {
            segment.bytes = open.len;
            let live = segment.live.get_or_insert_default();
            live.extend(placed().map(|(_, r)| ((r.segment, r.offset), r.len)));
        }
        Ok(())
    }

    fn rotate(&mut self, need: u64) -> Result<(), LedgerError> {
        // Taken at once: compaction takes numbers too, on another thread.
        let number = {
            let mut inner = self.handle.0.lock();
            inner.next += 1;
            inner.next - 1
        };
        let path = self.handle.0.path(number, false);
        let file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(io_at("create", &path))?;
        let reserved = need.max(self.ahead);
        if let Err(e) = disk::reserve(&file, &path, 0, reserved) {
            fs::remove_file(&path).map_err(io_at("remove", &path))?;
            return Err(e);
        }
        disk::sync_dir(&self.handle.0.dir)?;
        self.close()?;
        let mut inner = self.handle.0.lock();
        inner.segments.insert(number, Segment { copy: false, bytes: 0, open: true, live: Some(HashMap::new()) });
        self.open = Some(Open { file, path, number, len: 0, reserved });
        Ok(())
    }

    /// Closes the open segment: gives back unused room; the file goes if nothing in it is live.
    pub(super) fn close(&mut self) -> Result<(), LedgerError> {
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        open.file.set_len(open.len).map_err(io_at("close", &open.path))?;
        let mut inner = self.handle.0.lock();
        if let Some(segment) = inner.segments.get_mut(&open.number) {
            segment.open = false;
        }
        self.handle.drop_if_done(&mut inner, open.number)
    }

    /// Number of the newest segment made; 0 if none.
    pub(super) fn newest(&self) -> u64 {
        self.open.as_ref().map_or(0, |o| o.number)
    }
}

impl SpoolHandle {
    /// Copies forward what is live in closed segments of which under a quarter is live, at most `most_bytes` of it in one
    /// call, and deletes them. References stay good. Blocks on disk; reads and commits go on meanwhile.
    ///
    /// # Errors
    /// `NoSpace` or `Io`; nothing is lost then.
    pub fn compact(&self, most_bytes: u64) -> Result<Compacted, LedgerError> {
        let _one = self.0.compacting.lock().unwrap_or_else(PoisonError::into_inner);
        let (number, sparse, live) = {
            let mut inner = self.0.lock();
            let (mut sparse, mut live, mut bytes) = (Vec::new(), Vec::new(), 0);
            for (n, s) in inner.segments.iter().filter(|(_, s)| !s.open) {
                let (Some(refs), Some(live_bytes)) = (&s.live, s.live_bytes()) else {
                    continue;
                };
                if live_bytes * 4 < s.bytes && bytes + live_bytes <= most_bytes {
                    bytes += live_bytes;
                    sparse.push(*n);
                    live.extend(refs.iter().map(|((segment, offset), len)| SpoolRef {
                        segment: *segment,
                        offset: *offset,
                        len: *len,
                    }));
                }
            }
            if sparse.is_empty() {
                return Ok(Compacted::default());
            }
            inner.next += 1;
            (inner.next - 1, sparse, live)
        };
        let path = self.0.path(number, true);
        let (placed, bytes) = match self.copy(&path, live) {
            Ok(done) => done,
            Err(e) => {
                // The first error tells more; what is left is dropped at the next start.
                let _ = fs::remove_file(&path);
                return Err(e);
            }
        };
        let mut inner = self.0.lock();
        // What was released while it was copied is not live in the copy either.
        let mut live = HashMap::new();
        for (r, offset) in placed {
            let first = (r.segment, r.offset);
            let from = inner.moved.get(&first).map_or(r.segment, |(segment, _)| *segment);
            let still = inner.segments.get_mut(&from).and_then(|s| s.live.as_mut()).and_then(|l| l.remove(&first));
            if still.is_some() {
                inner.moved.insert(first, (number, offset));
                live.insert(first, r.len);
            }
        }
        inner.segments.insert(number, Segment { copy: true, bytes, open: false, live: Some(live) });
        for n in sparse.iter().chain([&number]) {
            self.drop_if_done(&mut inner, *n)?;
        }
        Ok(Compacted { segments: sparse.len() as u64, bytes })
    }

    fn copy(&self, path: &std::path::Path, live: Vec<SpoolRef>) -> Result<(Vec<(SpoolRef, u64)>, u64), LedgerError> {
        let file = OpenOptions::new().write(true).create_new(true).open(path).map_err(io_at("create", path))?;
        let total = live.iter().map(|r| (HEADER as u64) + u64::from(r.len)).sum();
        disk::reserve(&file, path, 0, total)?;
        let (mut placed, mut at, mut record) = (Vec::with_capacity(live.len()), 0, Vec::new());
        for r in live {
            let content = match self.read(r) {
                Ok(content) => content,
                // Released meanwhile, and its segment is gone with it.
                Err(LedgerError::Content { .. }) if !self.is_live(r) => continue,
                Err(e) => return Err(e),
            };
            record.clear();
            encode(&mut record, (r.segment, r.offset), &content);
            file.write_all_at(&record, at).map_err(io_at("write", path))?;
            placed.push((r, at));
            at += record.len() as u64;
        }
        file.set_len(at).map_err(io_at("close", path))?;
        file.sync_all().map_err(io_at("sync", path))?;
        disk::sync_dir(&self.0.dir)?;
        Ok((placed, at))
    }

    fn is_live(&self, r: SpoolRef) -> bool {
        let (inner, first) = (self.0.lock(), (r.segment, r.offset));
        let segment = inner.moved.get(&first).map_or(r.segment, |(segment, _)| *segment);
        inner.segments.get(&segment).and_then(|s| s.live.as_ref()).is_some_and(|l| l.contains_key(&first))
    }
}
