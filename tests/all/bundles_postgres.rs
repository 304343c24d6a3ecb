//! What a filter holds for, judged by a real PostgreSQL over generated data: containment, order, paths, parts of
//! times, words.

use std::fmt::Write as _;

use bytes::Bytes;
use dex::domain::bundle::{Bundle, Program};
use dex::domain::records::Records;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use super::support::postgres::{Postgres, quoted};

fn passes(data: &Value, filter: &Value) -> bool {
    let query = json!({ "endpoint": "a/b", "filters": [filter] });
    let bundle = Bundle::read(&json!({ "name": "b", "bundle": { "p": { "endpoints": [query] } } }));
    let program = Program::compile(&bundle.unwrap_or_else(|fault| panic!("{filter}: {fault}")));
    let body = Bytes::from(json!({ "endpoint": "a/b", "data": data }).to_string());
    program.take(&Records::parse(body, 1).expect("as it must be"), 1 << 20).expect("as it must be").is_some()
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3i64..4).prop_map(Value::from),
        prop_oneof![Just(json!(1.0)), Just(json!(-0.5)), Just(json!(2.50)), Just(json!(1e20)), Just(json!(1e-7))],
        any::<i64>().prop_map(Value::from),
        prop_oneof![Just("a"), Just("b"), Just("aa"), Just(""), Just("1"), Just("é"), Just("Z"), Just("\"\\'")]
            .prop_map(Value::from),
    ]
}

