//! The command line against a daemon of its own: from the operator's key to a settled, traced exchange.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use dex::client::{Client, ClientOptions, keys};
use futures_util::StreamExt;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::nats_server::TestServer;

/// A daemon as a child process, with its broker and key files.
struct Daemon {
    folder: TempDir,
    server: TestServer,
    child: Option<Child>,
}

impl Daemon {
    fn start() -> Self {
        let mut it = Daemon { folder: tempfile::tempdir().expect("folder"), server: TestServer::start(), child: None };
        for party in ["operator", "platform", "bob", "facebook", "twitter", "acme"] {
            it.ok(&["keys", "new", &it.path(party)]);
        }
        let operator = it.ok(&["keys", "show", &it.path("operator")]);
        let config = it.folder.path().join("dex.toml");
        let text = format!(
            "[exchange]\norigin = \"dex.test\"\nstate_dir = {state:?}\npartitions = 2\n\
             [[operator]]\nname = \"main\"\nkeys = [{key:?}]\n[nats]\nurl = {url:?}\n\
             [streams]\nin_max_bytes = 67108864\nout_max_bytes = 67108864\n[http]\nlisten = \"127.0.0.1:0\"\n\
             [snapshot]\ninterval = \"1s\"\n",
            state = it.state(),
            key = operator.trim(),
            url = it.server.url(),
        );
        fs::write(&config, text).expect("written");
        let child = Command::new(env!("CARGO_BIN_EXE_dex"))
            .args(["serve", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the daemon starts");
        it.child = Some(child);
        let deadline = Instant::now() + Duration::from_secs(30);
        while it.run(&["plug", "list", "--timeout", "1s"]).status.code() != Some(0) {
            if Instant::now() > deadline || it.ended() {
                panic!("the daemon did not get ready: {}", it.last_words());
            }
        }
        it
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(format!("{name}.key")).to_str().expect("a plain path").to_owned()
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn ended(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().ok().flatten().is_some())
    }

    /// What the daemon has said, after ending it.
    fn last_words(&mut self) -> String {
        let Some(mut child) = self.child.take() else { return String::new() };
        let _ = child.kill();
        let _ = child.wait();
        let lines = child.stderr.take().map(|stderr| BufReader::new(stderr).lines().map_while(Result::ok).collect());
        lines.map(|lines: Vec<String>| lines.join("\n")).unwrap_or_default()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_dex"))
            .args(arguments)
            .env("DEX_URL", self.server.url())
            .env_remove("DEX_KEY")
            .env_remove("DEX_PARTY")
            .env_remove("DEX_ORIGIN")
            .env_remove("DEX_CONFIG")
            .stdin(Stdio::null())
            .output()
            .expect("dex runs")
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "dex {arguments:?}: {out}{err}");
        out.into_owned()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let mut with = arguments.to_vec();
        with.push("--json");
        serde_json::from_str(&self.ok(&with)).expect("JSON")
    }

    /// A verb that the exchange refuses: exit code 1, and the reason on stderr.
    fn refused(&self, arguments: &[&str], reason: &str) {
        let output = self.run(arguments);
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "dex {arguments:?}: {err}");
        assert!(err.contains(&format!("refused: {reason}: ")), "dex {arguments:?}: {err}");
    }

