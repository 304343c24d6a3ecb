//! Test help: a small entity of its own and real entries, for the store's tests.

use std::sync::Arc;

use redb::{ReadableDatabase, ReadableTable};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::*;
use crate::domain::event::{Authority, Closed, Direction, Opened};
use crate::domain::{
    Address, Cause, Command, Context, Decision, Digest, Entity, Entry, Event, Id, Key, Known, MessageId, Profile,
    Registration, Standing, Timestamp,
};

pub const ORIGIN: &str = "dex.example.org";

/// Counts its entries and keeps a running hash, so that order and completeness of entries show.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Toy {
    pub n: u64,
    pub trail: u64,
}

impl Entity for Toy {
    fn decide(&self, _: &Context<'_>, _: &Command, _: Known) -> Decision {
        Decision::Nothing
    }

    fn apply(&mut self, entry: &Entry) {
        self.n = entry.n;
        let id = entry.cause.as_ref().map(|cause| cause.id);
        let text = format!("{} {} {} {id:?}", self.trail, entry.n, entry.at.0);
        let digest = Digest::of(text.as_bytes());
        self.trail = u64::from_be_bytes(digest.0[..8].try_into().expect("8 bytes"));
    }

    fn n(&self) -> u64 {
        self.n
    }
}

pub const REGISTRY: RegistryFold = RegistryFold {
    touches: |event| matches!(event, Event::Registered { .. } | Event::Suspended | Event::Resumed),
    apply: |registration: &mut Registration, entry| {
        registration.standing_n = entry.n;
        match &entry.event {
            Event::Registered { profile, .. } => {
                registration.profile = Some(profile.clone());
                registration.standing = Standing::Active;
            }
            Event::Suspended => registration.standing = Standing::Suspended,
            _ => registration.standing = Standing::Active,
        }
    },
};

/// HATs have toy states, all else none.
pub fn fold(entity: &Address, row: Option<&Row>, fresh: &[Arc<Sealed>]) -> Result<Row, StoreError> {
    match entity.kind {
        crate::domain::Kind::Hat => fold_entity::<Toy>(entity, row, fresh),
        _ => fold_stateless(entity, row, fresh),
    }
}

pub fn hat(i: u8) -> Address {
    format!("hat:h{i}.hubat.net").parse().expect("an address")
}

pub fn acme() -> Address {
    "org:acme".parse().expect("an address")
}

/// A UUIDv7-like id: ordered by `n`, different for each (tag, i, n).
pub fn uuid(tag: u8, i: u8, n: u64) -> Uuid {
    let (n, tag, i) = (u128::from(n), u128::from(tag), u128::from(i));
    Uuid::from_u128((n << 80) | (0x7 << 76) | (0b10 << 62) | (tag << 8) | i)
}

pub fn opened(i: u8, n: u64) -> Opened {
    Opened {
        exchange: MessageId(uuid(1, i, n)),
        from: acme(),
        parent: None,
        direction: Direction::Credit,
        authority: Authority::Plug(Id::new("facebook").expect("an id")),
        to: hat(i),
        delivery: uuid(2, i, n),
        pull: None,
        job: None,
        since: None,
        skip: None,
        limit: None,
        deadline: Timestamp::from_unix_ms(3_600_000 + n),
        digest_in: Digest::of(&n.to_be_bytes()),
        digest_out: Digest::of(&n.to_be_bytes()),
        count_in: 1,
        count_out: 1,
        bytes_in: 8,
        bytes_out: 8,
        endpoints: vec![("facebook/feed".into(), 1)],
        large: None,
        dropped: crate::domain::pii::Dropped::default(),
        without_pii: false,
    }
}

pub fn event_opened(opened: &Opened) -> Event {
    Event::Opened(Box::new(opened.clone()))
}

pub fn closed(opened: &Opened) -> Box<Closed> {
    Box::new(Closed {
        exchange: opened.exchange,
        from: opened.from.clone(),
        to: opened.to.clone(),
        delivery: opened.delivery,
        direction: opened.direction,
        digest_in: opened.digest_in,
        digest_out: opened.digest_out,
        count: opened.count_out,
        bytes: opened.bytes_out,
        opened_at: Timestamp::from_unix_ms(1),
        without_pii: opened.without_pii,
    })
}

pub fn registered(n: u64) -> Event {
    Event::Registered {
        key: Some(Key([7; 32])),
        profile: Profile::Plug { name: format!("name {n}").into(), namespace: "facebook".into(), manifest: None },
        by: acme(),
    }
}

