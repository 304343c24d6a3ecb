//! Notices over the real daemon: posted, fanned out through a kill, listed, bounded, over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use dex::client::{Client, ClientError, keys};
use dex::domain::notice::{Notice, Target};
use dex::domain::{Id, Reason, Timestamp};
use futures_util::StreamExt;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::cast::{Cast, address, id};
use crate::support::exchange::Exchange;
use crate::support::gateway::{Gateway, hat_token};
use crate::support::nats_server::TestServer;

fn now() -> Timestamp {
    dex::client::ids::now()
}

fn notice(message: &str, target: Target) -> Notice {
    Notice { message: message.into(), target, expires: None }
}

fn hats(names: &[&Id]) -> Target {
    Target { with_hat_address: names.iter().map(|name| (*name).clone()).collect(), ..Target::default() }
}

async fn post(client: &Client, notice: &Notice) -> Uuid {
    let outcome = client.post_notice(notice).await.expect("posted");
    outcome.outcome.delivery.expect("the notice's id")
}

fn refused(result: Result<dex::wire::OutcomeOut, ClientError>) -> Reason {
    match result {
        Err(ClientError::Refused(refusal)) => refusal.reason,
        other => panic!("{other:?}"),
    }
}

/// Asks for the notice until every HAT was looked at.
async fn told(client: &Client, notice: Uuid) -> Value {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let shown = client.query("notice.show", json!({ "notice": notice }).to_string()).await;
        if let Ok(shown) = &shown
            && shown["told"]["done"] == true
        {
            return shown["told"].clone();
        }
        assert!(Instant::now() < deadline, "{shown:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn texts(client: &Client, hat: &Id) -> Vec<String> {
    let page = client.notices_for(hat, None).await.expect("listed");
    let items = page["items"].as_array().expect("a list").clone();
    items.iter().map(|item| item["message"].as_str().expect("a text").to_owned()).collect()
}

#[tokio::test]
async fn two_thousand_hats_get_it_once_in_effect_whatever_is_killed() {
    const HATS: usize = 2000;
    let broker = TestServer::start();
    let mut exchange = Exchange::tuned(&broker, "[dispatch]\nnotices_per_second = 1000");
    let operator = exchange.client().await;
    let key = keys::generate();
    operator.certify(&id("crowd.net"), "Crowd", &key.public()).await.expect("certified");
    let platform = operator.speaking(address("platform:crowd.net"), key);
    let crowd = futures_util::stream::iter(0..HATS).map(|number| {
        let platform = &platform;
        async move {
            let name = id(&format!("h{number}.crowd.net"));
            platform.register_hat(&name, &keys::generate().public()).await.expect("registered");
            name
        }
    });
    let names: BTreeSet<Id> = crowd.buffer_unordered(200).collect().await;
    let id = post(&operator, &notice("All is well.", Target::default())).await;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(330)).await;
        exchange.kill();
        exchange.restart();
    }
    let operator = exchange.client().await;
    let told = told(&operator, id).await;
    assert_eq!(told, json!({ "published": HATS, "listed": 0, "passed": 0, "done": true }), "each HAT counted once");

    // What is stored for each HAT: at least one copy, all of them under one id, and each HAT's another one.
    let link = broker.link("reader").await;
    let stream = link.jetstream.get_stream("DEX_OUT").await.expect("there");
    let config = async_nats::jetstream::consumer::pull::Config {
        filter_subject: "dex.v1.out.hat.*.notice".into(),
        ack_policy: async_nats::jetstream::consumer::AckPolicy::None,
        ..Default::default()
    };
    let mut consumer = stream.create_consumer(config).await.expect("made");
    let mut copies: BTreeMap<Id, BTreeSet<String>> = BTreeMap::new();
    let stored = consumer.info().await.expect("told").num_pending;
    assert!(stored < 2 * HATS as u64, "it does not begin anew each time: {stored}");
    let mut messages = consumer.messages().await.expect("read");
    for _ in 0..stored {
        let message = messages.next().await.expect("one more").expect("readable");
        let hat = Id::from_token(message.subject.split('.').nth(4).expect("a HAT")).expect("an id");
        let headers = message.headers.clone().expect("headers");
        copies.entry(hat).or_default().insert(headers.get("Dex-Id").expect("an id").to_string());
        assert!(headers.get("Nats-TTL").is_some(), "it expires");
    }
    let left_out: Vec<&Id> = names.iter().filter(|name| !copies.contains_key(*name)).collect();
    assert!(left_out.is_empty() && copies.len() == HATS, "left out: {left_out:?}");
    assert!(copies.values().all(|ids| ids.len() == 1), "one id for each HAT");
    assert_eq!(copies.values().flatten().collect::<BTreeSet<_>>().len(), HATS);
}

