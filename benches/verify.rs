//! What reading and checking one message in costs: decoding, and signatures alone and in batches.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dex::domain::{Address, Key, Limits, Signature, Timestamp};
use dex::wire::outgoing::{MessageOptions, Outgoing, message_in};
use dex::wire::{Raw, Signer, decode, message_id_v7, subject, verify, verify_batch};
use rand::SeedableRng;
use rand::rngs::StdRng;

const ORIGIN: &str = "dex.example";

fn message(signer: &Signer, n: u64, body: &Bytes) -> Outgoing {
    let from: Address = "plug:fitbit".parse().expect("an address");
    let to: Address = format!("hat:h{n}.hubat.net").parse().expect("an address");
    let id = message_id_v7(1_767_225_600_000 + n, [7; 10]);
    let options = MessageOptions { reply: Some("_INBOX.Nq8sVf2kTz.1".into()), ..MessageOptions::default() };
    let action = ["credit", "fitbit"];
    message_in(signer, ORIGIN, &from, &to, &action, id, &options, body.clone())
}

fn body(bytes: usize) -> Bytes {
    let head = r#"[{"endpoint":"fitbit/steps","data":""#;
    format!("{head}{}\"}}]", "x".repeat(bytes - head.len() - 3)).into()
}

fn decoding(c: &mut Criterion) {
    let signer = Signer::from_seed(&[1; 32]);
    let limits = Limits::default();
    let mut group = c.benchmark_group("decode");
    for bytes in [256, 4096, 65_536] {
        let message = message(&signer, 1, &body(bytes));
        let headers = message.header_list();
        let stored = subject::stored_of_published(&message.subject, 3).expect("a message in");
        let header_bytes = headers.wire_bytes();
        group.bench_function(BenchmarkId::from_parameter(bytes), |b| {
            b.iter(|| {
                let raw = Raw {
                    stored_subject: &stored,
                    headers: &headers,
                    payload: message.payload.clone(),
                    stored_at: Timestamp(0),
                    header_bytes,
                };
                black_box(decode(&raw, &limits, ORIGIN, true)).expect("well-formed")
            });
        });
    }
    group.finish();
}

fn signatures(c: &mut Criterion) {
    let text = vec![b'x'; 420];
    // Each sender its own key, as in the worst case; and all of one sender.
    for (name, senders) in [("verify", 512u16), ("verify one key", 1)] {
        let signers: Vec<Signer> = (0..senders)
            .map(|n| {
                let mut seed = [1; 32];
                seed[..2].copy_from_slice(&n.to_le_bytes());
                Signer::from_seed(&seed)
            })
            .collect();
        let signed: Vec<(Key, Signature, &[u8])> = signers
            .iter()
            .cycle()
            .take(512)
            .map(|signer| (signer.public(), signer.sign(&text), text.as_slice()))
            .collect();
        let mut rng = StdRng::seed_from_u64(1);
        let mut group = c.benchmark_group(name);
        group.sample_size(30);
        group.throughput(Throughput::Elements(1));
        let (key, signature, text) = signed[0];
        group.bench_function("single", |b| {
            b.iter(|| assert!(verify(&key, &signature, black_box(text))));
        });
        for size in [8, 64, 512] {
            group.throughput(Throughput::Elements(size as u64));
            group.bench_function(BenchmarkId::new("batch", size), |b| {
                b.iter(|| {
                    let verdicts = verify_batch(black_box(&signed[..size]), &mut rng);
                    assert!(verdicts.iter().all(|good| *good));
                });
            });
        }
        let mut one_bad = signed.clone();
        one_bad[100].1 = one_bad[101].1;
        let all_bad: Vec<_> = signed.iter().map(|(k, s, _)| (*k, *s, &b"other"[..])).collect();
        if senders > 1 {
            group.bench_function("batch of 512 with one bad", |b| {
                b.iter(|| verify_batch(black_box(&one_bad), &mut rng));
            });
            group.bench_function("batch of 512 all bad", |b| {
                b.iter(|| verify_batch(black_box(&all_bad), &mut rng));
            });
        }
        group.finish();
    }
}

/// What a table of decoded keys could save of one single check (batches decode keys themselves).
fn key_decoding(c: &mut Criterion) {
    let key = Signer::from_seed(&[1; 32]).public();
    c.bench_function("decode a key", |b| {
        b.iter(|| ed25519_zebra::VerificationKey::try_from(black_box(key.0)));
    });
}

fn signing(c: &mut Criterion) {
    let signer = Signer::from_seed(&[1; 32]);
    let body = body(256);
    c.bench_function("build and sign a message in", |b| {
        b.iter(|| black_box(message(&signer, 1, &body)));
    });
}

criterion_group!(benches, decoding, signatures, key_decoding, signing);
criterion_main!(benches);
