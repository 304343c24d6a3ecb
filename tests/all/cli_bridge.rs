//! `dex bridge …`, `dex hat pin-key` and `dex hat entrust` against a running exchange: what is done, as text and as JSON,
//! and what is said when it cannot be done.

use std::path::Path;
use std::process::{Command, Output};

use dex::client::keys;
use serde_json::{Value, json};

use crate::support::cast::{Cast, id};
use crate::support::exchange::Exchange;
use crate::support::gateway::HAT_PUBLIC;

const OTHER_PUBLIC: &str = include_str!("../data/hat-rsa-other.pub.pem");

struct Shell<'e>(&'e Exchange);

impl Shell<'_> {
    fn path(&self, name: &str) -> String {
        self.0.path(name).display().to_string()
    }

    /// Runs `dex` with the words of a line, as whom the key file stands for.
    fn run(&self, line: &str, key: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dex"));
        command.args(line.split_whitespace()).args(["--url", &self.0.nats, "--key", &self.path(key)]);
        for name in ["DEX_KEY", "DEX_PARTY", "DEX_URL", "DEX_ORIGIN", "DEX_CONFIG"] {
            command.env_remove(name);
        }
        command.output().expect("runs")
    }

    fn ok(&self, line: &str, key: &str) -> String {
        let done = self.run(line, key);
        assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).expect("text")
    }

    fn json(&self, line: &str, key: &str) -> Value {
        let said = self.ok(&format!("{line} --json"), key);
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{line}: {error}: {said}"))
    }

    /// Neither done nor silent: this exit code, and this on standard error.
    fn fails(&self, line: &str, key: &str, code: i32, words: &[&str]) {
        let done = self.run(line, key);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(code), "{line}: {said}");
        assert!(words.iter().all(|word| said.contains(word)), "{line}: {said}");
        // What was never sent has no outcome.
        assert!(code == 1 || done.stdout.is_empty(), "{line}: {}", String::from_utf8_lossy(&done.stdout));
    }

    fn profile(&self, hat: &str) -> Value {
        self.json(&format!("hat show {hat}"), "operator.key")["profile"].clone()
    }
}

/// An exchange with the cast and `platform:pin.net` in `platform.key`.
async fn ground() -> (Exchange, Cast) {
    let exchange = Exchange::start();
    let cast = Cast::new(exchange.client().await, 0).await;
    let (_, platform) = exchange.key("platform");
    cast.operator.certify(&id("pin.net"), "Pinned", &platform).await.expect("certified");
    for (name, text) in [("hat.pem", HAT_PUBLIC), ("other.pem", OTHER_PUBLIC), ("no.pem", "no key")] {
        std::fs::write(exchange.path(name), text).expect("written");
    }
    (exchange, cast)
}

#[tokio::test]
async fn a_bridge_is_registered_approved_suspended_and_gets_another_key() {
    let (exchange, _cast) = ground().await;
    let shell = Shell(&exchange);
    let (_, key) = exchange.key("bridge");
    let (_, other) = exchange.key("other");
    let operator = |line: &str| format!("{line} --as operator:main");
    let show = || shell.json("bridge show carrier", "operator.key");

    let done = shell.json("bridge register carrier --name Carrier", "bridge.key");
    assert_eq!(done["status"], "settled", "{done}");
    assert_eq!((&show()["standing"], &show()["pending"][0]["key"]), (&json!("pending"), &json!(key)));
    let approve = operator(&format!("bridge approve carrier {key}"));
    shell.fails(
        &format!("bridge approve carrier {key} --as bridge:carrier"),
        "bridge.key",
        1,
        &["refused: not-permitted: "],
    );
    shell.fails(&operator(&format!("bridge approve carrier {other}")), "operator.key", 1, &["refused: not-found: "]);
    assert!(shell.ok(&approve, "operator.key").contains("settled"));
    assert_eq!((&show()["approved"], &show()["profile"]["name"]), (&json!(true), &json!("Carrier")));
    assert_eq!(shell.ok("bridge list", "operator.key").trim(), "bridge:carrier  active  Carrier");
    assert_eq!(shell.json("bridge list", "operator.key")["party"], "bridge:carrier");

    shell.ok(&operator("bridge suspend carrier"), "operator.key");
    assert_eq!(show()["standing"], "suspended");
    shell.ok(&operator("bridge resume carrier"), "operator.key");
    shell.ok(&format!("bridge rotate-key carrier {other}"), "bridge.key");
    assert_eq!(show()["keys"].as_array().map(Vec::len), Some(2));
    shell.fails(&format!("bridge rotate-key carrier {key}"), "bridge.key", 1, &["refused: revoked-key: "]);
    shell.ok(&format!("bridge revoke-key carrier {key}"), "other.key");

    // One that is refused, and told why.
    let (_, second) = exchange.key("second");
    shell.ok("bridge register second --name Second", "second.key");
    shell.ok(&operator(&format!("bridge decline second {second} unknown")), "operator.key");
    shell.fails("bridge show second", "operator.key", 1, &["never registered"]);
}

