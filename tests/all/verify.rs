//! `dex verify`: files of a running exchange are good, and each change to any of them is noticed.

use std::process::Command;
use std::time::Duration;

use dex::cli::verify::{Report, Roots, Wrong, check};
use dex::client::{Order, ids};
use dex::domain::{Key, Timestamp};
use dex::wire::canonical::canonical;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

use crate::support::cast::{Cast, RECORD, address};
use crate::support::exchange::Exchange;

/// One file of each kind, and the keys that they are verified by.
struct Files {
    files: Vec<(&'static str, Vec<u8>)>,
    dex: Key,
    bundle: Vec<u8>,
}

fn sign(exchange: &Exchange, more: &[&str]) -> Vec<u8> {
    let key = exchange.path("signer.key");
    let (_, _) = exchange.key("signer");
    let to = ["--to", "hat:h0.hubat.net", "--action", "credit.facebook", "--as", "plug:facebook", "--body", "[]"];
    let done = Command::new(env!("CARGO_BIN_EXE_dex"))
        .arg("sign")
        .args(to)
        .args(["--deadline", "1h", "--origin", "dex.test", "--key"])
        .arg(key)
        .args(more)
        .output()
        .expect("runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    done.stdout
}

async fn files(exchange: &Exchange) -> Files {
    let cast = Cast::new(exchange.client().await, 1).await;
    let order = Order::new(&address("hat:h0.hubat.net"), &["credit", "facebook"], RECORD).want_proof();
    let outcome = cast.plug.send(order).await.expect("accepted");
    assert!(outcome.proof.is_some());
    cast.operator.suspend(&address("plug:facebook")).await.expect("suspended");
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let ask = async |call: &str, question: &str| -> Value {
        cast.operator.query(call, question.as_bytes().to_vec()).await.expect("answered")
    };
    let checkpoint = ask("ledger.checkpoint", "{}").await;
    let (_, bundle) = cast.operator.trust_bundle().await.expect("a bundle");
    let json = |value: &Value| value.to_string().into_bytes();
    Files {
        files: vec![
            ("trust bundle", bundle.clone()),
            ("outcome", serde_json::to_vec(&outcome).expect("JSON")),
            ("answer of trust.verify", json(&ask("trust.verify", r#"{"party":"plug:facebook","proof":true}"#).await)),
            (
                "answer of trust.verify",
                json(&ask("trust.verify", r#"{"party":"hat:h0.hubat.net","proof":true}"#).await),
            ),
            ("checkpoint", checkpoint["checkpoint"].as_str().expect("a note").as_bytes().to_vec()),
            ("checkpoint", json(&checkpoint)),
            ("message", sign(exchange, &["--json"])),
            ("message", sign(exchange, &[])),
        ],
        dex: cast.operator.dex_keys()[0],
        bundle,
    }
}

/// Whether a change was noticed: the file is wrong, or what changed is told as not proved.
fn noticed(changed: &[u8], roots: &Roots, now: Timestamp, whole: &Report) -> bool {
    match check(changed, roots, now) {
        Err(Wrong::Unknown(_) | Wrong::Found { .. }) => true,
        // The time that an answer was asked for.
        Ok(report) => report.kind == "answer of trust.verify" && report.proved == whole.proved,
    }
}

fn pointers(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, it)| pointers(it, format!("{at}/{name}"), found)),
        Value::Array(items) => items.iter().enumerate().for_each(|(i, it)| pointers(it, format!("{at}/{i}"), found)),
        _ => found.push(at),
    }
}

/// Each field of a JSON file changed, added, taken away.
fn fields(name: &str, bytes: &[u8], roots: &Roots, now: Timestamp) {
    let Ok(whole) = serde_json::from_slice::<Value>(bytes) else { return };
    let mut found = Vec::new();
    pointers(&whole, String::new(), &mut found);
    for pointer in found {
        let mut changed = whole.clone();
        let field = changed.pointer_mut(&pointer).expect("there");
        *field = match field.take() {
            Value::String(text) if text.parse::<Timestamp>().is_ok() => {
                let at: Timestamp = text.parse().expect("a time");
                Value::from(at.plus(1_000_000_000).to_string())
            }
            Value::String(text) => Value::String(format!("{text}x")),
            Value::Number(number) => Value::from(number.as_u64().expect("whole") + 1),
            Value::Bool(it) => Value::Bool(!it),
            _ => Value::from("something"),
        };
        let bytes = canonical(&changed).expect("whole numbers");
        let good = check(&bytes, roots, now).is_ok();
        // The one field that is told without proof, and the report says so.
        let unproved = name == "answer of trust.verify" && pointer == "/at";
        assert_eq!(good, unproved, "{name}: {pointer}");
    }
    for (member, _) in whole.as_object().expect("an object") {
        let mut changed = whole.clone();
        changed.as_object_mut().expect("an object").remove(member);
        let good = check(&canonical(&changed).expect("whole numbers"), roots, now).is_ok();
        assert_eq!(good, name == "message" && member == "body", "{name} without {member}");
    }
    let mut changed = whole;
    changed["more"] = Value::from("said");
    assert!(check(&canonical(&changed).expect("whole numbers"), roots, now).is_err(), "{name} with more");
}

#[tokio::test]
async fn every_kind_of_file_is_good_and_each_change_is_noticed() {
    let exchange = Exchange::start();
    let Files { files, dex, .. } = files(&exchange).await;
    let now = ids::now();
    let roots = Roots::new(None, Some(dex), None, now).expect("a key");
    let other = Roots::new(None, Some(exchange.key("other").1), None, now).expect("a key");
    let elsewhere = Roots::new(Some("dex.else".into()), Some(dex), None, now).expect("a key");
    for (kind, bytes) in &files {
        let whole = check(bytes, &roots, now).unwrap_or_else(|wrong| panic!("{wrong}"));
        assert_eq!(whole.kind, *kind);
        assert_eq!(whole.origin, "dex.test");
        assert!(!whole.proved.is_empty() && !whole.not_proved.is_empty());
        // A message is signed by its sender, not by the exchange.
        assert_eq!(check(bytes, &other, now).is_ok(), *kind == "message");
        assert!(check(bytes, &elsewhere, now).is_err());
        fields(kind, bytes, &roots, now);
        let mut runner = TestRunner::new(Config { cases: 600, failure_persistence: None, ..Config::default() });
        runner
            .run(&(any::<prop::sample::Index>(), 1u8..=255, any::<bool>()), |(place, by, cut)| {
                let mut changed = bytes.clone();
                let place = place.index(changed.len());
                changed[place] ^= by;
                if cut {
                    changed = bytes[..place].to_vec();
                }
                // A blank line end of a file says nothing.
                prop_assume!(changed.trim_ascii_end() != bytes.trim_ascii_end());
                prop_assert!(noticed(&changed, &roots, now, &whole), "{kind} at {place}");
                Ok(())
            })
            .unwrap_or_else(|error| panic!("{error}"));
    }
    for rubbish in [
        &b""[..],
        b"{}",
        b"[1]",
        b"null",
        b"\xff\xfe",
        b"dex.v1.",
        b"a\n\n\xe2\x80\x94 b",
        b"{\"proof\":1,\"exchange\":1}",
    ] {
        assert!(check(rubbish, &roots, now).is_err());
    }
}

#[tokio::test]
async fn the_verb_has_stable_exit_codes_and_says_what_is_not_proved() {
    let exchange = Exchange::start();
    let Files { files, dex, bundle } = files(&exchange).await;
    let root = exchange.path("root.json");
    std::fs::write(&root, &bundle).expect("written");
    let run = |name: &str, bytes: &[u8], more: &[&str]| {
        let file = exchange.path(name);
        std::fs::write(&file, bytes).expect("written");
        let done = Command::new(env!("CARGO_BIN_EXE_dex")).arg("verify").arg(file).args(more).output().expect("runs");
        (
            done.status.code(),
            String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr),
        )
    };
    let key = dex.to_string();
    for (kind, bytes) in &files {
        let (code, told) = run("good", bytes, &["--dex-key", &key]);
        assert_eq!(code, Some(0), "{kind}: {told}");
        assert!(told.contains(&format!("good: {kind} of dex.test")) && told.contains("not proved"), "{told}");
        let (code, told) = run("json", bytes, &["--dex-key", &key, "--json"]);
        let report: Value = serde_json::from_str(&told).expect("JSON");
        assert_eq!((code, &report["good"], &report["kind"]), (Some(0), &true.into(), &(*kind).into()));
        // A bundle that is trusted already stands for the key; whose key a message has, it tells.
        let (code, told) = run("root", bytes, &["--trust-bundle", root.to_str().expect("text")]);
        match *kind {
            "message" => assert!(code == Some(1) && told.contains("plug:facebook"), "{told}"),
            _ => assert_eq!(code, Some(0), "{kind}: {told}"),
        }
    }
    let strange = exchange.key("strange").1.to_string();
    assert_eq!(run("strange", &files[1].1, &["--dex-key", &strange]).0, Some(1));
    assert_eq!(run("rubbish", b"{}", &["--dex-key", &key]).0, Some(2));
    assert_eq!(run("nokey", &files[1].1, &[]).0, Some(2));
}
