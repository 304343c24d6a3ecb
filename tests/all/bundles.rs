//! The bundle language against cases written down as data: `tests/bundles/*.json`.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use dex::domain::bundle::{Bundle, Program};
use dex::domain::records::Records;
use serde_json::{Value, json};

const BYTES: usize = 1 << 20;
/// Cases of HAT 2.0's own tests: of bundles (Q, B, W), filters (F), the live matcher (L), the transformer of JSON (J), data
/// debits (D). The cases about debits are run by the core's own tests, beside its state machine.
const OF_HATS: &[&str] = &[
    "Q1", "Q2", "Q3", "Q4", "Q5", "Q6", "F0", "F1", "F2", "F3", "F4", "F5", "F6", "F7", "F8", "B1", "W3", "L1", "L2",
    "L3", "L4", "L5", "L6", "L7", "L8", "L9", "J1", "J2", "J3", "J4", "D0", "D1", "D2", "D3", "D4", "D5", "D6", "D7",
];

/// What every file of cases holds under `list`.
fn cases(list: &str) -> Vec<Value> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/bundles");
    let mut cases = Vec::new();
    for file in fs::read_dir(folder).expect("as written") {
        let text = fs::read_to_string(file.expect("as written").path()).expect("as written");
        let mut file: Value = serde_json::from_str(&text).expect("as written");
        if let Some(Value::Array(list)) = file.get_mut(list).map(Value::take) {
            cases.extend(list);
        }
    }
    cases
}

fn records(list: &Value) -> Records {
    let body = Bytes::from(list.to_string());
    Records::parse(body, 1000).unwrap_or_else(|e| panic!("{list}: {e}"))
}

fn program(bundle: &Value) -> Program {
    let bundle = Bundle::read(&json!({ "name": "case", "bundle": bundle })).unwrap_or_else(|e| panic!("{bundle}: {e}"));
    Program::compile(&bundle)
}

/// Whether the data of one record passes; and what becomes of it.
fn one(case: &Value, query: Value) -> Option<String> {
    let data =
        case.get("raw").map_or_else(|| case["data"].to_string(), |raw| raw.as_str().expect("as written").to_owned());
    let body = Bytes::from(format!("{{\"endpoint\":\"a/b\",\"data\":{data}}}"));
    let records = Records::parse(body, 1).expect("as written");
    let taken = program(&json!({ "p": { "endpoints": [query] } })).take(&records, BYTES).expect("as written");
    taken.map(|taken| String::from_utf8(taken.body.to_vec()).expect("as written"))
}

fn mapping(case: &Value, name: &str) {
    let body = one(case, json!({ "endpoint": "a/b", "mapping": case["mapping"] })).expect("nothing is filtered");
    if let Some(expected) = case.get("raw_expected") {
        assert!(body.contains(expected.as_str().expect("as written")), "{name}: {body}");
        return;
    }
    let got: Value = serde_json::from_str(&body).unwrap_or_else(|e| panic!("{name}: {e}: {body}"));
    assert_eq!(got[0]["data"], case["expected"], "{name}");
}

fn values(case: &Value, name: &str) {
    let number =
        |key: &str| case.get(key).map(|n| usize::try_from(n.as_u64().expect("as written")).expect("as written"));
    let values =
        program(&case["bundle"]).values(&records(&case["records"]), number("skip").unwrap_or(0), number("take"), BYTES);
    let parse = |row: &String| serde_json::from_str::<Value>(row).unwrap_or_else(|e| panic!("{name}: {e}: {row}"));
    let got: serde_json::Map<String, Value> =
        values.expect("as written").iter().map(|(p, rows)| (p.to_string(), rows.iter().map(parse).collect())).collect();
    assert_eq!(Value::Object(got), case["values"], "{name}");
}

fn run(case: &Value) {
    let name = case["name"].as_str().expect("every case has a name");
    let has = |key: &str| case.get(key).is_some();
    if has("refused") {
        let fault = Bundle::read(&case["bundle"]).expect_err(name);
        assert!(fault.at.starts_with(case["refused"].as_str().expect("as written")), "{name}: {fault}");
        assert!(fault.why.contains(case["why"].as_str().expect("as written")), "{name}: {fault}");
    } else if has("mapping") {
        mapping(case, name);
    } else if has("passes") {
        let passed = one(case, json!({ "endpoint": "a/b", "filters": case["filters"] })).is_some();
        assert_eq!(json!(passed), case["passes"], "{name}");
    } else if has("taken") {
        let taken = program(&case["bundle"]).take(&records(&case["records"]), BYTES).expect("as written");
        let got = taken.as_ref().map_or(Value::Null, |taken| serde_json::from_slice(&taken.body).expect("as written"));
        assert_eq!(got, case["taken"], "{name}");
        assert_eq!(taken.map_or(0, |taken| taken.count) as usize, got.as_array().map_or(0, Vec::len), "{name}");
    } else if has("truth") {
        let truth = program(&case["conditions"]).conditions(&records(&case["records"]), BYTES).expect("as written");
        assert_eq!(json!(truth), case["truth"], "{name}");
    } else {
        assert!(has("values"), "{name}: says nothing of what is expected");
        values(case, name);
    }
}

#[test]
fn every_case_comes_out_as_written() {
    let cases = cases("cases");
    let failed = cases.iter().filter(|case| std::panic::catch_unwind(|| run(case)).is_err());
    let wrong: Vec<String> = failed.map(|case| case["name"].to_string()).collect();
    assert!(wrong.is_empty(), "{} of {} cases: {}", wrong.len(), cases.len(), wrong.join(", "));
}

/// None of the cases of HATs is missing, and there are many of our own.
#[test]
fn every_case_of_hats_is_here() {
    let all: Vec<Value> = ["cases", "debits"].into_iter().flat_map(cases).collect();
    let origins: BTreeSet<&str> = all.iter().filter_map(|case| case.get("origin")?.as_str()).collect();
    assert_eq!(origins, OF_HATS.iter().copied().collect());
    let own: BTreeSet<&str> =
        all.iter().filter(|case| case.get("origin").is_none()).filter_map(|case| case["name"].as_str()).collect();
    assert!(own.len() >= 300, "{} cases of our own, by name", own.len());
}

/// What is read is written the same, in JSON and in the ledger's format, and is the same bundle again.
#[test]
fn bundles_survive_being_written() {
    for case in cases("cases") {
        let Some(properties) = case.get("bundle").filter(|_| case.get("refused").is_none()) else {
            continue;
        };
        let bundle = Bundle::read(&json!({ "name": "case", "bundle": properties })).expect("as written");
        let again: Bundle =
            serde_json::from_str(&serde_json::to_string(&bundle).expect("as written")).expect("as written");
        assert_eq!(again, bundle);
        let again: Bundle =
            rmp_serde::from_slice(&rmp_serde::to_vec_named(&bundle).expect("as written")).expect("as written");
        assert_eq!(again, bundle);
    }
}
