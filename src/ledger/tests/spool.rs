//! Contents: kept while live, deleted and moved when not.

use std::fs;

use super::*;

fn small(dir: &Path) -> Options {
    Options { spool_segment_bytes: 300, ..options(dir) }
}

fn commit(ledger: &mut Ledger, content: &[u8]) -> SpoolRef {
    let first = ledger.reader().tree_size();
    let done = ledger.commit(&with_content(group(first, 1), content)).unwrap();
    assert_eq!(ledger.reader().read(first).unwrap().spool, done.spool[0]);
    done.spool[0].unwrap()
}

fn files(dir: &Path) -> usize {
    fs::read_dir(dir.join("spool")).unwrap().count()
}

#[test]
fn content_is_read_back_also_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    let mut mixed = with_content(group(0, 3), b"some content");
    mixed.records[1].content = None;
    let refs = ledger.commit(&mixed).unwrap().spool;
    assert_eq!(refs[1], None);
    let empty = commit(&mut ledger, b"");
    let large = commit(&mut ledger, &vec![7; 1 << 20]);
    drop(ledger);
    let (mut ledger, _) = open(dir.path());
    let after = commit(&mut ledger, b"after");
    let spool = ledger.spool();
    assert_eq!(spool.read(refs[2].unwrap()).unwrap(), &b"some content"[..]);
    assert_eq!(spool.read(empty).unwrap(), &b""[..]);
    assert_eq!(spool.read(large).unwrap(), vec![7; 1 << 20]);
    assert_eq!(spool.read(after).unwrap(), &b"after"[..]);
    assert_ne!(after.segment, large.segment, "each run starts a segment of its own");
}

#[test]
fn without_content_there_is_no_spool_file() {
    let dir = tempfile::tempdir().unwrap();
    fill(&mut open(dir.path()).0, &[5, 5]);
    assert_eq!(files(dir.path()), 0);
}

#[test]
fn a_segment_goes_with_its_last_live_content() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = Ledger::open(small(dir.path()), key(), None).unwrap();
    let refs: Vec<_> = (0..9u8).map(|i| commit(&mut ledger, &[i; 100])).collect();
    assert_eq!(refs.iter().map(|r| r.segment).collect::<Vec<_>>(), [1, 1, 1, 2, 2, 2, 3, 3, 3]);
    let spool = ledger.spool();
    for r in &refs[..2] {
        spool.release(*r).unwrap();
        spool.release(*r).unwrap();
    }
    assert_eq!(files(dir.path()), 3);
    assert_eq!(spool.read(refs[2]).unwrap(), vec![2; 100]);
    spool.release(refs[2]).unwrap();
    assert_eq!(files(dir.path()), 2);
    assert!(matches!(spool.read(refs[2]), Err(LedgerError::Content { .. })));
    // The open one stays until it is closed.
    for r in &refs[6..] {
        spool.release(*r).unwrap();
    }
    assert_eq!(files(dir.path()), 2);
    commit(&mut ledger, b"next");
    assert_eq!(files(dir.path()), 2);
    assert_eq!(spool.read(refs[4]).unwrap(), vec![4; 100]);
}

#[test]
fn at_start_only_what_is_live_is_kept_and_numbers_are_not_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = Ledger::open(small(dir.path()), key(), None).unwrap();
    let refs: Vec<_> = (0..9u8).map(|i| commit(&mut ledger, &[i; 100])).collect();
    drop(ledger);
    let (mut ledger, _) = Ledger::open(small(dir.path()), key(), None).unwrap();
    let spool = ledger.spool();
    let new = commit(&mut ledger, b"since");
    let absent = SpoolRef { segment: 77, offset: 0, len: 1 };
    assert_eq!(spool.retain_only(&[refs[4], absent]).unwrap(), [absent]);
    assert_eq!(files(dir.path()), 2);
    assert_eq!(spool.read(refs[4]).unwrap(), vec![4; 100]);
    assert_eq!(spool.read(new).unwrap(), &b"since"[..]);
    spool.release(refs[4]).unwrap();
    spool.release(new).unwrap();
    ledger.close().unwrap();
    assert_eq!(files(dir.path()), 0);
    let (mut ledger, _) = Ledger::open(small(dir.path()), key(), None).unwrap();
    assert!(commit(&mut ledger, b"later").segment > new.segment, "an old reference must never find new content");
}

#[test]
fn compaction_moves_what_is_live_and_references_stay_good() {
    let dir = tempfile::tempdir().unwrap();
    let opts = || Options { spool_segment_bytes: 1000, ..options(dir.path()) };
    let (mut ledger, _) = Ledger::open(opts(), key(), None).unwrap();
    let refs: Vec<_> = (0..24u8).map(|i| commit(&mut ledger, &[i; 100])).collect();
    let spool = ledger.spool();
    assert_eq!(spool.compact(1 << 20).unwrap(), Compacted::default());
    let live = [refs[3], refs[12]];
    for r in refs[..16].iter().filter(|r| !live.contains(r)) {
        spool.release(*r).unwrap();
    }
    let before = spool.bytes();
    assert_eq!(spool.compact(10).unwrap(), Compacted::default(), "not more than was allowed");
    assert_eq!(spool.compact(1 << 20).unwrap(), Compacted { segments: 2, bytes: 264 });
    assert!(spool.bytes() < before);
    for (i, r) in [(3, refs[3]), (12, refs[12]), (20, refs[20])] {
        assert_eq!(spool.read(r).unwrap(), vec![i; 100]);
    }
    drop((ledger, spool));

    let (ledger, _) = Ledger::open(opts(), key(), None).unwrap();
    let spool = ledger.spool();
    assert_eq!(spool.read(refs[3]).unwrap(), vec![3; 100]);
    assert_eq!(spool.retain_only(&live).unwrap(), []);
    assert_eq!(files(dir.path()), 1);
    spool.release(refs[3]).unwrap();
    assert_eq!(spool.read(refs[12]).unwrap(), vec![12; 100]);
    assert!(matches!(spool.read(refs[3]), Err(LedgerError::Content { .. })));
    spool.release(refs[12]).unwrap();
    assert_eq!(files(dir.path()), 0);
}

#[test]
fn damaged_content_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    let r = commit(&mut ledger, b"some content");
    let path = fs::read_dir(dir.path().join("spool")).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(matches!(ledger.spool().read(r), Err(LedgerError::Content { .. })), "byte {at}");
    }
}
