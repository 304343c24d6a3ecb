//! Marked values through a whole run: where none may be, none is. A HAT's address, a name, a rare value, ids; the bus as
//! each client sees it, disk, logs, metrics, answers to queries.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use dex::client::{Item, Order, keys};
use dex::domain::command::Receipt;
use dex::domain::event::{DebitTerms, Verdict};
use dex::domain::pii::{Class, ClassSet, Word};
use dex::domain::{Digest, Id, Kind, Reason, Status};
use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::support::canary::{Seen, delivered, holding, in_common, listen, look_through, offered, organisation, until};
use crate::support::cast::{Cast, address, id, terms};
use crate::support::exchange::Exchange;
use crate::support::nats_server::TestServer;

/// Within which the exchanges of this test end by themselves, seconds.
const SHORT: u64 = 20;
/// A HAT that wants not to be known, by a word of its address and by its provider.
const HAT: &str = "quokka.hidden.net";
const MARKS_OF_HAT: [&str; 2] = ["quokka", "hidden"];
/// What its record holds, by class.
const NAME: &str = "Wilhelmina-Canary";
const ILL: &str = "plague-canary";
const RARE: &str = "rare-canary-1847";
const RECORD_ID: &str = "3f0c9d5e-0000-4000-8000-00c0ffee0001";
const UNIQUE_ID: &str = "fb-canary-77";
const CONTENT: [&str; 5] = [NAME, ILL, RARE, RECORD_ID, UNIQUE_ID];

fn records(n: usize) -> String {
    let data = json!({ "name": NAME, "address": HAT, "ill": ILL, "town": RARE, "likes": n });
    json!([{ "endpoint": "facebook/feed", "recordId": RECORD_ID, "sourceUniqueId": UNIQUE_ID, "data": data }])
        .to_string()
}

