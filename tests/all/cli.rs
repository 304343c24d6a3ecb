//! The real binary, called as people and scripts call it: help, exit codes, keys, signing, configuration,
//! the ledger's files. What needs a running exchange is in `cli_live.rs`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use dex::domain::{Digest, Entry, Event, MessageId, Reason, Signature, Timestamp};
use dex::ledger::{CheckpointKey, Group, Ledger, NewRecord, Options};
use dex::wire::Signer;
use serde_json::Value;

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// Runs `dex` with no environment of ours.
fn dex(arguments: &[&str]) -> Output {
    command(arguments).output().expect("dex runs")
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dex"));
    command.args(arguments).stdin(Stdio::null());
    for name in ["DEX_URL", "DEX_KEY", "DEX_PARTY", "DEX_ORIGIN", "DEX_CREDS", "DEX_CONFIG"] {
        command.env_remove(name);
    }
    command
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("not ended by a signal")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

#[test]
fn help_is_data_and_wrong_usage_is_exit_code_2() {
    let help = dex(&["--help"]);
    assert_eq!(code(&help), 0);
    for noun in ["serve", "watch", "send", "sign", "hat", "plug", "app", "org", "debit", "exchange", "ledger"] {
        assert!(stdout(&help).contains(&format!("  {noun} ")), "{noun} is not in the help");
        let help = dex(&[noun, "--help"]);
        assert_eq!((code(&help), stderr(&help)), (0, String::new()), "{noun}");
    }
    assert!(stdout(&dex(&["--version"])).starts_with("dex "));
    for wrong in [
        &["nonsense"][..],
        &[],
        &["exchange", "trace", "no-uuid"],
        &["hat", "show", "Bob"],
        &["watch", "--timeout", "soon"],
        &["plug", "approve", "facebook", "UABC"],
        &["send", "--to", "hat:bob"],
    ] {
        assert_eq!(code(&dex(wrong)), 2, "{wrong:?}");
    }
    // No key, and nobody to speak for.
    let output = dex(&["plug", "suspend", "facebook", "--as", "operator:main"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("--key"), "{}", stderr(&output));
    let output = dex(&["plug", "suspend", "facebook"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("--as"), "{}", stderr(&output));
}

#[test]
fn nobody_there_is_exit_code_3_in_time() {
    let started = Instant::now();
    for verb in [&["exchange", "trace", ID][..], &["watch"], &["plug", "list"]] {
        // Port 9 (discard) on loopback: nobody listens there.
        let output = command(verb).args(["--url", "nats://127.0.0.1:9", "--timeout", "1s"]).output().expect("dex runs");
        assert_eq!(code(&output), 3, "{verb:?}: {}", stderr(&output));
        assert!(stderr(&output).contains("nats://127.0.0.1:9"), "{}", stderr(&output));
        assert_eq!(stdout(&output), "");
    }
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child =
        command(&["config", "show"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("dex runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("dex ends");
    assert_eq!((code(&output), stderr(&output)), (0, String::new()));
}

#[test]
fn keys_are_private_and_never_written_over() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("bob.key");
    let made = dex(&["keys", "new", text(&path)]);
    assert_eq!(code(&made), 0, "{}", stderr(&made));
    assert_eq!(stdout(&made).trim().len(), 56);
    assert_eq!(fs::metadata(&path).expect("made").permissions().mode() & 0o777, 0o600);
    let seed = fs::read_to_string(&path).expect("readable");
    assert!(!stdout(&made).contains(seed.trim()));

    assert_eq!(code(&dex(&["keys", "new", text(&path)])), 2);
    assert_eq!(fs::read_to_string(&path).expect("readable"), seed);

    let shown: Value = serde_json::from_slice(&dex(&["keys", "show", text(&path), "--json"]).stdout).expect("JSON");
    assert_eq!(shown["key"], stdout(&made).trim());
    let other = nkeys::KeyPair::from_seed(seed.trim()).expect("an nkey seed");
    assert_eq!(shown["key"], other.public_key().as_str());

    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("mode");
    let open = dex(&["keys", "show", text(&path)]);
    assert_eq!(code(&open), 2);
    assert!(stderr(&open).contains("chmod 600"), "{}", stderr(&open));
}

#[test]
fn a_message_is_signed_as_the_protocol_says_without_being_sent() {
    let folder = tempfile::tempdir().expect("folder");
    let key = folder.path().join("facebook.key");
    let signer = Signer::from_seed(&[7; 32]);
    dex::client::keys::store(&key, &signer).expect("stored");
    let body = folder.path().join("body.json");
    fs::write(&body, "[{\"endpoint\":\"facebook/feed\",\"data\":1}]").expect("written");
    let body_argument = format!("@{}", text(&body));
    let arguments = [
        "sign",
        "--json",
        "--origin",
        "dex.example",
        "--as",
        "plug:facebook",
        "--key",
        text(&key),
        "--to",
        "hat:bob.hubat.net",
        "--action",
        "credit.facebook",
        "--id",
        ID,
        "--deadline-at",
        "2026-01-31T12:00:00Z",
        "--body",
        &body_argument,
    ];
    let output = dex(&arguments);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let signed: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let digest = Digest::of(&fs::read(&body).expect("readable"));
    let public = signer.public();
    let wanted = format!(
        "dex-v1\ndex.example\ndex.v1.in.hat.bob_hubat_net.credit.facebook\n{ID}\nplug:facebook\n{public}\n\
         2026-01-31T12:00:00Z\n\n\n\n{digest}"
    );
    assert_eq!(signed["signedText"], wanted.as_str());
    assert_eq!(signed["headers"]["Dex-Deadline"], "2026-01-31T12:00:00Z");
    // Checked with a stock nkeys, not with our own verification.
    let signature: Signature = signed["headers"]["Dex-Sig"].as_str().expect("text").parse().expect("a signature");
    let checker = nkeys::KeyPair::from_public_key(&public.to_string()).expect("a public key");
    assert!(checker.verify(wanted.as_bytes(), &signature.0).is_ok());
    assert_eq!(dex(&arguments).stdout, output.stdout, "the same every time");
}

#[test]
fn all_problems_of_a_configuration_are_named_at_once() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("dex.toml");
    fs::write(&file, "[exchange]\norigin = \"Not An Id\"\npartitions = 0\n[http]\nlissen = \"x\"\n").expect("written");
    let output = dex(&["config", "check", text(&file)]);
    assert_eq!(code(&output), 1);
    for part in ["exchange.origin", "exchange.partitions", "lissen"] {
        assert!(stdout(&output).contains(part), "{part} is not named in {}", stdout(&output));
    }
    let json: Value = serde_json::from_slice(&dex(&["config", "check", text(&file), "--json"]).stdout).expect("JSON");
    assert_eq!(json["ok"], false);
    assert!(json["problems"].as_array().is_some_and(|found| found.len() >= 3), "{json}");
    // A daemon does not start with it either.
    assert_eq!(code(&dex(&["serve", "--config", text(&file)])), 78);

    assert_eq!(code(&dex(&["config", "check"])), 0);
    let shown: Value = serde_json::from_slice(&dex(&["config", "show", "--json"]).stdout).expect("JSON");
    assert_eq!(shown["exchange"]["partitions"], 1);
}

/// A state folder with a small ledger in it.
fn state(folder: &Path) {
    let signer = Signer::from_seed(&[9; 32]);
    dex::client::keys::store(&folder.join("dex.seed"), &signer).expect("stored");
    let key = CheckpointKey::from_seed("dex.example", [9; 32]).expect("a key");
    let (mut ledger, _) = Ledger::open(Options::new(folder, "dex.example".to_owned()), key, None).expect("opens");
    for n in 1..=5u8 {
        let entry = Entry {
            v: 1,
            entity: "lane:a7".parse().expect("an address"),
            n: n.into(),
            at: Timestamp(i64::from(n) * 1_000_000_000),
            cause: None,
            basis: Vec::new(),
            event: Event::DeadLetter {
                subject: "dex.v1.in.hat.bob.data".into(),
                sequence: n.into(),
                body: Digest::of(&[n]),
                reason: Reason::Internal,
            },
        };
        let record = NewRecord { salt: [n; 32], entry: rmp_serde::to_vec_named(&entry).expect("packs"), content: None };
        ledger.commit(&Group { time_ns: 1, records: vec![record], ..Group::default() }).expect("commits");
    }
    ledger.close().expect("closes");
}

#[test]
fn a_ledger_is_checked_and_shown_from_outside() {
    let folder = tempfile::tempdir().expect("folder");
    state(folder.path());
    let dir = text(folder.path());
    let output = dex(&["ledger", "check", dir, "--json"]);
    assert_eq!(code(&output), 0, "{}{}", stdout(&output), stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&report["sound"], &report["treeSize"]), (&Value::from(true), &Value::from(5)));
    assert_eq!(report["origin"], "dex.example");

    let output = dex(&["ledger", "show", dir, "--from", "1", "--count", "2"]);
    let lines: Vec<Value> = stdout(&output).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 2, "{}", stderr(&output));
    assert_eq!(lines[0]["leaf"], 1);
    assert_eq!(lines[0]["entry"]["n"], 2);
    assert_eq!(lines[0]["entry"]["event"]["DeadLetter"]["reason"], "internal");
    assert_eq!(stdout(&dex(&["dead", "list", dir])).lines().count(), 5);

    // Another exchange's key finds fault with every checkpoint.
    let other = Signer::from_seed(&[8; 32]).public().to_string();
    assert_eq!(code(&dex(&["ledger", "check", dir, "--dex-key", &other])), 1);

    // One bit of one entry.
    let segment = fs::read_dir(folder.path().join("ledger"))
        .expect("folder")
        .flatten()
        .map(|file| file.path())
        .find(|path| {
            let bytes = fs::read(path).expect("readable");
            bytes.windows(10).any(|part| part == b"DeadLetter")
        })
        .expect("a segment");
    let mut bytes = fs::read(&segment).expect("readable");
    let at = bytes.windows(10).position(|part| part == b"DeadLetter").expect("found before");
    bytes[at] ^= 1;
    fs::write(&segment, bytes).expect("written");
    let output = dex(&["ledger", "check", dir]);
    assert_eq!(code(&output), 1, "{}", stdout(&output));
    assert!(stdout(&output).contains("at byte"), "{}", stdout(&output));
    assert_eq!(code(&dex(&["ledger", "show", dir])), 1);

    let empty = tempfile::tempdir().expect("folder");
    assert_eq!(code(&dex(&["ledger", "check", text(empty.path())])), 2);
}

#[test]
fn a_body_that_no_exchange_takes_is_refused_before_it_is_sent() {
    let folder = tempfile::tempdir().expect("folder");
    let (key, big) = (folder.path().join("bob.key"), folder.path().join("big.json"));
    assert_eq!(code(&dex(&["keys", "new", text(&key)])), 0);
    fs::write(&big, format!("[{}]", "1,".repeat(500_000) + "1")).expect("written");
    let body = format!("@{}", text(&big));
    let hat = "hat:bob.hubat.net";
    let sent = dex(&["send", "--as", hat, "--key", text(&key), "--to", hat, "--action", "report", "--body", &body]);
    let said = String::from_utf8_lossy(&sent.stderr).into_owned();
    assert_eq!(code(&sent), 2, "{said}");
    assert!(said.contains("1000003 bytes") && said.contains("--body @FILE"), "{said}");
}

#[test]
fn ids_are_read_in_their_one_spelling() {
    assert!(ID.parse::<MessageId>().is_ok());
    assert_eq!(code(&dex(&["exchange", "trace", &ID.to_uppercase()])), 2);
}

#[test]
fn the_schemas_of_every_action_and_query_are_told_without_an_exchange() {
    let all = dex(&["schema", "--json"]);
    assert!(all.status.success());
    let lines = String::from_utf8(all.stdout).expect("text");
    assert!(lines.lines().count() > 40, "{lines}");
    let one = dex(&["schema", "plug.register", "--json"]);
    let one: serde_json::Value = serde_json::from_slice(&one.stdout).expect("JSON");
    assert_eq!(one["body"]["required"], serde_json::json!(["key", "name", "namespace"]));
    let namespace = one["example"]["namespace"].as_str().expect("a namespace");
    assert!(dex::domain::Id::new(namespace).is_ok_and(|id| id.to_token() == namespace), "{namespace} is one token");
    let told = one["example"]["manifest"]["endpoints"].as_array().expect("endpoints in the example's manifest");
    assert!(!told.is_empty() && told.iter().all(|it| it["fields"].is_object()), "{told:?}");
    for line in lines.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert!(line["action"].is_string() || line["request"]["type"] == "object", "{line}");
    }
    let query = dex(&["schema", "hat.show", "--json"]);
    let query: serde_json::Value = serde_json::from_slice(&query.stdout).expect("JSON");
    assert_eq!(query["request"]["required"], serde_json::json!(["hat"]));
    assert_eq!(query["answer"]["properties"]["debitCount"]["type"], "integer");
    let shown = stdout(&dex(&["schema", "trust.verify"]));
    assert!(
        ["dex.v1.api.trust.verify", "question, JSON Schema", "answer, JSON Schema"].iter().all(|it| shown.contains(it))
    );
    assert!(stdout(&dex(&["schema"])).contains("ledger.proof"));
    let none = dex(&["schema", "plug.fly"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&none.stderr).contains("dex schema"));
}
