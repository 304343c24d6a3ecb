//! The full audit of a ledger folder: every frame, every leaf, every stored checkpoint. Reads only; may run beside the daemon.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use data_encoding::BASE64;

use super::checkpoint::CheckpointVerifier;
use super::error::LedgerError;
use super::frame::{Frame, Frames, Kind, Step, frame_after};
use super::hashes::{self, HashFile};
use super::merkle::{Edge, Hash, commitment, leaf_hash};
use super::{notes, segment};

/// Findings beyond this many are counted, not kept.
const MOST_FINDINGS: usize = 1000;

/// Something that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// In which file.
    pub path: PathBuf,
    /// At which byte of it.
    pub offset: u64,
    /// What.
    pub what: String,
}

/// What an audit found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Entries read, all whole.
    pub tree_size: u64,
    /// Root over them; none if entries are missing before the end.
    pub root: Option<Hash>,
    /// Segment files.
    pub segments: u64,
    /// Frames whose CRC fits.
    pub frames: u64,
    /// Stored checkpoints whose signature and root are right.
    pub checkpoints: u64,
    /// Bytes of a torn tail above every checkpoint: no damage, the next start cuts it (or a commit is being written right now).
    pub torn_bytes: u64,
    /// What is wrong, at most 1000.
    pub findings: Vec<Finding>,
    /// How many things are wrong.
    pub wrong: u64,
}

impl Report {
    /// True if nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.wrong == 0
    }

    fn add(&mut self, path: &Path, offset: u64, what: impl Into<String>) {
        self.wrong += 1;
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(Finding { path: path.to_path_buf(), offset, what: what.into() });
        }
    }
}

/// A signed checkpoint: its root and where it is kept.
type Signed = (Hash, PathBuf, u64);

/// Audits the ledger of a data folder against the public key of its checkpoints. Contents in the spool are not read here:
/// they are checked whenever they are used.
///
/// # Errors
/// `Io` if a file cannot be read. What is read and wrong is a finding.
pub fn check(data_dir: &Path, verifier: &CheckpointVerifier) -> Result<Report, LedgerError> {
    check_with(data_dir, verifier, &mut |_, _| {})
}

