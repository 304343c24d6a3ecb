//! Marked values in large content, in answers to pulls by a pseudonym, and from a HAT behind the HTTP bridge: none where
//! none may be. Secrets are nowhere.

use std::collections::BTreeSet;
use std::time::Duration;

use dex::http::resolve::Fixed;
use dex::bridge::hat::{Door, DoorOptions};
use dex::bridge::{Onboarded, Onboarding};
use dex::client::{Client, Delivery, Item, Order, keys};
use dex::domain::command::PullAsk;
use dex::domain::pii::Word;
use dex::domain::{Id, Kind, Status};
use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::support::canary::{
    Seen, delivered, holding, in_common, listen, look_through, name_of_claim, offer, offered, organisation, standing,
};
use crate::support::cast::{Cast, address, id};
use crate::support::exchange::Exchange;
use crate::support::http_hat::{HttpHats, PLATFORM};
use crate::support::large::PATIENCE;
use crate::support::nats_server::TestServer;

const NAME: &str = "Wilhelmina-Canary";
const TOWN: &str = "rare-canary-1847";
const RECORD_ID: &str = "3f0c9d5e-0000-4000-8000-00c0ffee0001";

fn record(n: usize, more: &str) -> Value {
    let data = json!({ "name": NAME, "town": TOWN, "likes": n, "more": more });
    json!({ "endpoint": "facebook/feed", "recordId": RECORD_ID, "data": data })
}

/// What a client may be given of the records: the fields that say no name.
async fn classified(operator: &Client) {
    let fields = json!({ "name": { "class": "direct" }, "town": { "class": "quasi" }, "likes": { "class": "none" } });
    let word: Word = serde_json::from_value(json!({ "fields": fields })).expect("a word");
    operator.classify("facebook/feed", &word).await.expect("classified");
}

/// What came in a delivery; that it is settled.
async fn taken(delivery: Delivery) -> (Vec<u8>, Seen) {
    let mut came = Vec::new();
    let seen = Seen {
        subject: String::new(),
        headers: vec![
            ("Dex-Id".into(), delivery.id.to_string()),
            ("Dex-Source".into(), delivery.source.to_string()),
            ("Dex-Digest".into(), delivery.digest.to_string()),
        ],
        body: String::new(),
    };
    assert_eq!(delivery.source.kind, Kind::Pseudonym);
    if delivery.object().is_some() {
        delivery.download(&mut came).await.expect("whole");
    } else {
        came.extend_from_slice(delivery.records());
    }
    let settled = delivery.accept().await.expect("settled");
    assert_eq!(settled.outcome.status, Status::Settled);
    (came, seen)
}

fn unmarked(bytes: &[u8], marks: &[&str]) {
    let text = String::from_utf8_lossy(bytes);
    assert_eq!(marks.iter().find(|mark| text.contains(**mark)), None, "in what a client was given");
}

