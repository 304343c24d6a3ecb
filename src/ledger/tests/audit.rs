//! The audit finds what is wrong and says where.

use std::fs;

use super::*;

fn filled(dir: &Path) {
    let opts = Options { segment_bytes: 400, checkpoint_every_ns: 0, ..options(dir) };
    let (mut ledger, _) = Ledger::open(opts, key(), None).unwrap();
    fill(&mut ledger, &[3, 1, 4, 1, 5]);
    ledger.close().unwrap();
}

#[test]
fn a_sound_ledger_has_no_findings() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let report = check(dir.path(), key().verifier()).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.tree_size, report.torn_bytes), (14, 0));
    // The empty tree's, one a group, and the newest beside them.
    assert_eq!(report.checkpoints, 7);
    assert_eq!(report.frames, 5 + report.segments);
    assert_eq!(report.root, Some(open(dir.path()).0.reader().root(14).unwrap()));
}

#[test]
fn every_flipped_bit_of_a_promised_segment_is_found_in_its_file() {
    let dir = memory_dir();
    filled(dir.path());
    for path in segment_files(dir.path()) {
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            fs::write(&path, bytes).unwrap();
            let report = check(dir.path(), key().verifier()).unwrap();
            let first = report.findings.first().expect("a finding");
            assert!(first.path == path && first.offset <= at as u64, "byte {at}: {first:?}");
        }
        fs::write(&path, whole).unwrap();
    }
}

#[test]
fn a_changed_entry_with_a_right_crc_is_found_by_the_checkpoints() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let path = &segment_files(dir.path())[0];
    let mut out = Vec::new();
    let mut changed = group(0, 3);
    changed.records[0].entry[0] ^= 1;
    frame::encode_group(&mut out, 0, &changed, &[None; 3]).unwrap();
    let mut bytes = fs::read(path).unwrap();
    let at = frame::Frames::open(path, 0).and_then(|mut f| f.step().map(|_| f.offset())).unwrap() as usize;
    bytes[at..at + out.len()].copy_from_slice(&out);
    fs::write(path, bytes).unwrap();
    let report = check(dir.path(), key().verifier()).unwrap();
    assert!(
        report.findings.iter().any(|f| f.path.ends_with("checkpoints") && f.what.contains("hash to")),
        "{report:?}"
    );
    assert!(report.findings.iter().any(|f| f.path.ends_with("hashes")), "{report:?}");
}

#[test]
fn a_wrong_hash_file_and_a_foreign_key_are_found() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let path = dir.path().join("ledger/hashes");
    let mut bytes = fs::read(&path).unwrap();
    bytes[100] ^= 1;
    fs::write(&path, bytes).unwrap();
    let report = check(dir.path(), key().verifier()).unwrap();
    assert_eq!(report.findings.len(), 1);
    assert_eq!((report.findings[0].path.clone(), report.findings[0].offset), (path, 100));
    let other = CheckpointKey::from_seed(ORIGIN, [43; 32]).unwrap();
    let report = check(dir.path(), other.verifier()).unwrap();
    assert!(report.findings.iter().any(|f| f.what.contains("no signature")));
    assert_eq!(report.checkpoints, 0);
}
