//! What a snapshot, a load and a lookup in the exchange index cost.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use dex::domain::{Address, Command, Context, Decision, Entity, Entry, Event, Known, Reason, Timestamp};
use dex::store::{
    Batch, FORMAT, Header, IndexKey, RegistryFold, Row, Sealed, StateDb, Tail, fold_entity, fold_rows, load,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const ORIGIN: &str = "dex.example.org";
const ROWS: u64 = 10_000;
const KEYS: u64 = 50_000;

/// A state of about 1 KiB.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Account {
    n: u64,
    lines: Vec<u64>,
}

impl Entity for Account {
    fn decide(&self, _: &Context<'_>, _: &Command, _: Known) -> Decision {
        Decision::Nothing
    }

    fn apply(&mut self, entry: &Entry) {
        self.n = entry.n;
        self.lines.resize(114, u64::MAX);
    }

    fn n(&self) -> u64 {
        self.n
    }
}

fn hat(i: u64) -> Address {
    format!("hat:person-{i}.hubat.net").parse().expect("an address")
}

/// A UUIDv7-like id: time in front, the rest spread by a multiplicative hash.
fn uuid(i: u64) -> Uuid {
    let spread = u128::from(i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    Uuid::from_u128((u128::from(1_790_000_000_000 + i / 50) << 80) | (7 << 76) | (0b10 << 62) | (spread >> 2))
}

fn entry(i: u64, n: u64) -> Entry {
    Entry {
        v: 1,
        entity: hat(i),
        n,
        at: Timestamp(1),
        cause: None,
        basis: Vec::new(),
        event: Event::Rejected { reason: Reason::NotPermitted },
    }
}

fn account(i: u64, n: u64) -> Row {
    let mut state = Account::default();
    state.apply(&entry(i, n));
    Row { n, state: rmp_serde::to_vec_named(&state).expect("packs"), wake: None }
}

/// Snapshot `round`: every row again, new index keys.
fn batch(round: u64) -> Batch {
    let mut batch =
        Batch::new(Header { format: FORMAT, origin: ORIGIN.into(), through: round * KEYS, made_at: Timestamp(1) });
    batch.rows = (0..ROWS).map(|i| (hat(i), account(i, round))).collect();
    batch.index = (round * KEYS..(round + 1) * KEYS).map(|leaf| (IndexKey::delivery(uuid(leaf)), leaf)).collect();
    batch
}

fn registry() -> RegistryFold {
    RegistryFold { touches: |_| false, apply: |_, _| {} }
}

fn store(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let db = StateDb::open(folder.path().join("state.redb"), ORIGIN).expect("opens");
    let mut round = 0;
    for _ in 0..4 {
        round += 1;
        db.write(&batch(round)).expect("writes");
    }

    let mut group = c.benchmark_group("store");
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    group.throughput(Throughput::Elements(ROWS + KEYS));
    group.bench_function("write 10,000 rows and 50,000 index keys", |b| {
        b.iter_custom(|times| {
            let mut spent = Duration::ZERO;
            for _ in 0..times {
                round += 1;
                let batch = batch(round);
                let start = Instant::now();
                db.write(&batch).expect("writes");
                spent += start.elapsed();
            }
            spent
        });
    });

    let tail = Tail::default();
    let entries: Vec<Arc<Sealed>> = (0..ROWS)
        .flat_map(|i| (1..=5).map(move |more| (i, more)))
        .map(|(i, more)| {
            Arc::new(Sealed {
                leaf: (round + 1) * KEYS + i * 5 + more,
                committed: Timestamp(1),
                partition: 0,
                entry: entry(i, round + more),
                spool: None,
            })
        })
        .collect();
    let _ = tail.push(&entries);
    group.bench_function("fold 10,000 rows with 50,000 entries", |b| {
        b.iter(|| {
            let fold = fold_entity::<Account>;
            fold_rows(&db, &tail, registry(), fold, u64::MAX, Timestamp(1)).expect("folds")
        });
    });
    group.finish();

    let mut group = c.benchmark_group("store");
    group.throughput(Throughput::Elements(1));
    let mut i = 0;
    group.bench_function("load one row and 5 entries", |b| {
        b.iter(|| {
            i = (i + 7919) % ROWS;
            load::<Account>(&db, &tail, &hat(black_box(i))).expect("loads")
        });
    });
    group.throughput(Throughput::Elements(512));
    let newest = round * KEYS;
    for (name, base) in [("known", newest - 512), ("unknown", newest + KEYS + 512)] {
        let keys: Vec<IndexKey> = (base..base + 512).map(|leaf| IndexKey::delivery(uuid(leaf))).collect();
        group.bench_function(format!("look up 512 {name} index keys"), |b| {
            b.iter(|| db.index(black_box(&keys)).expect("reads"));
        });
    }
    group.throughput(Throughput::Elements(ROWS * 5));
    group.bench_function("push 50,000 entries", |b| {
        b.iter_batched(
            Tail::default,
            |tail| {
                let _ = tail.push(&entries);
                tail
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, store);
criterion_main!(benches);