/// Entry `n` of HAT `i`; when it has an address, caused by a message of acme to it.
pub fn entry(i: u8, n: u64, event: Event, addressed: Option<Address>) -> Entry {
    let id = match &event {
        Event::Opened(opened) => opened.exchange,
        _ => MessageId(uuid(3, i, n)),
    };
    let cause = addressed.map(|it| Cause {
        subject: format!("dex.v1.in.{}.{}.release.offer42", it.kind, it.id.to_token()).into(),
        id,
        from: acme(),
        key: None,
        signature: None,
        deadline: None,
        reply: None,
        want: None,
        pull: None,
        job: None,
        body: Digest::of(b"[]"),
    });
    Entry { v: 1, entity: hat(i), n, at: Timestamp::from_unix_ms(n), cause, basis: Vec::new(), event }
}

pub fn sealed(leaf: u64, entry: Entry) -> Arc<Sealed> {
    let spool = matches!(entry.event, Event::Opened(_)).then_some((leaf / 100, leaf * 8, 8));
    let committed = entry.at.plus(1_000_000);
    Arc::new(Sealed { leaf, committed, partition: 1, entry, spool })
}

/// A fresh database in a folder of its own.
pub fn database() -> (tempfile::TempDir, StateDb) {
    let folder = tempfile::tempdir().expect("a folder");
    let db = StateDb::open(folder.path().join("state.redb"), ORIGIN).expect("opens");
    (folder, db)
}

/// A snapshot of everything below `through`.
pub fn snapshot(db: &StateDb, tail: &Tail, through: u64) -> Result<WriteStats, StoreError> {
    let batch = fold_rows(db, tail, REGISTRY, fold, through, Timestamp(5))?;
    let stats = db.write(&batch)?;
    tail.written(&batch);
    Ok(stats)
}

/// Every stored byte, table by table: two databases with equal content are the same to every reader.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    pub meta: Vec<(String, serde_bytes::ByteBuf)>,
    pub rows: Vec<(String, serde_bytes::ByteBuf)>,
    pub registrations: Vec<(String, serde_bytes::ByteBuf)>,
    pub index: Vec<(serde_bytes::ByteBuf, serde_bytes::ByteBuf)>,
    pub open: Vec<(serde_bytes::ByteBuf, serde_bytes::ByteBuf)>,
    /// Not of format 1 as it was first written.
    #[serde(skip)]
    pub history: Vec<(Vec<u8>, u64)>,
    /// Likewise.
    #[serde(skip)]
    pub statistics: Vec<(String, serde_bytes::ByteBuf)>,
}

type Bytes = &'static [u8];

fn texts(
    db: &StateDb,
    table: redb::TableDefinition<'static, &'static str, Bytes>,
) -> Vec<(String, serde_bytes::ByteBuf)> {
    let transaction = db.database().begin_read().expect("a transaction");
    let table = transaction.open_table(table).expect("a table");
    let items = table.iter().expect("reads").map(|item| {
        let (key, value) = item.expect("reads");
        (key.value().to_owned(), serde_bytes::ByteBuf::from(value.value()))
    });
    items.collect()
}

fn fixed<const N: usize>(
    db: &StateDb,
    table: redb::TableDefinition<'static, &'static [u8; N], Bytes>,
) -> Vec<(serde_bytes::ByteBuf, serde_bytes::ByteBuf)> {
    let transaction = db.database().begin_read().expect("a transaction");
    let table = transaction.open_table(table).expect("a table");
    let items = table.iter().expect("reads").map(|item| {
        let (key, value) = item.expect("reads");
        (serde_bytes::ByteBuf::from(key.value().as_slice()), serde_bytes::ByteBuf::from(value.value()))
    });
    items.collect()
}

fn history(db: &StateDb) -> Vec<(Vec<u8>, u64)> {
    let transaction = db.database().begin_read().expect("a transaction");
    let table = transaction.open_table(super::history::HISTORY).expect("a table");
    let items = table.iter().expect("reads").map(|item| {
        let (key, leaf) = item.expect("reads");
        (key.value().to_vec(), leaf.value())
    });
    items.collect()
}

pub fn content(db: &StateDb) -> Content {
    use super::view::{INDEX, META, OPEN, REGISTRATIONS, ROWS};
    Content {
        meta: texts(db, META),
        rows: texts(db, ROWS),
        registrations: texts(db, REGISTRATIONS),
        index: fixed(db, INDEX),
        open: fixed(db, OPEN),
        history: history(db),
        statistics: texts(db, super::statistics::STATISTICS),
    }
}
