//! Committing, reading, reopening, rotating; a full disk and a failed write.

use std::fs::File;

use super::*;
use crate::ledger::merkle::{Edge, commitment, leaf_hash};
use crate::ledger::proof::{verify_consistency, verify_inclusion};
use proptest::prelude::*;

#[test]
fn what_is_committed_is_read_back_and_survives_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, found) = open(dir.path());
    assert_eq!(found, Recovered::default());
    assert_eq!(key().verifier().open(&ledger.reader().checkpoint()).unwrap().size, 0);
    fill(&mut ledger, &[1, 3, 0, 5, 1, 0]);
    let reader = ledger.reader();
    assert_whole(&reader, 10);
    let checkpoint = reader.checkpoint();
    drop(ledger);

    let (ledger, found) = open(dir.path());
    assert_whole(&ledger.reader(), 10);
    assert_eq!(ledger.reader().checkpoint(), checkpoint);
    assert_eq!(found.tree_size, 10);
    assert_eq!(found.dispatched_through, 10);
    assert_eq!(found.cut_bytes, 0);
    // First leaves 0, 1, 4, 4, 9, 10: the last of each partition (leaf % 3).
    assert_eq!(found.positions, [(0, position(10)), (1, position(11))].into_iter().collect());
    ledger.close().unwrap();
    assert_whole(&open(dir.path()).0.reader(), 10);
}

#[test]
fn a_second_opener_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    assert!(matches!(Ledger::open(options(dir.path()), key(), None), Err(LedgerError::Locked { .. })));
    drop(ledger);
    open(dir.path());
}

#[test]
fn another_key_or_origin_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fill(&mut open(dir.path()).0, &[2]);
    let other = CheckpointKey::from_seed(ORIGIN, [43; 32]).unwrap();
    assert!(matches!(Ledger::open(options(dir.path()), other, None), Err(LedgerError::Checkpoint { .. })));
    let opts = Options { origin: "dex.test/other".into(), ..options(dir.path()) };
    assert!(matches!(Ledger::open(opts, key(), None), Err(LedgerError::Option { .. })));
    assert_whole(&open(dir.path()).0.reader(), 2);
}

#[test]
fn segments_rotate_at_group_boundaries_and_carry_positions() {
    let dir = tempfile::tempdir().unwrap();
    let opts = || Options { segment_bytes: 600, ..options(dir.path()) };
    let (mut ledger, _) = Ledger::open(opts(), key(), None).unwrap();
    let reader = ledger.reader();
    // Partition 9 is named once, in the first segment.
    let first = Group { positions: vec![(9, position(77))], ..group(0, 1) };
    ledger.commit(&first).unwrap();
    fill(&mut ledger, &[2, 1, 7, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 4]);
    assert!(segment_files(dir.path()).len() > 4);
    assert_whole(&reader, 20);
    let stops: Vec<_> = (0..20).map(|from| reader.scan(from).map(|s| s.unwrap().leaf).collect::<Vec<_>>()).collect();
    for (from, leaves) in stops.into_iter().enumerate() {
        assert_eq!(leaves, (from as u64..20).collect::<Vec<_>>());
    }
    drop(ledger);
    let (ledger, found) = Ledger::open(opts(), key(), None).unwrap();
    assert_eq!(found.positions[&9], position(77));
    assert_whole(&ledger.reader(), 20);
}

#[test]
fn a_full_disk_writes_nothing_and_can_be_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let opts = |max| Options { max_total_bytes: max, ..options(dir.path()) };
    let (mut ledger, _) = Ledger::open(opts(Some(4000)), key(), None).unwrap();
    fill(&mut ledger, &[3]);
    let (bytes, checkpoint) = (ledger.bytes(), ledger.reader().checkpoint());
    let big = with_content(group(3, 2), &[1; 3000]);
    let refused = ledger.commit(&big).unwrap_err();
    assert!(matches!(refused, LedgerError::NoSpace { .. }) && refused.is_retryable());
    assert_eq!((ledger.bytes(), ledger.reader().checkpoint()), (bytes, checkpoint));
    assert_whole(&ledger.reader(), 3);
    // What fits still goes.
    fill(&mut ledger, &[1]);
    drop(ledger);
    let (mut ledger, found) = Ledger::open(opts(None), key(), None).unwrap();
    assert_eq!((found.tree_size, found.cut_bytes), (4, 0));
    ledger.commit(&with_content(group(4, 2), &[1; 3000])).unwrap();
    assert_whole(&ledger.reader(), 6);
}

#[test]
fn a_disk_without_room_for_the_reserve_is_no_space() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    fill(&mut ledger, &[1]);
    // More than any disk here holds.
    let refused = ledger.segment_mut().reserve(1 << 45, 0).unwrap_err();
    assert!(matches!(refused, LedgerError::NoSpace { .. }), "{refused}");
    fill(&mut ledger, &[1]);
    assert_whole(&ledger.reader(), 2);
}

