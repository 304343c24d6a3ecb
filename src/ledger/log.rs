//! The ledger itself: opening, and committing groups.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::sync::Arc;

use super::checkpoint::{Checkpoint, CheckpointKey};
use super::disk;
use super::error::{LedgerError, io_at};
use super::frame::{self, Head};
use super::group::{Committed, Group, Options, Position};
use super::hashes::{self, HashFile};
use super::merkle::{Edge, commitment, leaf_hash};
use super::notes::Notes;
use super::reader::{CommittedHead, LedgerReader, Shared};
use super::recover::{Promise, Recovered, recover};
use super::segment::SegmentWriter;
use super::spool::{SpoolHandle, SpoolRef};
use super::spool_write::{self, SpoolWriter};

/// The append-only ledger and its spool; one writer.
#[derive(Debug)]
pub struct Ledger {
    opts: Options,
    dir: PathBuf,
    key: CheckpointKey,
    shared: Arc<Shared>,
    segment: SegmentWriter,
    spool: SpoolWriter,
    hashes: HashFile,
    hashes_reserved: u64,
    notes: Notes,
    edge: Edge,
    positions: BTreeMap<u16, Position>,
    dispatched_through: u64,
    spool_segment: u64,
    closed_bytes: u64,
    stored_at: Option<i64>,
    stored_size: u64,
    frame: Vec<u8>,
    hash_buffer: Vec<u8>,
    poisoned: bool,
    /// Locked while the ledger is open.
    _lock: File,
}

impl Ledger {
    /// Opens the ledger of a data folder, or makes it. A torn tail is cut, but only above the newest checkpoint known: the
    /// local ones and `externally_known` (a note kept elsewhere, which may be newer).
    ///
    /// # Errors
    /// [`LedgerError::Damaged`], [`LedgerError::Behind`] or [`LedgerError::Forked`] if the folder does not hold what was
    /// promised (no entry was touched then); `Checkpoint` if a note is not by this key; `Locked`, `NoSpace`, `Io`, `Option`.
    pub fn open(
        opts: Options,
        signer: CheckpointKey,
        externally_known: Option<&str>,
    ) -> Result<(Self, Recovered), LedgerError> {
        check_options(&opts, &signer)?;
        let dir = opts.dir.join("ledger");
        disk::make_dir(&dir)?;
        let lock = lock(&dir)?;

        let (mut notes, known) = Notes::open(&dir, signer.verifier())?;
        let external = externally_known.map(|note| signer.verifier().open(note)).transpose();
        let external = external.map_err(|source| LedgerError::Checkpoint {
            known_from: "the checkpoint kept outside of this folder",
            source,
        })?;
        let mut promises: Vec<Promise> = Vec::new();
        promises.extend(known.synced.clone().map(|c| (c, "a checkpoint stored with it")));
        promises.extend(known.newest.map(|c| (c, "the newest checkpoint beside it")));
        promises.extend(external.map(|c| (c, "the checkpoint kept outside of this folder")));

        let hashes = HashFile::open(&dir)?;
        let mut ground = recover(&dir, &opts.origin, &hashes, known.synced.as_ref(), &promises)?;
        notes.reserve()?;
        let segment = match ground.segments.last() {
            Some(&first) => SegmentWriter::resume(&dir, first, ground.len)?,
            None => {
                let head = Head {
                    origin: opts.origin.clone(),
                    previous: None,
                    positions: Vec::new(),
                    dispatched_through: 0,
                    spool_segment: 0,
                };
                let mut bytes = Vec::new();
                frame::encode_head(&mut bytes, 0, &head)?;
                ground.segments.push(0);
                SegmentWriter::create(&dir, 0, &bytes, 0, opts.reserve_bytes)?
            }
        };

        let note: Arc<str> = sign(&signer, &ground.edge).into();
        hashes.sync()?;
        notes.restart(&note)?;
        notes.store(&note)?;
        // The names of files that were just made.
        disk::sync_dir(&dir)?;
        let tree_size = ground.edge.size();
        let head = CommittedHead { tree_size, checkpoint: note };
        let shared = Arc::new(Shared::new(dir.clone(), head, &ground.segments, hashes.clone()));
        let spool = SpoolHandle::open(&opts.dir.join("spool"), ground.spool_segment)?;
        let ledger = Self {
            dir,
            key: signer,
            shared,
            segment,
            spool: SpoolWriter::new(spool, opts.spool_segment_bytes, opts.reserve_bytes),
            hashes_reserved: hashes::bytes(tree_size),
            hashes,
            notes,
            edge: ground.edge,
            positions: ground.recovered.positions.clone(),
            dispatched_through: ground.recovered.dispatched_through,
            spool_segment: ground.spool_segment,
            closed_bytes: ground.closed_bytes,
            stored_at: None,
            stored_size: tree_size,
            frame: Vec::new(),
            hash_buffer: Vec::new(),
            poisoned: false,
            opts,
            _lock: lock,
        };
        Ok((ledger, ground.recovered))
    }

