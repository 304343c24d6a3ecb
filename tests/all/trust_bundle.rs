//! The signed trust bundle of a running exchange: by query, broadcast, REST and command line, used without asking.

use std::process::{Command, Output};
use std::time::Duration;

use dex::client::{Client, Order, ids};
use dex::domain::{Digest, Reason, Standing};
use dex::wire::trust_bundle::{Root, Ruling, TrustBundle, check};
use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::cast::{Cast, address};
use crate::support::exchange::Exchange;
use crate::support::gateway::Gateway;

/// The bundle once it has taken in what came before.
async fn fresh(client: &Client, than: u64) -> TrustBundle {
    for _ in 0..100 {
        let (bundle, _) = client.trust_bundle().await.expect("a good bundle");
        if bundle.generation > than {
            return bundle;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("no bundle after generation {than}");
}

async fn dex(arguments: Vec<String>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dex"));
    command.args(arguments);
    tokio::task::spawn_blocking(move || command.output().expect("runs")).await.expect("no panic")
}

#[tokio::test]
async fn a_bundle_follows_the_registry_and_survives_a_restart() {
    let mut exchange = Exchange::start();
    let client = exchange.client().await;
    let mut heard = {
        let raw = async_nats::connect(&exchange.nats).await.expect("connects");
        raw.subscribe("dex.v1.pub.trust").await.expect("subscribes")
    };
    let cast = Cast::new(client, 2).await;
    let plug = address("plug:facebook");
    let mut bundle = fresh(&cast.operator, 0).await;
    while bundle.party(&address("org:acme")).is_none() {
        bundle = fresh(&cast.operator, bundle.generation).await;
    }
    let names: Vec<String> = bundle.parties.iter().map(|it| it.party.to_string()).collect();
    assert_eq!(names, ["operator:main", "platform:hubat.net", "plug:facebook", "org:acme"], "and no HAT");
    assert_eq!(bundle.parties[1].rules.domain.as_deref(), Some("hubat.net"));
    let key = cast.plug.key().expect("a key");
    assert_eq!(bundle.may_write(&plug, &key, "facebook", ids::now()), Ruling::May);

    // The same number for the same registry, whatever else is recorded; another when something listed changes.
    cast.hats[0].plug_disconnect(&plug.id).await.expect("disconnected");
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let (same, _) = cast.operator.trust_bundle().await.expect("a bundle");
    assert_eq!(same, bundle, "nothing that it lists has changed");
    cast.operator.suspend(&plug).await.expect("suspended");
    let suspended = fresh(&cast.operator, bundle.generation).await;
    assert_eq!(suspended.generation, bundle.generation + 1);
    assert!(suspended.checkpoint.tree_size > bundle.checkpoint.tree_size);
    assert_eq!(suspended.party(&plug).expect("listed").standing, Standing::Suspended);
    assert_eq!(suspended.may_write(&plug, &key, "facebook", ids::now()), Ruling::MayNot(Reason::Suspended));

    // Who has it is told so, and gets nothing twice.
    let digest = Digest::of(&dex::wire::canonical::canonical(&json!(suspended)).expect("canonical"));
    let question = json!({ "ifNoneMatch": digest }).to_string();
    let answer = cast.operator.query("trust.bundle", question.into_bytes()).await.expect("answered");
    assert_eq!((&answer["unchanged"], &answer["generation"]), (&json!(true), &json!(suspended.generation)));

    // What is broadcast is the very bytes, and the last one is the newest.
    let keys = cast.operator.dex_keys().to_vec();
    let root = Root { origin: cast.operator.origin(), keys: &keys };
    let newest = async {
        loop {
            let message = heard.next().await.expect("a broadcast");
            let told = check(&message.payload, root, ids::now()).expect("a good bundle");
            if told.generation == suspended.generation {
                return told;
            }
        }
    };
    assert_eq!(tokio::time::timeout(Duration::from_secs(10), newest).await.expect("in time"), suspended);
    drop(cast);

    // Killed, so that a part of the registry comes from rows and the rest from the ledger's end.
    exchange.kill();
    exchange.restart();
    let client = exchange.client().await;
    let (again, _) = client.trust_bundle().await.expect("a bundle");
    assert_eq!(again.generation, suspended.generation);
    assert_eq!(again.parties, suspended.parties);
    exchange.stop();
    exchange.restart();
    let (again, _) = exchange.client().await.trust_bundle().await.expect("a bundle");
    assert_eq!(again.generation, suspended.generation);
}

#[tokio::test]
async fn a_small_bundle_says_that_it_is_not_whole_and_a_short_one_is_renewed() {
    let exchange = Exchange::start_with("[trust]\nbundle_bytes = 4096\nbundle_life = \"1m\"\n");
    let client = exchange.client().await;
    for number in 0..40 {
        let key = dex::client::keys::generate().public();
        let platform = dex::domain::Id::new(&format!("p{number}.net")).expect("an id");
        client.certify(&platform, "A platform", &key).await.expect("certified");
    }
    let mut bundle = fresh(&client, 0).await;
    while bundle.generation < 41 {
        bundle = fresh(&client, bundle.generation).await;
    }
    assert!(!bundle.complete && bundle.omitted > 0);
    assert_eq!(bundle.parties.len() as u64 + bundle.omitted, 41);
    assert_eq!(bundle.parties[0].party, address("operator:main"));
    let (_, bytes) = client.trust_bundle().await.expect("a bundle");
    assert!(bytes.len() <= 4096);
    let key = client.key().expect("a key");
    assert_eq!(bundle.holds(&address("plug:none"), &key, ids::now()), Ruling::LeftOut);
}

#[tokio::test]
async fn rest_serves_the_same_bytes_with_an_etag() {
    let gateway = Gateway::start();
    let answer = gateway.request(Method::GET, "/api/trust/bundle").send().await.expect("answers");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["cache-control"], "public, no-cache");
    let tag = answer.headers()["etag"].clone();
    let bytes = answer.bytes().await.expect("a body");
    let client = gateway.exchange.client().await;
    let root = Root { origin: client.origin(), keys: client.dex_keys() };
    let bundle = check(&bytes, root, ids::now()).expect("good");
    assert!(bundle.party(&address("operator:main")).is_some());
    let again = gateway.request(Method::GET, "/api/trust/bundle").header("if-none-match", tag);
    assert_eq!(again.send().await.expect("answers").status(), 304);
}

#[tokio::test]
async fn the_command_line_saves_it_shows_it_and_asks_it() {
    let exchange = Exchange::start();
    let cast = Cast::new(exchange.client().await, 1).await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let dex_key = cast.operator.dex_keys()[0].to_string();
    let plug_key = cast.plug.key().expect("a key").to_string();
    let file = exchange.path("bundle.json").display().to_string();
    let words = |line: &str| -> Vec<String> { line.split(' ').map(str::to_owned).collect() };
    let url = &exchange.nats;
    let done = dex(words(&format!("trust bundle --out {file} --dex-key {dex_key} --url {url} --json"))).await;
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    let told: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!(told["parties"], 4);
    let saved = std::fs::read(&file).expect("saved");
    let done = dex(words(&format!("trust bundle --dex-key {dex_key} --url {url}"))).await;
    assert_eq!(done.stdout, saved, "byte for byte");

    // From here on there is nobody to ask.
    let nobody = "--url nats://127.0.0.1:1";
    let may = async |plug: &str, namespace: &str, key: &str| {
        let line = format!("trust may {plug} {namespace} --with {key} --bundle {file} --dex-key {dex_key} {nobody}");
        let done = dex(words(&line)).await;
        (done.status.code(), String::from_utf8_lossy(&done.stdout).trim().to_owned())
    };
    assert_eq!(may("plug:facebook", "facebook", &plug_key).await.0, Some(0));
    let (code, says) = may("plug:facebook", "notes", &plug_key).await;
    assert_eq!(code, Some(1));
    assert!(says.contains("outside-namespace"), "{says}");
    let shown = dex(words(&format!("trust show --bundle {file} --dex-key {dex_key} {nobody}"))).await;
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("plug:facebook  active  facebook"), "{shown}");
    let (_, strange) = exchange.key("strange");
    let done = dex(words(&format!("trust show --bundle {file} --dex-key {strange} {nobody}"))).await;
    assert_eq!(done.status.code(), Some(1));
}

