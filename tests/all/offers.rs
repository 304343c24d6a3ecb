//! Offers and the clock's part of debits, over the real daemon: exact places under a race of a thousand, what is
//! held back below the minimum, and periods that go on while the daemon is down.

use std::time::{Duration, Instant};

use dex::client::{Client, keys};
use dex::domain::event::{Bundle, DebitTerms, OfferTerms, PropertyQuery};
use dex::domain::{Reason, Status, Timestamp};
use futures_util::StreamExt;
use serde_json::Value;

use crate::support::cast::{Cast, RECORD, address, id};
use crate::support::exchange::Exchange;
use crate::support::nats_server::TestServer;

const HOUR: i64 = 3_600_000_000_000;

fn terms(client: &Client, period: u32) -> DebitTerms {
    let query = PropertyQuery::all(["facebook/feed"]);
    let bundle = Bundle { name: "feed".into(), bundle: [("feed".into(), query)].into() };
    DebitTerms::new(client.party().clone(), "a test", bundle, period)
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    Timestamp::from_unix_ms(u64::try_from(since.as_millis()).expect("fits"))
}

async fn offered(cast: &Cast, offer: &str, min: u32, max: u32) {
    let terms = OfferTerms {
        owner: cast.org.party().clone(),
        title: "Feeds".into(),
        starts: now().plus(-HOUR),
        expires: now().plus(HOUR),
        max_claims: max,
        min_claims: min,
        debit: terms(&cast.org, 3600),
    };
    cast.org.offer_register(&id(offer), &terms).await.expect("registered");
    cast.operator.offer_pay(&id(offer)).await.expect("paid");
    cast.operator.offer_approve(&id(offer)).await.expect("approved");
}