#[tokio::test]
async fn who_may_tell_whom_and_how_often() {
    let exchange = Exchange::start_with("[limits]\nnotices_per_hour = 3");
    let cast = Cast::new(exchange.client().await, 4).await;
    cast.debit(1, "steps").await;
    cast.hats[3].plug_disconnect(&id("facebook")).await.expect("disconnected");
    let (h0, h1, h3) = (cast.hat(0), cast.hat(1), cast.hat(3));

    // A plug tells the HATs that it is connected to, whomever it names.
    let all = post(&cast.plug, &notice("From the plug.", Target::default())).await;
    let counts = told(&cast.operator, all).await;
    assert_eq!(counts, json!({ "published": 3, "listed": 0, "passed": 1, "done": true }));
    let one = post(&cast.plug, &notice("To two.", hats(&[&h0, &h3, &id("nobody.net")]))).await;
    assert_eq!(told(&cast.operator, one).await["published"], 1, "not the one it is no longer connected to");
    // An org those with an active debit.
    let one = post(&cast.org, &notice("From the org.", Target::default())).await;
    assert_eq!(told(&cast.operator, one).await["published"], 1);
    // An operator by role.
    let target = Target { with_all_roles: vec!["plug:facebook".into(), "ORG:acme".into()], ..Target::default() };
    let one = post(&cast.operator, &notice("To few.", target)).await;
    assert_eq!(told(&cast.operator, one).await["published"], 1);

    assert_eq!(texts(&cast.operator, &h0).await, ["From the plug.", "To two."]);
    assert_eq!(texts(&cast.operator, &h1).await, ["From the plug.", "From the org.", "To few."]);
    assert!(texts(&cast.operator, &h3).await.is_empty());
    let mut inbox = cast.hats[1].notices().await.expect("an inbox");
    let mut came = BTreeSet::new();
    while came.len() < 3 {
        let noticed = tokio::time::timeout(Duration::from_secs(10), inbox.next()).await.expect("in time");
        let noticed = noticed.expect("one").expect("signed by the exchange");
        came.insert(noticed.said.message);
    }
    assert!(came.contains("To few."), "{came:?}");

    // Nobody else, and not in another's name.
    let hat = cast.hats[0].post_notice(&notice("I too!", Target::default())).await;
    assert_eq!(refused(hat), Reason::Malformed, "a HAT has no such action");
    let forged = dex::client::Order::notice(&address("operator:main"), &notice("x", Target::default()));
    assert_eq!(refused(cast.plug.send(forged).await), Reason::NotPermitted);
    let target = Target { with_email: vec!["bob@example.org".into()], ..Target::default() };
    assert_eq!(refused(cast.plug.post_notice(&notice("x", target)).await), Reason::NotPermitted);
    // So many an hour.
    post(&cast.plug, &notice("The third.", Target::default())).await;
    assert_eq!(refused(cast.plug.post_notice(&notice("The fourth.", Target::default())).await), Reason::OverQuota);
    // Who is suspended is not heard.
    cast.operator.suspend(&address("plug:facebook")).await.expect("suspended");
    let deadline = Instant::now() + Duration::from_secs(10);
    while texts(&cast.operator, &h0).await != Vec::<String>::new() {
        assert!(Instant::now() < deadline, "still listed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let metrics = exchange.metrics().await;
    for line in [r#"dex_notices_total{what="posted"} 5"#, r#"dex_rejections_total{reason="over-quota"} 1"#] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
}

#[tokio::test]
async fn it_ends_and_its_text_with_it() {
    let mut exchange = Exchange::start();
    let cast = Cast::new(exchange.client().await, 1).await;
    let hat = cast.hat(0);
    let mut short = notice("Soon over: SECRETWORD.", hats(&[&hat]));
    short.expires = Some(now().plus(4_000_000_000));
    let id = post(&cast.operator, &short).await;
    told(&cast.operator, id).await;
    assert_eq!(texts(&cast.operator, &hat).await.len(), 1);
    // It survives a restart with its text.
    exchange.kill();
    exchange.restart();
    let operator = exchange.client().await;
    assert_eq!(texts(&operator, &hat).await, ["Soon over: SECRETWORD."]);
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let ended = exchange.metrics().await.contains(r#"dex_notices_total{what="ended"} 1"#);
        if ended && operator.query("notice.show", json!({ "notice": id }).to_string()).await.is_err() {
            break;
        }
        assert!(Instant::now() < deadline, "it ends");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(texts(&operator, &hat).await.is_empty());
    exchange.stop();
    let ledger = exchange.path("state").join("ledger");
    for file in std::fs::read_dir(ledger).expect("there") {
        let bytes = std::fs::read(file.expect("a file").path()).expect("readable");
        assert!(!bytes.windows(10).any(|part| part == b"SECRETWORD"), "the ledger holds the text");
    }
}

#[tokio::test]
async fn rubbish_is_refused_and_says_why() {
    let exchange = Exchange::start();
    let operator = exchange.client().await;
    let main = address("operator:main");
    let long = "x".repeat(9000);
    let past = now().plus(-1).to_string();
    let far = now().plus(31 * 86_400 * 1_000_000_000).to_string();
    let rubbish = [
        json!({}),
        json!({ "message": "" }),
        json!({ "message": long }),
        json!({ "message": "a\u{7}b" }),
        json!({ "message": "x", "target": [] }),
        json!({ "message": "x", "target": { "withHat": [] } }),
        json!({ "message": "x", "target": { "withHatAddress": ["Bob!"] } }),
        json!({ "message": "x", "target": { "withEmail": ["no address"] } }),
        json!({ "message": "x", "target": { "withAnyRole": vec!["r"; 33] } }),
        json!({ "message": "x", "expires": past }),
        json!({ "message": "x", "expires": far }),
        json!({ "message": "x", "more": 1 }),
    ];
    for body in rubbish {
        let order = dex::client::Order::new(&main, &["notice"], body.to_string());
        assert_eq!(refused(operator.send(order).await), Reason::Malformed, "{body}");
    }
    for question in [
        r#"{"hat":"a.b","party":"plug:x"}"#,
        r#"{"limit":0}"#,
        r#"{"after":"x"}"#,
        r#"{"hat":"nobody.net"}"#,
        r#"{"who":1}"#,
    ] {
        assert!(operator.query("notice.list", question).await.is_err(), "{question}");
    }
    assert!(operator.query("notice.show", "{}").await.is_err());
}

#[tokio::test]
async fn the_gateway_posts_and_lists() {
    use reqwest::Method;
    let gateway = Gateway::start();
    gateway.hat("bob.hubat.net").await;
    let (admin, user) = (gateway.account("root", &["Master"]).await, gateway.account("ann", &["Developer"]).await);
    let token = hat_token("bob.hubat.net");
    let path = "/api/v1/notices";
    let body = json!({ "message": "To developers and Bob", "target": {
        "withAnyRole": ["developer"], "withHatAddress": ["bob.hubat.net"] } });
    let send = |token: String, key: &'static str, body: Value| {
        gateway
            .request(Method::POST, path)
            .header("X-Auth-Token", token)
            .header("Idempotency-Key", key)
            .json(&body)
            .send()
    };
    let first = send(admin.clone(), "one", body.clone()).await.expect("answers");
    assert_eq!(first.status(), 201);
    let first: Value = first.json().await.expect("JSON");
    let again: Value = send(admin.clone(), "one", body.clone()).await.expect("answers").json().await.expect("JSON");
    assert_eq!(first["notice"], again["notice"], "a repeat posts nothing more");
    let other = json!({ "message": "To managers", "target": { "withAllRoles": ["ManageDataPlugs"] } });
    assert_eq!(send(admin.clone(), "two", other).await.expect("answers").status(), 201);
    assert_eq!(send(user.clone(), "three", body.clone()).await.expect("answers").status(), 403);
    assert_eq!(gateway.call(Method::POST, path, Some(&token), Some(body.clone())).await.0, 403);
    assert_eq!(gateway.call(Method::POST, path, None, Some(body)).await.0, 401);
    assert_eq!(gateway.call(Method::POST, path, Some(&admin), Some(json!({ "message": "" }))).await.0, 400);
    for (reader, count) in [(&token, 1), (&user, 1), (&admin, 0)] {
        let (status, page) = gateway.get(path, Some(reader)).await;
        assert_eq!((status, page["items"].as_array().map(Vec::len)), (200, Some(count)), "{page}");
    }
    assert_eq!(gateway.get(path, None).await.0, 401);
    let (_, page) = gateway.get(&format!("{path}?party=operator:gateway&limit=1"), Some(&admin)).await;
    let next = page["next"].as_str().expect("there is more").to_owned();
    let (_, page) = gateway.get(&format!("{path}?party=operator:gateway&limit=1&cursor={next}"), Some(&admin)).await;
    assert_eq!(page["items"][0]["message"], "To managers");
    assert!(page.get("next").is_none());
    assert_eq!(gateway.get(&format!("{path}?party=operator:gateway"), Some(&user)).await.0, 403);
    let tag = gateway.request(Method::GET, path).header("X-Auth-Token", &token).send().await.expect("answers");
    let tag = tag.headers()["etag"].to_str().expect("text").to_owned();
    let kept = gateway.request(Method::GET, path).header("X-Auth-Token", &token).header("If-None-Match", tag);
    assert_eq!(kept.send().await.expect("answers").status(), 304);
}
