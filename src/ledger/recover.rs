//! Start: which frames are whole, what the tree is, where partitions stood; cuts a torn tail or refuses.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use data_encoding::BASE64;

use super::checkpoint::Checkpoint;
use super::disk;
use super::error::{LedgerError, io_at};
use super::frame::{Frame, Frames, Head, Kind, Step, frame_after};
use super::group::Position;
use super::hashes::HashFile;
use super::merkle::{Edge, commitment, leaf_hash, range_root};
use super::segment;

/// Hashes are gathered up to this many bytes for one write.
const GATHER: usize = 1 << 20;

/// What was found when the ledger was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Entries in the log.
    pub tree_size: u64,
    /// Latest position of each partition.
    pub positions: BTreeMap<u16, Position>,
    /// Effects of all leaves below this were published.
    pub dispatched_through: u64,
    /// Bytes of a torn tail that were cut off: never promised to anyone.
    pub cut_bytes: u64,
    /// The hash file was short or wrong and was made anew from all segments.
    pub hashes_rebuilt: bool,
}

/// A checkpoint that the entries must live up to, and where it was found.
pub(super) type Promise = (Checkpoint, &'static str);

/// [`Recovered`] and what the writer goes on from.
#[derive(Debug, Default)]
pub(super) struct Ground {
    pub recovered: Recovered,
    pub edge: Edge,
    pub segments: Vec<u64>,
    /// Good bytes of the last segment.
    pub len: u64,
    /// Bytes of the segments before the last.
    pub closed_bytes: u64,
    pub spool_segment: u64,
}

/// Reads the folder. `synced` is the newest checkpoint under which the hash file was synced too.
pub(super) fn recover(
    dir: &Path,
    origin: &str,
    hashes: &HashFile,
    synced: Option<&Checkpoint>,
    promises: &[Promise],
) -> Result<Ground, LedgerError> {
    let top = promises.iter().max_by_key(|(c, _)| c.size);
    let mut work = Work {
        dir,
        origin,
        hashes,
        promised: top.map_or(0, |(c, _)| c.size),
        ground: Ground { segments: segment::list(dir)?, ..Ground::default() },
        pending: Vec::new(),
        pending_at: 0,
    };
    let behind = |have| {
        let (promised, known_from) = top.map_or((0, ""), |(c, from)| (c.size, *from));
        LedgerError::Behind { dir: dir.to_path_buf(), have, promised, known_from }
    };
    work.drop_torn_head()?;
    work.start_tree(synced)?;
    let have = work.read_segments()?;
    if have < work.promised {
        return Err(behind(have));
    }
    for (promise, known_from) in promises {
        let found = range_root(hashes, 0, promise.size).map_err(io_at("read", hashes.path()))?;
        if found != promise.root {
            return Err(LedgerError::Forked {
                dir: dir.to_path_buf(),
                size: promise.size,
                found: BASE64.encode(&found),
                signed: BASE64.encode(&promise.root),
                known_from,
            });
        }
    }
    work.ground.recovered.tree_size = have;
    Ok(work.ground)
}

struct Work<'a> {
    dir: &'a Path,
    origin: &'a str,
    hashes: &'a HashFile,
    promised: u64,
    ground: Ground,
    /// Hashes not yet written, and the tree size they follow.
    pending: Vec<u8>,
    pending_at: u64,
}