/// The same; `progress` is told now and then how many entries have been read, and how many are promised.
///
/// # Errors
/// As [`check`].
pub fn check_with(
    data_dir: &Path,
    verifier: &CheckpointVerifier,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Report, LedgerError> {
    let dir = &data_dir.join("ledger");
    let mut report = Report::default();
    let signed = signed_checkpoints(dir, verifier, &mut report)?;
    let promised = signed.keys().next_back().copied().unwrap_or(0);
    let hashes = HashFile::read_only(dir);
    if let Err(e) = &hashes {
        report.add(&HashFile::path_in(dir), 0, format!("{e}; it is derived, the next start makes it anew"));
    }
    let mut audit =
        Audit { report, signed, hashes: hashes.ok(), edge: Some(Edge::default()), leaf: 0, buffer: Vec::new() };
    audit.compare_root();

    let segments = segment::list(dir)?;
    if segments.first() != Some(&0) {
        audit.report.add(&segment::path(dir, 0), 0, "the first segment is missing");
        audit.edge = None;
    }
    for (i, &first) in segments.iter().enumerate() {
        audit.report.segments += 1;
        let last = (i + 1 == segments.len()).then_some(promised);
        audit.read_segment(dir, first, verifier.name(), last, &mut |leaf| progress(leaf, promised))?;
    }
    Ok(audit.finish(dir))
}

/// Verifies the signatures of all stored checkpoints.
fn signed_checkpoints(
    dir: &Path,
    verifier: &CheckpointVerifier,
    report: &mut Report,
) -> Result<BTreeMap<u64, Vec<Signed>>, LedgerError> {
    let mut signed: BTreeMap<u64, Vec<Signed>> = BTreeMap::new();
    let path = notes::synced_path(dir);
    for note in notes::read_synced(&path)? {
        match verifier.open(&note.text) {
            Ok(c) => signed.entry(c.size).or_default().push((c.root, path.clone(), note.offset)),
            Err(e) => report.add(&path, note.offset, e.to_string()),
        }
    }
    let path = notes::newest_path(dir);
    match notes::read_newest(&path, verifier) {
        Ok(Some(c)) => signed.entry(c.size).or_default().push((c.root, path, 0)),
        // It is not synced, so it may be torn.
        Ok(None) => {}
        Err(LedgerError::Checkpoint { source, .. }) => report.add(&path, 0, source.to_string()),
        Err(e) => return Err(e),
    }
    Ok(signed)
}

struct Audit {
    report: Report,
    /// Checkpoints not yet compared.
    signed: BTreeMap<u64, Vec<Signed>>,
    hashes: Option<HashFile>,
    /// None once leaves were missing.
    edge: Option<Edge>,
    leaf: u64,
    buffer: Vec<u8>,
}

impl Audit {
    fn read_segment(
        &mut self,
        dir: &Path,
        first: u64,
        origin: &str,
        last: Option<u64>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), LedgerError> {
        let path = segment::path(dir, first);
        if first != self.leaf {
            self.report.add(
                &path,
                0,
                format!("the segment starts with leaf {first}, the one before ends before leaf {}", self.leaf),
            );
            (self.edge, self.leaf) = (None, first);
        }
        let mut frames = Frames::open(&path, 0)?;
        loop {
            let offset = frames.offset();
            progress(self.leaf);
            let what = match frames.step()? {
                Step::End => return Ok(()),
                Step::Frame(frame) => match self.take(&path, &frame, origin) {
                    Ok(()) => continue,
                    Err(what) => what,
                },
                Step::Bad(what) => what,
            };
            let next = frame_after(&path, offset, self.leaf)?;
            if next.is_none() && last.is_some_and(|promised| self.leaf >= promised) {
                self.report.torn_bytes += frames.len() - offset;
                return Ok(());
            }
            self.report.add(&path, offset, format!("leaf {}: {what}", self.leaf));
            self.edge = None;
            // Go on behind the damage, to name all of it.
            let Some(next) = next else { return Ok(()) };
            frames = Frames::open(&path, next)?;
        }
    }

    fn take(&mut self, path: &Path, frame: &Frame, origin: &str) -> Result<(), String> {
        let header = frame.header;
        if header.kind == Kind::Head {
            let head = frame.head()?;
            if frame.offset != 0 || head.origin != origin {
                return Err(format!("a segment head of the log {:?} does not belong here", head.origin));
            }
            self.report.frames += 1;
            return Ok(());
        }
        let group = frame.group()?;
        if header.first_leaf != self.leaf {
            self.report.add(
                path,
                frame.offset,
                format!("the group starts with leaf {}, expected {}", header.first_leaf, self.leaf),
            );
            (self.edge, self.leaf) = (None, header.first_leaf);
        }
        self.report.frames += 1;
        self.buffer.clear();
        for record in &group.records {
            if let Some(edge) = &mut self.edge {
                edge.push(leaf_hash(&commitment(&record.salt, record.entry)), &mut self.buffer);
                self.compare_root();
            }
        }
        self.compare_hashes();
        self.leaf += u64::from(header.count);
        Ok(())
    }

    /// Compares the root with what was signed for this size.
    fn compare_root(&mut self) {
        let Some(edge) = &self.edge else { return };
        let Some(signed) = self.signed.remove(&edge.size()) else {
            return;
        };
        let found = edge.root();
        for (root, path, offset) in signed {
            if root == found {
                self.report.checkpoints += 1;
            } else {
                let (size, signed, found) = (edge.size(), BASE64.encode(&root), BASE64.encode(&found));
                self.report.add(
                    &path,
                    offset,
                    format!("the first {size} entries hash to {found}, the checkpoint signed {signed}"),
                );
            }
        }
    }

    /// Compares the hash file with the hashes of the group at `self.leaf`.
    fn compare_hashes(&mut self) {
        let (Some(file), Some(_)) = (&self.hashes, &self.edge) else {
            return;
        };
        let at = hashes::bytes(self.leaf);
        let mut stored = vec![0; self.buffer.len()];
        let what = match file.read_at(&mut stored, at) {
            Ok(()) if stored == self.buffer => return,
            Ok(()) => "hashes differ from those of the entries".to_owned(),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => "hashes are missing from here on".to_owned(),
            Err(e) => format!("cannot be read: {e}"),
        };
        let differs = stored.iter().zip(&self.buffer).position(|(a, b)| a != b).unwrap_or(0) as u64;
        let path = file.path().to_path_buf();
        self.report.add(
            &path,
            at + differs,
            format!("{what}; it is derived: delete it and the next start makes it anew"),
        );
        // Once is enough.
        self.hashes = None;
    }

    fn finish(mut self, dir: &Path) -> Report {
        let end = self.leaf;
        for (size, signed) in std::mem::take(&mut self.signed) {
            for (_, path, offset) in signed {
                let what = if size > end {
                    format!("the checkpoint promises {size} entries, {} holds {end}", dir.display())
                } else {
                    format!(
                        "the checkpoint of size {size} cannot be compared: entries before it are missing or damaged"
                    )
                };
                self.report.add(&path, offset, what);
            }
        }
        self.report.tree_size = end;
        self.report.root = self.edge.map(|e| e.root());
        self.report
    }
}
