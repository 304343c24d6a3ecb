//! Exchanges through the whole daemon: every kind of recipient, offers under a race, proofs.

use std::time::{Duration, Instant};

use data_encoding::BASE64;
use dex::client::{Client, ClientError, Order, keys};
use dex::domain::event::{Bundle, DebitTerms, OfferTerms, PropertyQuery};
use dex::domain::{Entry, Event, Reason, Status, Timestamp};
use dex::ledger::merkle::{commitment, leaf_hash};
use dex::ledger::{CheckpointVerifier, proof};
use futures_util::StreamExt;
use futures_util::future::join_all;

use crate::support::cast::{Cast, RECORD, address, id};
use crate::support::exchange::Exchange;

fn terms(client: &Client) -> DebitTerms {
    let query = PropertyQuery::all(["facebook/feed"]);
    DebitTerms::new(
        client.party().clone(),
        "a test",
        Bundle { name: "feed".into(), bundle: [("feed".into(), query)].into() },
        3600,
    )
}

#[tokio::test]
async fn an_org_an_app_and_another_hat_receive_under_their_debits() {
    let exchange = Exchange::start();
    let cast = Cast::new(exchange.client().await, 2).await;
    let key = keys::generate();
    let public = key.public();
    let app = cast.operator.speaking(address("app:notables"), key);
    app.register_app("Notables", "1.0.0", &["rumpel"]).await.expect("registered");
    cast.operator.approve(&address("app:notables"), &public).await.expect("published");

    let giver = &cast.hats[0];
    let clients = [(&cast.org, "acme.feed"), (&app, "notables.feed"), (&cast.hats[1], "friend.feed")];
    for (client, debit) in clients {
        client.debit_propose(&cast.hat(0), &id(debit), &terms(client)).await.expect("proposed");
        let early = giver.release(&id(debit), RECORD).await.expect_err("not enabled yet");
        assert_eq!(early.reason(), Some(Reason::DebitNotActive));
        giver.debit_enable(&id(debit)).await.expect("enabled");
    }
    for (client, debit) in clients {
        let mut inbox = client.deliveries().await.expect("an inbox");
        let order = Order::release(&cast.hat(0), &id(debit), RECORD);
        let taking = async {
            let delivery = inbox.next().await.expect("one").expect("good");
            assert_eq!(delivery.source, *giver.party());
            assert_eq!(&delivery.body[..], RECORD.as_bytes());
            // Where receipts go does not tell whose data it is.
            assert!(delivery.receipt_to.starts_with("dex.v1.in.lane."), "{}", delivery.receipt_to);
            delivery.accept().await.expect("settled")
        };
        let (end, receipt) = tokio::join!(giver.conclude(order, Duration::from_secs(20)), taking);
        assert_eq!(receipt.outcome.status, Status::Settled);
        assert_eq!(end.expect("ended").last[0].outcome.status, Status::Settled);
    }
    // One message to all three at once.
    let fanned = giver.data(RECORD).await.expect("fanned out");
    assert_eq!(fanned.outcome.parts.len(), 3);
    giver.debit_disable(&id("acme.feed"), false).await.expect("disabled");
    let ended = giver.release(&id("acme.feed"), RECORD).await.expect_err("ended");
    assert_eq!(ended.reason(), Some(Reason::DebitEnded));
}