#[tokio::test]
async fn large_content_and_pulls_by_a_pseudonym_tell_nothing() {
    const HAT: &str = "quokka.hidden.net";
    let marks = ["quokka", "hidden", NAME, RECORD_ID];
    let broker = TestServer::start();
    let exchange = Exchange::on_with_env(&broker, &[("DEX__LOG__LEVEL", "info,dex=trace")]);
    let cast = Cast::new(exchange.client().await, 0).await;
    let operator = &cast.operator;
    let platform_key = keys::generate();
    operator.certify(&id("hidden.net"), "Hidden", &platform_key.public()).await.expect("certified");
    let key = keys::generate();
    let secrets = [platform_key.seed_text().to_string(), key.seed_text().to_string()];
    let platform = operator.speaking(address("platform:hidden.net"), platform_key);
    platform.register_hat(&id(HAT), &key.public()).await.expect("registered");
    let hat = operator.speaking(address(&format!("hat:{HAT}")), key);
    classified(operator).await;
    let (blind, dark) = (organisation(operator, "blind").await, organisation(operator, "dark").await);
    let nats = async_nats::connect(broker.url()).await.expect("connected");
    let (heard_blind, heard_dark) = (listen(&nats, &blind).await, listen(&nats, &dark).await);
    offered(operator, &blind, &hat, "feeds-blind").await;
    offered(operator, &dark, &hat, "feeds-dark").await;

    // To both at once, by one upload.
    let filler = "x".repeat(1000);
    let many: Vec<Value> = (0..1500).map(|n| record(n, &filler)).collect();
    let text = Value::from(many).to_string();
    let sent = hat.data_large(text.as_bytes(), PATIENCE).await.expect("fanned out");
    assert_eq!(sent.outcome.parts.len(), 2);
    let mut hidden: Vec<String> = sent.outcome.parts.iter().map(|part| part.exchange.to_string()).collect();
    hidden.push(sent.outcome.exchange.to_string());
    let mut to_blind = blind.deliveries().await.expect("an inbox");
    let mut to_dark = dark.deliveries().await.expect("an inbox");
    let (came, one) = taken(to_blind.next().await.expect("goes on").expect("sound")).await;
    let (other, two) = taken(to_dark.next().await.expect("goes on").expect("sound")).await;
    unmarked(&came, &marks);
    unmarked(&other, &marks);
    let ids = |came: &[u8]| -> BTreeSet<String> {
        let all: Vec<Value> = serde_json::from_slice(came).expect("an array");
        assert_eq!(all.len(), 1500);
        all.iter().map(|record| record["recordId"].to_string()).collect()
    };
    assert!(ids(&came).is_disjoint(&ids(&other)), "each has ids of its own");
    assert_eq!(in_common(&[one], &[two]), Vec::<String>::new());

    // By a pull of each, answered with a body and with large content.
    let mut asked = hat.inbox().await.expect("an inbox");
    let mut pulls = Vec::new();
    for (org, name, large) in [(&blind, "feeds-blind", false), (&dark, "feeds-dark", true)] {
        let debit: Id = name_of_claim(org, name).await;
        let ask = PullAsk { limit: Some(2), ..PullAsk::default() };
        let pull = org.send(Order::pull_unnamed(&id(name), &debit, &ask).want_proof()).await.expect("asked");
        assert_eq!(pull.outcome.status, Status::Accepted);
        assert!(pull.proof.is_none(), "the entry names the HAT");
        let request = loop {
            match asked.next().await.expect("goes on").expect("sound") {
                Item::Request(request) => break request,
                _ => continue,
            }
        };
        assert_eq!((request.source.clone(), request.pull), (org.party().clone(), pull.outcome.exchange));
        let answer = match large {
            false => request.release(json!([record(1, "a"), record(2, "b"), record(3, "c")]).to_string()).await,
            true => request.release_large(text.as_bytes(), PATIENCE).await,
        };
        let answer = answer.expect("answered");
        assert_eq!(answer.outcome.count, 2);
        hidden.push(answer.outcome.exchange.to_string());
        pulls.push(pull.outcome.exchange);
    }
    for (inbox, pull) in [(&mut to_blind, pulls[0]), (&mut to_dark, pulls[1])] {
        let delivery = inbox.next().await.expect("goes on").expect("sound");
        assert_eq!(delivery.pull, Some(pull));
        unmarked(&taken(delivery).await.0, &marks);
    }
    for (org, pull) in [(&blind, pulls[0]), (&dark, pulls[1])] {
        let refused = org.query("exchange.trace", json!({ "id": pull }).to_string()).await.expect_err("told to nobody");
        assert!(!refused.to_string().contains("quokka"), "{refused}");
        let question = Order::new(&address(&format!("hat:{HAT}")), &["recall", &pull.to_string()], "");
        let by_address = org.send(question).await.expect_err("nothing is found by trying addresses");
        assert_eq!(by_address.reason(), Some(dex::domain::Reason::NotFound));
    }
    // Its final outcome has come to who asked.
    let told = |heard: &crate::support::canary::Heard, pull: &dex::domain::MessageId| {
        let heard = heard.lock().expect("no panic");
        heard.iter().any(|seen| seen.body.contains(&pull.to_string()) && seen.body.contains("settled"))
    };
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while !(told(&heard_blind, &pulls[0]) && told(&heard_dark, &pulls[1])) {
        assert!(std::time::Instant::now() < deadline, "the pulls are settled");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for heard in [&heard_blind, &heard_dark] {
        for seen in heard.lock().expect("no panic").iter() {
            let text = seen.text();
            let found = marks.iter().find(|mark| text.contains(**mark));
            assert_eq!(found, None, "in {text}");
            assert!(!hidden.iter().any(|id| text.contains(id)), "an id of the HAT's in {text}");
        }
    }
    assert_eq!(in_common(&delivered(&heard_blind), &delivered(&heard_dark)), Vec::<String>::new());

    // In the broker's files, chunks and their subjects too.
    let mut all: Vec<&str> = marks.to_vec();
    all.extend(hidden.iter().map(String::as_str));
    let seen = look_through(&broker, &[&blind, &dark], &all, NAME);
    assert!(seen > 20, "{seen} messages of the two");
    // Neither content nor a secret in log, metrics or ledger; a secret nowhere at all.
    let own = std::fs::read_to_string(exchange.path("state/dex.seed")).expect("there").trim().to_owned();
    let secret: Vec<&str> = secrets.iter().map(String::as_str).chain([own.as_str()]).collect();
    let log = exchange.log().join("\n");
    let page = exchange.metrics().await;
    for mark in [NAME, TOWN, RECORD_ID].iter().chain(&secret) {
        assert!(!log.contains(*mark) && !page.contains(*mark), "in the log or the metrics");
    }
    assert_eq!(holding(&exchange.path("state/ledger"), &[NAME, TOWN, RECORD_ID]), Vec::<String>::new());
    assert_eq!(holding(&broker.stored("DEX_OUT").join("../.."), &secret), Vec::<String>::new());
    let found = holding(&exchange.path("state"), &secret);
    assert!(found.iter().all(|file| file.contains("dex.seed")), "{found:?}");
}

#[tokio::test]
async fn a_hat_behind_the_bridge_stays_unknown() {
    const HAT: &str = "quokka.only-http.net";
    let marks = ["quokka", "only-http", NAME];
    let hats = HttpHats::start();
    let broker = TestServer::start();
    let folder = tempfile::tempdir().expect("folder");
    let password = folder.path().join("password");
    std::fs::write(&password, PLATFORM.1).expect("written");
    let resolve = hats.resolve("only-http.net");
    let more = format!(
        "[bridge]\nenabled = true\nplain_http = true\nprivate_addresses = true\nresolve = [{resolve:?}]\n\
         roster_every = \"200ms\"\ndebits_every = \"200ms\"\ndebits_every_max = \"400ms\"\nkey_every = \"300ms\"\n\
         [[bridge.account]]\ndomain = \"only-http.net\"\nusername = {:?}\npassword = {:?}",
        PLATFORM.0,
        format!("file:{}", password.display()),
    );
    let exchange = Exchange::tuned(&broker, &more);
    let cast = Cast::new(exchange.client().await, 0).await;
    let operator = &cast.operator;
    let key = keys::load(&exchange.path("state/bridge.key")).expect("made at start");
    let bridge = operator.speaking(address("bridge:dex.test"), key);
    let door = DoorOptions {
        plain: true,
        private: true,
        fixed: vec![Fixed::parse(&resolve).expect("reads")],
        limit: Duration::from_secs(1),
        ..DoorOptions::default()
    };
    let onboarding = Onboarding::new(bridge.clone(), Door::new(&door).expect("built"), 8);
    assert_eq!(onboarding.onboard(&id(HAT)).await.expect("onboarded"), Onboarded::Registered);
    classified(operator).await;
    let blind = organisation(operator, "blind").await;
    let nats = async_nats::connect(broker.url()).await.expect("connected");
    let heard = listen(&nats, &blind).await;
    offer(operator, &blind, "feedsblind").await;
    bridge.send(Order::claim(&id(HAT), &id("feedsblind"))).await.expect("asked");
    standing(operator, HAT, "feedsblind", "proposed").await;
    for n in 0..3 {
        hats.keep(HAT, "facebook/feed", &json!({ "name": NAME, "town": TOWN, "likes": n }));
    }
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while hats.debit(HAT, "feedsblind").is_none() {
        assert!(std::time::Instant::now() < deadline, "the HAT has the debit");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    hats.enable(HAT, "feedsblind");
    standing(operator, HAT, "feedsblind", "active").await;

    let debit = name_of_claim(&blind, "feedsblind").await;
    let ask = PullAsk { limit: Some(2), ..PullAsk::default() };
    let mut inbox = blind.deliveries().await.expect("an inbox");
    let pull = blind.pull_unnamed(&id("feedsblind"), &debit, &ask).await.expect("asked").outcome.exchange;
    let delivery = inbox.next().await.expect("goes on").expect("sound");
    assert_eq!((delivery.pull, delivery.count), (Some(pull), 2));
    let (came, _) = taken(delivery).await;
    unmarked(&came, &marks);
    let records: Value = serde_json::from_slice(&came).expect("JSON");
    assert_eq!(records[0]["data"]["town"], TOWN, "what is granted comes: {records}");
    for seen in heard.lock().expect("no panic").iter() {
        let text = seen.text();
        assert_eq!(marks.iter().find(|mark| text.contains(**mark)), None, "in {text}");
    }
    assert!(look_through(&broker, &[&blind], &marks, NAME) >= 4);
    let log = exchange.log().join("\n");
    let page = exchange.metrics().await;
    for mark in [NAME, TOWN, PLATFORM.1] {
        assert!(!log.contains(mark) && !page.contains(mark), "{mark} in the log or the metrics");
    }
    assert_eq!(holding(&exchange.path("state/ledger"), &[NAME, TOWN]), Vec::<String>::new());
}