#[tokio::test]
async fn the_roles_of_an_app_are_told_by_the_version_that_is_published() {
    let exchange = Exchange::start();
    let operator = exchange.client().await;
    let (signer, key) = exchange.key("notables");
    let app = address("app:notables");
    let mut manifest: Value = serde_json::from_str(include_str!("../../src/domain/app/notables.json")).expect("JSON");
    manifest["permissions"]["rolesGranted"] =
        json!([{ "role": "namespacewrite", "detail": "rumpel" }, { "role": "applicationlist" }]);
    let own = operator.speaking(app.clone(), signer);
    let bring = async |action: &str, manifest: &Value| {
        let body = json!({ "key": key, "manifest": manifest }).to_string();
        own.send(Order::new(&app, &[action], body)).await.expect("brought");
    };
    bring("register", &manifest).await;
    operator.approve(&app, &key).await.expect("published");
    let mut first = fresh(&operator, 0).await;
    while first.party(&app).is_none() {
        first = fresh(&operator, first.generation).await;
    }
    assert_eq!(first.may_act(&app, &key, "namespacewrite", Some("rumpel"), ids::now()), Ruling::May);

    // A version that waits changes nothing; once it is published its roles count.
    manifest["info"]["version"] = json!("9.9.9");
    manifest["permissions"]["rolesGranted"] = json!([{ "role": "namespaceread", "detail": "rumpel" }]);
    bring("version", &manifest).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let (waits, _) = operator.trust_bundle().await.expect("a bundle");
    assert_eq!(waits.party(&app), first.party(&app));
    operator.approve(&app, &key).await.expect("published");
    let dex_key = operator.dex_keys()[0].to_string();
    let file = exchange.path("bundle.json").display().to_string();
    while fresh(&operator, 0).await.party(&app) == first.party(&app) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let words = |line: String| -> Vec<String> { line.split_whitespace().map(str::to_owned).collect() };
    let url = &exchange.nats;
    let done = dex(words(format!("trust bundle --out {file} --dex-key {dex_key} --url {url}"))).await;
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));

    let may = async |what: &str| {
        let asked = format!("trust may app:notables {what} --with {key} --bundle {file} --dex-key {dex_key}");
        let done = dex(words(asked)).await;
        let said = [done.stdout, done.stderr].map(|it| String::from_utf8_lossy(&it).into_owned()).concat();
        (done.status.code(), said)
    };
    let (code, said) = may("--role namespaceread --detail rumpel").await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("version 9.9.9, roles: namespaceread rumpel\n"), "{said}");
    let (code, said) = may("--role namespaceread --detail facebook --json").await;
    let told: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((code, &told["may"], &told["reason"]), (Some(1), &json!(false), &json!("not-permitted")));
    assert_eq!(told["roles"], json!([{ "role": "namespaceread", "detail": "rumpel" }]));
    let (code, said) = may("rumpel").await;
    assert_eq!(code, Some(1), "it may write no more: {said}");
    assert!(said.contains("outside-namespace"), "{said}");
    for wrong in ["", "rumpel --role namespaceread", "rumpel --detail x"] {
        assert_eq!(may(wrong).await.0, Some(2), "{wrong}");
    }
}
