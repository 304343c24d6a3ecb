//! The frame: the unit that is written, synced and checked at once. A fixed header, then named MessagePack.
//!
//! Header, little-endian, 32 bytes: magic `DEXF`, version u16, kind u16, body length u32, CRC32C u32 (of header and body,
//! with this field zero), first leaf u64, record count u32, zero u32.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

use super::error::{LedgerError, io_at};
use super::group::{Group, NewRecord, Position, Stored};
use super::spool::SpoolRef;

/// Bytes of a frame's header.
pub(super) const HEADER: usize = 32;
/// Largest body, bytes.
pub(super) const MAX_BODY: u64 = 64 << 20;
const MAGIC: [u8; 4] = *b"DEXF";
const VERSION: u16 = 1;

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// First frame of a segment: [`Head`].
    Head = 1,
    /// A commit group.
    Group = 2,
}

/// A frame's header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    pub kind: Kind,
    pub body: u32,
    crc: u32,
    pub first_leaf: u64,
    pub count: u32,
}

impl Header {
    pub(super) fn parse(b: &[u8; HEADER]) -> Result<Self, &'static str> {
        let u16_at = |i: usize| u16::from_le_bytes([b[i], b[i + 1]]);
        let u32_at = |i: usize| u32::from_le_bytes([b[i], b[i + 1], b[i + 2], b[i + 3]]);
        if b[..4] != MAGIC {
            return Err("no frame starts here");
        }
        if u16_at(4) != VERSION {
            return Err("the frame is of another format version");
        }
        let kind = match u16_at(6) {
            1 => Kind::Head,
            2 => Kind::Group,
            _ => return Err("the frame is of an unknown kind"),
        };
        let body = u32_at(8);
        if u64::from(body) > MAX_BODY || u32_at(28) != 0 {
            return Err("the frame header makes no sense");
        }
        let first_leaf = u64::from(u32_at(16)) | u64::from(u32_at(20)) << 32;
        Ok(Self { kind, body, crc: u32_at(12), first_leaf, count: u32_at(24) })
    }

    fn write(&self, b: &mut [u8]) {
        b[..4].copy_from_slice(&MAGIC);
        b[4..6].copy_from_slice(&VERSION.to_le_bytes());
        b[6..8].copy_from_slice(&(self.kind as u16).to_le_bytes());
        b[8..12].copy_from_slice(&self.body.to_le_bytes());
        b[12..16].copy_from_slice(&self.crc.to_le_bytes());
        b[16..24].copy_from_slice(&self.first_leaf.to_le_bytes());
        b[24..28].copy_from_slice(&self.count.to_le_bytes());
        b[28..32].fill(0);
    }

    /// Header and body, bytes.
    pub(super) fn frame_len(&self) -> u64 {
        HEADER as u64 + u64::from(self.body)
    }

    /// The leaf after the frame's last; none if that is no number.
    pub(super) fn end_leaf(&self) -> Option<u64> {
        self.first_leaf.checked_add(u64::from(self.count))
    }

    fn fits(&self, body: &[u8]) -> bool {
        let mut bare = [0; HEADER];
        Self { crc: 0, ..*self }.write(&mut bare);
        crc32c::crc32c_append(crc32c::crc32c(&bare), body) == self.crc
    }
}

/// Body of a segment's first frame: what is needed to start from this segment alone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Head {
    /// Origin of the log.
    pub origin: String,
    /// First leaf of the segment before; none in the first segment.
    pub previous: Option<u64>,
    /// Latest position of every partition.
    pub positions: Vec<(u16, Position)>,
    pub dispatched_through: u64,
    /// Highest spool segment ever referred to: their numbers are never used again.
    pub spool_segment: u64,
}

/// Body of a group frame as read: entries are borrowed from the frame.
#[derive(Debug, Deserialize)]
pub(super) struct GroupBody<'a> {
    pub time_ns: i64,
    pub positions: Vec<(u16, Position)>,
    pub dispatched_through: u64,
    #[serde(borrow)]
    pub records: Vec<RecordBody<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RecordBody<'a> {
    #[serde(with = "serde_bytes")]
    pub salt: [u8; 32],
    #[serde(borrow, with = "serde_bytes")]
    pub entry: &'a [u8],
    #[serde(default)]
    pub spool: Option<SpoolRef>,
}

