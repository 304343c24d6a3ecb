//! Laws: snapshots at whatever points, restarts and a rebuild all give the same database, and row + tail
//! is always the fold of all entries.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use proptest::prelude::*;

use super::toy::{self, Toy, content, hat, snapshot};
use super::*;
use crate::domain::command::Receipt;
use crate::domain::event::Verdict;
use crate::domain::{Entity, Event, Reason};

/// HATs in a generated ledger.
const HATS: u8 = 4;

/// A ledger in which exchanges open, are recalled and end in every way, and registrations change.
fn ledger(steps: &[(u8, u8)]) -> Vec<Arc<Sealed>> {
    let mut numbers = [0u64; HATS as usize];
    let mut open: Vec<Vec<crate::domain::event::Opened>> = vec![Vec::new(); HATS as usize];
    let mut entries = Vec::new();
    for (leaf, &(i, what)) in (0..).zip(steps) {
        let slot = usize::from(i);
        numbers[slot] += 1;
        let n = numbers[slot];
        let oldest = (!open[slot].is_empty()).then(|| open[slot][0].clone());
        let lane = "lane:a7".parse().ok();
        let (event, addressed) = match (what, oldest) {
            (0..=3, _) => {
                let opened = toy::opened(i, n);
                open[slot].push(opened.clone());
                let addressed = if what == 3 { lane } else { Some(hat(i)) };
                (toy::event_opened(&opened), addressed)
            }
            (4..=7, Some(oldest)) => {
                open[slot].remove(0);
                let closed = toy::closed(&oldest);
                let reason = Reason::DigestMismatch;
                match what {
                    4 => (Event::Settled(closed), lane),
                    5 => {
                        let said = Box::new(Receipt {
                            delivery: closed.delivery,
                            digest: closed.digest_in,
                            count: 0,
                            verdict: Verdict::Accepted,
                            reason: None,
                        });
                        (Event::Disputed { closed, reason, said }, Some(hat(i)))
                    }
                    6 => (Event::Expired(closed), None),
                    _ => (Event::Recalled(closed), lane),
                }
            }
            (8, Some(oldest)) => (
                Event::RecallRequested {
                    exchange: oldest.exchange,
                    delivery: oldest.delivery,
                    to: oldest.to,
                    without_pii: false,
                },
                Some(hat(i)),
            ),
            (9, _) => (Event::LateReceipt { delivery: toy::uuid(2, i, 1), verdict: Verdict::Accepted }, lane),
            (10, _) => (toy::registered(n), Some(hat(i))),
            (11, _) => (Event::Suspended, Some(hat(i))),
            _ => {
                let reason = Reason::NotPermitted;
                (Event::Rejected { reason }, Some(hat(i)))
            }
        };
        entries.push(toy::sealed(leaf, toy::entry(i, n, event, addressed)));
    }
    entries
}

fn folded(entries: &[Arc<Sealed>], i: u8) -> Toy {
    let mut toy = Toy::default();
    for sealed in entries.iter().filter(|it| it.entry.entity == hat(i)) {
        toy.apply(&sealed.entry);
    }
    toy
}

fn rebuilt(entries: &[Arc<Sealed>], batch: usize) -> (tempfile::TempDir, StateDb, Rebuilt) {
    let (folder, db) = toy::database();
    let entries = entries.iter().map(|it| Ok::<_, Infallible>(Sealed::clone(it)));
    let made_at = crate::domain::Timestamp(5);
    let rebuilt = rebuild(&db, entries, toy::REGISTRY, toy::fold, batch, made_at);
    (folder, db, rebuilt.expect("rebuilds"))
}

/// What happens after an entry is pushed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Then {
    Nothing,
    /// A snapshot of all but the newest `.0` entries.
    Snapshot(u64),
    /// The process ends; the next one replays the ledger from `.0` entries before the header's position.
    Restart(u64),
}