    /// Drains and ends the daemon; its exit code.
    fn stop(&mut self) -> Option<i32> {
        let mut child = self.child.take()?;
        let pid = i32::try_from(child.id()).expect("a pid");
        // SAFETY: a signal to a child that was started here and not yet waited for.
        assert_eq!(unsafe { libc::kill(pid, libc::SIGTERM) }, 0);
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline {
            if let Some(status) = child.try_wait().expect("waits") {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = child.kill();
        let _ = child.wait();
        None
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Takes one delivery as Bob's HAT, so that its exchange settles.
async fn accept_one(url: String, key: String) {
    let signer = keys::load(key.as_ref()).expect("a key");
    let options = ClientOptions::new(url, "hat:bob.hubat.net".parse().expect("a party")).signer(signer);
    let hat = Client::connect(options).await.expect("connects");
    let mut deliveries = hat.deliveries().await.expect("a consumer");
    let next = tokio::time::timeout(Duration::from_secs(20), deliveries.next()).await.expect("in time");
    next.expect("open").expect("verified").accept().await.expect("receipted");
}

#[test]
fn an_exchange_is_set_up_moved_traced_and_checked_from_the_command_line() {
    let mut it = Daemon::start();
    let key = |party: &str| it.path(party);
    let (operator, platform, bob, facebook, twitter, acme) =
        (key("operator"), key("platform"), key("bob"), key("facebook"), key("twitter"), key("acme"));
    let by_operator = ["--as", "operator:main", "--key", &operator];
    let with = |arguments: &[&'static str], rest: &[&str]| -> Vec<String> {
        arguments.iter().chain(rest).map(|part| (*part).to_owned()).collect()
    };
    let run = |it: &Daemon, arguments: Vec<String>| it.ok(&arguments.iter().map(String::as_str).collect::<Vec<_>>());

    it.ok(&["platform", "certify", "hubat.net", &platform, "--as", "operator:main", "--key", &operator]);
    it.ok(&["hat", "register", "bob.hubat.net", &bob, "--key", &platform]);
    it.refused(
        &["hat", "register", "eve.elsewhere.net", &bob, "--as", "platform:hubat.net", "--key", &platform],
        "not-permitted",
    );
    it.ok(&["plug", "register", "facebook", "--name", "Facebook plug", "--key", &facebook]);
    let waits = it.json(&["plug", "show", "facebook"]);
    assert_eq!(waits["approved"], false);
    assert_eq!(waits["pending"].as_array().map(Vec::len), Some(1), "{waits}");
    run(&it, with(&["plug", "approve", "facebook"], &[&[facebook.as_str()][..], &by_operator].concat()));
    assert_eq!(it.json(&["plug", "show", "facebook"])["approved"], true);
    assert_eq!(it.ok(&["plug", "list"]).trim(), "plug:facebook  active  Facebook plug");

    // Not connected yet.
    let posts = r#"[{"endpoint":"facebook/feed","data":{"message":"hello"}}]"#;
    let credit = [
        "send",
        "--as",
        "plug:facebook",
        "--key",
        &facebook,
        "--to",
        "hat:bob.hubat.net",
        "--action",
        "credit.facebook",
        "--body",
        posts,
    ];
    it.refused(&credit, "not-connected");
    it.ok(&["hat", "connect", "bob.hubat.net", "facebook", "--key", &bob]);
    let sent = it.json(&credit);
    assert_eq!(sent["status"], "accepted", "{sent}");
    let id = sent["exchange"].as_str().expect("an id").to_owned();
    let trace = it.json(&["exchange", "trace", &id]);
    assert_eq!(trace["status"], "accepted");

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(accept_one(it.server.url(), bob.clone()));
    let trace = it.json(&["exchange", "trace", &id]);
    assert_eq!(trace["status"], "settled", "{trace}");
    let events: Vec<&str> =
        trace["steps"].as_array().expect("steps").iter().filter_map(|it| it["event"].as_str()).collect();
    assert_eq!(events, ["opened", "settled"]);
    assert!(!trace.to_string().contains("hello"), "content in a trace");
    // The same id again: the first outcome, nothing new.
    let again = it.json(&[&credit[..], &["--id", &id]].concat());
    assert_eq!((&again["exchange"], &again["leaf"]), (&sent["exchange"], &sent["leaf"]));

    // Somebody else's key; and a plug that is not registered.
    let forged = [
        "send",
        "--as",
        "plug:facebook",
        "--key",
        &twitter,
        "--to",
        "hat:bob.hubat.net",
        "--action",
        "credit.facebook",
        "--body",
        posts,
    ];
    it.refused(&forged, "bad-signature");

    it.ok(&["org", "register", "acme", "--name", "Acme", "--key", &acme]);
    run(&it, with(&["org", "approve", "acme"], &[&[acme.as_str()][..], &by_operator].concat()));
    it.ok(&[
        "debit",
        "propose",
        "bob.hubat.net",
        "acme.feed",
        "--client",
        "org:acme",
        "--purpose",
        "A study",
        "--endpoint",
        "facebook/feed",
        "--key",
        &acme,
    ]);
    let listed = it.json(&["debit", "list", "bob.hubat.net"]);
    assert_eq!(
        (&listed["debit"], &listed["active"], &listed["waits"]),
        (&"acme.feed".into(), &false.into(), &true.into())
    );
    it.ok(&["debit", "enable", "bob.hubat.net", "acme.feed", "--key", &bob]);
    let shown = it.json(&["debit", "show", "bob.hubat.net", "acme.feed"]);
    assert_eq!((&shown["active"], &shown["client"]), (&true.into(), &"org:acme".into()));
    let out = it.json(&[
        "send",
        "--as",
        "hat:bob.hubat.net",
        "--key",
        &bob,
        "--to",
        "hat:bob.hubat.net",
        "--action",
        "data",
        "--body",
        posts,
    ]);
    assert_eq!(out["parts"][0]["debit"], "acme.feed", "{out}");
    let fanned = it.json(&["exchange", "trace", out["exchange"].as_str().expect("an id")]);
    let steps = fanned["steps"].as_array().expect("steps");
    assert_eq!((steps.len(), &steps[1]["to"]), (2, &"org:acme".into()), "{fanned}");
    it.ok(&["debit", "disable", "bob.hubat.net", "acme.feed", "--key", &bob]);
    let release = [
        "send",
        "--as",
        "hat:bob.hubat.net",
        "--key",
        &bob,
        "--to",
        "hat:bob.hubat.net",
        "--action",
        "release.acme.feed",
        "--body",
        posts,
    ];
    it.refused(&release, "debit-ended");

    let hat = it.json(&["hat", "show", "bob.hubat.net"]);
    assert_eq!(hat["plugs"], serde_json::json!(["facebook"]));
    assert_eq!(hat["openExchanges"], 1, "{hat}");
    let missing = it.run(&["hat", "show", "nobody.hubat.net"]);
    assert_eq!(missing.status.code(), Some(1));

    let pulse = it.json(&["watch", "--count", "1"]);
    assert!(pulse["settled"].as_u64().is_some_and(|settled| settled >= 1), "{pulse}");

    let state = it.state();
    let state = state.to_str().expect("a plain path");
    // Beside the running daemon, and after it.
    it.ok(&["ledger", "check", state]);
    assert_eq!(it.run(&["snapshot", "inspect", state]).status.code(), Some(3), "a running daemon has it");
    assert_eq!(it.stop(), Some(0));
    let report = it.json(&["ledger", "check", state]);
    assert_eq!(report["sound"], true);
    // A database made of the ledger alone holds what the daemon's own does.
    let anew = it.folder.path().join("anew.redb").to_str().expect("a plain path").to_owned();
    let old = it.json(&["snapshot", "inspect", state]);
    let rebuild = ["snapshot", "rebuild", state, "--partitions", "2", "--to", &anew];
    assert_eq!(it.json(&rebuild)["through"], report["treeSize"]);
    assert_eq!(it.run(&rebuild).status.code(), Some(2), "written over");
    fs::rename(&anew, it.state().join("state.redb")).expect("renamed");
    let new = it.json(&["snapshot", "inspect", state]);
    for part in ["through", "rows", "registrations", "openExchanges"] {
        assert_eq!(new[part], old[part], "{part}");
    }

    let entries = it.ok(&["ledger", "show", state, "--count", "1000"]);
    assert_eq!(entries.lines().count() as u64, report["treeSize"].as_u64().expect("a size"));
    assert!(!entries.contains("hello"), "content in the ledger");
}
