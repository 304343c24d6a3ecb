//! Tests of the database as a file: what is refused, what a failed write leaves, how reads look.

use super::toy::{self, ORIGIN, content, hat, snapshot};
use super::*;
use crate::domain::{Kind, Timestamp};

fn header(through: u64) -> Header {
    Header { format: FORMAT, origin: ORIGIN.into(), through, made_at: Timestamp(9) }
}

fn row(n: u64) -> Row {
    Row { n, state: vec![0xc0], wake: None }
}

#[test]
fn a_new_database_is_empty_and_stays_its_exchanges() {
    let (_folder, db) = toy::database();
    let found = db.header().expect("reads");
    assert_eq!((found.through, found.origin.as_str()), (0, ORIGIN));
    assert_eq!(db.rows(None).expect("reads").count(), 0);
    assert!(db.registrations().expect("reads").is_empty());
    assert!(db.open_rows().expect("reads").is_empty());
    let path = db.path().to_path_buf();
    let error = StateDb::open(&path, ORIGIN).expect_err("open already");
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    drop(db);
    let error = StateDb::open(&path, "dex.other.org").expect_err("another's");
    assert!(matches!(error, StoreError::Origin { .. }), "{error}");
    StateDb::open(&path, ORIGIN).expect("its own");
}

#[test]
fn a_newer_format_and_a_strange_file_are_refused() {
    let (_folder, db) = toy::database();
    let path = db.path().to_path_buf();
    #[derive(serde::Serialize)]
    struct Next {
        format: u16,
        another: &'static str,
    }
    let bytes = rmp_serde::to_vec_named(&Next { format: FORMAT + 1, another: "shape" });
    let transaction = db.database().begin_write().expect("writes");
    transaction
        .open_table(super::view::META)
        .expect("a table")
        .insert(super::view::HEADER, bytes.expect("packs").as_slice())
        .expect("inserts");
    transaction.commit().expect("commits");
    drop(db);
    let error = StateDb::open(&path, ORIGIN).expect_err("newer");
    assert!(error.to_string().contains("has format 2"), "{error}");

    let strange = path.with_file_name("notes.txt");
    std::fs::write(&strange, "no database at all, but a text".repeat(1000)).expect("writes");
    let error = StateDb::open(&strange, ORIGIN).expect_err("a text");
    assert!(matches!(error, StoreError::Open { .. }), "{error}");
    let error = StateDb::open("/nonexistent/folder/state.redb", ORIGIN).expect_err("nowhere");
    assert!(error.to_string().contains("/nonexistent/folder"), "{error}");
}

#[test]
fn a_refused_batch_leaves_nothing_behind() {
    let (_folder, db) = toy::database();
    let mut batch = Batch::new(header(4));
    batch.rows = vec![(hat(1), row(4))];
    db.write(&batch).expect("writes");
    let before = content(&db);

    let mut back = Batch::new(header(9));
    back.rows = vec![(hat(0), row(7)), (hat(1), row(3))];
    back.index = vec![(IndexKey::delivery(toy::uuid(2, 1, 1)), 8)];
    let error = db.write(&back).expect_err("goes back");
    assert!(matches!(error, StoreError::RowBack { held: 4, new: 3, .. }), "{error}");
    let error = db.write(&Batch::new(header(3))).expect_err("goes back");
    assert!(matches!(error, StoreError::Backward { held: 4, new: 3 }), "{error}");
    let mut strange = header(9);
    strange.origin = "dex.other.org".into();
    assert!(matches!(db.write(&Batch::new(strange)), Err(StoreError::Origin { .. })));
    assert_eq!(content(&db), before);
    assert_eq!(db.known_through(), 4);
    db.check_ledger(4).expect("the ledger has what the rows hold");
    let error = db.check_ledger(3).expect_err("cut");
    assert!(matches!(error, StoreError::Ahead { through: 4, ledger: 3 }));
}

