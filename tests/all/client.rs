//! The client library against a real exchange: the documented example, repeats, timeouts, endings.

use std::time::Duration;

use dex::client::{Client, ClientError, ClientOptions, InboxOptions, Item, Order, keys};
use dex::domain::event::{Bundle, DebitTerms, PropertyQuery, Verdict};
use dex::domain::{Id, Reason, Status};
use futures_util::StreamExt;

use crate::support::exchange::Exchange;
use crate::support::nats_server::TestServer;

const RECORDS: &str = r#"[{"endpoint":"facebook/feed","data":{"message":"hi"}}]"#;

/// A platform, Bob's HAT and a plug that it has connected; an organisation.
async fn settle_in(exchange: &Exchange) -> Client {
    let operator = exchange.client().await;
    let id = |text: &str| Id::new(text).expect("an id");
    let (key, public) = exchange.key("platform");
    operator.certify(&id("hubat.net"), "Platform", &public).await.expect("certified");
    let platform = operator.speaking("platform:hubat.net".parse().expect("address"), key);
    let (bob, public) = exchange.key("bob");
    platform.register_hat(&id("bob.hubat.net"), &public).await.expect("registered");
    for (party, name) in [("plug:facebook", "facebook"), ("org:acme", "acme")] {
        let (key, public) = exchange.key(name);
        let party = party.parse().expect("address");
        let voice = operator.speaking(Clone::clone(&party), key);
        if name == "acme" {
            voice.register_org("Acme").await.expect("registered");
        } else {
            voice.register_plug("Facebook", "facebook").await.expect("registered");
        }
        operator.approve(&party, &public).await.expect("approved");
    }
    let bob = operator.speaking("hat:bob.hubat.net".parse().expect("address"), bob);
    bob.plug_connect(&id("facebook")).await.expect("connected");
    operator
}

