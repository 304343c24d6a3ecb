//! The verbs about classes of personal data, against a daemon: said, shown, bounded, granted, tried on records.

use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::cast::Cast;
use crate::support::exchange::Exchange;

fn dex(exchange: &Exchange, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dex"))
        .args(arguments)
        .env("DEX_URL", &exchange.nats)
        .env_remove("DEX_KEY")
        .env_remove("DEX_PARTY")
        .output()
        .expect("it runs")
}

fn ok(exchange: &Exchange, arguments: &[&str]) -> String {
    let output = dex(exchange, arguments);
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "dex {arguments:?}: {err}");
    String::from_utf8(output.stdout).expect("text")
}

fn told(exchange: &Exchange, arguments: &[&str]) -> Value {
    serde_json::from_str(&ok(exchange, &[arguments, &["--json"]].concat())).expect("JSON")
}

#[tokio::test]
async fn classes_are_said_shown_bounded_and_granted_by_verbs() {
    let exchange = Exchange::start();
    let cast = Cast::new(exchange.client().await, 1).await;
    let key = exchange.path("operator.key");
    let operator = ["--as", "operator:main", "--key", key.to_str().expect("plain")];
    let classify = ["catalogue", "classify", "facebook/feed", "--class", "quasi", "--field", "name=direct"];
    ok(&exchange, &[&classify[..], &["--describe", "name=who posted it"], &operator].concat());
    let shown = told(&exchange, &["catalogue", "show", "facebook/feed"]);
    let field = json!({ "path": "name", "class": "direct", "description": "who posted it" });
    assert_eq!((&shown["class"], &shown["fields"]), (&json!("quasi"), &json!([field])));
    assert_eq!(shown["basis"][0]["entity"], "dex:dex.test");
    assert!(ok(&exchange, &["catalogue", "show", "facebook/feed"]).contains("name  direct  who posted it"));
    ok(&exchange, &[&["org", "allow", "acme", "none,quasi"][..], &operator].concat());
    let acme = told(&exchange, &["org", "show", "acme"]);
    assert_eq!(acme["classes"], json!(["none", "quasi"]));
    ok(&exchange, &[&["org", "allow", "acme", "any"][..], &operator].concat());
    assert!(told(&exchange, &["org", "show", "acme"])["classes"].is_null());

    // A client says what it asks for; the owner sees it.
    let hat = cast.hat(0).to_string();
    let acme = exchange.key("acme-new").1;
    cast.org.rotate_key(&acme).await.expect("rotated");
    let own = exchange.path("acme-new.key");
    let own = ["--as", "org:acme", "--key", own.to_str().expect("plain")];
    let propose = ["debit", "propose", &hat, "acme.feed", "--purpose", "A study", "--endpoint", "facebook/feed"];
    ok(&exchange, &[&propose[..], &["--classes", "quasi"], &own].concat());
    let debit = told(&exchange, &["debit", "show", &hat, "acme.feed"]);
    assert_eq!(debit["revisions"][0]["terms"]["classes"], json!(["none", "quasi"]));

    // Everything is taken back; what is wrong is said before anything is sent.
    ok(&exchange, &[&["catalogue", "classify", "facebook/feed"][..], &operator].concat());
    assert_eq!(told(&exchange, &["catalogue", "show", "facebook/feed"])["class"], "direct");
    for wrong in [
        &["catalogue", "classify", "a/b", "--field", "name"][..],
        &["catalogue", "classify", "a/b", "--field", "name=secret"],
        &["catalogue", "classify", "a/b", "--class", "personal"],
        &["org", "allow", "acme", "quasi,names"],
        &["debit", "propose", &hat, "x", "--purpose", "p", "--endpoint", "a/b", "--classes", "all"],
    ] {
        let output = dex(&exchange, &[wrong, &operator].concat());
        assert_eq!(output.status.code(), Some(2), "dex {wrong:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_bundle_is_explained_with_the_fields_that_classes_leave_out() {
    let bundle =
        r#"{"name":"b","bundle":{"p":{"endpoints":[{"endpoint":"x/feed","mapping":{"who":"from","n":"likes"}}]}}}"#;
    let records = r#"[{"endpoint":"x/feed","data":{"from":{"name":"Bob"},"likes":1}}]"#;
    let manifest =
        r#"{"description":"d","url":"https://x.example","endpoints":[{"name":"feed","fields":{"likes":"none"}}]}"#;
    let run = |more: &[&str]| {
        let start = ["bundle", "explain", bundle, "--records", records];
        let output = Command::new(env!("CARGO_BIN_EXE_dex")).args(start).args(more).output().expect("it runs");
        (output.status.code(), String::from_utf8(output.stdout).expect("text"))
    };
    let known = ["--classes", "none", "--manifest", manifest, "--namespace", "x"];
    let (code, said) = run(&known);
    assert_eq!(code, Some(0));
    assert!(said.contains("left out for their class: who.name\n"), "{said}");
    let (_, said) = run(&[&known[..], &["--json"]].concat());
    let said: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(said[0]["leftOut"], json!({ "fields": ["who.name"], "counts": { "direct": 1 } }));
    assert!(run(&["--classes", "none"]).1.contains("n, who.name"), "what nobody has classified is direct");
    assert!(!run(&[]).1.contains("left out"));
}