#[tokio::test]
async fn an_offer_under_a_race_has_exactly_its_places() {
    let exchange = Exchange::start();
    let cast = Cast::new(exchange.client().await, 24).await;
    let now = Timestamp::from_unix_ms(
        u64::try_from(
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis(),
        )
        .expect("fits"),
    );
    let offer = OfferTerms {
        owner: cast.org.party().clone(),
        title: "Feeds".into(),
        starts: now.plus(-3_600_000_000_000),
        expires: now.plus(3_600_000_000_000),
        max_claims: 7,
        min_claims: 1,
        debit: terms(&cast.org),
    };
    let feeds = id("feeds");
    cast.org.offer_register(&feeds, &offer).await.expect("registered");
    cast.operator.offer_approve(&feeds).await.expect("approved");

    let claims = cast.hats.iter().map(|hat| async {
        let order = Order::claim(&hat.party().id, &id("feeds"));
        hat.conclude(order, Duration::from_secs(30)).await
    });
    let mut reserved = 0;
    for claim in join_all(claims).await {
        match claim {
            Ok(end) if end.last[0].outcome.status == Status::Settled => reserved += 1,
            Ok(end) => assert_eq!(end.last[0].outcome.reason, Some(Reason::OfferFull)),
            Err(ClientError::Refused(refusal)) => assert_eq!(refusal.reason, Reason::OfferFull),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(reserved, 7, "exact under any race");
    // Who holds a place has the debit and can enable it; who does not, has none.
    let mut enabled = 0;
    for hat in &cast.hats {
        match hat.debit_enable(&feeds).await {
            Ok(_) => enabled += 1,
            Err(error) => assert_eq!(error.reason(), Some(Reason::DebitNotFound)),
        }
    }
    assert_eq!(enabled, 7);
    offers_and_hats_are_told(&cast, "feeds").await;
}

/// What queries say after the race: places, never who holds them.
async fn offers_and_hats_are_told(cast: &Cast, offer: &str) {
    let mut shown = serde_json::Value::Null;
    // The confirmations reach the offer by messages of their own.
    for _ in 0..200 {
        shown = cast.operator.query("offer.show", format!(r#"{{"offer":"{offer}"}}"#)).await.expect("shown");
        if shown["confirmed"] == 7 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!((&shown["reserved"], &shown["confirmed"]), (&0.into(), &7.into()), "{shown}");
    assert_eq!((&shown["standing"], &shown["terms"]["maxClaims"]), (&"oversubscribed".into(), &7.into()), "{shown}");
    assert!(!shown.to_string().contains("h0.hubat.net"), "{shown}");
    let list = cast.operator.query("offer.list", "").await.expect("listed");
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "{list}");
    assert_eq!((&list["items"][0]["offer"], &list["items"][0]["confirmed"]), (&offer.into(), &7.into()), "{list}");
    let unknown = cast.operator.query("offer.show", r#"{"offer":"nothing"}"#).await.expect_err("unknown");
    assert!(unknown.to_string().contains("was never registered"), "{unknown}");

    let hats = cast.operator.query("hat.list", r#"{"limit":20}"#).await.expect("listed");
    assert_eq!(hats["items"].as_array().map(Vec::len), Some(20), "{hats}");
    let rest = format!(r#"{{"after":{}}}"#, hats["next"]);
    let rest = cast.operator.query("hat.list", rest).await.expect("listed");
    assert_eq!(rest["items"].as_array().map(Vec::len), Some(4), "{rest}");
    let platforms = cast.operator.query("platform.list", "").await.expect("listed");
    assert_eq!(platforms["items"][0]["party"], "platform:hubat.net", "{platforms}");
}

#[tokio::test]
async fn an_outcome_is_proved_by_its_entry_and_the_signed_checkpoint() {
    let exchange = Exchange::start();
    let cast = Cast::new(exchange.client().await, 1).await;
    let order = Order::credit(&cast.hat(0), &cast.plug.party().id, RECORD).want_proof();
    let outcome = cast.plug.send(order).await.expect("accepted");
    let proof_of = outcome.proof.expect("asked for");
    let entry = BASE64.decode(proof_of.entry.as_bytes()).expect("base64");
    let salt: [u8; 32] = BASE64.decode(proof_of.salt.as_bytes()).expect("base64").try_into().expect("32 bytes");
    let verifier = CheckpointVerifier::new("dex.test", cast.plug.dex_keys()[0].0).expect("a key");
    let checkpoint = verifier.open(&proof_of.checkpoint).expect("signed by the exchange");
    assert_eq!(checkpoint.size, outcome.tree_size);
    let path: Vec<[u8; 32]> = proof_of.path.iter().map(|hash| hash.0).collect();
    let leaf = leaf_hash(&commitment(&salt, &entry));
    let index = outcome.leaf.index;
    assert!(proof::verify_inclusion(&leaf, index, checkpoint.size, &checkpoint.root, &path));
    assert!(!proof::verify_inclusion(&leaf, index + 1, checkpoint.size, &checkpoint.root, &path));
    // What the entry says is what was told, with the sender's own signature in it.
    let entry: Entry = rmp_serde::from_slice(&entry).expect("an entry");
    assert!(matches!(&entry.event, Event::Opened(opened) if Some(opened.delivery) == outcome.outcome.delivery));
    let cause = entry.cause.expect("a message");
    let text = dex::wire::signed_text::of_cause("dex.test", &cause).expect("rebuilt");
    assert!(dex::wire::verify(&cause.key.expect("signed"), &cause.signature.expect("signed"), &text));
}

#[tokio::test]
async fn whom_nobody_answers_is_told_at_the_deadline() {
    let exchange = Exchange::start();
    let cast = Cast::new(exchange.client().await, 1).await;
    let began = Instant::now();
    let order = Order::credit(&cast.hat(0), &cast.plug.party().id, RECORD).settle_within(Duration::from_secs(2));
    let end = cast.plug.conclude(order, Duration::from_secs(20)).await.expect("ended");
    assert_eq!(
        (end.last[0].outcome.status, end.last[0].outcome.reason),
        (Status::Expired, Some(Reason::DeadlinePassed))
    );
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(1900) && took < Duration::from_secs(7), "{took:?}");
    // The delivery is still in the inbox for a moment, but a receipt is late now and changes nothing.
    let mut inbox = cast.hats[0].deliveries().await.expect("an inbox");
    if let Ok(Some(Ok(delivery))) = tokio::time::timeout(Duration::from_secs(1), inbox.next()).await {
        let late = delivery.accept().await;
        assert_eq!(late.expect_err("late").reason(), Some(Reason::WrongState));
    }
}