#[derive(Serialize)]
struct GroupOut<'a> {
    time_ns: i64,
    positions: &'a [(u16, Position)],
    dispatched_through: u64,
    records: RecordsOut<'a>,
}

struct RecordsOut<'a>(&'a [NewRecord], &'a [Option<SpoolRef>]);

impl Serialize for RecordsOut<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.0.iter().zip(self.1).map(|(record, spool)| RecordOut(record, spool.as_ref())))
    }
}

struct RecordOut<'a>(&'a NewRecord, Option<&'a SpoolRef>);

impl Serialize for RecordOut<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(2 + usize::from(self.1.is_some())))?;
        map.serialize_entry("salt", serde_bytes::Bytes::new(&self.0.salt))?;
        map.serialize_entry("entry", serde_bytes::Bytes::new(&self.0.entry))?;
        if let Some(spool) = self.1 {
            map.serialize_entry("spool", spool)?;
        }
        map.end()
    }
}

/// Writes the frame of a group into `out`, which is cleared first.
pub(super) fn encode_group(
    out: &mut Vec<u8>,
    first_leaf: u64,
    group: &Group,
    spool: &[Option<SpoolRef>],
) -> Result<(), LedgerError> {
    let body = GroupOut {
        time_ns: group.time_ns,
        positions: &group.positions,
        dispatched_through: group.dispatched_through,
        records: RecordsOut(&group.records, spool),
    };
    encode(out, Kind::Group, first_leaf, group.records.len(), &body)
}

/// Writes the first frame of a segment into `out`, which is cleared first.
pub(super) fn encode_head(out: &mut Vec<u8>, first_leaf: u64, head: &Head) -> Result<(), LedgerError> {
    encode(out, Kind::Head, first_leaf, 0, head)
}

fn encode(
    out: &mut Vec<u8>,
    kind: Kind,
    first_leaf: u64,
    count: usize,
    body: &impl Serialize,
) -> Result<(), LedgerError> {
    out.clear();
    out.resize(HEADER, 0);
    rmp_serde::encode::write_named(out, body).expect("writing plain data into memory cannot fail");
    let bytes = (out.len() - HEADER) as u64;
    if bytes > MAX_BODY {
        return Err(LedgerError::TooLarge { what: "group", bytes, limit: MAX_BODY });
    }
    // The limit on the body bounds the count too: a record takes more than one byte.
    let mut header = Header { kind, body: bytes as u32, crc: 0, first_leaf, count: count as u32 };
    header.write(&mut out[..HEADER]);
    header.crc = crc32c::crc32c(out);
    header.write(&mut out[..HEADER]);
    Ok(())
}

/// A frame whose CRC fits.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub offset: u64,
    pub header: Header,
    body: Bytes,
}

impl Frame {
    pub(super) fn head(&self) -> Result<Head, String> {
        rmp_serde::from_slice(&self.body).map_err(|e| format!("segment head cannot be decoded: {e}"))
    }

    pub(super) fn group(&self) -> Result<GroupBody<'_>, String> {
        let group: GroupBody<'_> =
            rmp_serde::from_slice(&self.body).map_err(|e| format!("group cannot be decoded: {e}"))?;
        if group.records.len() as u64 != u64::from(self.header.count) {
            return Err(format!("group has {} records, its header says {}", group.records.len(), self.header.count));
        }
        Ok(group)
    }

    /// The frame's records from leaf `from` on, sharing the frame's memory.
    pub(super) fn stored(&self, from: u64) -> Result<Vec<Stored>, String> {
        let group = self.group()?;
        let first = self.header.first_leaf;
        let wanted = (first..).zip(group.records).skip_while(|(leaf, _)| *leaf < from);
        Ok(wanted
            .map(|(leaf, r)| Stored {
                leaf,
                time_ns: group.time_ns,
                salt: r.salt,
                entry: self.body.slice_ref(r.entry),
                spool: r.spool,
            })
            .collect())
    }
}

