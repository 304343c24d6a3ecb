//! `dex plug manifest`: what it writes is accepted, the ready manifests are in order and fetch what their sources give,
//! and nothing of it is sent. Sources are served from recorded shapes on this machine.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::exchange::Exchange;

const EXAMPLES: [&str; 5] = ["bank", "calendar", "code-host", "feed", "fitness"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn example(name: &str) -> String {
    root().join(format!("examples/plugs/{name}.toml")).to_string_lossy().into_owned()
}

fn data(name: &str) -> Vec<u8> {
    std::fs::read(root().join("tests/data/plugs").join(name)).expect("a recorded shape")
}

fn dex(arguments: &[&str], stdin: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_dex"))
        .args(arguments)
        .env("CODE_TOKEN", "t0k-hunter2")
        .env_remove("DEX_KEY")
        .env_remove("DEX_PARTY")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    child.stdin.take().expect("a pipe").write_all(stdin.as_bytes()).expect("written");
    child.wait_with_output().expect("it runs")
}

fn ok(arguments: &[&str], stdin: &str) -> String {
    let output = dex(arguments, stdin);
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "dex {arguments:?}: {err}{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout).expect("text")
}

fn tried(arguments: &[&str]) -> Vec<Value> {
    let all = [&["plug", "manifest", "try", "--json"][..], arguments].concat();
    ok(&all, "").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn class<'a>(tried: &'a Value, path: &str) -> (&'a str, bool) {
    let fields = tried["fields"].as_array().expect("fields");
    let field = fields.iter().find(|field| field["path"] == path).unwrap_or_else(|| panic!("{path} in {fields:?}"));
    (field["class"].as_str().expect("a class"), field["said"].as_bool().expect("said"))
}

/// Serves recorded shapes; what was asked is kept.
struct Source {
    at: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Source {
    fn start() -> Source {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let at = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut head = String::new();
                let mut reader = BufReader::new(stream.try_clone().expect("the same connection"));
                while reader.read_line(&mut head).is_ok_and(|n| n > 2) {}
                log.lock().expect("the log").push(head.clone());
                let (kind, more, body) = answer(&head);
                let length = body.len();
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n{more}connection: close\r\n\r\n"
                );
                let _ = stream.write_all(&body);
                let _ = reader.read(&mut [0; 1]);
            }
        });
        Source { at, asked }
    }

    fn base(&self) -> String {
        format!("http://{}", self.at)
    }
}

fn answer(head: &str) -> (&'static str, String, Vec<u8>) {
    let json = "application/json; charset=utf-8";
    match head.split(' ').nth(1).expect("a path") {
        "/me.ics" => ("text/calendar; charset=utf-8", String::new(), data("calendar.ics")),
        "/feed.xml" => ("application/rss+xml", "etag: \"abc\"\r\n".into(), data("feed.xml")),
        "/user" => (json, String::new(), data("profile.json")),
        path if path.contains("page=2") => (json, String::new(), data("repositories-2.json")),
        path => {
            let host = head.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host");
            let link = format!("link: <http://{host}{path}&page=2>; rel=\"next\", <http://{host}/x>; rel=\"last\"\r\n");
            (json, link, data("repositories-1.json"))
        }
    }
}

#[test]
fn what_new_writes_is_checked_in_both_forms() {
    for kind in ["http-json", "feed", "ical", "file"] {
        let written = ok(&["plug", "manifest", "new", "--kind", kind], "");
        assert!(written.lines().filter(|line| line.trim_start().starts_with('#')).count() > 10, "{kind} has comments");
        let told = ok(&["plug", "manifest", "check", "-"], &written);
        assert!(told.starts_with("accepted: ") && told.contains(kind), "{told}");
        // The same as JSON.
        let as_json: Value = toml::from_str(&written).expect("TOML");
        assert_eq!(ok(&["plug", "manifest", "check", "-"], &as_json.to_string()), told);
    }
    assert_eq!(dex(&["plug", "manifest", "new", "--kind", "telepathy"], "").status.code(), Some(2));
}

#[test]
fn a_manifest_that_is_wrong_is_told_by_its_place() {
    let whole = ok(&["plug", "manifest", "new"], "");
    for (from, to, expected) in [
        ("kind = \"http-json\"", "kind = \"soap\"", "manifest.settings.connectors.posts.kind: is none of"),
        ("name = \"posts\"", "name = \"notes\"", "manifest.settings.connectors.posts: no endpoint"),
        ("records = ", "recordz = ", "unknown field `recordz`"),
        ("https://api", "gopher://api", "manifest.settings.connectors.posts.url"),
        ("\"rfc3339\" }", "\"julian\" }", "manifest.settings.connectors.posts.timestamp.format"),
        ("text = \"special\"", "text = \"secret\"", "manifest.endpoints[0].fields.text"),
        ("param = \"since\"", "param = \"\"", "manifest.settings.connectors.posts.since.param"),
        (
            "kind = \"bearer\"",
            "kind = \"bearer\"\ntoken = \"hunter2\"",
            "manifest.settings.connectors.posts.auth.token",
        ),
    ] {
        assert!(whole.contains(from), "{from}");
        let output = dex(&["plug", "manifest", "check", "-"], &whole.replace(from, to));
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{to}: {err}");
        assert!(err.contains(expected) && !err.contains("hunter2"), "{to}: {err}");
    }
    for rubbish in ["", "{\"a\": ", "a = ", "\u{0}"] {
        let code = dex(&["plug", "manifest", "check", "-"], rubbish).status.code();
        assert!(matches!(code, Some(1 | 2)), "{rubbish:?}: {code:?}");
    }
}