#[tokio::test]
async fn nothing_marked_is_where_it_may_not_be() {
    let broker = TestServer::start();
    let mut exchange = Exchange::on_with_env(&broker, &[("DEX__LOG__LEVEL", "info,dex=trace")]);
    let cast = Cast::new(exchange.client().await, 1).await;
    let operator = &cast.operator;
    let platform_key = keys::generate();
    operator.certify(&id("hidden.net"), "Hidden", &platform_key.public()).await.expect("certified");
    let platform = operator.speaking(address("platform:hidden.net"), platform_key);
    let key = keys::generate();
    platform.register_hat(&id(HAT), &key.public()).await.expect("registered");
    let hat = operator.speaking(address(&format!("hat:{HAT}")), key);
    hat.plug_connect(&id("facebook")).await.expect("connected");
    let fields = json!({
        "name": { "class": "direct" }, "address": { "class": "direct" }, "ill": { "class": "special" },
        "town": { "class": "quasi" }, "likes": { "class": "none" },
    });
    let word: Word = serde_json::from_value(json!({ "fields": fields })).expect("a word");
    operator.classify("facebook/feed", &word).await.expect("classified");

    let (blind, dark) = (organisation(operator, "blind").await, organisation(operator, "dark").await);
    let nats = async_nats::connect(broker.url()).await.expect("connected");
    let (heard_blind, heard_dark) = (listen(&nats, &blind).await, listen(&nats, &dark).await);
    let heard_acme = listen(&nats, &cast.org).await;
    offered(operator, &blind, &hat, "feeds-blind").await;
    offered(operator, &dark, &hat, "feeds-dark").await;
    let open = DebitTerms { classes: Some(ClassSet::of([Class::Direct, Class::Quasi])), ..terms(cast.org.party()) };
    cast.org.debit_propose(&hat.party().id, &id("open"), &open).await.expect("proposed");
    hat.debit_enable(&id("open")).await.expect("enabled");

    // Into the HAT, and out of it to all three at once.
    let mut mine = hat.deliveries().await.expect("an inbox");
    cast.plug.credit(&hat.party().id, records(0)).await.expect("credited");
    mine.next().await.expect("comes").expect("sound").accept().await.expect("settled");
    let within = Duration::from_secs(SHORT);
    let sent = hat.send(Order::data(&hat.party().id, records(1)).settle_within(within)).await.expect("fanned out");
    assert_eq!(sent.outcome.parts.len(), 3);
    let mut hidden: Vec<String> = sent.outcome.parts.iter().map(|part| part.exchange.to_string()).collect();
    hidden.push(sent.outcome.exchange.to_string());
    let counts: Vec<(u32, u32, u32)> =
        sent.outcome.parts.iter().map(|part| part.dropped).map(|it| (it.quasi, it.direct, it.special)).collect();
    assert_eq!(counts, [(0, 2, 1), (0, 2, 1), (0, 0, 1)], "feeds-blind, feeds-dark, open");

    // Settled with a wish for the proof, disputed, recalled, and left to expire.
    let mut inbox = blind.inbox().await.expect("an inbox");
    let mut others = dark.deliveries().await.expect("an inbox");
    let first = loop {
        match inbox.next().await.expect("goes on").expect("sound") {
            Item::Delivery(delivery) => break delivery,
            _ => continue,
        }
    };
    assert_eq!(first.source.kind, Kind::Pseudonym);
    let other = others.next().await.expect("goes on").expect("sound");
    assert_ne!(first.source, other.source);
    let (receipt, receipt_to) = (first.receipt_of(Verdict::Accepted, None), first.receipt_to.clone());
    let (delivery, asked) = (first.id, blind.message_id());
    let settled = Order::receipt(&receipt_to, &receipt).id(asked).want_proof();
    let settled = blind.send(settled).await.expect("settled");
    assert_eq!(settled.outcome.status, Status::Settled);
    assert!(settled.proof.is_none(), "the entry names the HAT");
    first.ignore().await;
    // Refused by way of the lane: the entry names the HAT as well.
    let late = Order::receipt(&receipt_to, &Receipt { count: 7, ..receipt.clone() }).want_proof();
    let late = blind.send(late).await;
    assert!(!format!("{late:?}").contains("quokka") && !format!("{late:?}").contains("cXVva2th"), "{late:?}");
    other.refuse("not wanted").await.expect("disputed");
    let release = || Order::release(&hat.party().id, &id("feeds-blind"), records(2)).settle_within(within);
    let recalled = hat.send(release()).await.expect("released");
    assert_eq!((recalled.outcome.count, recalled.outcome.dropped.direct), (1, 2));
    hidden.push(recalled.outcome.exchange.to_string());
    let mut second = None;
    hat.recall(&hat.party().id, recalled.outcome.exchange).await.expect("asked back");
    loop {
        match inbox.next().await.expect("goes on").expect("sound") {
            Item::Delivery(delivery) if Some(delivery.id) == recalled.outcome.delivery => second = Some(delivery),
            Item::Recall(recall) => {
                let delivery = second.take().expect("it came before");
                assert_eq!(recall.delivery, delivery.id);
                let outcome = delivery.give_back().await.expect("given back");
                assert_eq!(outcome.outcome.status, Status::Recalled);
                break;
            }
            _ => {}
        }
    }
    let expired = hat.send(release()).await.expect("released");
    hidden.push(expired.outcome.exchange.to_string());
    let last = expired.outcome.delivery.expect("named");
    let page = exchange.metrics().await;
    let counted = page.lines().find_map(|line| line.strip_prefix("dex_fields_dropped_total{class=\"direct\"} "));
    assert_eq!(counted, Some("8"), "two by each of four releases without personal data");
    assert_eq!(CONTENT.iter().chain(&MARKS_OF_HAT).find(|mark| page.contains(**mark)), None, "in metrics");
    // What a client may be given, a rare town, is not looked for: it is there where it was granted.
    let mut marks: Vec<&str> = MARKS_OF_HAT.to_vec();
    marks.extend([NAME, ILL, RECORD_ID, UNIQUE_ID]);
    marks.extend(hidden.iter().map(String::as_str));
    let seen = look_through(&broker, &[&blind, &dark], &marks, NAME);
    assert!(seen >= 10, "{seen} messages of the two in the broker's files");
    exchange.kill();
    exchange.restart();

    let known = operator.query("catalogue.show", r#"{"endpoint":"facebook/feed"}"#).await.expect("told");
    assert_eq!(known["fields"][1], json!({ "path": "ill", "class": "special" }), "also after a restart: {known}");

    // What the clients can ask.
    for question in [json!({ "id": delivery }), json!({ "id": asked }), json!({ "id": last })] {
        let refused = blind.query("exchange.trace", question.to_string()).await.expect_err("told to nobody");
        assert!(!refused.to_string().contains("quokka"), "{refused}");
    }
    let own = json!({ "id": recalled.outcome.exchange });
    let trace = until(&hat, "exchange.trace", own, |trace| trace["status"] == "recalled").await;
    assert_eq!(trace["steps"].as_array().map(Vec::len), Some(3), "{trace}");
    let claims = blind.query("offer.claims", r#"{"offer":"feeds-blind"}"#).await.expect("told");
    assert_eq!(claims["items"].as_array().map(Vec::len), Some(1), "{claims}");
    assert!(!claims.to_string().contains("quokka"), "{claims}");
    let pulled = blind.pull(&hat.party().id, &id("feeds-blind"), &Default::default()).await.expect_err("no such debit");
    assert_eq!(pulled.reason(), Some(Reason::DebitNotFound));
    let debit = claims["items"][0]["debit"].as_str().expect("an id").to_owned();

    // All is over.
    for exchange in &hidden[..3] {
        let question = json!({ "id": exchange });
        until(&hat, "exchange.trace", question, |trace| trace["status"].as_str().is_some_and(|it| it != "accepted"))
            .await;
    }
    let gone = json!({ "id": expired.outcome.exchange });
    until(&hat, "exchange.trace", gone, |trace| trace["status"] == "expired").await;

    let (seen_blind, seen_dark) = (delivered(&heard_blind), delivered(&heard_dark));
    assert!(seen_blind.len() >= 3 && !seen_dark.is_empty());
    assert!(seen_blind.iter().all(|seen| seen.header("Dex-Authority") == format!("debit:{debit}")));
    let sources: BTreeSet<&str> = seen_blind.iter().map(|seen| seen.header("Dex-Source")).collect();
    assert_eq!(sources.len(), 1, "one pseudonym for one client: {sources:?}");
    assert_eq!(in_common(&seen_blind, &seen_dark), Vec::<String>::new());
    let ids = |seen: &[Seen]| -> BTreeSet<String> {
        let bodies = seen.iter().filter_map(|seen| serde_json::from_str::<Value>(&seen.body).ok());
        bodies.flat_map(|body| [body[0]["recordId"].to_string(), body[0]["sourceUniqueId"].to_string()]).collect()
    };
    assert_eq!(ids(&seen_blind).len(), 2, "the same record has the same ids for one client");
    assert!(ids(&seen_blind).is_disjoint(&ids(&seen_dark)));
    for seen in heard_blind.lock().expect("no panic").iter().chain(heard_dark.lock().expect("no panic").iter()) {
        let text = seen.text();
        for mark in MARKS_OF_HAT.iter().chain(&[NAME, ILL, RECORD_ID, UNIQUE_ID]) {
            assert!(!text.contains(mark), "{mark} in {text}");
        }
        assert!(!hidden.iter().any(|id| text.contains(id)), "an id of the HAT's in {text}");
        let times: BTreeSet<&str> = hidden.iter().map(|id| &id[..13]).collect();
        assert!(!times.contains(&seen.header("Dex-Id").get(..13).unwrap_or_default()), "its time in {text}");
    }
    let acme: String = delivered(&heard_acme).iter().map(Seen::text).collect();
    assert!(acme.contains(NAME) && acme.contains("quokka") && acme.contains(RARE), "what is granted comes: {acme}");
    assert!(!acme.contains(ILL), "{acme}");

    // Where content may never be, and where no longer.
    let page = exchange.metrics().await;
    assert_eq!(CONTENT.iter().chain(&MARKS_OF_HAT).find(|mark| page.contains(**mark)), None, "in metrics");
    exchange.kill();
    exchange.restart();
    let log = exchange.log().join("\n");
    assert_eq!(CONTENT.iter().find(|mark| log.contains(**mark)), None, "in the log");
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let found = holding(&exchange.path("state"), &CONTENT);
        if found.is_empty() {
            break;
        }
        assert!(found.iter().all(|file| file.contains("/spool/")), "{found:?}");
        assert!(Instant::now() < deadline, "the spool lets go: {found:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let digest = Digest::of(records(1).as_bytes()).to_string();
    assert!(!delivered(&heard_blind).iter().any(|seen| seen.text().contains(&digest)), "the HAT's own digest");
    let stream = broker.link("after").await.jetstream.get_stream("DEX_OUT").await.expect("there");
    for client in [&blind, &dark] {
        let token = Id::to_token(&client.party().id);
        let subject = format!("dex.v1.out.org.{token}.delivery.feeds-{token}");
        assert!(stream.get_last_raw_message_by_subject(&subject).await.is_err(), "over, and gone from DEX_OUT");
    }
    let mut marks: Vec<&str> = MARKS_OF_HAT.to_vec();
    marks.extend([NAME, ILL, RECORD_ID, UNIQUE_ID]);
    marks.extend(hidden.iter().map(String::as_str));
    look_through(&broker, &[&blind, &dark], &marks, "quokka");
}
