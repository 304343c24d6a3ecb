//! What a crash or rot leaves behind: torn tails are cut, anything promised is not.

use std::fs::{self, File};

use super::*;

/// A ledger of 4 groups (leaves 0–8) whose newest stored checkpoint covers the first two (5 leaves), as after a power cut:
/// the newest note and the hashes above it are lost.
fn after_a_power_cut(dir: &Path) -> Vec<u64> {
    let (mut ledger, _) =
        Ledger::open(Options { checkpoint_every_ns: 1_000_000, ..options(dir) }, key(), None).unwrap();
    let mut ends = Vec::new();
    let file = || segment_files(dir).pop().unwrap();
    for (size, time_ns) in [(2, 0), (3, 2_000_000), (1, 2_000_001), (3, 2_000_002)] {
        let first = ledger.reader().tree_size();
        ledger.commit(&Group { time_ns, ..group(first, size) }).unwrap();
        ends.push(fs::metadata(file()).unwrap().len());
    }
    drop(ledger);
    fs::remove_file(dir.join("ledger/checkpoint")).unwrap();
    File::options().write(true).open(dir.join("ledger/hashes")).unwrap().set_len(hashes::bytes(5)).unwrap();
    ends
}

#[test]
fn a_tail_torn_at_any_byte_above_the_checkpoint_is_cut() {
    let base = memory_dir();
    let ends = after_a_power_cut(base.path());
    let whole = fs::read(segment_files(base.path()).pop().unwrap()).unwrap();
    for cut in ends[1]..=ends[3] {
        for zeros in [false, true] {
            let dir = memory_dir();
            copy_dir(base.path(), dir.path());
            let mut bytes = whole[..cut as usize].to_vec();
            if zeros {
                // Blocks that were allotted and never written.
                bytes.resize(whole.len(), 0);
            }
            fs::write(segment_files(dir.path()).pop().unwrap(), &bytes).unwrap();
            let (mut ledger, found) = open(dir.path());
            let (kept, size) =
                [(ends[3], 9), (ends[2], 6), (ends[1], 5)].into_iter().find(|(end, _)| *end <= cut).unwrap();
            assert_eq!(
                (found.tree_size, found.cut_bytes),
                (size, bytes.len() as u64 - kept),
                "cut at {cut}, zeros {zeros}"
            );
            assert!(!found.hashes_rebuilt);
            assert_whole(&ledger.reader(), size);
            if cut % 9 != 0 {
                continue;
            }
            fill(&mut ledger, &[4]);
            drop(ledger);
            let (ledger, again) = open(dir.path());
            assert_eq!((again.tree_size, again.cut_bytes), (size + 4, 0));
            assert_whole(&ledger.reader(), size + 4);
        }
    }
}

#[test]
fn below_the_checkpoint_nothing_is_cut() {
    let base = memory_dir();
    let ends = after_a_power_cut(base.path());
    let whole = fs::read(segment_files(base.path()).pop().unwrap()).unwrap();
    for cut in 0..ends[1] {
        let dir = memory_dir();
        copy_dir(base.path(), dir.path());
        let path = segment_files(dir.path()).pop().unwrap();
        fs::write(&path, &whole[..cut as usize]).unwrap();
        let refused = Ledger::open(options(dir.path()), key(), None).unwrap_err();
        assert!(
            matches!(refused, LedgerError::Damaged { promised: 5, .. } | LedgerError::Behind { promised: 5, .. }),
            "{cut}: {refused}"
        );
        assert!(refused.to_string().contains("restore the ledger folder"), "{refused}");
        assert_eq!(fs::metadata(&path).unwrap().len(), cut, "a refusal changes nothing");
    }
}

