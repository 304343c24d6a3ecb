//! Tests of tail and load: order, bound, gaps.

use std::sync::Arc;

use super::load::load_around;
use super::toy::{self, Toy, fold, hat};
use super::*;
use crate::domain::{Event, Reason, Timestamp};

fn refused(i: u8, n: u64) -> Arc<Sealed> {
    let reason = Reason::NotPermitted;
    toy::sealed(n * 10 + u64::from(i), toy::entry(i, n, Event::Rejected { reason }, Some(hat(i))))
}

fn numbers(tail: &Tail, i: u8) -> Vec<u64> {
    tail.of(&hat(i)).iter().map(|it| it.entry.n).collect()
}

#[test]
fn the_tail_counts_tells_when_full_and_lets_go() {
    let tail = Tail::new(3);
    let fill = tail.push(&[refused(1, 1), refused(2, 1), refused(1, 2)]);
    assert_eq!(fill, Fill { held: 3, bound: 3 });
    assert!(!fill.over());
    // A replayed entry is not held twice.
    assert!(!tail.push(&[refused(1, 2)]).over());
    assert!(tail.push(&[refused(1, 3)]).over());
    assert_eq!(tail.dirty(), [hat(1), hat(2)]);
    assert_eq!(numbers(&tail, 1), [1, 2, 3]);
    tail.drop_through(&hat(1), 2);
    assert_eq!((numbers(&tail, 1), tail.len()), (vec![3], 2));
    tail.drop_through(&hat(1), 9);
    tail.drop_through(&hat(3), 9);
    assert!(!tail.is_dirty(&hat(1)) && tail.is_dirty(&hat(2)));
    assert_eq!((tail.dirty(), tail.len()), (vec![hat(2)], 1));
}

#[test]
fn a_gap_is_refused_by_load_and_fold() {
    let (_folder, db) = toy::database();
    let tail = Tail::default();
    let _ = tail.push(&[refused(1, 1), refused(1, 3)]);
    let gap = |error: StoreError| {
        let known = matches!(&error, StoreError::Gap { entity, expected: 2, found: 3 } if *entity == hat(1));
        assert!(known, "{error}");
    };
    gap(load::<Toy>(&db, &tail, &hat(1)).expect_err("2 is missing"));
    gap(fold_rows(&db, &tail, toy::REGISTRY, fold, 99, Timestamp(5)).expect_err("2 is missing"));
    // An entity without anything is at its beginning.
    assert_eq!(load::<Toy>(&db, &tail, &hat(2)).expect("loads"), Toy::default());
}

#[test]
fn a_snapshot_in_the_middle_of_a_load_loses_nothing() {
    let (_folder, db) = toy::database();
    let tail = Tail::default();
    let _ = tail.push(&[refused(1, 1), refused(1, 2)]);
    let before: Toy = load(&db, &tail, &hat(1)).expect("loads");
    let snapshot = || {
        toy::snapshot(&db, &tail, 99).expect("a snapshot");
        assert!(tail.is_empty());
    };
    let during: Toy = load_around(&db, &tail, &hat(1), snapshot).expect("loads");
    assert_eq!((during.n, &during), (2, &before));
    assert_eq!(load::<Toy>(&db, &tail, &hat(1)).expect("loads"), before);
}

#[test]
fn a_tail_that_begins_beyond_the_row_is_refused() {
    let (_folder, db) = toy::database();
    let tail = Tail::default();
    let _ = tail.push(&[refused(1, 1)]);
    toy::snapshot(&db, &tail, 99).expect("a snapshot");
    let _ = tail.push(&[refused(1, 3)]);
    let error = load::<Toy>(&db, &tail, &hat(1)).expect_err("2 is missing");
    assert!(matches!(error, StoreError::Gap { expected: 2, found: 3, .. }), "{error}");
}

#[test]
fn a_fold_that_does_not_count_along_is_refused() {
    let (_folder, db) = toy::database();
    let tail = Tail::default();
    let _ = tail.push(&[refused(1, 1), refused(1, 2)]);
    let wrong = |_: &_, _: Option<&Row>, _: &[Arc<Sealed>]| Ok(Row { n: 1, state: Vec::new(), wake: None });
    let error = fold_rows(&db, &tail, toy::REGISTRY, wrong, 99, Timestamp(5)).expect_err("1 of 2");
    assert!(matches!(error, StoreError::Number { expected: 2, found: 1, .. }), "{error}");
}

#[test]
fn a_row_of_another_type_is_named() {
    let (_folder, db) = toy::database();
    let row = Row { n: 1, state: b"\xa4text".to_vec(), wake: None };
    let mut batch = Batch::new(db.header().expect("reads"));
    batch.rows = vec![(hat(1), row)];
    db.write(&batch).expect("writes");
    let error = load::<Toy>(&db, &Tail::default(), &hat(1)).expect_err("a text");
    assert!(error.to_string().contains("the state of hat:h1.hubat.net"), "{error}");
}

/// An exchange of large content has two entries that open it. Wherever snapshots fall, nothing of it stays once it has
/// ended.
#[test]
fn no_row_of_a_fetched_exchange_outlives_it() {
    use crate::domain::exchange::large::{Fetching, Object, Upload};
    let mut opened = toy::opened(1, 1);
    let object = Object { id: toy::uuid(4, 1, 1), size: 8, digest: opened.digest_in, count: 1, chunks: 1 };
    let fetching = Fetching {
        exchange: opened.exchange,
        from: opened.from.clone(),
        by: opened.from.clone(),
        to: opened.to.clone(),
        direction: opened.direction,
        authority: opened.authority.clone(),
        delivery: opened.delivery,
        deadline: opened.deadline,
        object,
        debits: Vec::new(),
        pull: None,
        without_pii: false,
    };
    opened.large = Some(Box::new(Upload { by: opened.from.clone(), object: object.id }));
    let events = [
        Event::Fetching(Box::new(fetching)),
        Event::Fetched(Box::new(opened.clone())),
        Event::Settled(toy::closed(&opened)),
    ];
    // Each bit: a snapshot after that entry.
    for snapshots in 0..8 {
        let (_folder, db) = toy::database();
        let tail = Tail::default();
        for (at, event) in events.iter().enumerate() {
            let at = at as u64;
            let _ = tail.push(&[toy::sealed(at, toy::entry(1, at + 1, event.clone(), None))]);
            if snapshots >> at & 1 == 1 {
                toy::snapshot(&db, &tail, at + 1).expect("a snapshot");
                let open = db.open_rows().expect("reads").len();
                assert_eq!(open, usize::from(at < 2), "after entry {at} with snapshots {snapshots:03b}");
            }
        }
        toy::snapshot(&db, &tail, 3).expect("a snapshot");
        assert!(db.open_rows().expect("reads").is_empty(), "at the end with snapshots {snapshots:03b}");
    }
}