#[test]
fn after_a_failed_write_every_commit_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    fill(&mut ledger, &[2]);
    // The kernel refuses to write through a descriptor that was opened for reading.
    let path = segment_files(dir.path()).remove(0);
    let good = std::mem::replace(&mut ledger.segment_mut().file, File::open(path).unwrap());
    assert!(matches!(ledger.commit(&group(2, 1)), Err(LedgerError::Io { op: "write", .. })));
    ledger.segment_mut().file = good;
    assert!(matches!(ledger.commit(&group(2, 1)), Err(LedgerError::Poisoned)));
    assert!(matches!(ledger.store_checkpoint_if_due(i64::MAX), Err(LedgerError::Poisoned)));
    assert_whole(&ledger.reader(), 2);
    assert!(matches!(ledger.close(), Err(LedgerError::Poisoned)));
    let (mut ledger, found) = open(dir.path());
    assert_eq!(found.tree_size, 2);
    fill(&mut ledger, &[1]);
}

#[test]
fn after_a_failed_sync_every_commit_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    fill(&mut ledger, &[2]);
    // It takes every byte, and the kernel refuses to sync it.
    let null = File::options().write(true).open("/dev/null").unwrap();
    let good = std::mem::replace(&mut ledger.segment_mut().file, null);
    assert!(matches!(ledger.commit(&group(2, 1)), Err(LedgerError::Io { op: "sync", .. })));
    ledger.segment_mut().file = good;
    assert!(matches!(ledger.commit(&group(2, 1)), Err(LedgerError::Poisoned)));
    assert_whole(&ledger.reader(), 2);
    drop(ledger);
    let (mut ledger, found) = open(dir.path());
    assert_eq!(found.tree_size, 2);
    fill(&mut ledger, &[1]);
}

#[test]
fn too_large_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    let mut big = group(0, 1);
    big.records[0].entry = vec![0; 65 << 20];
    assert!(matches!(ledger.commit(&big), Err(LedgerError::TooLarge { .. })));
    fill(&mut ledger, &[1]);
    assert_whole(&ledger.reader(), 1);
}

#[test]
fn proofs_and_tiles_agree_with_the_signed_root() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    fill(&mut ledger, &[100, 200, 300]);
    let reader = ledger.reader();
    let root = |size| reader.root(size).unwrap();
    assert_eq!(key().verifier().open(&reader.checkpoint()).unwrap().root, root(600));
    for leaf in [0, 99, 255, 256, 599] {
        let stored = reader.read(leaf).unwrap();
        let hash = leaf_hash(&commitment(&stored.salt, &stored.entry));
        assert!(verify_inclusion(&hash, leaf, 600, &root(600), &reader.inclusion_proof(leaf, 600).unwrap()));
        let tile = reader.tile(0, leaf / 256, 256.min(600 - leaf / 256 * 256)).unwrap();
        assert_eq!(tile[(leaf % 256) as usize * 32..][..32], hash);
        let bundle = reader.entry_bundle(leaf / 256, leaf % 256 + 1).unwrap();
        assert_eq!(bundle[bundle.len() - 34..], [&[0, 32], &commitment(&stored.salt, &stored.entry)[..]].concat());
    }
    assert!(verify_consistency(100, &root(100), 600, &root(600), &reader.consistency_proof(100, 600).unwrap()));
    // A full tile's root is the hash in the tile above it.
    let mut edge = Edge::default();
    for hash in reader.tile(0, 1, 256).unwrap().chunks(32) {
        edge.push(hash.try_into().unwrap(), &mut Vec::new());
    }
    assert_eq!(reader.tile(1, 0, 2).unwrap()[32..], edge.root());
    for (level, index, width) in
        [(0, 2, 89), (0, 0, 0), (0, 0, 257), (1, 0, 3), (2, 0, 1), (99, 0, 1), (0, u64::MAX, 1)]
    {
        assert!(
            matches!(reader.tile(level, index, width), Err(LedgerError::OutOfRange { .. })),
            "{level} {index} {width}"
        );
    }
    assert!(matches!(reader.inclusion_proof(5, 5), Err(LedgerError::OutOfRange { .. })));
    assert!(matches!(reader.consistency_proof(7, 601), Err(LedgerError::OutOfRange { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// However entries are grouped, rotated and reopened, the log is the same.
    #[test]
    fn grouping_and_restarts_do_not_change_the_log(sizes in prop::collection::vec(0u64..9, 1..12), segment_bytes in 200u64..2000, reopen in any::<u16>()) {
        let dir = tempfile::tempdir().unwrap();
        let opts = Options { segment_bytes, ..options(dir.path()) };
        let mut ledger = Ledger::open(opts.clone(), key(), None).unwrap().0;
        for (i, size) in sizes.iter().enumerate() {
            fill(&mut ledger, &[*size]);
            if reopen >> i & 1 == 1 {
                let root = ledger.reader().checkpoint();
                drop(ledger);
                ledger = Ledger::open(opts.clone(), key(), None).unwrap().0;
                prop_assert_eq!(ledger.reader().checkpoint(), root);
            }
        }
        let total: u64 = sizes.iter().sum();
        assert_whole(&ledger.reader(), total);
        let mut edge = Edge::default();
        for leaf in 0..total {
            let record = group(leaf, 1).records.remove(0);
            edge.push(leaf_hash(&commitment(&record.salt, &record.entry)), &mut Vec::new());
        }
        prop_assert_eq!(ledger.reader().root(total).unwrap(), edge.root());
    }
}