#[test]
fn a_flipped_bit_is_found_wherever_it_is() {
    let base = memory_dir();
    let ends = after_a_power_cut(base.path());
    let whole = fs::read(segment_files(base.path()).pop().unwrap()).unwrap();
    for at in 0..whole.len() {
        let dir = memory_dir();
        copy_dir(base.path(), dir.path());
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(segment_files(dir.path()).pop().unwrap(), &bytes).unwrap();
        let report = check(dir.path(), key().verifier()).unwrap();
        match Ledger::open(options(dir.path()), key(), None) {
            // Only the last frame can be mistaken for a torn tail: nothing was written after it.
            Ok((ledger, found)) => {
                assert!(at as u64 >= ends[2], "byte {at}");
                assert_eq!((found.tree_size, report.torn_bytes), (6, ends[3] - ends[2]));
                assert_whole(&ledger.reader(), 6);
            }
            Err(refused) => {
                assert!((at as u64) < ends[2], "byte {at}: {refused}");
                assert!(matches!(refused, LedgerError::Damaged { .. }), "{refused}");
                assert!(!report.is_sound());
            }
        }
    }
}

#[test]
fn the_newest_note_protects_what_the_stored_one_does_not() {
    let base = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(base.path());
    fill(&mut ledger, &[2, 3, 1]);
    let external = ledger.reader().checkpoint();
    drop(ledger);
    let path = segment_files(base.path()).pop().unwrap();
    let len = fs::metadata(&path).unwrap().len();
    File::options().write(true).open(&path).unwrap().set_len(len - 1).unwrap();
    assert!(matches!(Ledger::open(options(base.path()), key(), None), Err(LedgerError::Damaged { promised: 6, .. })));
    // Without it, the note kept elsewhere says the same.
    fs::remove_file(base.path().join("ledger/checkpoint")).unwrap();
    let refused = Ledger::open(options(base.path()), key(), Some(&external)).unwrap_err();
    assert!(matches!(refused, LedgerError::Damaged { promised: 6, .. }), "{refused}");
    // Without both it is a torn tail, and the note kept elsewhere then shows the loss.
    assert_eq!(open(base.path()).1.tree_size, 5);
    let refused = Ledger::open(options(base.path()), key(), Some(&external)).unwrap_err();
    assert!(matches!(refused, LedgerError::Behind { have: 5, promised: 6, .. }), "{refused}");
}

#[test]
fn other_entries_under_a_signed_checkpoint_are_a_fork() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut ledger, _) = open(one.path());
    fill(&mut ledger, &[3]);
    let (mut other, _) = open(two.path());
    let mut changed = group(0, 3);
    changed.records[1].entry.push(b'!');
    other.commit(&changed).unwrap();
    let external = other.reader().checkpoint();
    drop(ledger);
    let refused = Ledger::open(options(one.path()), key(), Some(&external)).unwrap_err();
    assert!(matches!(refused, LedgerError::Forked { size: 3, .. }), "{refused}");
    assert!(matches!(Ledger::open(options(one.path()), key(), Some("no note")), Err(LedgerError::Checkpoint { .. })));
}

#[test]
fn an_empty_folder_does_not_hide_a_promise() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    fill(&mut ledger, &[3]);
    let external = ledger.reader().checkpoint();
    drop(ledger);
    let fresh = tempfile::tempdir().unwrap();
    assert!(matches!(
        Ledger::open(options(fresh.path()), key(), Some(&external)),
        Err(LedgerError::Behind { have: 0, promised: 3, .. })
    ));
}

#[test]
fn a_lost_or_wrong_hash_file_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let opts = || Options { segment_bytes: 300, ..options(dir.path()) };
    let (mut ledger, _) = Ledger::open(opts(), key(), None).unwrap();
    fill(&mut ledger, &[4, 4, 4]);
    let checkpoint = ledger.reader().checkpoint();
    ledger.close().unwrap();
    let path = dir.path().join("ledger/hashes");
    let good = fs::read(&path).unwrap();
    let mut flipped = good.clone();
    // The hash of leaves 0 to 7, on the right edge of 12 leaves.
    flipped[merkle::stored_index(3, 0) as usize * 32] ^= 1;
    for (bad, rebuilt) in [(Vec::new(), true), (good[..100].to_vec(), true), (flipped, true), (good.clone(), false)] {
        fs::write(&path, bad).unwrap();
        let (ledger, found) = Ledger::open(opts(), key(), None).unwrap();
        assert_eq!(found.hashes_rebuilt, rebuilt);
        assert_eq!(ledger.reader().checkpoint(), checkpoint);
        assert_whole(&ledger.reader(), 12);
        assert_eq!(fs::read(&path).unwrap(), good);
    }
}

