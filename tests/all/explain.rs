//! What a message would come to, explained by a running exchange, and then what it does come to.

use std::process::Command;

use bytes::Bytes;
use dex::client::{Client, ClientError, Order, ids};
use dex::domain::{Address, MessageId, Reason};
use dex::wire::{MessageOptions, Signer, message_id_v7, outgoing};
use serde_json::{Value, json};

use crate::support::cast::{RECORD, address, id};
use crate::support::exchange::Exchange;

const HAT: &str = "hat:bob.hubat.net";
const PLUG: &str = "plug:facebook";

fn fresh(back_seconds: u64) -> MessageId {
    message_id_v7(ids::now().unix_ms() - back_seconds * 1000, rand::random())
}

struct Stage {
    exchange: Exchange,
    operator: Client,
    hat: Client,
    plug: Client,
}

/// A plug and a HAT, not connected yet.
async fn stage() -> Stage {
    let exchange = Exchange::start();
    let operator = exchange.client().await;
    let (signer, key) = exchange.key("platform");
    operator.certify(&id("hubat.net"), "Platform", &key).await.expect("certified");
    let platform = operator.speaking(address("platform:hubat.net"), signer);
    let (signer, key) = exchange.key("plug");
    let plug = operator.speaking(address(PLUG), signer);
    plug.register_plug("Facebook", "facebook").await.expect("registered");
    operator.approve(&address(PLUG), &key).await.expect("approved");
    let (signer, key) = exchange.key("hat");
    platform.register_hat(&id("bob.hubat.net"), &key).await.expect("registered");
    let hat = operator.speaking(address(HAT), signer);
    Stage { exchange, operator, hat, plug }
}

impl Stage {
    async fn ask(&self, signer: Option<&Signer>, from: &str, action: &[&str], id: MessageId, body: &str) -> Value {
        let from: Address = address(from);
        let options = MessageOptions::default();
        let body = Bytes::from(body.to_owned());
        let message =
            outgoing::message_in(signer, "dex.test", &from, &address(HAT), action, id, &options, body.clone());
        let headers: serde_json::Map<String, Value> =
            message.headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let body = String::from_utf8(body.to_vec()).expect("text");
        let question = json!({ "subject": message.subject, "headers": headers, "body": body });
        self.operator.query("exchange.explain", question.to_string().into_bytes()).await.expect("answered")
    }

    /// The plug's credit: explained, then sent; both must come to the same.
    async fn credit(&self, body: &str) -> Value {
        let id = fresh(0);
        let (signer, _) = self.exchange.key("plug");
        let told = self.ask(Some(&signer), PLUG, &["credit", "facebook"], id, body).await;
        let order = Order::new(&address(HAT), &["credit", "facebook"], body.to_owned()).id(id);
        let came = match self.plug.send(order).await {
            Ok(outcome) => (json!(outcome.outcome.status), json!(outcome.outcome.reason)),
            Err(ClientError::Refused(refusal)) => (json!("rejected"), json!(refusal.reason)),
            Err(error) => panic!("{error}"),
        };
        assert_eq!((told["verdict"].clone(), told["reason"].clone()), came, "{told}");
        // Once it was sent, that is all that is told.
        if told["reason"] != "malformed" {
            let again = self.ask(Some(&signer), PLUG, &["credit", "facebook"], id, body).await;
            assert_eq!(again["verdict"], "repeat", "{again}");
            assert_eq!(again.get("basis"), None);
        }
        told
    }
}

fn failed(told: &Value) -> Option<&str> {
    let checks = told["checks"].as_array().expect("checks");
    checks.iter().find(|check| check["passed"] == false).and_then(|check| check["rule"].as_str())
}