#[test]
fn the_ready_manifests_are_in_order() {
    for name in EXAMPLES {
        let told: Value =
            serde_json::from_str(&ok(&["plug", "manifest", "check", &example(name), "--json"], "")).expect("JSON");
        assert_eq!(told["accepted"], true, "{name}");
        for endpoint in told["endpoints"].as_array().expect("endpoints") {
            assert_eq!(endpoint["notes"], json!([]), "{name}");
        }
    }
    let listed = std::fs::read_dir(root().join("examples/plugs")).expect("the folder").count();
    assert_eq!(listed, EXAMPLES.len(), "each ready manifest is tried here");
}

#[test]
fn a_calendar_and_a_feed_are_tried_on_what_their_sources_give() {
    let source = Source::start();
    let allow = source.at.to_string();
    let calendar = format!("calendar={}/me.ics", source.base());
    let file = example("calendar");
    let arguments = [file.as_str(), "--var", &calendar, "--allow", &allow, "--records", "200"];
    let tried_calendar = &tried(&arguments)[0];
    // A year and a month of Mondays, and a birthday or two.
    let count = tried_calendar["count"].as_u64().expect("a count");
    assert!((55..=62).contains(&count), "{count}");
    let records = tried_calendar["records"].as_array().expect("records");
    let choir = records.iter().find(|record| record["data"]["summary"] == "Choir").expect("one");
    assert_eq!(choir["data"]["location"], "Parish hall, Linz");
    assert_eq!(choir["data"]["description"], "Bring the blue folder, and something to drink.");
    assert!(choir["data"].get("attendees").is_none(), "it is dropped");
    assert!(choir["sourceUniqueId"].as_str().expect("an id").starts_with("choir-4711@calendar.example/"));
    assert_eq!(class(tried_calendar, "summary"), ("special", true));
    assert_eq!(class(tried_calendar, "organizer.email"), ("direct", true));

    let feed = format!("feed={}/feed.xml", source.base());
    let tried_feed = &tried(&[&example("feed"), "--var", &feed, "--allow", &allow])[0];
    assert_eq!(tried_feed["count"], 2);
    assert_eq!(tried_feed["records"][0]["data"]["authors"], json!([{ "name": "Bob" }]));
    assert_eq!(tried_feed["records"][0]["sourceTimestamp"], "2026-03-03T17:20:00Z");
    assert!(tried_feed["fields"].as_array().expect("fields").iter().all(|field| field["said"] == true));

    // Not allowed: the address is one of this machine.
    let refused = dex(&["plug", "manifest", "try", &example("feed"), "--var", &feed], "");
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stdout).contains("refused: the address is not of the public Internet"));
}

#[test]
fn a_code_host_is_tried_page_by_page_with_a_token_that_nobody_sees() {
    let source = Source::start();
    let (base, allow) = (source.base(), source.at.to_string());
    let file = example("code-host");
    let common =
        [file.as_str(), "--base", &base, "--allow", &allow, "--bearer", "env:CODE_TOKEN", "--plug", "codehost"];
    let one = tried(&[&common[..], &["--hat", "bob.hubat.net"]].concat());
    assert_eq!(one.iter().map(|tried| &tried["endpoint"]).collect::<Vec<_>>(), ["profile", "repositories"]);
    assert_eq!(one[0]["records"][0]["data"]["publicRepos"], 3);
    assert_eq!(one[0]["records"][0]["endpoint"], "codehost/profile");
    assert!(one[0]["records"][0]["data"].get("node_id").is_none(), "only what is mapped");
    assert_eq!((&one[1]["count"], &one[1]["more"]), (&json!(2), &json!(true)));
    let sent = &one[1]["wouldSend"][0];
    assert_eq!(sent["subject"], "dex.v1.in.hat.bob_hubat_net.credit.codehost");
    assert_eq!((&sent["count"], sent["bytes"].as_u64().is_some_and(|bytes| bytes > 300)), (&json!(2), true));

    let both = tried(&[&common[..], &["--endpoint", "repositories", "--pages", "5"]].concat());
    assert_eq!((&both[0]["count"], &both[0]["more"]), (&json!(3), &json!(false)));
    let continuation = one[1]["continuation"].as_str().expect("a continuation");
    let rest = tried(&[&common[..], &["--endpoint", "repositories", "--continuation", continuation]].concat());
    assert_eq!(rest[0]["records"][0]["sourceUniqueId"], "3");

    let asked = source.asked.lock().expect("the log").clone();
    assert!(asked.iter().all(|head| head.contains("authorization: Bearer t0k-hunter2")));
    assert!(asked.iter().all(|head| head.contains("accept: application/vnd.github+json")));
    let shown = ok(&[&["plug", "manifest", "try"][..], &common[..]].concat(), "");
    assert!(shown.contains("would send dex.v1.in.hat.hat_example.credit.codehost with 2 records"), "{shown}");
    assert!(shown.contains("direct  login") && !shown.contains("hunter2"), "{shown}");
    let none = dex(&["plug", "manifest", "try", &file, "--base", &base, "--allow", &allow], "");
    assert_eq!(none.status.code(), Some(1), "no token is a fault");
    assert!(String::from_utf8_lossy(&none.stdout).contains("unauthorized"));
}

