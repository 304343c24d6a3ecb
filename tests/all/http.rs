//! Metrics, health and reload of a running daemon.

use std::time::{Duration, Instant};

use dex::telemetry::names;
use serde_json::Value;

use crate::support::cast::{Cast, RECORD};
use crate::support::exchange::Exchange;
use crate::support::nats_server::TestServer;

async fn get(exchange: &Exchange, path: &str) -> (u16, String) {
    let answer = crate::support::web::get(&format!("http://{}{path}", exchange.http)).await.expect("answers");
    (answer.status().as_u16(), answer.text().await.expect("a page"))
}

#[tokio::test]
async fn every_metric_is_there_from_the_start_and_tells_of_exchanges() {
    let exchange = Exchange::start();
    let cast = Cast::new(exchange.client().await, 1).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let (status, page) = get(&exchange, "/metrics").await;
    assert_eq!(status, 200);
    let absent: Vec<&str> =
        names::ALL.iter().map(|metric| metric.name).filter(|name| !page.contains(&format!("# TYPE {name} "))).collect();
    // These appear with their first event: their label is not a closed set known at start.
    let later = [names::ACTOR_EXITS_TOTAL, names::QUARANTINES_TOTAL];
    assert!(absent.iter().all(|name| later.contains(name)), "{absent:?}");
    assert!(page.contains("dex_exchanges_total{status=\"expired\"} 0"), "closed sets are touched at zero");
    let bob = cast.hat(0);
    cast.plug.credit(&bob, RECORD).await.expect("accepted");
    let deadline = Instant::now() + Duration::from_secs(10);
    while !get(&exchange, "/metrics").await.1.contains("dex_exchanges_total{status=\"accepted\"} 1") {
        assert!(Instant::now() < deadline, "the counter follows the committed entry");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let page = get(&exchange, "/metrics").await.1;
    assert!(!page.contains("hubat.net") && !page.contains("facebook"), "no id of a party is in a metric");
}

#[tokio::test]
async fn operators_are_taken_over_by_a_hangup() {
    let exchange = Exchange::start();
    let old = exchange.client().await;
    let (signer, public) = exchange.key("second");
    let second = old.speaking("operator:second".parse().expect("an address"), signer);
    let platform = dex::client::keys::generate().public();
    let id = |text: &str| dex::domain::Id::new(text).expect("an id");
    second.certify(&id("first.net"), "First", &platform).await.expect_err("nobody knows it");

    let file = exchange.path("dex.toml");
    let text = std::fs::read_to_string(&file).expect("there");
    let main = text.lines().find(|line| line.starts_with("keys = ")).expect("one operator").to_owned();
    let text = text.replace("name = \"main\"", "name = \"second\"").replace(&main, &format!("keys = [\"{public}\"]"));
    std::fs::write(&file, text).expect("written");
    exchange.hangup();
    let deadline = Instant::now() + Duration::from_secs(10);
    while second.certify(&id("first.net"), "First", &platform).await.is_err() {
        assert!(Instant::now() < deadline, "the new operator is in force");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let platform = dex::client::keys::generate().public();
    let refused = old.certify(&id("other.net"), "Other", &platform).await.expect_err("taken out");
    assert_eq!(refused.reason(), Some(dex::domain::Reason::RevokedKey));
}

#[tokio::test]
async fn ready_turns_with_the_broker() {
    let mut broker = TestServer::start();
    let exchange = Exchange::on(&broker);
    assert_eq!(get(&exchange, "/health/live").await.0, 200);
    let until = async |wanted: u16| {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let (status, body) = get(&exchange, "/health/ready").await;
            if status == wanted {
                return serde_json::from_str::<Value>(&body).expect("JSON");
            }
            assert!(Instant::now() < deadline, "ready does not become {wanted}: {body}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    assert_eq!(until(200).await["ready"], true);
    broker.kill();
    let report = until(503).await;
    let nats = report["checks"].as_array().expect("checks").iter().find(|check| check["name"] == "nats");
    assert_eq!(nats.expect("named")["ok"], false);
    broker.restart();
    until(200).await;
    // And it works again.
    let cast = Cast::new(exchange.client().await, 1).await;
    cast.plug.credit(&cast.hat(0), RECORD).await.expect("accepted");
}

#[tokio::test]
async fn a_hangup_takes_over_what_can_change_and_keeps_the_old_on_a_bad_file() {
    let exchange = Exchange::start();
    let cast = Cast::new(exchange.client().await, 1).await;
    let bob = cast.hat(0);
    let file = exchange.path("dex.toml");
    let good = std::fs::read_to_string(&file).expect("there");
    let hundred = |count: usize| {
        let record = r#"{"endpoint":"facebook/feed","data":{}}"#;
        format!("[{}]", vec![record; count].join(","))
    };
    cast.plug.credit(&bob, hundred(20)).await.expect("accepted");

    std::fs::write(&file, format!("{good}[limits]\nrecords = 10\n")).expect("written");
    exchange.hangup();
    let deadline = Instant::now() + Duration::from_secs(10);
    while cast.plug.credit(&bob, hundred(20)).await.is_ok() {
        assert!(Instant::now() < deadline, "the new limit is taken over");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    std::fs::write(&file, format!("{good}[limits]\nrecords = \"none\"\n")).expect("written");
    exchange.hangup();
    tokio::time::sleep(Duration::from_millis(500)).await;
    cast.plug.credit(&bob, hundred(20)).await.expect_err("the old limit holds");
    cast.plug.credit(&bob, hundred(5)).await.expect("accepted");
}