#[tokio::test]
async fn what_is_explained_is_what_happens() {
    let stage = stage().await;
    let told = stage.credit(RECORD).await;
    assert_eq!((failed(&told), &told["reason"]), (Some("authority"), &json!("not-connected")));
    assert_eq!(told["checks"].as_array().expect("checks").last().expect("one")["passed"], Value::Null);
    stage.hat.plug_connect(&id("facebook")).await.expect("connected");
    let told = stage.credit(RECORD).await;
    assert_eq!((failed(&told), &told["verdict"]), (None, &json!("accepted")));
    let basis = told["basis"].as_array().expect("a basis");
    assert!(basis.len() >= 2 && basis.iter().all(|it| it["leaf"].is_u64()), "{told}");
    let told = stage.credit(r#"[{"endpoint":"notes/x","data":{}}]"#).await;
    assert_eq!((failed(&told), &told["reason"]), (Some("authority"), &json!("outside-namespace")));
    let told = stage.credit("[1").await;
    assert_eq!(failed(&told), Some("form"));
    stage.operator.suspend(&address(PLUG)).await.expect("suspended");
    let told = stage.credit(RECORD).await;
    assert_eq!((failed(&told), &told["reason"]), (Some("authority"), &json!("suspended")));
    let (signer, _) = stage.exchange.key("plug");
    let told = stage.ask(Some(&signer), PLUG, &["credit", "facebook"], fresh(7200), RECORD).await;
    assert_eq!((failed(&told), &told["reason"]), (Some("age"), &json!("stale")));
    let told = stage.ask(Some(&signer), PLUG, &["suspend"], fresh(0), "").await;
    assert_eq!((failed(&told), &told["refused"]), (Some("action"), &json!(true)));
}

#[tokio::test]
async fn who_is_not_the_sender_learns_nothing_of_others() {
    let stage = stage().await;
    let (strange, _) = stage.exchange.key("strange");
    let seen = async |stage: &Stage| {
        let unsigned = stage.ask(None, PLUG, &["credit", "facebook"], fresh(0), RECORD).await;
        let strange = stage.ask(Some(&strange), PLUG, &["credit", "facebook"], fresh(0), RECORD).await;
        let nobody = stage.ask(Some(&strange_key(stage)), "plug:nobody", &["credit", "nobody"], fresh(0), RECORD).await;
        [unsigned, strange, nobody].map(|mut told| {
            told["at"] = Value::Null;
            told
        })
    };
    let before = seen(&stage).await;
    assert_eq!(before[0]["verdict"], "unknown");
    assert_eq!(before[1]["reason"], "bad-signature");
    assert_eq!(before[2]["reason"], "unknown-party");
    // Whatever the state is, they are told the same.
    stage.hat.plug_connect(&id("facebook")).await.expect("connected");
    assert_eq!(seen(&stage).await, before);
    stage.operator.suspend(&address(HAT)).await.expect("suspended");
    assert_eq!(seen(&stage).await, before);
    // Nor can it be used as a load.
    let mut refused = 0;
    for _ in 0..200 {
        let question = json!({ "subject": "dex.v1.in.hat.bob.data", "headers": {}, "body": "" }).to_string();
        match stage.operator.query("exchange.explain", question.into_bytes()).await {
            Ok(told) => assert_eq!(told["verdict"], "rejected"),
            Err(error) => {
                assert_eq!(error.reason(), Some(Reason::OverQuota), "{error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0);
}

fn strange_key(stage: &Stage) -> Signer {
    stage.exchange.key("strange").0
}

#[tokio::test]
async fn the_command_line_explains_what_dex_sign_prints() {
    let stage = stage().await;
    let file = stage.exchange.path("message.json");
    let dex = |arguments: Vec<String>| {
        let done = Command::new(env!("CARGO_BIN_EXE_dex")).args(arguments).output().expect("runs");
        (done.status.code(), String::from_utf8_lossy(&done.stdout).into_owned(), done.stdout)
    };
    let words = |line: String| -> Vec<String> { line.split(' ').map(str::to_owned).collect() };
    let key = stage.exchange.path("plug.key");
    let records = stage.exchange.path("records.json");
    std::fs::write(&records, RECORD).expect("written");
    let sign = format!(
        "sign --as {PLUG} --key {} --to {HAT} --action credit.facebook --body @{} --origin dex.test --json",
        key.display(),
        records.display()
    );
    let (code, _, bytes) = dex(words(sign));
    assert_eq!(code, Some(0));
    std::fs::write(&file, bytes).expect("written");
    let explain = format!("exchange explain {} --url {}", file.display(), stage.exchange.nats);
    let (code, told, _) = dex(words(explain.clone()));
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("not-connected") && told.contains("FAILED") && told.contains("not reached"), "{told}");
    stage.hat.plug_connect(&id("facebook")).await.expect("connected");
    let (code, told, _) = dex(words(explain));
    assert_eq!(code, Some(0), "{told}");
    assert!(told.starts_with("accepted") && told.contains("rests on entry"), "{told}");
}