#[test]
fn exports_in_a_folder_are_tried_below_their_root_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = folder.path().join("bob.hubat.net");
    std::fs::create_dir(&own).expect("a folder");
    std::fs::write(own.join("workouts-2026-03.jsonl"), data("workouts-2026-03.jsonl")).expect("written");
    std::fs::write(own.join("statement.csv"), data("statement.csv")).expect("written");
    // The last line of the statement has no end: nobody has written for a while.
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
    std::fs::File::open(own.join("statement.csv")).and_then(|file| file.set_modified(old)).expect("made older");
    let root = folder.path().to_str().expect("plain");
    let place = ["--root", root, "--var", "hat=bob.hubat.net"];
    let fitness = &tried(&[&[example("fitness").as_str()][..], &place[..]].concat())[0];
    assert_eq!((&fitness["count"], &fitness["skipped"]), (&json!(2), &json!(1)), "the broken line is left out");
    assert_eq!(fitness["records"][0]["data"]["heartRate"]["maximum"], 171);
    assert_eq!(fitness["records"][0]["sourceTimestamp"], "2026-03-01T05:30:00Z");
    assert_eq!(class(fitness, "heartRate.average"), ("special", true));

    let bank = &tried(&[&[example("bank").as_str()][..], &place[..]].concat())[0];
    assert_eq!(bank["count"], 3);
    assert_eq!(bank["records"][0]["data"]["counterparty"]["name"], "Bäckerei Höller");
    assert_eq!(bank["records"][2]["data"]["amount"], 2500.0);
    assert_eq!(bank["records"][2]["data"]["purpose"], "Gehalt \"März\"");
    let ids: std::collections::BTreeSet<String> =
        bank["records"].as_array().expect("records").iter().map(|record| record["recordId"].to_string()).collect();
    assert_eq!(ids.len(), 3, "two purchases of one day are two");

    let below = ["--root", root];
    for (roots, hat, word) in
        [(&below[..], "hat=../x", "refused"), (&[][..], "hat=bob", "refused"), (&below[..], "hat=eve", "not-found")]
    {
        let file = example("bank");
        let output = dex(&[&["plug", "manifest", "try", &file, "--var", hat][..], roots].concat(), "");
        assert_eq!(output.status.code(), Some(1), "{hat}");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(told.contains(&format!("not fetched: {word}:")), "{told}");
    }
}

#[test]
fn a_plug_is_registered_with_a_manifest_that_has_comments() {
    let exchange = Exchange::start();
    exchange.key("feeder");
    let key = exchange.path("feeder.key");
    let key = key.to_str().expect("plain");
    let manifest = format!("@{}", example("feed"));
    let register = ["plug", "register", "feeder", "--name", "Feeds", "--manifest", &manifest, "--key", key];
    ok(&[&register[..], &["--url", &exchange.nats]].concat(), "");
    let show = ["plug", "show", "feeder", "--json", "--url", &exchange.nats, "--as", "plug:feeder", "--key", key];
    let shown: Value = serde_json::from_str(&ok(&show, "")).expect("JSON");
    let text = shown.to_string();
    assert!(text.contains("\"connectors\":{\"entries\":{\"kind\":\"feed\",\"url\":\"{+feed}\"}}"), "{text}");
    let bad = exchange.path("bad.toml");
    let broken = std::fs::read_to_string(example("feed")).expect("readable").replace("{+feed}", "{+feed");
    std::fs::write(&bad, broken).expect("written");
    let manifest = format!("@{}", bad.display());
    let register = ["plug", "register", "feeder", "--name", "Feeds", "--manifest", &manifest, "--key", key];
    let output = dex(&[&register[..], &["--url", &exchange.nats]].concat(), "");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("connectors.entries.url"));
}