#[tokio::test]
async fn what_is_wrong_with_a_bridge_is_said_before_or_by_the_exchange() {
    let (exchange, _cast) = ground().await;
    let shell = Shell(&exchange);
    exchange.key("bridge");
    shell.fails("bridge register Not_An_Id --name X", "bridge.key", 2, &["Not_An_Id"]);
    shell.fails("bridge register carrier", "bridge.key", 2, &["--name"]);
    shell.fails("bridge approve carrier nokey --as operator:main", "operator.key", 2, &["nokey"]);
    shell.fails("bridge register carrier --name X", "absent.key", 2, &["absent.key"]);
    shell.fails("bridge suspend nobody --as operator:main", "operator.key", 1, &["refused: "]);
    let unknown = shell.run("bridge show nobody --json", "operator.key");
    let unknown: Value = serde_json::from_slice(&unknown.stdout).expect("JSON");
    assert_eq!(unknown["standing"], "unknown");
}

#[tokio::test]
async fn a_hat_is_pinned_and_entrusted_to_a_bridge_and_speaks_for_itself_again() {
    let (exchange, _cast) = ground().await;
    let shell = Shell(&exchange);
    let (_, bridge) = exchange.key("bridge");
    shell.ok("bridge register carrier --name Carrier", "bridge.key");
    shell.ok(&format!("bridge approve carrier {bridge} --as operator:main"), "operator.key");
    let (hat, ann) = ("ann.pin.net", keys::load_or_make(&exchange.path("ann.key")).expect("a key").public());
    shell.ok(&format!("hat register {hat} {ann}"), "platform.key");
    assert_eq!(shell.profile(hat), json!({ "kind": "hat" }));

    // By its platform, and by itself.
    let pin = |file: &str| format!("hat pin-key {hat} {}", shell.path(file));
    let done = shell.json(&pin("hat.pem"), "platform.key");
    assert_eq!(done["status"], "settled", "{done}");
    assert_eq!(shell.profile(hat)["publicKey"].as_str().map(str::trim), Some(HAT_PUBLIC.trim()));
    assert!(shell.ok(&format!("{} --as hat:{hat}", pin("other.pem")), "ann.key").contains("settled"));
    assert_eq!(shell.profile(hat)["publicKey"].as_str().map(str::trim), Some(OTHER_PUBLIC.trim()));

    let entrust = |rest: &str| format!("hat entrust {hat} {rest}");
    let done = shell.json(&entrust("--transport http --bridge carrier"), "platform.key");
    assert_eq!(done["status"], "settled", "{done}");
    let told = shell.profile(hat);
    assert_eq!((&told["transport"], &told["bridge"]), (&json!("http"), &json!("carrier")));
    shell.ok(&format!("{} --as hat:{hat}", entrust("--transport nats")), "ann.key");
    let told = shell.profile(hat);
    assert!(told.get("transport").is_none() && told.get("bridge").is_none(), "{told}");
    assert!(told["publicKey"].is_string(), "its pin stays: {told}");
}

#[tokio::test]
async fn what_is_wrong_with_a_pin_or_an_entrustment_is_said_before_or_by_the_exchange() {
    let (exchange, _cast) = ground().await;
    let shell = Shell(&exchange);
    let hat = "ann.pin.net";
    let (_, ann) = exchange.key("ann");
    exchange.key("waiting");
    exchange.key("stranger");
    shell.ok(&format!("hat register {hat} {ann}"), "platform.key");
    let pin = |file: &str| format!("hat pin-key {hat} {}", shell.path(file));
    // Before anything is sent.
    shell.fails(&pin("no.pem"), "platform.key", 2, &["no.pem"]);
    shell.fails(&pin("absent.pem"), "platform.key", 2, &["absent.pem"]);
    for weak in ["hat-ec.pub.pem", "hat-rsa-1024.pub.pem"] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(weak);
        shell.fails(&format!("hat pin-key {hat} {}", file.display()), "platform.key", 2, &[weak]);
    }
    shell.fails(&format!("hat entrust {hat}"), "platform.key", 2, &["--transport"]);
    shell.fails(&format!("hat entrust {hat} --transport pigeon"), "platform.key", 2, &["pigeon", "nats", "http"]);
    shell.fails(&format!("hat entrust {hat} --transport http --bridge No_Id"), "platform.key", 2, &["No_Id"]);
    // By the exchange, with its reason.
    shell.fails(&format!("hat entrust {hat} --transport http"), "platform.key", 1, &["refused: "]);
    shell.ok(&pin("hat.pem"), "platform.key");
    let before = shell.profile(hat);
    let nobody = format!("hat entrust {hat} --transport http --bridge nobody");
    shell.fails(&nobody, "platform.key", 1, &["refused: unknown-party: "]);
    shell.ok("bridge register waiting --name Waits", "waiting.key");
    let waits = format!("hat entrust {hat} --transport http --bridge waiting");
    shell.fails(&waits, "platform.key", 1, &["refused: not-approved: "]);
    shell.fails(&format!("hat pin-key nobody.pin.net {}", shell.path("hat.pem")), "platform.key", 1, &["refused: "]);
    shell.fails(&pin("hat.pem"), "stranger.key", 1, &["refused: bad-signature: "]);
    let other = format!("{} --as org:acme", pin("hat.pem"));
    shell.fails(&other, "stranger.key", 1, &["refused: bad-signature: "]);
    assert_eq!(shell.profile(hat), before, "nothing of it was done");
}
