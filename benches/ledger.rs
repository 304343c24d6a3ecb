//! What a commit costs: groups of 1, 64 and 512 records of 400 bytes, with and without content; and what reading costs.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use dex::ledger::{CheckpointKey, Group, Ledger, NewRecord, Options};

const ORIGIN: &str = "dex.test/bench";

fn open(dir: &std::path::Path) -> Ledger {
    let key = CheckpointKey::from_seed(ORIGIN, [1; 32]).expect("the name is good");
    Ledger::open(Options::new(dir, ORIGIN), key, None).expect("a fresh folder opens").0
}

fn group(time_ns: i64, count: usize, content: Option<&Bytes>) -> Group {
    let record = |i: usize| NewRecord { salt: [i as u8; 32], entry: vec![i as u8; 400], content: content.cloned() };
    Group { time_ns, positions: Vec::new(), dispatched_through: 0, records: (0..count).map(record).collect() }
}

fn commit(c: &mut Criterion) {
    let content = Bytes::from(vec![7; 2048]);
    // The disk, and memory: the second shows what is ours and not the disk's.
    for (place, root) in [("disk", std::env::temp_dir()), ("memory", "/dev/shm".into())] {
        for (kind, content) in [("bare", None), ("with 2 KiB content", Some(&content))] {
            let mut bench = c.benchmark_group(format!("commit on {place}, {kind}"));
            for count in [1, 64, 512] {
                let dir = tempfile::tempdir_in(&root).expect("a temporary folder");
                let mut ledger = open(dir.path());
                let mut time_ns = 0;
                bench.throughput(Throughput::Elements(count as u64));
                bench.bench_function(count.to_string(), |b| {
                    b.iter_batched(
                        || {
                            time_ns += 2_000_000;
                            group(time_ns, count, content)
                        },
                        |group| {
                            let done = ledger.commit(&group).expect("a commit");
                            for r in done.spool.iter().flatten() {
                                ledger.spool().release(*r).expect("a release");
                            }
                            group
                        },
                        BatchSize::PerIteration,
                    );
                });
            }
        }
    }
}

fn read(c: &mut Criterion) {
    let dir = tempfile::tempdir_in("/dev/shm").expect("a temporary folder");
    let mut ledger = open(dir.path());
    for i in 0..200 {
        ledger.commit(&group(i, 512, None)).expect("a commit");
    }
    let (reader, size) = (ledger.reader(), 200 * 512);
    let mut leaf = 0;
    let mut next = move || {
        leaf = (leaf + 7919) % size;
        leaf
    };
    c.bench_function("read one of a group of 512", |b| b.iter(|| reader.read(next()).expect("a leaf")));
    c.bench_function("inclusion proof in 102400", |b| {
        b.iter(|| reader.inclusion_proof(next(), size).expect("a proof"))
    });
    let mut bench = c.benchmark_group("scan");
    bench.throughput(Throughput::Elements(size));
    bench.sample_size(10);
    bench.bench_function("102400", |b| {
        b.iter(|| reader.scan(0).fold(0, |n, r| n + black_box(r.expect("a record")).entry.len()))
    });
    bench.finish();
}

criterion_group!(benches, commit, read);
criterion_main!(benches);