/// Asks until the answer is as it should be.
async fn until(client: &Client, query: &str, question: String, good: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let answer = client.query(query, question.clone()).await;
        match answer {
            Ok(answer) if good(&answer) => return answer,
            other => assert!(Instant::now() < deadline, "{query} {question}: {other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_thousand_claims_at_once_take_exactly_the_places_whatever_is_killed() {
    const HATS: usize = 1000;
    const PLACES: usize = 150;
    let broker = TestServer::start();
    let mut exchange = Exchange::on(&broker);
    let cast = Cast::new(exchange.client().await, 0).await;
    offered(&cast, "feeds", 100, PLACES as u32).await;
    let key = keys::generate();
    cast.operator.certify(&id("crowd.net"), "Crowd", &key.public()).await.expect("certified");
    let platform = cast.operator.speaking(address("platform:crowd.net"), key);
    let crowd = futures_util::stream::iter(0..HATS).map(|number| {
        let platform = &platform;
        async move {
            let key = keys::generate();
            let name = id(&format!("h{number}.crowd.net"));
            platform.register_hat(&name, &key.public()).await.expect("registered");
            platform.speaking(address(&format!("hat:{name}")), key)
        }
    });
    let hats: Vec<Client> = crowd.buffer_unordered(100).collect().await;

    // All claim; the daemon is killed while they do.
    let claims = async {
        let claims = hats.iter().map(|hat| async { hat.claim(&id("feeds")).await.expect("asked") });
        futures_util::stream::iter(claims).buffer_unordered(HATS).count().await
    };
    let kill = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        exchange.kill();
        exchange.restart();
    };
    assert_eq!(tokio::join!(claims, kill).0, HATS);
    let mut holders = Vec::new();
    for hat in &hats {
        let question = format!(r#"{{"hat":"{}"}}"#, hat.party().id);
        let shown =
            until(&cast.operator, "hat.show", question, |shown| shown["claims"].as_array().is_some_and(Vec::is_empty))
                .await;
        match shown["debitCount"].as_u64() {
            Some(0) => {}
            Some(1) => holders.push(hat),
            other => panic!("{other:?} debits"),
        }
    }
    assert_eq!(holders.len(), PLACES, "exact under any race");
    let enabling = holders.iter().map(|hat| async { hat.debit_enable(&id("feeds")).await.expect("enabled") });
    assert_eq!(futures_util::stream::iter(enabling).buffer_unordered(50).count().await, PLACES);
    let question = || r#"{"offer":"feeds"}"#.to_owned();
    let shown = until(&cast.operator, "offer.show", question(), |shown| {
        shown["confirmed"] == PLACES && shown["satisfied"] == true
    })
    .await;
    assert_eq!((&shown["standing"], &shown["reserved"]), (&"oversubscribed".into(), &0.into()), "{shown}");
    let claims = cast.operator.query("offer.claims", question()).await.expect("listed");
    let claims = claims["items"].as_array().expect("a list").clone();
    assert_eq!(claims.len(), PLACES);
    assert!(claims.iter().all(|claim| claim["standing"] == "confirmed"), "{claims:?}");
    // Everyone is told that the minimum is reached; a place given back is free for one more.
    let first = holders[0];
    let of = format!(r#"{{"hat":"{}","debit":"feeds"}}"#, first.party().id);
    until(&cast.operator, "debit.show", of, |shown| shown["standing"] == "active").await;
    first.withdraw(&id("feeds")).await.expect("withdrawn");
    until(&cast.operator, "offer.show", question(), |shown| {
        shown["confirmed"] == PLACES - 1 && shown["standing"] == "satisfied"
    })
    .await;
}

#[tokio::test]
async fn what_is_held_below_the_minimum_outlives_a_kill_and_leaves_at_the_minimum() {
    let broker = TestServer::start();
    let mut exchange = Exchange::on(&broker);
    let cast = Cast::new(exchange.client().await, 2).await;
    offered(&cast, "feeds", 2, 2).await;
    let of = |number: usize| format!(r#"{{"hat":"{}","debit":"feeds"}}"#, cast.hat(number));
    let take_up = async |number: usize| {
        cast.hats[number].claim(&id("feeds")).await.expect("asked");
        until(&cast.operator, "debit.show", of(number), |shown| shown["standing"] == "proposed").await;
        cast.hats[number].debit_enable(&id("feeds")).await.expect("enabled");
    };
    take_up(0).await;
    let held = cast.hats[0].release(&id("feeds"), RECORD).await.expect("taken");
    assert_eq!((held.outcome.status, held.outcome.reason), (Status::Pending, Some(Reason::OfferBelowMinimum)));
    let shown = cast.operator.query("debit.show", of(0)).await.expect("shown");
    assert_eq!(shown["standing"], "waiting", "{shown}");
    // Rows are written, and what follows is only in the ledger.
    tokio::time::sleep(Duration::from_secs(6)).await;
    exchange.kill();
    exchange.restart();
    take_up(1).await;
    until(&cast.operator, "debit.show", of(0), |shown| shown["standing"] == "active").await;
    exchange.kill();
    exchange.restart();
    let mut inbox = cast.org.deliveries().await.expect("an inbox");
    let delivery = tokio::time::timeout(Duration::from_secs(60), inbox.next()).await.expect("comes");
    let delivery = delivery.expect("goes on").expect("is sound");
    delivery.accept().await.expect("settled");
    let question = format!(r#"{{"id":"{}"}}"#, held.outcome.exchange);
    let trace = until(&cast.operator, "exchange.trace", question, |trace| trace["status"] == "settled").await;
    let events: Vec<&str> =
        trace["steps"].as_array().expect("steps").iter().filter_map(|step| step["event"].as_str()).collect();
    assert_eq!(events, ["held", "released", "settled"], "{trace}");
}

#[tokio::test]
async fn periods_roll_and_end_by_the_clock_also_over_a_stop() {
    let broker = TestServer::start();
    let mut exchange = Exchange::on(&broker);
    let cast = Cast::new(exchange.client().await, 1).await;
    let hat = &cast.hats[0];
    let rolling = terms(&cast.org, 1);
    let mut once = rolling.clone();
    once.cancel_at_period_end = true;
    once.period_seconds = 2;
    for (debit, terms) in [("rolling", &rolling), ("once", &once)] {
        cast.org.debit_propose(&cast.hat(0), &id(debit), terms).await.expect("proposed");
        hat.debit_enable(&id(debit)).await.expect("enabled");
    }
    let of = |debit: &str| format!(r#"{{"hat":"{}","debit":"{debit}"}}"#, cast.hat(0));
    let rolled = |shown: &Value| shown["rolled"].as_u64().unwrap_or(0);
    until(&cast.operator, "debit.show", of("rolling"), |shown| rolled(shown) >= 1).await;
    exchange.kill();
    tokio::time::sleep(Duration::from_secs(4)).await;
    exchange.restart();
    let shown = until(&cast.operator, "debit.show", of("rolling"), |shown| rolled(shown) >= 5).await;
    assert_eq!(shown["standing"], "active", "{shown}");
    let shown = until(&cast.operator, "debit.show", of("once"), |shown| shown["toldEnd"].is_string()).await;
    assert_eq!((&shown["standing"], &shown["toldEnd"]), (&"ended".into(), &shown["end"]), "{shown}");
    let refused = hat.release(&id("once"), RECORD).await.expect_err("ended");
    assert_eq!(refused.reason(), Some(Reason::DebitEnded));
    hat.debit_disable(&id("rolling"), true).await.expect("disabled");
    until(&cast.operator, "debit.show", of("rolling"), |shown| shown["toldEnd"].is_string()).await;
    hat.debit_enable(&id("rolling")).await.expect("enabled again");
    let shown = cast.operator.query("debit.show", of("rolling")).await.expect("shown");
    assert_eq!((&shown["standing"], &shown["end"]), (&"active".into(), &Value::Null), "it rolls on again: {shown}");
}
