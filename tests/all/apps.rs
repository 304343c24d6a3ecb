//! Applications by the command line against a real exchange: versions, consent, a killed daemon in between.

use std::process::{Command, Output};

use dex::domain::Records;
use serde_json::{Value, json};

use crate::support::cast::Cast;
use crate::support::exchange::Exchange;
use crate::support::nats_server::TestServer;

const MANIFEST: &str = include_str!("../../src/domain/app/notables.json");

struct Shell<'e> {
    exchange: &'e Exchange,
}

impl Shell<'_> {
    fn run(&self, party: &str, key: &str, arguments: &[&str]) -> Output {
        let key = self.exchange.path(&format!("{key}.key"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_dex"));
        command.args(arguments).args(["--json", "--url", &self.exchange.nats, "--as", party, "--key"]).arg(key);
        command.output().expect("runs")
    }

    fn ok(&self, party: &str, key: &str, arguments: &[&str]) -> Value {
        let done = self.run(party, key, arguments);
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        serde_json::from_slice(&done.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
    }

    fn refused(&self, party: &str, key: &str, arguments: &[&str], word: &str) {
        let done = self.run(party, key, arguments);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.code() == Some(1) && said.contains(word), "{arguments:?}: {said}");
    }

    fn app(&self, arguments: &[&str]) -> Value {
        self.ok("app:notes", "notes", arguments)
    }

    fn operator(&self, arguments: &[&str]) -> Value {
        self.ok("operator:main", "operator", arguments)
    }
}

/// A manifest of this version that may write these namespaces, as an argument.
fn manifest(version: &str, namespaces: &[&str]) -> String {
    let mut manifest: Value = serde_json::from_str(MANIFEST).expect("JSON");
    manifest["id"] = json!("notes");
    manifest["info"]["version"] = json!(version);
    manifest["status"]["compatibility"] = json!(version);
    let granted = |namespace: &&str| json!({ "role": "namespacewrite", "detail": namespace });
    manifest["permissions"]["rolesGranted"] = namespaces.iter().map(granted).collect();
    manifest.to_string()
}

fn record(endpoint: &str) -> String {
    let body = json!([{ "endpoint": endpoint, "data": { "a": 1 } }]).to_string();
    Records::parse(body.clone().into(), 1).expect("a record");
    body
}

#[tokio::test]
async fn versions_and_consent_survive_a_kill() {
    let broker = TestServer::start();
    let mut exchange = Exchange::on(&broker);
    let cast = Cast::new(exchange.client().await, 1).await;
    let (_, public) = exchange.key("notes");
    let public = public.to_string();
    let (hat, hat_id) = (format!("hat:{}", cast.hat(0)), cast.hat(0).to_string());
    let shell = Shell { exchange: &exchange };
    shell.app(&["app", "register", "notes", "--manifest", &manifest("1.0.0", &["notes"])]);
    shell.refused(
        "app:notes",
        "notes",
        &["app", "version", "notes", &manifest("1.0", &["notes"])],
        "manifest.info.version",
    );
    shell.operator(&["app", "publish", "notes", &public, "--version-named", "1.0.0"]);
    cast.hats[0].app_setup(&"notes".parse().expect("an id")).await.expect("accepted");
    let write = |endpoint: &'static str| {
        let body = record(endpoint);
        move |shell: &Shell<'_>, hat: &str| {
            shell.run("app:notes", "notes", &["send", "--to", hat, "--action", "credit.notes", "--body", &body])
        }
    };
    let (own, more) = (write("notes/list"), write("diary/list"));
    assert!(own(&shell, &hat).status.success());
    shell.app(&["app", "version", "notes", &manifest("1.1.0", &["notes", "diary"])]);
    shell.operator(&["app", "publish", "notes", &public, "--version-named", "1.1.0"]);

    exchange.kill();
    exchange.restart();
    let shell = Shell { exchange: &exchange };
    let said = more(&shell, &hat);
    assert!(String::from_utf8_lossy(&said.stderr).contains("outside-namespace"), "{said:?}");
    let shown = shell.operator(&["hat", "show", &hat_id]);
    let accepted = shown["accepted"].as_array().expect("a list").iter().find(|it| it["app"] == "notes").cloned();
    let accepted = accepted.expect("accepted");
    assert_eq!((&accepted["version"], &accepted["needsUpdating"]), (&json!("1.0.0"), &json!(true)));
    let cast_hat = cast.hats[0].app_setup(&"notes".parse().expect("an id")).await;
    cast_hat.expect("accepted anew");
    assert!(more(&shell, &hat).status.success());
    let history = shell.operator(&["app", "history", "notes"]);
    let versions: Vec<&str> =
        history.as_array().expect("a list").iter().filter_map(|it| it["version"].as_str()).collect();
    assert_eq!(versions, ["1.0.0", "1.1.0"]);
    let listed = shell.run("operator:main", "operator", &["app", "list"]);
    assert!(!String::from_utf8_lossy(&listed.stdout).contains("manifest"), "lists are short");
    shell.app(&["app", "suspend", "notes"]);
    let said = own(&shell, &hat);
    assert!(String::from_utf8_lossy(&said.stderr).contains("suspended"), "{said:?}");
}