#[test]
fn rows_are_listed_by_kind_and_views_stand_still() {
    let (_folder, db) = toy::database();
    let mut batch = Batch::new(header(3));
    let names = ["hat:a", "hat:b-1", "org:acme", "operator:ann", "plug:hat"];
    for name in names {
        batch.rows.push((name.parse().expect("an address"), row(1)));
    }
    db.write(&batch).expect("writes");
    let listed = |rows: Rows| -> Vec<String> { rows.map(|row| row.expect("reads").0.to_string()).collect() };
    assert_eq!(listed(db.rows(Some(Kind::Hat)).expect("reads")), ["hat:a", "hat:b-1"]);
    assert_eq!(listed(db.rows(Some(Kind::Org)).expect("reads")), ["org:acme"]);
    assert_eq!(listed(db.rows(Some(Kind::Offer)).expect("reads")), [""; 0]);

    let view = db.view().expect("a view");
    let rows = db.rows(None).expect("reads");
    let mut more = Batch::new(header(5));
    more.rows = vec![("hat:zz".parse().expect("an address"), row(1))];
    db.write(&more).expect("writes");
    assert_eq!(view.header().expect("reads").through, 3);
    assert_eq!(listed(rows).len(), names.len());
    assert_eq!(db.rows(None).expect("reads").count(), names.len() + 1);
}

#[test]
fn index_lookups_answer_in_order_and_keep_the_earliest_leaves() {
    let (_folder, db) = toy::database();
    let id = toy::uuid(1, 1, 1);
    let message = IndexKey::message(&hat(1), &toy::acme(), crate::domain::MessageId(id));
    let delivery = IndexKey::delivery(id);
    let unknown = IndexKey::delivery(toy::uuid(1, 1, 2));
    let mut batch = Batch::new(header(1));
    batch.index = vec![(message, 7), (delivery, 3), (message, 5), (message, 7)];
    assert_eq!(db.write(&batch).expect("writes").index_keys, 2);
    // The same once more changes nothing.
    assert_eq!(db.write(&batch).expect("writes").index_keys, 0);
    let found = db.index(&[unknown, message, delivery]).expect("reads");
    assert_eq!(found, [None, Some(vec![5, 7]), Some(vec![3])]);
    assert_eq!(db.index_by_uuid(id).expect("reads"), [3, 5, 7]);
    assert!(db.index_by_uuid(toy::uuid(1, 1, 2)).expect("reads").is_empty());

    batch.index = (0..2 * LEAVES_MAX as u64).map(|leaf| (message, leaf)).collect();
    db.write(&batch).expect("writes");
    let leaves: Vec<u64> = (0..LEAVES_MAX as u64).collect();
    assert_eq!(db.index(&[message]).expect("reads"), [Some(leaves.clone())]);
    assert_eq!(db.index_by_uuid(id).expect("reads"), leaves);
}

#[test]
fn open_exchanges_move_are_published_and_leave() {
    let (_folder, db) = toy::database();
    let tail = Tail::default();
    let opened = toy::opened(1, 1);
    let first = toy::sealed(0, toy::entry(1, 1, toy::event_opened(&opened), None));
    let _ = tail.push(&[first]);
    // Noted when the ledger had one entry, before any snapshot holds it.
    tail.moved(&[(opened.delivery, (9, 16, 8))], 1);
    snapshot(&db, &tail, 0).expect("a snapshot");
    assert!(tail.is_move_pending(&opened.delivery));
    snapshot(&db, &tail, 1).expect("a snapshot");
    assert!(!tail.is_move_pending(&opened.delivery));
    let mut batch = Batch::new(header(1));
    batch.published = vec![(opened.delivery, Timestamp(77)), (toy::uuid(2, 2, 2), Timestamp(1))];
    db.write(&batch).expect("writes");
    let row = db.open_row(opened.delivery).expect("reads").expect("open");
    assert_eq!(row.spool, Some((9, 16, 8)));
    assert_eq!(row.published_at, Some(Timestamp(77)));
    assert_eq!((row.entity, row.partition, row.leaf), (hat(1), 1, 0));
    assert_eq!(row.deadline, opened.deadline);

    let end = crate::domain::Event::Settled(toy::closed(&opened));
    let _ = tail.push(&[toy::sealed(1, toy::entry(1, 2, end, None))]);
    tail.moved(&[(opened.delivery, (10, 0, 8))], 2);
    let stats = snapshot(&db, &tail, 2).expect("a snapshot");
    assert_eq!(stats.closed, 1);
    assert!(!tail.is_move_pending(&opened.delivery));
    assert!(db.open_rows().expect("reads").is_empty());
}
