//! The original's calls about statistics, over a real exchange: what HATs report, its habits, what is public of it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::gateway::{Gateway, hat_token};

const REPORT: &str = include_str!("../rest/stats-report.json");

/// A batch of `count` events from number `first` on; each has a time of its own.
fn batch(first: usize, count: usize) -> Value {
    let event = |number: usize| {
        json!({
            "statsType": "inbound",
            "time": format!("2026-01-31T{:02}:{:02}:{:02}+0000", number / 3600, number / 60 % 60, number % 60),
            "user": { "userId": "u", "email": "bob@example.net", "name": "bob", "role": "owner", "roles": [] },
            "stats": [{ "endpoint": "fitbit/steps", "propertyStats": { "steps": 1, "day.name": 1 } }],
            "logEntry": "saved batch for fitbit/steps",
        })
    };
    Value::Array((first..first + count).map(event).collect())
}

async fn report(gateway: &Gateway, hat: &str, body: Value) -> (u16, Value) {
    gateway.call(Method::POST, "/stats/report", Some(&hat_token(hat)), Some(body)).await
}

async fn reported(gateway: &Gateway) -> Value {
    let client = gateway.exchange.client().await;
    client.query("stats.reported", "{}").await.expect("answers")
}

#[tokio::test]
async fn a_batch_is_counted_once_however_often_and_in_whatever_pieces_it_comes() {
    let mut gateway = Gateway::start();
    gateway.hat("bob.example.net").await;
    gateway.hat("eve.example.net").await;
    let bob = "bob.example.net";
    for (body, kinds_inbound, values_in, repeated) in [
        (batch(0, 100), 100, 200, 0),
        (batch(0, 100), 100, 200, 100),
        (batch(50, 100), 150, 300, 150),
        (batch(149, 1), 150, 300, 151),
    ] {
        let (status, answer) = report(&gateway, bob, body).await;
        assert_eq!((status, answer["message"].is_string()), (200, true), "{answer}");
        let sums = reported(&gateway).await;
        assert_eq!(sums["kinds"]["inbound"], kinds_inbound, "{sums}");
        assert_eq!((&sums["valuesIn"], &sums["repeated"]), (&json!(values_in), &json!(repeated)), "{sums}");
    }
    // The same from another HAT is another HAT's.
    assert_eq!(report(&gateway, "eve.example.net", batch(0, 100)).await.0, 200);
    let sums = reported(&gateway).await;
    assert_eq!(sums["valuesIn"], 500, "{sums}");
    // All kinds, in the HAT's own form.
    let all: Value = serde_json::from_str(REPORT).expect("JSON");
    assert_eq!(report(&gateway, bob, all.clone()).await.0, 200);
    let before = reported(&gateway).await;
    for kind in ["outbound", "datadebit", "datadebitEvent", "datacredit", "storage"] {
        assert_eq!(before["kinds"][kind], 1, "{before}");
    }
    assert_eq!((&before["valuesIn"], &before["valuesOut"]), (&json!(516), &json!(31)), "{before}");

    gateway.restart();
    let mut after = reported(&gateway).await;
    after["at"] = before["at"].clone();
    assert_eq!(after, before, "the totals are the ledger's");
    assert_eq!(report(&gateway, bob, all).await.0, 200);
    assert_eq!(reported(&gateway).await["valuesIn"], 516, "what was reported is known after a restart");
}

#[tokio::test]
async fn who_may_not_report_and_what_is_no_batch_is_refused_in_the_original_s_shape() {
    let gateway = Gateway::start();
    gateway.hat("bob.example.net").await;
    let ann = gateway.account("ann", &["Master"]).await;
    let answers = [
        (401, gateway.call(Method::POST, "/stats/report", None, Some(batch(0, 1))).await),
        (403, gateway.call(Method::POST, "/stats/report", Some(&ann), Some(batch(0, 1))).await),
        (400, report(&gateway, "bob.example.net", json!({})).await),
        (400, report(&gateway, "bob.example.net", json!([{ "statsType": "other" }])).await),
        (400, report(&gateway, "bob.example.net", batch(0, 1001)).await),
    ];
    for (expected, (status, answer)) in answers {
        assert_eq!(status, expected, "{answer}");
        assert!(answer["message"].is_string() && answer["cause"].is_string(), "{answer}");
    }
    assert_eq!(reported(&gateway).await["kinds"], json!({}));
    // One bad event does not lose the others: the HAT would delete them all.
    let mut mixed = batch(0, 2);
    mixed[0]["stats"] = json!("nothing");
    assert_eq!(report(&gateway, "bob.example.net", mixed).await.0, 200);
    let sums = reported(&gateway).await;
    assert_eq!((&sums["kinds"]["inbound"], &sums["unreadable"]), (&json!(1), &json!(1)), "{sums}");
}

#[tokio::test]
async fn totals_are_public_and_fields_only_when_five_hats_hold_them() {
    let mut gateway = Gateway::start();
    for number in 0..5 {
        let hat = format!("hat{number}.example.net");
        gateway.hat(&hat).await;
        let mut body = batch(0, 3);
        if number == 0 {
            body[0]["stats"][0]["propertyStats"]["only-here"] = json!(1000);
        }
        if number == 4 {
            let (status, fields) = gateway.get("/stats/available-data", None).await;
            assert_eq!((status, fields), (200, json!([])), "four HATs are too few");
        }
        assert_eq!(report(&gateway, &hat, body).await.0, 200);
    }
    // Another process's figures are fresh: those from before are kept for some seconds.
    gateway.restart();
    let (status, fields) = gateway.get("/stats/available-data", None).await;
    let expected = json!([{ "namespace": "fitbit", "endpoints": [{ "endpoint": "steps", "fields": [
        { "name": "day", "fields": [{ "name": "name", "count": 15 }] },
        { "name": "steps", "count": 15 },
    ] }] }]);
    assert_eq!((status, fields), (200, expected));
    let (status, counters) = gateway.get("/stats", None).await;
    assert_eq!(status, 200);
    let titles = ["Data Plugs", "HATs", "Total Offer Claims", "Data In", "Data Out", "Top Datapoints"];
    let values = [0, 5, 0, 1030, 0, 30];
    for (at, (title, value)) in titles.into_iter().zip(values).enumerate() {
        let counter = &counters[at];
        assert_eq!((&counter["title"], &counter["value"]), (&json!(title), &json!(value)), "{counters}");
        assert!(counter["updated"].as_i64().is_some_and(|at| at > 1_600_000_000_000), "{counters}");
    }
    let child = &counters[5]["children"]["steps in steps of fitbit"];
    assert_eq!(child["value"], 15, "{counters}");
    assert!(!counters.to_string().contains("only-here"), "{counters}");
}