fn then() -> impl Strategy<Value = Then> {
    prop_oneof![
        6 => Just(Then::Nothing),
        2 => (0u64..6).prop_map(Then::Snapshot),
        1 => (0u64..6).prop_map(Then::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn snapshots_restarts_and_a_rebuild_agree(
        steps in prop::collection::vec(((0..HATS, 0u8..13), then()), 1..120),
        batch in 1usize..40,
    ) {
        let (kinds, thens): (Vec<_>, Vec<_>) = steps.into_iter().unzip();
        let entries = ledger(&kinds);
        let (folder, mut db) = toy::database();
        let mut tail = Tail::new(1000);
        for (at, then) in thens.iter().enumerate() {
            let _ = tail.push(&entries[at..=at]);
            let committed = at as u64 + 1;
            match then {
                Then::Nothing => {}
                Then::Snapshot(less) => {
                    let through = committed.saturating_sub(*less).max(db.known_through());
                    snapshot(&db, &tail, through).expect("a snapshot");
                }
                Then::Restart(more) => {
                    let path = db.path().to_path_buf();
                    drop(db);
                    db = StateDb::open(path, toy::ORIGIN).expect("opens again");
                    tail = Tail::new(1000);
                    let from = db.known_through().saturating_sub(*more) as usize;
                    let _ = tail.push(&entries[from..=at]);
                }
            }
            for i in 0..HATS {
                let now: Toy = load(&db, &tail, &hat(i)).expect("loads");
                prop_assert_eq!(now, folded(&entries[..=at], i));
            }
        }
        let all = entries.len() as u64;
        snapshot(&db, &tail, all).expect("a snapshot");
        prop_assert!(tail.is_empty() && tail.dirty().is_empty());
        prop_assert_eq!(db.known_through(), all);
        let (_other, again, stats) = rebuilt(&entries, batch);
        prop_assert_eq!(stats.entries, all);
        prop_assert_eq!(stats.through, all);
        prop_assert_eq!(content(&db), content(&again));
        for sealed in &entries {
            for found in db.index(&index_keys(&sealed.entry)).expect("reads") {
                prop_assert!(found.is_some_and(|leaves| leaves.contains(&sealed.leaf)));
            }
        }
        drop(folder);
    }
}

#[test]
fn an_entity_loads_whole_while_snapshots_are_written() {
    let steps: Vec<(u8, u8)> = (0..3000u32).map(|at| ((at % 3) as u8, (at % 13) as u8)).collect();
    let entries = ledger(&steps);
    let (_folder, db) = toy::database();
    let tail = Tail::new(1000);
    let committed = AtomicU64::new(0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for (size, some) in (1..).zip(entries.chunks(10)) {
                let _ = tail.push(some);
                committed.store(size * 10, Ordering::Release);
                std::thread::yield_now();
            }
            done.store(true, Ordering::Release);
        });
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                snapshot(&db, &tail, committed.load(Ordering::Acquire)).expect("a snapshot");
            }
        });
        let mut last = 0;
        while !done.load(Ordering::Acquire) {
            let now: Toy = load(&db, &tail, &hat(1)).expect("row and tail meet");
            assert!(now.n >= last, "{} came after {last}", now.n);
            last = now.n;
        }
    });
    snapshot(&db, &tail, 3000).expect("a snapshot");
    let now: Toy = load(&db, &Tail::default(), &hat(1)).expect("loads");
    assert_eq!(now, folded(&entries, 1));
}

#[test]
fn a_rebuild_refuses_a_used_database_and_a_ledger_out_of_order() {
    let entries = ledger(&[(0, 0), (1, 0), (0, 4)]);
    let (_folder, db, stats) = rebuilt(&entries, 2);
    assert_eq!((stats.entries, stats.batches, stats.through), (3, 2, 3));
    let at = crate::domain::Timestamp(5);
    let nothing = std::iter::empty::<Result<Sealed, Infallible>>();
    let error = rebuild(&db, nothing, toy::REGISTRY, toy::fold, 2, at).expect_err("used");
    assert!(matches!(error, StoreError::NotEmpty { through: 3 }));
    let (_folder, db) = toy::database();
    let swapped = [1, 0].map(|at: usize| Ok::<_, Infallible>(Sealed::clone(&entries[at])));
    let error = rebuild(&db, swapped, toy::REGISTRY, toy::fold, 9, at).expect_err("swapped");
    assert!(matches!(error, StoreError::Order { last: 1, found: 0 }));
    let broken = [Err::<Sealed, _>("segment 7 is damaged")];
    let error = rebuild(&db, broken, toy::REGISTRY, toy::fold, 9, at).expect_err("damaged");
    assert!(error.to_string().contains("segment 7"), "{error}");
}