/// What comes next in a segment file.
#[derive(Debug)]
pub(super) enum Step {
    Frame(Frame),
    /// The file ends at a frame boundary.
    End,
    /// No whole, intact frame is at the offset.
    Bad(String),
}

/// Reads the frames of one file in order, one in memory at a time.
#[derive(Debug)]
pub(super) struct Frames {
    file: BufReader<File>,
    path: PathBuf,
    offset: u64,
    len: u64,
}

impl Frames {
    /// For reading all frames from `offset` on.
    pub(super) fn open(path: &Path, offset: u64) -> Result<Self, LedgerError> {
        let file = File::open(path).map_err(io_at("open", path))?;
        Self::buffered(file, path, offset, 256 << 10)
    }

    /// For reading one frame at `offset`.
    pub(super) fn one(path: &Path, offset: u64) -> Result<Self, LedgerError> {
        let file = File::open(path).map_err(io_at("open", path))?;
        Self::buffered(file, path, offset, 4 << 10)
    }

    fn buffered(file: File, path: &Path, offset: u64, buffer: usize) -> Result<Self, LedgerError> {
        let len = file.metadata().map_err(io_at("see the length of", path))?.len();
        let mut file = BufReader::with_capacity(buffer, file);
        file.seek(SeekFrom::Start(offset)).map_err(io_at("seek in", path))?;
        Ok(Self { file, path: path.to_path_buf(), offset, len })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the next frame starts.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Length of the file when it was opened.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn step(&mut self) -> Result<Step, LedgerError> {
        let left = self.len.saturating_sub(self.offset);
        if left == 0 {
            return Ok(Step::End);
        }
        if left < HEADER as u64 {
            return Ok(Step::Bad("the frame header is cut short".into()));
        }
        let mut head = [0; HEADER];
        self.read(&mut head)?;
        let header = match Header::parse(&head) {
            Ok(h) => h,
            Err(what) => return Ok(Step::Bad(what.into())),
        };
        if header.frame_len() > left {
            return Ok(Step::Bad("the frame is cut short".into()));
        }
        let mut body = vec![0; header.body as usize];
        self.read(&mut body)?;
        if !header.fits(&body) {
            return Ok(Step::Bad("the CRC of the frame does not fit".into()));
        }
        let frame = Frame { offset: self.offset, header, body: body.into() };
        self.offset += header.frame_len();
        Ok(Step::Frame(frame))
    }

    fn read(&mut self, into: &mut [u8]) -> Result<(), LedgerError> {
        self.file.read_exact(into).map_err(io_at("read", &self.path))
    }
}

/// Looks for an intact group frame behind damage at `from`, where leaf `leaf` should be. Each frame is synced before the
/// next is written, so a later one shows that the damage is no torn tail. Gives up after 4096 likely places, saying yes:
/// refusing to cut is the safe answer.
pub(super) fn frame_after(path: &Path, from: u64, leaf: u64) -> Result<Option<u64>, LedgerError> {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(from))?;
        let mut rest = Vec::new();
        file.read_to_end(&mut rest)?;
        Ok(rest)
    };
    let rest = read().map_err(io_at("read", path))?;
    let mut tried = 0;
    for at in 1..rest.len().saturating_sub(HEADER - 1) {
        if rest[at] != MAGIC[0] || rest[at..at + 4] != MAGIC {
            continue;
        }
        let Ok(header) = Header::parse(rest[at..at + HEADER].try_into().expect("the slice has that length")) else {
            continue;
        };
        let likely = header.first_leaf >= leaf && header.first_leaf - leaf <= rest.len() as u64;
        let Some(body) = rest.get(at + HEADER..at + header.frame_len() as usize).filter(|_| likely) else {
            continue;
        };
        tried += 1;
        if tried > 4096 || header.fits(body) {
            return Ok(Some(from + at as u64));
        }
    }
    Ok(None)
}