impl Work<'_> {
    fn damaged(&self, path: PathBuf, offset: u64, leaf: u64, what: String) -> LedgerError {
        LedgerError::Damaged { path, offset, leaf, promised: self.promised, what }
    }

    /// A crash while a segment was made leaves a file without a whole first frame: nothing was ever in it.
    fn drop_torn_head(&mut self) -> Result<(), LedgerError> {
        let Some(&first) = self.ground.segments.last() else {
            return Ok(());
        };
        let path = segment::path(self.dir, first);
        let file = OpenOptions::new().read(true).write(true).open(&path).map_err(io_at("open", &path))?;
        disk::forget_cached(&file).map_err(io_at("sync", &path))?;
        let mut frames = Frames::one(&path, 0)?;
        let what = match frames.step()? {
            Step::Frame(_) => return Ok(()),
            Step::End => "the segment is empty".to_owned(),
            Step::Bad(what) => what,
        };
        if first < self.promised || frame_after(&path, 0, first)?.is_some() {
            return Err(self.damaged(path, 0, first, what));
        }
        self.ground.recovered.cut_bytes += frames.len();
        fs::remove_file(&path).map_err(io_at("remove", &path))?;
        disk::sync_dir(self.dir)?;
        self.ground.segments.pop();
        Ok(())
    }

    /// The tree of the synced checkpoint if the hash file holds it; else the empty tree, to hash everything anew.
    fn start_tree(&mut self, synced: Option<&Checkpoint>) -> Result<(), LedgerError> {
        if let Some(synced) = synced.filter(|c| c.size > 0) {
            match Edge::load(synced.size, self.hashes) {
                Ok(edge) if edge.root() == synced.root => self.ground.edge = edge,
                // Short or wrong: it is derived.
                _ => self.ground.recovered.hashes_rebuilt = true,
            }
        }
        self.pending_at = self.ground.edge.size();
        self.hashes.truncate(self.pending_at)
    }

    /// Reads the segments that are not covered by the tree, and the last one for the positions. Returns the tree size.
    fn read_segments(&mut self) -> Result<u64, LedgerError> {
        let segments = self.ground.segments.clone();
        let Some(&first) = segments.first() else {
            return Ok(0);
        };
        if first != 0 {
            return Err(self.damaged(segment::path(self.dir, 0), 0, 0, "the first segment is missing".into()));
        }
        let start = segments.partition_point(|f| *f <= self.ground.edge.size()) - 1;
        let (mut leaf, mut previous) = (0, None);
        for (i, &first) in segments.iter().enumerate() {
            let path = segment::path(self.dir, first);
            let mut frames = if i < start { Frames::one(&path, 0)? } else { Frames::open(&path, 0)? };
            let head = self.read_head(&mut frames, first, previous)?;
            previous = Some(first);
            if i + 1 < segments.len() {
                self.ground.closed_bytes += frames.len();
            }
            if i < start {
                continue;
            }
            self.ground.recovered.positions = head.positions.into_iter().collect();
            self.ground.recovered.dispatched_through = head.dispatched_through;
            self.ground.spool_segment = self.ground.spool_segment.max(head.spool_segment);
            leaf = self.read_groups(&mut frames, first, segments.get(i + 1).copied())?;
        }
        self.flush()?;
        Ok(leaf)
    }

    fn read_head(&self, frames: &mut Frames, first: u64, previous: Option<u64>) -> Result<Head, LedgerError> {
        let bad = |what: String| self.damaged(segment::path(self.dir, first), 0, first, what);
        let frame = match frames.step()? {
            Step::Frame(f) if f.header.kind == Kind::Head && f.header.first_leaf == first => f,
            Step::Frame(_) => return Err(bad("the segment does not start with its head".into())),
            Step::End => return Err(bad("the segment is empty".into())),
            Step::Bad(what) => return Err(bad(what)),
        };
        let head = frame.head().map_err(bad)?;
        if head.origin != self.origin {
            return Err(bad(format!("the segment is of the log {:?}, not {:?}", head.origin, self.origin)));
        }
        if head.previous != previous {
            return Err(bad(format!(
                "the segment before it should start with leaf {:?}, found {previous:?}: a segment file is missing",
                head.previous
            )));
        }
        Ok(head)
    }

    /// Folds the groups of one segment; returns the leaf after its last. Cuts a torn tail.
    fn read_groups(&mut self, frames: &mut Frames, first: u64, next: Option<u64>) -> Result<u64, LedgerError> {
        let mut leaf = first;
        loop {
            let offset = frames.offset();
            let what = match frames.step()? {
                Step::Frame(frame) => match self.take(&frame, leaf) {
                    Ok(after) => {
                        leaf = after;
                        if self.pending.len() >= GATHER {
                            self.flush()?;
                        }
                        continue;
                    }
                    Err(what) => what,
                },
                Step::End if next.is_none_or(|n| n == leaf) => {
                    self.ground.len = offset;
                    return Ok(leaf);
                }
                Step::End => "leaves are missing at the end of the segment".to_owned(),
                Step::Bad(what) => what,
            };
            let path = frames.path().to_path_buf();
            if next.is_some() || leaf < self.promised || frame_after(&path, offset, leaf)?.is_some() {
                return Err(self.damaged(path, offset, leaf, what));
            }
            let file = OpenOptions::new().write(true).open(&path).map_err(io_at("open", &path))?;
            file.set_len(offset).and_then(|()| file.sync_all()).map_err(io_at("cut", &path))?;
            self.ground.recovered.cut_bytes += frames.len() - offset;
            self.ground.len = offset;
            return Ok(leaf);
        }
    }

    /// Folds one group that should start with `leaf`; returns the leaf after it.
    fn take(&mut self, frame: &Frame, leaf: u64) -> Result<u64, String> {
        if frame.header.kind != Kind::Group || frame.header.first_leaf != leaf {
            return Err(format!(
                "the frame starts with leaf {}, expected a group from {leaf}",
                frame.header.first_leaf
            ));
        }
        let group = frame.group()?;
        let Ground { recovered, edge, spool_segment, .. } = &mut self.ground;
        recovered.positions.extend(group.positions.iter().copied());
        recovered.dispatched_through = group.dispatched_through;
        for (leaf, record) in (leaf..).zip(&group.records) {
            *spool_segment = (*spool_segment).max(record.spool.map_or(0, |s| s.segment));
            if leaf == edge.size() {
                edge.push(leaf_hash(&commitment(&record.salt, record.entry)), &mut self.pending);
            }
        }
        Ok(leaf + u64::from(frame.header.count))
    }

    fn flush(&mut self) -> Result<(), LedgerError> {
        self.hashes.append(self.pending_at, &self.pending)?;
        self.pending.clear();
        self.pending_at = self.ground.edge.size();
        Ok(())
    }
}