    /// Sees whether at least `floor` bytes are free on the ledger's disk: asked before a commit, so that others on that disk
    /// keep some.
    ///
    /// # Errors
    /// `Scarce` when they are not; `Io` when the system does not tell.
    pub fn room(&self, floor: u64) -> Result<(), LedgerError> {
        disk::room(&self.dir, floor)
    }

    /// Makes a group durable: syncs its contents, then its frame, then signs the checkpoint over it.
    ///
    /// # Errors
    /// `NoSpace` and `TooLarge` have written nothing. After any other error the ledger is poisoned: what is on disk is known
    /// only after opening it anew in a fresh process, and this one refuses every further commit.
    pub fn commit(&mut self, group: &Group) -> Result<Committed, LedgerError> {
        if self.poisoned {
            return Err(LedgerError::Poisoned);
        }
        let done = self.prepare(group).and_then(|spool| self.write(group, spool));
        self.poisoned =
            matches!(&done, Err(e) if !matches!(e, LedgerError::NoSpace { .. } | LedgerError::TooLarge { .. }));
        done
    }

    /// Encodes the group and holds room for everything it writes.
    fn prepare(&mut self, group: &Group) -> Result<Vec<Option<SpoolRef>>, LedgerError> {
        let ahead = self.opts.reserve_bytes;
        let content = spool_write::bytes_of(&group.records)?;
        self.within_limit(content + group.records.iter().map(|r| r.entry.len() as u64).sum::<u64>())?;
        let spool = self.spool.plan(&group.records, content)?;
        let size = self.edge.size();
        frame::encode_group(&mut self.frame, size, group, &spool)?;
        let (need, grown) = (self.frame.len() as u64, size + group.records.len() as u64);
        self.within_limit(content + need + hashes::bytes(grown) - hashes::bytes(size))?;
        // A segment in which only positions moved would have the name of its successor.
        if self.segment.len >= self.opts.segment_bytes && self.segment.first_leaf < size {
            self.rotate(need)?;
        }
        self.segment.reserve(need, ahead)?;
        self.hashes.reserve(size, grown, &mut self.hashes_reserved)?;
        Ok(spool)
    }

    fn write(&mut self, group: &Group, spool: Vec<Option<SpoolRef>>) -> Result<Committed, LedgerError> {
        let first_leaf = self.edge.size();
        self.spool.append(&group.records, &spool)?;
        self.segment.append(&self.frame)?;

        // One large group must not be held for ever.
        self.frame.clear();
        self.frame.shrink_to(4 << 20);

        self.hash_buffer.clear();
        for record in &group.records {
            self.edge.push(leaf_hash(&commitment(&record.salt, &record.entry)), &mut self.hash_buffer);
        }
        self.hashes.append(first_leaf, &self.hash_buffer)?;
        self.positions.extend(group.positions.iter().copied());
        self.dispatched_through = group.dispatched_through;
        self.spool_segment = self.spool_segment.max(self.spool.newest());

        let tree_size = self.edge.size();
        let checkpoint = if group.records.is_empty() {
            self.shared.head.load().checkpoint.clone()
        } else {
            sign(&self.key, &self.edge).into()
        };
        self.notes.write(&checkpoint)?;
        self.shared.head.store(Arc::new(CommittedHead { tree_size, checkpoint: checkpoint.clone() }));
        self.store_if_due(group.time_ns)?;
        Ok(Committed { first_leaf, tree_size, checkpoint, spool })
    }

    /// Stores the newest checkpoint, synced, if it is not stored and the interval has passed. Commits do this themselves;
    /// to be called now and then when there are none. `now_ns`: Unix nanoseconds, of the clock that groups are timed by.
    ///
    /// # Errors
    /// `Io`, which poisons the ledger; `Poisoned`.
    pub fn store_checkpoint_if_due(&mut self, now_ns: i64) -> Result<(), LedgerError> {
        if self.poisoned {
            return Err(LedgerError::Poisoned);
        }
        let done = self.store_if_due(now_ns);
        self.poisoned = done.is_err();
        done
    }

