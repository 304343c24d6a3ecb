//! What the gate of a debit costs per record of 1 KB: where nothing is classified, where all that is named is granted,
//! where some of it is left out, and without personal data.

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dex::domain::bundle::{Bundle, Program};
use dex::domain::event::DebitTerms;
use dex::domain::pii::{Catalogue, Class, ClassSet, Gate, Gates, Mask};
use dex::domain::plug::Manifest;
use dex::domain::records::Records;
use dex::domain::{Address, Profile, Registration};
use serde_json::{Value, json};

const RECORDS: usize = 400;

fn address(text: &str) -> Address {
    text.parse().expect("an address")
}

fn records() -> Records {
    let record = |n: usize| {
        json!({
            "endpoint": "bank/account", "recordId": format!("00000000-0000-4000-8000-{n:012}"),
            "data": {
                "created": "2026-03-04T05:06:07Z", "amount": { "value": n, "currency": "GBP" },
                "merchant": { "name": "The Corner Shop", "address": { "city": "Cambridge", "postcode": "CB1 1AA" } },
                "owner": { "name": "Wilhelmina", "account": "12-34-56 12345678" }, "category": "food",
                "tags": ["everyday", "card"], "description": "x".repeat(600),
            },
        })
    };
    let list: Vec<Value> = (0..RECORDS).map(record).collect();
    Records::parse(Bytes::from(json!(list).to_string()), RECORDS).expect("records")
}

/// What a plug says of these records.
fn catalogue() -> Catalogue {
    let fields = json!({
        "created": "quasi", "amount": "none", "merchant": "quasi", "owner": "direct", "category": "none", "tags": "none",
        "description": "none",
    });
    let endpoint = json!({ "name": "account", "fields": fields });
    let manifest = json!({ "description": "d", "url": "https://bank.example", "endpoints": [endpoint] });
    let manifest = Some(Arc::new(Manifest::read(&manifest).expect("a manifest")));
    let profile = Some(Profile::Plug { name: "bank".into(), namespace: "bank".into(), manifest });
    let mut catalogue = Catalogue::default();
    catalogue.learn(&address("plug:bank"), &Registration { profile, ..Registration::default() });
    catalogue
}

fn run(c: &mut Criterion) {
    let bundle = json!({ "name": "b", "bundle": { "p": { "endpoints": [{ "endpoint": "bank/account" }] } } });
    let bundle = Bundle::read(&bundle).expect("a bundle");
    let (records, program, known) = (records(), Program::compile(&bundle), Arc::new(catalogue()));
    let plain = DebitTerms::new(address("org:acme"), "a study", bundle, 3600);
    let quasi = DebitTerms { classes: Some(ClassSet::of([Class::Quasi])), ..plain.clone() };
    let hidden = DebitTerms { without_pii: true, ..plain.clone() };
    let (hat, client) = (address("hat:bob.hubat.net"), address("org:acme"));
    let mask = Mask { key: &[7; 32], hat: &hat, client: &client };
    let mut group = c.benchmark_group("classes");
    group.throughput(Throughput::Elements(RECORDS as u64));
    group.bench_function("take", |b| b.iter(|| black_box(program.take(black_box(&records), usize::MAX))));
    for (name, terms, known) in [
        ("unclassified", &plain, Arc::new(Catalogue::default())),
        ("all named", &plain, Arc::clone(&known)),
        ("some left out", &quasi, Arc::clone(&known)),
        ("without personal data", &hidden, Arc::clone(&known)),
    ] {
        let gate = Gate::new(terms, ClassSet::ALL, &known);
        group.bench_function(name, |b| {
            b.iter(|| {
                let taken = program.take(black_box(&records), usize::MAX).expect("no bound");
                black_box(gate.pass(taken, usize::MAX, &mask))
            });
        });
    }
    group.throughput(Throughput::Elements(1));
    let gates = Gates::default();
    let version = known.version();
    group.bench_function("gate held", |b| {
        b.iter(|| black_box(gates.of(&quasi, ClassSet::ALL, version, || Arc::clone(&known))));
    });
    group.bench_function("gate made", |b| b.iter(|| black_box(Gate::new(&quasi, ClassSet::ALL, &known))));
    group.finish();
}

criterion_group!(benches, run);
criterion_main!(benches);
