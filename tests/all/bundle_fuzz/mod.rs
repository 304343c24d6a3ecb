//! Fuzzes the bundle language: bundles and records mutated from `tests/bundles`, read, compiled, run and explained.
//!
//! Nothing may panic; what comes out must read, keep its bound and be what a slow, plain evaluator makes of the same.
//! A short run with fixed seeds is part of the tests; `make fuzz MINUTES=10` goes on with others.

mod mutate;
mod reference;
mod reference_json;

use std::time::{Duration, Instant};

use bytes::Bytes;
use dex::domain::bundle::{Bundle, Compiled, Program, Taken};
use dex::domain::records::Records;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use mutate::{Corpus, Mutator};

/// Cases of one seed.
const ROUND: u32 = 500;
/// Longest that one case may take in an unoptimised build: inputs are of a few kilobytes.
const SLOW: Duration = Duration::from_secs(5);
/// No bound on what is written.
const ALL: usize = usize::MAX;

/// What a run has seen: a run that sees nothing shows nothing.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    cases: u64,
    bundles: u64,
    records: u64,
    compared: u64,
    selected: u64,
}

/// Runs one case: the texts of a bundle and of records. Panics when something is wrong.
fn run(bundle: &[u8], records: &[u8], rng: &mut StdRng, seen: &mut Seen) {
    seen.cases += 1;
    // By way of bytes, as a ledger or a message has it.
    let read = serde_json::from_slice::<Bundle>(bundle).ok();
    let value = serde_json::from_slice::<Value>(bundle).ok();
    if let Some(value) = &value {
        match (Bundle::read(value), &read) {
            (Ok(one), Some(other)) => assert_eq!(one, *other),
            (Err(fault), None) => assert!(fault.at.starts_with("bundle") && !fault.why.is_empty(), "{fault}"),
            (one, other) => panic!("read in two ways: {one:?} and {other:?}"),
        }
    }
    let records = Records::parse(Bytes::copy_from_slice(records), 10_000).ok();
    seen.records += u64::from(records.is_some());
    let (Some(bundle), Some(value)) = (read, value) else { return };
    seen.bundles += 1;
    let again: Bundle = serde_json::from_str(&serde_json::to_string(&bundle).expect("JSON")).expect("its own text");
    assert_eq!(again, bundle);
    let program = Program::compile(&bundle);
    let evaluated = Compiled::default();
    let evaluated = evaluated.of_evaluated(&bundle);
    let Some(records) = records else { return };

    let taken = program.take(&records, ALL).expect("no bound");
    well_formed(taken.as_ref());
    seen.selected += u64::from(taken.is_some());
    let most = rng.gen_range(0..2 * records.body.len());
    if let Ok(bounded) = program.take(&records, most) {
        assert_eq!(bounded, taken);
        let fits = |taken: &Taken| taken.body == records.body || taken.body.len() <= most;
        assert!(bounded.as_ref().is_none_or(fits), "more than {most} bytes");
    }
    let answer = program.answer(&records, ALL).expect("no bound");
    well_formed(answer.as_ref());
    if let Some(answer) = answer.clone() {
        let (skip, limit) = (rng.gen_range(0..4), rng.gen_range(1..4));
        let left = answer.count.saturating_sub(skip).min(limit);
        let part = answer.part(Some(skip), Some(limit));
        assert_eq!(part.as_ref().map_or(0, |part| part.count), left);
        well_formed(part.as_ref());
    }
    well_formed(evaluated.take(&records, ALL).expect("no bound").as_ref());
    let (skip, take) = (rng.gen_range(0..3), rng.gen_bool(0.5).then(|| rng.gen_range(0..4)));
    let values = program.values(&records, skip, take, ALL).expect("no bound");
    let truth = program.conditions(&records, ALL).expect("no bound");
    assert_eq!(truth.len(), values.len());
    program.explain(&records);

    // What the plain evaluator cannot read (half surrogates, numbers out of range) is only run.
    let Ok(plain) = serde_json::from_slice::<Value>(&records.body) else { return };
    let Some(reference) = reference::Reference::of(&value, &plain, &records) else { return };
    seen.compared += 1;
    let json = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    let got = taken.map_or(json!([]), |taken| list(&taken));
    assert_eq!(got, Value::Array(reference.take()), "taken of {plain} by {value}");
    let got: Value = values
        .iter()
        .map(|(name, rows)| (name.to_string(), rows.iter().map(|row| json(row)).collect::<Value>()))
        .collect();
    assert_eq!(got, reference.values(skip, take), "values {skip} {take:?} of {plain} by {value}");
}

/// What was taken as an array: one record alone may go on as the object that it came as.
fn list(taken: &Taken) -> Value {
    let body: Value = serde_json::from_slice(&taken.body).expect("JSON");
    if body.is_array() { body } else { json!([body]) }
}

fn well_formed(taken: Option<&Taken>) {
    let Some(taken) = taken else { return };
    let read = Records::parse(taken.body.clone(), taken.count as usize).expect("what is delivered are records");
    assert_eq!(read.count(), taken.count);
    assert!(taken.count > 0);
    assert_eq!(taken.endpoints.iter().map(|(_, count)| count).sum::<u32>(), taken.count);
}

/// Runs the cases of one seed.
fn round(corpus: &Corpus, seed: u64, seen: &mut Seen) {
    let mut rng = StdRng::seed_from_u64(seed);
    for number in 0..ROUND {
        let (bundle, records) = Mutator { corpus, rng: &mut rng }.case();
        let began = Instant::now();
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(&bundle, &records, &mut rng, seen)));
        let took = began.elapsed();
        if ran.is_err() || took > SLOW {
            let text = String::from_utf8_lossy;
            panic!("seed {seed}, case {number}, {took:?}:\nbundle: {}\nrecords: {}", text(&bundle), text(&records));
        }
    }
}

/// The same cases each time, in every run of the tests.
#[test]
fn mutated_bundles_and_records_are_refused_or_run() {
    let corpus = Corpus::read();
    let mut seen = Seen::default();
    for seed in 0..32 {
        round(&corpus, seed, &mut seen);
    }
    let often = |count: u64, part: u64| assert!(count > seen.cases / part, "the cases tell little: {seen:?}");
    often(seen.bundles, 4);
    often(seen.records, 3);
    often(seen.compared, 10);
    often(seen.selected, 10);
}

/// `make fuzz MINUTES=10`: other seeds until the time is over. `DEX_FUZZ_SEED` begins with a seed that was told.
#[test]
#[ignore = "takes the minutes that DEX_FUZZ_MINUTES says"]
fn fuzzing_for_minutes() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let until = Instant::now() + Duration::from_secs(60 * number("DEX_FUZZ_MINUTES").unwrap_or(1));
    let mut seed = number("DEX_FUZZ_SEED").unwrap_or_else(|| rand::random::<u64>() >> 16);
    eprintln!("first seed {seed}");
    let corpus = Corpus::read();
    let mut seen = Seen::default();
    while Instant::now() < until {
        round(&corpus, seed, &mut seen);
        seed += 1;
    }
    eprintln!("last seed {seed}, {seen:?}");
}