#[test]
fn a_segment_torn_while_it_was_made_is_dropped() {
    let base = tempfile::tempdir().unwrap();
    let opts = |dir: &Path| Options { segment_bytes: 1, ..options(dir) };
    let (mut ledger, _) = Ledger::open(opts(base.path()), key(), None).unwrap();
    fill(&mut ledger, &[2, 2]);
    drop(ledger);
    let last = segment_files(base.path()).pop().unwrap();
    let head = fs::read(&last).unwrap();
    let made = base.path().join("ledger").join("seg-00000000000000000004.dex");
    for len in 0..60 {
        fs::write(&made, &head[..len]).unwrap();
        let (ledger, found) = Ledger::open(opts(base.path()), key(), None).unwrap();
        assert_eq!((found.tree_size, found.cut_bytes), (4, len as u64));
        assert_eq!(found.positions.len(), 2);
        assert_whole(&ledger.reader(), 4);
        assert!(!made.exists());
    }
}

#[test]
fn a_missing_segment_is_named() {
    for missing in 0..3 {
        let dir = tempfile::tempdir().unwrap();
        let opts = || Options { segment_bytes: 1, ..options(dir.path()) };
        let (mut ledger, _) = Ledger::open(opts(), key(), None).unwrap();
        fill(&mut ledger, &[2, 2, 2, 2]);
        drop(ledger);
        fs::remove_file(&segment_files(dir.path())[missing]).unwrap();
        let refused = Ledger::open(opts(), key(), None).unwrap_err();
        assert!(matches!(&refused, LedgerError::Damaged { what, .. } if what.contains("missing")), "{refused}");
        assert!(!check(dir.path(), key().verifier()).unwrap().is_sound());
    }
}

#[test]
fn a_torn_stored_note_falls_back_to_the_one_before() {
    let dir = memory_dir();
    let (mut ledger, _) = Ledger::open(Options { checkpoint_every_ns: 0, ..options(dir.path()) }, key(), None).unwrap();
    fill(&mut ledger, &[1, 1, 1]);
    drop(ledger);
    let path = dir.path().join("ledger/checkpoints");
    let notes = fs::read(&path).unwrap();
    for cut in 1..80 {
        fs::write(&path, &notes[..notes.len() - cut]).unwrap();
        let (ledger, found) = open(dir.path());
        assert_eq!(found.tree_size, 3);
        assert_whole(&ledger.reader(), 3);
    }
}

#[test]
fn stored_notes_are_thinned_and_stay_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let verifier = key().verifier().clone();
    let (mut notes, _) = notes::Notes::open(dir.path(), &verifier).unwrap();
    let note = |size| key().sign(&Checkpoint { origin: ORIGIN.into(), size, root: [1; 32] });
    let path = notes::synced_path(dir.path());
    let text: String = (0..8000).map(|size| format!("{}\n", note(size))).collect();
    assert!(text.len() > 1 << 20);
    drop(notes);
    fs::write(&path, text).unwrap();
    notes = notes::Notes::open(dir.path(), &verifier).unwrap().0;
    notes.store(&note(8000)).unwrap();
    assert!(fs::metadata(&path).unwrap().len() < 1 << 20);
    notes.store(&note(8001)).unwrap();
    let (_, known) = notes::Notes::open(dir.path(), &verifier).unwrap();
    assert_eq!(known.synced.unwrap().size, 8001);
    let sizes: Vec<_> =
        notes::read_synced(&path).unwrap().iter().map(|n| verifier.open(&n.text).unwrap().size).collect();
    assert_eq!(sizes[..3], [0, 2, 4]);
    assert_eq!(sizes[sizes.len() - 2..], [8000, 8001]);
}
