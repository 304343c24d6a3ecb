//! What a bundle costs per record: five endpoints, two filters and ten mapped fields, over records of 1 KB; and to
//! compile it.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dex::domain::bundle::{Bundle, Program};
use dex::domain::records::Records;
use serde_json::{Value, json};

const RECORDS: usize = 400;

fn bundle() -> Bundle {
    let query = |n: usize| {
        json!({
            "endpoint": format!("bank/account-{n}"),
            "mapping": {
                "when": "created", "amount": "amount.value", "currency": "amount.currency", "shop": "merchant.name",
                "place.city": "merchant.address.city", "place.country": "merchant.address.country",
                "tag": "tags[0]", "kind": "category", "note": "notes", "id": "id",
            },
            "filters": [
                { "field": "amount.value", "operator": { "operator": "between", "lower": 0, "upper": 1000 } },
                { "field": "category", "operator": { "operator": "in", "value": ["food", "travel", "books"] } },
            ],
        })
    };
    let endpoints: Vec<Value> = (0..5).map(query).collect();
    let bundle = json!({ "name": "spending", "bundle": { "spending": { "endpoints": endpoints } } });
    Bundle::read(&bundle).expect("a bundle")
}

/// Records of about 1 KB, each as a HAT holds it.
fn records() -> Records {
    let record = |n: usize| {
        json!({
            "endpoint": format!("bank/account-{}", n % 5),
            "recordId": format!("00000000-0000-4000-8000-{n:012}"),
            "data": {
                "id": format!("tx-{n}"), "created": "2026-03-04T05:06:07Z", "settled": "2026-03-05T05:06:07Z",
                "amount": { "value": (n * 7 % 990) as f64 + 0.25, "currency": "GBP", "local": 12.5 },
                "merchant": {
                    "id": "m-0001", "name": "The Corner Shop", "logo": "https://img.example/shops/corner/logo.png",
                    "address": { "street": "1 High Street", "city": "Cambridge", "country": "UK", "postcode": "CB1 1AA",
                        "latitude": 52.2053, "longitude": 0.1218 },
                },
                "category": (["food", "travel", "books"][n % 3]), "notes": "bought on the way home, with a card",
                "tags": ["everyday", "card", "small"], "metadata": { "terminal": "T-1", "batch": n, "flags": [true, false, null] },
                "description": "x".repeat(420),
            },
        })
    };
    let list: Vec<Value> = (0..RECORDS).map(record).collect();
    Records::parse(Bytes::from(json!(list).to_string()), RECORDS).expect("records")
}

fn run(c: &mut Criterion) {
    let (bundle, records) = (bundle(), records());
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
