//! Format 1 as it was first written, kept as test data: it must stay readable, and as long as it is the
//! format in use it must be written just so.

use redb::TableDefinition;

use super::toy::{self, Content, Toy, content, hat, snapshot};
use super::view::{INDEX, META, OPEN, REGISTRATIONS, ROWS};
use super::*;
use crate::domain::{Entity, Event, Standing};

const FROZEN: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/state-format-1.msgpack"));

/// What format 1 was made of: two open exchanges, one that ended, a registration.
fn entries() -> Vec<std::sync::Arc<Sealed>> {
    let lane = "lane:a7".parse().ok();
    let first = toy::opened(1, 2);
    let second = toy::opened(2, 1);
    let third = toy::opened(1, 4);
    [
        toy::entry(1, 1, toy::registered(1), Some(hat(1))),
        toy::entry(1, 2, toy::event_opened(&first), Some(hat(1))),
        toy::entry(2, 1, toy::event_opened(&second), lane),
        toy::entry(1, 3, Event::Settled(toy::closed(&first)), None),
        toy::entry(1, 4, toy::event_opened(&third), Some(hat(1))),
    ]
    .into_iter()
    .zip(100..)
    .map(|(entry, leaf)| toy::sealed(leaf, entry))
    .collect()
}

fn written() -> (tempfile::TempDir, StateDb) {
    let (folder, db) = toy::database();
    let tail = Tail::default();
    let _ = tail.push(&entries());
    snapshot(&db, &tail, 105).expect("a snapshot");
    (folder, db)
}

fn put<K: redb::Key + 'static>(
    db: &StateDb,
    table: TableDefinition<'static, K, &'static [u8]>,
    write: impl FnOnce(&mut redb::Table<'_, K, &'static [u8]>),
) {
    let transaction = db.database().begin_write().expect("writes");
    write(&mut transaction.open_table(table).expect("a table"));
    transaction.commit().expect("commits");
}

/// A database with the frozen bytes, not written by today's code.
fn frozen() -> (tempfile::TempDir, StateDb) {
    let frozen: Content = rmp_serde::from_slice(FROZEN).expect("the export reads");
    let (folder, db) = toy::database();
    for (table, items) in [(META, &frozen.meta), (ROWS, &frozen.rows), (REGISTRATIONS, &frozen.registrations)] {
        put(&db, table, |table| {
            for (key, value) in items {
                table.insert(key.as_str(), value.as_slice()).expect("inserts");
            }
        });
    }
    put(&db, INDEX, |table| {
        for (key, value) in &frozen.index {
            let key: &[u8; 32] = key.as_slice().try_into().expect("32 bytes");
            table.insert(key, value.as_slice()).expect("inserts");
        }
    });
    put(&db, OPEN, |table| {
        for (key, value) in &frozen.open {
            let key: &[u8; 16] = key.as_slice().try_into().expect("16 bytes");
            table.insert(key, value.as_slice()).expect("inserts");
        }
    });
    let path = db.path().to_path_buf();
    drop(db);
    let db = StateDb::open(path, toy::ORIGIN).expect("opens format 1");
    (folder, db)
}

#[test]
fn format_1_stays_readable() {
    let (_folder, db) = frozen();
    assert_eq!(db.known_through(), 105);
    for i in [1, 2] {
        let mut expected = Toy::default();
        for sealed in entries().iter().filter(|it| it.entry.entity == hat(i)) {
            expected.apply(&sealed.entry);
        }
        let found: Toy = load(&db, &Tail::default(), &hat(i)).expect("loads");
        assert_eq!(found, expected);
    }
    let registrations = db.registrations().expect("reads");
    assert_eq!(registrations.len(), 1);
    assert_eq!(registrations[0].0, hat(1));
    assert_eq!(registrations[0].1.standing, Standing::Active);
    let open = db.open_rows().expect("reads");
    let deliveries: Vec<_> = open.iter().map(|(delivery, _)| *delivery).collect();
    assert_eq!(deliveries, [toy::opened(2, 1).delivery, toy::opened(1, 4).delivery]);
    assert_eq!(open[0].1.spool, Some((1, 816, 8)));
    assert_eq!(open[0].1.deadline, toy::opened(2, 1).deadline);
    let first = toy::opened(1, 2);
    assert_eq!(db.index_by_uuid(first.exchange.0).expect("reads"), [101, 103]);
    let delivery = db.index(&[IndexKey::delivery(first.delivery)]);
    assert_eq!(delivery.expect("reads"), [Some(vec![101, 103])]);
}

#[test]
fn format_1_is_written_as_ever() {
    let (_folder, db) = written();
    let frozen: Content = rmp_serde::from_slice(FROZEN).expect("the export reads");
    let now = content(&db);
    assert_eq!(now.meta, frozen.meta);
    assert_eq!(now.rows, frozen.rows);
    assert_eq!(now.index, frozen.index);
    assert_eq!(now.open, frozen.open);
    // What lies in a registration is the domain's, which may add to it: that it reads is enough.
    let keys = |of: &Content| of.registrations.iter().map(|it| it.0.clone()).collect::<Vec<_>>();
    assert_eq!(keys(&now), keys(&frozen));
}

/// Made the file, once: `cargo test --lib freeze_format_1 -- --ignored`.
#[test]
#[ignore = "writes test data"]
fn freeze_format_1() {
    let (_folder, db) = written();
    let bytes = rmp_serde::to_vec_named(&content(&db)).expect("packs");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/state-format-1.msgpack");
    assert!(!std::path::Path::new(path).exists() || FROZEN.is_empty(), "frozen already");
    std::fs::write(path, bytes).expect("writes");
}