    fn store_if_due(&mut self, now_ns: i64) -> Result<(), LedgerError> {
        // A clock that was set back must not put it off.
        let waited = self.stored_at.map(|at| now_ns.abs_diff(at));
        let due = waited.is_none_or(|w| w >= self.opts.checkpoint_every_ns.unsigned_abs());
        if !due || self.stored_size == self.edge.size() {
            return Ok(());
        }
        self.store_checkpoint()?;
        self.stored_at = Some(now_ns);
        Ok(())
    }

    /// The hashes first: what is below a stored checkpoint is not hashed again at start.
    fn store_checkpoint(&mut self) -> Result<(), LedgerError> {
        self.hashes.sync()?;
        let note = self.shared.head.load().checkpoint.clone();
        self.notes.store(&note)?;
        self.stored_size = self.edge.size();
        Ok(())
    }

    /// Stores the newest checkpoint and closes the ledger. Dropping it instead is safe, and makes the next start a little slower.
    ///
    /// # Errors
    /// `Io`; `Poisoned`.
    pub fn close(mut self) -> Result<(), LedgerError> {
        if self.poisoned {
            return Err(LedgerError::Poisoned);
        }
        self.spool.close()?;
        self.segment.close()?;
        if self.stored_size < self.edge.size() { self.store_checkpoint() } else { Ok(()) }
    }

    /// For reading what is committed.
    #[must_use]
    pub fn reader(&self) -> LedgerReader {
        LedgerReader(self.shared.clone())
    }

    /// For reading and releasing content.
    #[must_use]
    pub fn spool(&self) -> SpoolHandle {
        self.spool.handle.clone()
    }

    /// Bytes of ledger, hashes and spool on disk, without what is only reserved.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.closed_bytes + self.segment.len + hashes::bytes(self.edge.size()) + self.spool.handle.bytes()
    }

    /// Opens the next segment, whose head carries everything needed to start from it.
    fn rotate(&mut self, need: u64) -> Result<(), LedgerError> {
        let head = Head {
            origin: self.opts.origin.clone(),
            previous: Some(self.segment.first_leaf),
            positions: self.positions.iter().map(|(p, at)| (*p, *at)).collect(),
            dispatched_through: self.dispatched_through,
            spool_segment: self.spool_segment,
        };
        let mut bytes = Vec::new();
        frame::encode_head(&mut bytes, self.edge.size(), &head)?;
        let next = SegmentWriter::create(&self.dir, self.edge.size(), &bytes, need, self.opts.reserve_bytes)?;
        self.segment.close()?;
        self.closed_bytes += self.segment.len;
        self.segment = next;
        self.shared.add_segment(self.edge.size());
        Ok(())
    }

    fn within_limit(&self, need: u64) -> Result<(), LedgerError> {
        match self.opts.max_total_bytes {
            Some(most) if self.bytes() + need > most => {
                Err(LedgerError::NoSpace { needed: need, path: self.opts.dir.clone() })
            }
            _ => Ok(()),
        }
    }

    #[cfg(test)]
    pub(super) fn segment_mut(&mut self) -> &mut SegmentWriter {
        &mut self.segment
    }
}

fn sign(key: &CheckpointKey, edge: &Edge) -> String {
    key.sign(&Checkpoint { origin: key.verifier().name().to_owned(), size: edge.size(), root: edge.root() })
}

fn check_options(opts: &Options, signer: &CheckpointKey) -> Result<(), LedgerError> {
    let refuse = |name, what| Err(LedgerError::Option { name, what });
    if opts.origin != signer.verifier().name() {
        return refuse(
            "origin",
            format!(
                "is {:?}, but the checkpoint key is named {:?}: they must be equal",
                opts.origin,
                signer.verifier().name()
            ),
        );
    }
    for (name, bytes) in [("segment_bytes", opts.segment_bytes), ("spool_segment_bytes", opts.spool_segment_bytes)] {
        if bytes == 0 || bytes > 1 << 30 {
            return refuse(name, format!("is {bytes}, must be from 1 byte to 1 GiB"));
        }
    }
    if opts.reserve_bytes > 1 << 30 {
        return refuse("reserve_bytes", format!("is {}, must be at most 1 GiB", opts.reserve_bytes));
    }
    Ok(())
}

fn lock(dir: &std::path::Path) -> Result<File, LedgerError> {
    let path = dir.join("lock");
    let file = File::options().write(true).create(true).truncate(false).open(&path).map_err(io_at("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LedgerError::Locked { dir: dir.to_path_buf() }),
        Err(TryLockError::Error(e)) => Err(io_at("lock", &path)(e)),
    }
}