/// The example of `dex::client`'s documentation, line by line.
async fn documented(url: &str, folder: &std::path::Path) -> Result<(Status, u32), Box<dyn std::error::Error>> {
    // A plug writes into a HAT that has connected it.
    let key = keys::load(&folder.join("facebook.key"))?;
    let options = ClientOptions::new(url, "plug:facebook".parse()?).signer(key);
    let plug = Client::connect(options).await?;
    let bob = Id::new("bob.hubat.net")?;
    let outcome = plug.credit(&bob, r#"[{"endpoint":"facebook/feed","data":{"message":"hi"}}]"#).await?;
    println!("{} is {}", outcome.outcome.exchange, outcome.outcome.status);

    // The HAT takes it and says so.
    let key = keys::load(&folder.join("bob.key"))?;
    let hat = plug.speaking("hat:bob.hubat.net".parse()?, key);
    let mut deliveries = hat.deliveries().await?;
    if let Some(delivery) = deliveries.next().await.transpose()? {
        println!("{} records from {}", delivery.count, delivery.source);
        let count = delivery.count;
        let receipt = delivery.accept().await?;
        return Ok((receipt.outcome.status, count));
    }
    Err("nothing came".into())
}

#[tokio::test]
async fn the_documented_example_works() {
    let exchange = Exchange::start();
    let _operator = settle_in(&exchange).await;
    let (status, count) = documented(&exchange.nats, &exchange.path("")).await.expect("works");
    assert_eq!((status, count), (Status::Settled, 1));
}

#[tokio::test]
async fn messages_repeat_conflict_conclude_and_are_recalled() {
    let exchange = Exchange::start();
    let operator = settle_in(&exchange).await;
    let address = |text: &str| text.parse().expect("an address");
    let plug = operator.speaking(address("plug:facebook"), exchange.key("facebook").0);
    let hat = operator.speaking(address("hat:bob.hubat.net"), exchange.key("bob").0);
    let org = operator.speaking(address("org:acme"), exchange.key("acme").0);
    let bob = Id::new("bob.hubat.net").expect("an id");
    let facebook = Id::new("facebook").expect("an id");

    // The same message again: its first outcome. Other content under its id: a conflict.
    let id = plug.message_id();
    let order = Order::credit(&bob, &facebook, RECORDS).id(id).settle_within(Duration::from_secs(60));
    let first = plug.send(order.clone()).await.expect("accepted");
    let again = plug.send(order).await.expect("accepted");
    assert_eq!((&first.outcome, &first.leaf), (&again.outcome, &again.leaf));
    let other = Order::credit(&bob, &facebook, RECORDS.replace("hi", "ho")).id(id);
    assert_eq!(plug.send(other).await.expect_err("refused").reason(), Some(Reason::Conflict));

    // A dropped delivery comes again; one answered does not.
    let quick = InboxOptions { answer_within: Duration::from_secs(1), ..InboxOptions::default() };
    let mut inbox = hat.inbox_with(quick).await.expect("opens");
    let mut seen = 0;
    loop {
        let item = tokio::time::timeout(Duration::from_secs(20), inbox.next()).await.expect("comes");
        let Item::Delivery(delivery) = item.expect("goes on").expect("is sound") else { continue };
        assert_eq!(Some(delivery.id), first.outcome.delivery);
        seen += 1;
        if seen == 2 {
            assert_eq!(delivery.accept().await.expect("noted").outcome.status, Status::Settled);
            break;
        }
        drop(delivery);
    }

    // Recalled: the recipient is asked and gives it back; the sender learns how it ended.
    let id = plug.message_id();
    let order = Order::credit(&bob, &facebook, RECORDS).id(id);
    let ending = tokio::spawn({
        let plug = plug.clone();
        async move { plug.conclude(order, Duration::from_secs(30)).await }
    });
    let mut held = None;
    let recalled = loop {
        let item = tokio::time::timeout(Duration::from_secs(20), inbox.next()).await.expect("comes");
        match item.expect("goes on").expect("is sound") {
            Item::Delivery(delivery) => {
                held = Some(delivery);
                plug.recall(&bob, id).await.expect("asked");
            }
            Item::Recall(recall) => {
                let delivery = held.take().expect("came before");
                assert_eq!(recall.delivery, delivery.id);
                break delivery.give_back().await.expect("noted");
            }
            _ => {}
        }
    };
    assert_eq!(recalled.outcome.status, Status::Recalled);
    let ended = ending.await.expect("runs").expect("ends");
    assert_eq!(ended.first.outcome.status, Status::Accepted);
    assert_eq!(ended.last.len(), 1);
    assert_eq!(ended.last[0].outcome.status, Status::Recalled);

    // Out of the HAT: a debit, a pull, the release that answers it, a disputed receipt.
    let debit = Id::new("acme.feed").expect("an id");
    let terms = DebitTerms::new(
        address("org:acme"),
        "A test",
        Bundle { name: "feed".into(), bundle: [("feed".into(), PropertyQuery::all(["facebook/feed"]))].into() },
        3600,
    );
    org.debit_propose(&bob, &debit, &terms).await.expect("proposed");
    hat.debit_enable(&debit).await.expect("enabled");
    let mut deliveries = org.deliveries().await.expect("opens");
    let pulled = org.pull(&bob, &debit, &Default::default()).await.expect("accepted");
    loop {
        let item = tokio::time::timeout(Duration::from_secs(20), inbox.next()).await.expect("comes");
        if let Item::Request(request) = item.expect("goes on").expect("is sound") {
            assert_eq!(request.pull, pulled.outcome.exchange);
            request.release(RECORDS).await.expect("accepted");
            break;
        }
    }
    let delivery = tokio::time::timeout(Duration::from_secs(20), deliveries.next()).await.expect("comes");
    let delivery = delivery.expect("goes on").expect("is sound");
    assert_eq!(delivery.pull, Some(pulled.outcome.exchange));
    let mut receipt = delivery.receipt_of(Verdict::Accepted, None);
    receipt.count += 1;
    let (late, delivered) = (Order::receipt(&delivery.receipt_to, &receipt), delivery.id);
    let disputed = delivery.answer(receipt).await.expect("noted");
    assert_eq!(disputed.outcome.reason, Some(Reason::CountMismatch));
    // Another program of the same organisation says something too, too late: how it ended can be asked for all the same.
    assert_eq!(org.send(late).await.expect_err("refused").reason(), Some(Reason::WrongState));
    let question = serde_json::json!({ "id": delivered }).to_string();
    let trace = org.query("exchange.trace", question).await.expect("told");
    assert_eq!(trace["status"], "disputed", "{trace}");

    // A fan-out ends with all its parts.
    let accepting = tokio::spawn(async move {
        let delivery = deliveries.next().await.expect("comes").expect("is sound");
        delivery.accept().await.expect("noted");
    });
    let ended = hat.conclude(Order::data(&bob, RECORDS), Duration::from_secs(30)).await.expect("ends");
    assert_eq!(ended.first.outcome.parts.len(), 1);
    assert_eq!(ended.last[0].outcome.status, Status::Settled);
    accepting.await.expect("accepts");
}

/// With a key that its party never had, nothing is answered and nothing lost: whoever has the right one gets it.
#[tokio::test]
async fn a_receipt_by_a_wrong_key_leaves_the_delivery_there() {
    let exchange = Exchange::start();
    let operator = settle_in(&exchange).await;
    let address = |text: &str| text.parse().expect("an address");
    let plug = operator.speaking(address("plug:facebook"), exchange.key("facebook").0);
    let (bob, facebook) = (Id::new("bob.hubat.net").expect("an id"), Id::new("facebook").expect("an id"));
    plug.send(Order::credit(&bob, &facebook, RECORDS)).await.expect("accepted");
    let quick = InboxOptions { answer_within: Duration::from_secs(1), ..InboxOptions::default() };
    let stranger = operator.speaking(address("hat:bob.hubat.net"), keys::generate());
    let mut inbox = stranger.inbox_with(quick.clone()).await.expect("opens");
    let mut refused = 0;
    while refused < 2 {
        let item = tokio::time::timeout(Duration::from_secs(20), inbox.next()).await.expect("comes again");
        let Item::Delivery(delivery) = item.expect("goes on").expect("is sound") else { continue };
        let error = delivery.accept().await.expect_err("refused");
        let ClientError::Refused(refusal) = &error else { panic!("{error}") };
        assert!(refusal.outcome.is_none(), "{error}");
        refused += 1;
    }
    drop(inbox);
    let hat = operator.speaking(address("hat:bob.hubat.net"), exchange.key("bob").0);
    let mut inbox = hat.inbox_with(quick).await.expect("opens");
    loop {
        let item = tokio::time::timeout(Duration::from_secs(20), inbox.next()).await.expect("comes");
        let Item::Delivery(delivery) = item.expect("goes on").expect("is sound") else { continue };
        assert_eq!(delivery.accept().await.expect("noted").outcome.status, Status::Settled);
        break;
    }
}

#[tokio::test]
async fn without_an_exchange_a_call_ends_in_time_and_names_its_id() {
    let server = TestServer::start();
    let key = keys::generate();
    let options = ClientOptions::new(server.url(), "plug:facebook".parse().expect("address"))
        .origin("dex.test")
        .dex_key(key.public())
        .signer(key)
        .call_deadline(Duration::from_millis(700));
    let client = Client::connect(options).await.expect("the broker is there");
    let id = client.message_id();
    let bob = Id::new("bob.hubat.net").expect("an id");
    let order = Order::credit(&bob, &client.party().id, RECORDS).id(id);
    match client.send(order).await {
        Err(ClientError::Timeout { id: named, stored, .. }) => assert_eq!((named, stored), (id, false)),
        other => panic!("{other:?}"),
    }
    assert_eq!(client.waiting(), 0);
    assert!(matches!(client.query("health", "").await, Err(ClientError::NoAnswer { .. })));

    // With a stream and nobody who reads it, the broker at least holds the message.
    let jetstream = server.link("test").await.jetstream;
    let stream = async_nats::jetstream::stream::Config {
        name: "DEX_IN".into(),
        subjects: vec!["dex.v1.in.*.*.>".into()],
        ..Default::default()
    };
    jetstream.create_stream(stream).await.expect("made");
    match client.credit(&bob, RECORDS).await {
        Err(error @ ClientError::Timeout { stored: true, .. }) => assert!(error.to_string().contains("trace")),
        other => panic!("{other:?}"),
    }
}
