//! Tests of the whole ledger, on real files.

mod audit;
mod crash;
mod spool;
mod vectors;
mod write;

use std::path::Path;

use bytes::Bytes;

use super::*;

pub const ORIGIN: &str = "dex.test/ledger";

pub fn key() -> CheckpointKey {
    CheckpointKey::from_seed(ORIGIN, [42; 32]).unwrap()
}

/// For tests that open hundreds of ledgers: a folder where a sync costs nothing, if there is one.
pub fn memory_dir() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

pub fn options(dir: &Path) -> Options {
    Options { reserve_bytes: 64 << 10, ..Options::new(dir, ORIGIN) }
}

pub fn open(dir: &Path) -> (Ledger, Recovered) {
    Ledger::open(options(dir), key(), None).unwrap()
}

pub fn position(sequence: u64) -> Position {
    Position { stream_created: 17, sequence, id: [sequence as u8; 16], stored_at: 1000 + sequence as i64 }
}

/// A group of `count` records, each of which names its leaf.
pub fn group(first_leaf: u64, count: u64) -> Group {
    let records = (first_leaf..first_leaf + count)
        .map(|leaf| NewRecord {
            salt: [leaf as u8; 32],
            entry: format!("entry of leaf {leaf}").into_bytes(),
            content: None,
        })
        .collect();
    let partition = (first_leaf % 3) as u16;
    Group {
        time_ns: first_leaf as i64,
        positions: vec![(partition, position(first_leaf + 1))],
        dispatched_through: first_leaf,
        records,
    }
}

pub fn with_content(mut group: Group, content: &[u8]) -> Group {
    for record in &mut group.records {
        record.content = Some(Bytes::copy_from_slice(content));
    }
    group
}

/// Commits groups of the given sizes, one after the other.
pub fn fill(ledger: &mut Ledger, sizes: &[u64]) {
    for size in sizes {
        let first = ledger.reader().tree_size();
        let done = ledger.commit(&group(first, *size)).unwrap();
        assert_eq!((done.first_leaf, done.tree_size), (first, first + size));
    }
}

/// All leaves can be read, in both ways, and are what `group` made.
pub fn assert_whole(reader: &LedgerReader, size: u64) {
    assert_eq!(reader.tree_size(), size);
    let scanned: Vec<_> = reader.scan(0).collect::<Result<_, _>>().unwrap();
    assert_eq!(scanned.len() as u64, size);
    for (leaf, stored) in scanned.iter().enumerate() {
        assert_eq!(stored.leaf, leaf as u64);
        assert_eq!(stored.entry, format!("entry of leaf {leaf}").as_bytes());
        assert_eq!(*stored, reader.read(leaf as u64).unwrap());
    }
    assert!(matches!(reader.read(size), Err(LedgerError::OutOfRange { .. })));
}

pub fn segment_files(dir: &Path) -> Vec<std::path::PathBuf> {
    let dir = dir.join("ledger");
    segment::list(&dir).unwrap().into_iter().map(|n| segment::path(&dir, n)).collect()
}

pub fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}