fn tree() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(
                prop_oneof![Just("a"), Just("b"), Just("aa"), Just("0"), Just("1")],
                inner,
                0..4
            )
            .prop_map(|members| members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

/// A part of a value, so that containment is not always false.
fn part_of(value: &Value, seed: u64) -> Value {
    match value {
        Value::Array(items) => {
            let kept = items.iter().enumerate().filter(|(n, _)| seed >> (n % 60) & 1 == 1);
            kept.map(|(n, item)| part_of(item, seed.rotate_right(u32::try_from(n).expect("as it must be") + 7)))
                .rev()
                .collect()
        }
        Value::Object(members) => {
            let kept = members.iter().enumerate().filter(|(n, _)| seed >> (n % 60 + 1) & 1 == 1);
            kept.map(|(n, (key, value))| {
                (key.clone(), part_of(value, seed.rotate_right(u32::try_from(n).expect("as it must be") + 3)))
            })
            .collect()
        }
        single => single.clone(),
    }
}

fn generate<S: Strategy>(strategy: &S, count: usize) -> Vec<S::Value> {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[23; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    (0..count).map(|_| strategy.new_tree(&mut runner).expect("as it must be").current()).collect()
}

/// Compares the two judges on each case; `sql` says whether the field `d` of the data meets the filter.
fn agree(postgres: &Postgres, cases: &[(Value, Value, String)]) {
    let statements: Vec<String> = cases.iter().map(|(_, _, sql)| format!("select coalesce(({sql}), false)")).collect();
    let answers = postgres.ask(&statements);
    let mut wrong = String::new();
    let mut held = 0;
    for ((data, filter, _), answer) in cases.iter().zip(&answers) {
        held += usize::from(answer == "t");
        if passes(data, filter) != (answer == "t") {
            let _ = writeln!(wrong, "{data} {filter}: PostgreSQL says {answer}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(held > cases.len() / 20 && held < cases.len(), "{held} of {} hold: the cases tell little", cases.len());
}

#[test]
fn filters_hold_for_what_postgresql_says() {
    let postgres = Postgres::start();
    let field = |data: &Value| format!("{}::jsonb #> '{{d}}'", quoted(&data.to_string()));
    let literal = |value: &Value| format!("{}::jsonb", quoted(&value.to_string()));

    let mut cases = Vec::new();
    for (value, other, seed, part) in generate(&(tree(), tree(), any::<u64>(), any::<bool>()), 3000) {
        let data = json!({ "d": value });
        let other = if part { part_of(&value, seed) } else { other };
        let filter = |operator: Value| json!({ "field": "d", "operator": operator });
        let sql = format!("{} @> {}", field(&data), literal(&other));
        cases.push((data.clone(), filter(json!({ "operator": "contains", "value": other })), sql));
        // The other way round, so that the field is the part.
        let small = json!({ "d": other });
        let sql = format!("{} <@ {}", field(&small), literal(&value));
        cases.push((small.clone(), filter(json!({ "operator": "in", "value": value })), sql));
        let sql = format!("{} <= {}", field(&small), literal(&value));
        cases.push((small.clone(), filter(json!({ "operator": "between", "lower": other, "upper": value })), sql));
        let sql = format!("{} <= {}", literal(&value), field(&small));
        cases.push((small, filter(json!({ "operator": "between", "lower": value, "upper": other })), sql));
    }
    agree(&postgres, &cases);

    // Paths: what stands there is compared with itself, so only whether it is found counts.
    let step = prop_oneof![Just("a"), Just("b"), Just("aa"), Just("0"), Just("1"), Just("2"), Just("01")];
    let paths = (tree(), prop::collection::vec(step, 1..4));
    let cases: Vec<_> = generate(&paths, 3000)
        .into_iter()
        .map(|(value, steps)| {
            let least = json!({ "operator": "between", "lower": [], "upper": { "a": 1, "b": 1, "c": 1, "d": 1 } });
            let sql = format!("{} #> '{{{}}}' is not null", literal(&value), steps.join(","));
            (value, json!({ "field": steps.join("."), "operator": least }), sql)
        })
        .collect();
    agree(&postgres, &cases);
}

#[test]
fn parts_of_times_and_words_are_postgresqls() {
    let postgres = Postgres::start();
    let parts = [
        "microseconds",
        "milliseconds",
        "second",
        "minute",
        "hour",
        "day",
        "week",
        "month",
        "quarter",
        "year",
        "isoyear",
        "decade",
        "century",
        "millennium",
        "dow",
        "isodow",
        "doy",
        "epoch",
        "timezone",
        "timezone_hour",
        "timezone_minute",
    ];
    // From the year 1 to 9999, some with milliseconds.
    let times = (-62_100_000_000i64..253_000_000_000, prop_oneof![Just(0i64), 0i64..1000]);
    let mut statements = Vec::new();
    let mut told = Vec::new();
    for (n, (seconds, millis)) in generate(&times, 1000).into_iter().enumerate() {
        let part = parts[n % parts.len()];
        let at = jiff::Timestamp::from_millisecond(seconds * 1000 + millis).expect("as it must be").to_string();
        statements.push(format!("select extract({part} from '{at}'::timestamptz)"));
        told.push((part, at));
    }
    for ((part, at), answer) in told.iter().zip(postgres.ask(&statements)) {
        let number: Value = serde_json::from_str(&answer).expect("as it must be");
        let transformation = json!({ "transformation": "datetimeExtract", "part": part });
        let filter = json!({ "field": "d", "transformation": transformation, "operator": { "operator": "contains", "value": number } });
        assert!(passes(&json!({ "d": at }), &filter), "{part} of {at} is {answer} to PostgreSQL");
    }

    const VOCABULARY: &[&str] = &[
        "running",
        "ran",
        "cities",
        "city",
        "the",
        "of",
        "happily",
        "happiness",
        "Müller",
        "London",
        "data",
        "exchange",
        "exchanges",
        "exchanging",
        "42",
        "7",
        "nationally",
        "ties",
        "dying",
        "news",
        "only",
        "yours",
        "skis",
        "generously",
    ];
    let words = prop::collection::vec(prop::sample::select(VOCABULARY), 1..6);
    let cases: Vec<_> = generate(&(words.clone(), words), 2000)
        .into_iter()
        .filter(|(_, search)| search.iter().any(|word| !["the", "of", "only", "yours"].contains(word)))
        .map(|(text, search)| {
            let (text, search) = (text.join(" "), search[..search.len().min(2)].join(" "));
            (text, search)
        })
        .filter(|(_, search)| search.split(' ').any(|word| !["the", "of", "only", "yours"].contains(&word)))
        .map(|(text, search)| {
            let sql =
                format!("to_tsvector('english', {}) @@ plainto_tsquery('english', {})", quoted(&text), quoted(&search));
            let operator = json!({ "operator": "find", "search": search });
            let filter =
                json!({ "field": "d", "transformation": { "transformation": "searchable" }, "operator": operator });
            (json!({ "d": text }), filter, sql)
        })
        .collect();
    agree(&postgres, &cases);
}
