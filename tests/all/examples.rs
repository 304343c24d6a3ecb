//! The Python examples, as they stand, against a real exchange.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use dex::domain::{Address, Id};
use serde_json::{Value, json};

use crate::support::exchange::Exchange;

/// How long all three may take together.
const WITHIN: Duration = Duration::from_secs(90);

fn python() -> PathBuf {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/venv/bin/python");
    assert!(python.exists(), "{} is not there: run `make tools`", python.display());
    python
}

/// An example under way. Dropping it ends it.
struct Running(Option<Child>);

impl Running {
    fn start(exchange: &Exchange, dex_key: &str, arguments: &[&str]) -> Self {
        let child = Command::new(python())
            .args(arguments)
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples"))
            .env("DEX_URL", &exchange.nats)
            .env("DEX_PUBLIC_KEY", dex_key)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("python starts");
        Running(Some(child))
    }

    /// What it has said, once it has ended by itself.
    fn finish(mut self, deadline: Instant) -> String {
        let mut child = self.0.take().expect("finished once");
        while Instant::now() < deadline && child.try_wait().expect("waits").is_none() {
            std::thread::sleep(Duration::from_millis(50));
        }
        let in_time = child.try_wait().expect("waits").is_some();
        let _ = child.kill();
        let Output { status, stdout, stderr } = child.wait_with_output().expect("ends");
        let said = String::from_utf8_lossy(&stdout).into_owned();
        assert!(in_time && status.success(), "{status}: {said}{}", String::from_utf8_lossy(&stderr));
        said
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[tokio::test]
async fn hat_plug_and_org_exchange_and_settle() {
    let exchange = Exchange::start();
    let operator = exchange.client().await;
    let id = |text: &str| Id::new(text).expect("an id");
    let (platform, public) = exchange.key("platform");
    operator.certify(&id("hubat.net"), "Platform", &public).await.expect("certified");
    let platform = operator.speaking("platform:hubat.net".parse().expect("address"), platform);
    let (_, public) = exchange.key("bob");
    platform.register_hat(&id("bob.hubat.net"), &public).await.expect("registered");

    let dex_key = operator.dex_keys()[0].to_string();
    let key = |name: &str| {
        exchange.key(name);
        exchange.path(&format!("{name}.key")).to_str().expect("a plain path").to_owned()
    };
    let (fitbit, bob, acme) = (key("fitbit"), key("bob"), key("acme"));
    let start = |arguments: &[&str]| Running::start(&exchange, &dex_key, arguments);
    // In an order in which each has to wait for another.
    let hat = start(&["hat.py", "hat:bob.hubat.net", &bob, "fitbit", "acme.steps", "3"]);
    let plug = start(&["plug.py", "plug:fitbit", &fitbit, "bob.hubat.net", "3"]);
    let org = start(&["org.py", "org:acme", &acme, "bob.hubat.net", "acme.steps", "fitbit/activity/day/summary", "3"]);

    let deadline = Instant::now() + WITHIN;
    for (party, name) in [("plug:fitbit", "fitbit"), ("org:acme", "acme")] {
        let party: Address = party.parse().expect("an address");
        let ask = json!({"party": party}).to_string();
        loop {
            let found: Value = operator.query("trust.verify", ask.clone()).await.expect("answers");
            if found["standing"] == "pending" {
                break;
            }
            assert!(Instant::now() < deadline, "{party} did not register: {found}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        operator.approve(&party, &exchange.key(name).1).await.expect("approved");
    }
    let said = tokio::task::spawn_blocking(move || [plug.finish(deadline), hat.finish(deadline), org.finish(deadline)]);
    let [plug, hat, org] = said.await.expect("finish");

    assert_eq!(plug.matches("settled").count(), 3, "{plug}");
    assert_eq!(
        hat.lines().filter(|line| line.starts_with("kept 1 records from plug:fitbit settled")).count(),
        3,
        "{hat}"
    );
    assert_eq!(org.lines().filter(|line| line.ends_with("from hat:bob.hubat.net settled")).count(), 3, "{org}");
    let steps = org.matches("'steps':").count();
    assert_eq!(steps, 3, "{org}");
}
