//! What a bundle costs per record: five endpoints, two filters and ten mapped fields, over records of 1 KB; and to
//! compile it.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dex::domain::bundle::{Bundle, Program};

mod spending;

const RECORDS: usize = 400;

fn run(c: &mut Criterion) {
    let (bundle, records) = (spending::bundle(), spending::records(RECORDS));
    let program = Program::compile(&bundle);
    let size = records.body.len() / RECORDS;
    let taken = program.take(&records, usize::MAX).expect("no bound").expect("all pass");
    assert_eq!((taken.count as usize, size > 1000), (RECORDS, true), "{size} bytes a record");
    let mut group = c.benchmark_group("bundle");
    group.throughput(Throughput::Elements(RECORDS as u64));
    group.bench_function("take", |b| b.iter(|| black_box(program.take(black_box(&records), usize::MAX))));
    group.throughput(Throughput::Elements(1));
    group.bench_function("compile", |b| b.iter(|| black_box(Program::compile(black_box(&bundle)))));
    let json = serde_json::to_value(&bundle).expect("JSON");
    group.bench_function("read", |b| b.iter(|| black_box(Bundle::read(black_box(&json)))));
    group.finish();
}

criterion_group!(benches, run);
criterion_main!(benches);
