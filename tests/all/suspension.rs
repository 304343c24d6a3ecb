//! Parties suspended, and a key revoked, while all of them speak: nothing that is sent 2 s after the operator's outcome is
//! taken anywhere, and nothing more is delivered to who is not in force.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dex::client::{Client, ClientError, Item, Order, keys};
use dex::domain::command::PullAsk;
use dex::domain::{Key, Reason, Status};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::support::cast::{Cast, RECORD, address, id, terms};
use crate::support::exchange::Exchange;
use crate::support::nats_server::TestServer;

/// Who is suspended or revoked is refused everywhere after this.
const WITHIN: Duration = Duration::from_secs(2);
/// How long everybody goes on speaking afterwards.
const ON: Duration = Duration::from_millis(3000);
const NOTE: &str = r#"[{"endpoint":"notes/list","data":{"a":1}}]"#;

/// One message: when it left, and how it was answered.
struct Said {
    at: Instant,
    refused: Option<Reason>,
}

/// Somebody who says the same sort of thing again and again.
struct Speaker {
    who: &'static str,
    /// What a refusal says once it counts.
    reason: Reason,
    task: JoinHandle<Vec<Said>>,
}

fn speaker(
    who: &'static str,
    reason: Reason,
    client: &Client,
    stop: &Arc<AtomicBool>,
    order: impl Fn(usize) -> Order + Send + Sync + 'static,
) -> Speaker {
    let (client, stop) = (client.clone(), Arc::clone(stop));
    let task = tokio::spawn(async move {
        let mut said = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let at = Instant::now();
            let refused = match client.send(order(said.len())).await {
                Ok(_) => None,
                Err(ClientError::Refused(refusal)) => Some(refusal.reason),
                Err(error) => panic!("{who}: {error}"),
            };
            said.push(Said { at, refused });
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        said
    });
    Speaker { who, reason, task }
}

/// Keeps what comes and says so, whatever becomes of the receipts.
fn attend(party: &Client, stop: &Arc<AtomicBool>) -> JoinHandle<Vec<Said>> {
    let (party, stop) = (party.clone(), Arc::clone(stop));
    tokio::spawn(async move {
        let mut inbox = party.inbox().await.expect("a consumer");
        let mut said = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let Ok(Some(item)) = tokio::time::timeout(Duration::from_millis(100), inbox.next()).await else { continue };
            let Item::Delivery(delivery) = item.expect("verified") else { continue };
            let at = Instant::now();
            let refused = match delivery.accept().await {
                Ok(_) => None,
                Err(ClientError::Refused(refusal)) => Some(refusal.reason),
                Err(error) => panic!("a receipt: {error}"),
            };
            said.push(Said { at, refused });
        }
        said
    })
}

/// An organisation, or anything else that registers itself, approved.
async fn approved(operator: &Client, party: &str, body: impl FnOnce(&Key) -> serde_json::Value) -> (Client, Key) {
    let signer = keys::generate();
    let key = signer.public();
    let client = operator.speaking(address(party), signer);
    let register = Order::new(&address(party), &["register"], body(&key).to_string());
    client.send(register).await.expect("registered");
    operator.approve(&address(party), &key).await.expect("approved");
    (client, key)
}

/// Number of messages that were ever stored on a subject of `DEX_OUT` which are still there, and when the newest was
/// stored.
async fn stored(exchange: &Exchange, subject: &str) -> (u64, Option<i64>) {
    let client = async_nats::connect(&exchange.nats).await.expect("connects");
    let jetstream = async_nats::jetstream::new(client);
    let stream = jetstream.get_stream("DEX_OUT").await.expect("there");
    let newest = stream.get_last_raw_message_by_subject(subject).await.ok();
    let mut info = stream.info_with_subjects(subject).await.expect("told");
    let mut count = 0;
    while let Some(next) = futures_util::StreamExt::next(&mut info).await {
        count += next.expect("counted").1 as u64;
    }
    (count, newest.map(|it| i64::try_from(it.time.unix_timestamp_nanos()).expect("in range")))
}

#[tokio::test]
async fn nothing_of_who_is_suspended_or_revoked_is_taken_after_two_seconds() {
    let broker = TestServer::start();
    let again = "[dispatch]\nredelivery_first = \"500ms\"\nredelivery_max = \"500ms\"";
    let exchange = Exchange::tuned(&broker, again);
    let cast = Cast::new(exchange.client().await, 5).await;
    let operator = &cast.operator;
    let hat = |number: usize| cast.hat(number);

    let (app, _) = approved(
        operator,
        "app:notes",
        |key| json!({ "key": key, "name": "Notes", "version": "1", "namespaces": ["notes"] }),
    )
    .await;
    let (fitbit, fitbit_key) =
        approved(operator, "plug:fitbit", |key| json!({ "key": key, "name": "Fitbit", "namespace": "fitbit" })).await;
    let named = |name: &'static str| move |key: &Key| json!({ "key": key, "name": name });
    let (bridge, _) = approved(operator, "bridge:carrier", named("Carrier")).await;
    // It reads nothing of what is delivered to it.
    let (idle, _) = approved(operator, "org:idle", named("Idle")).await;
    let platform_key = keys::generate();
    operator.certify(&id("example.net"), "Another", &platform_key.public()).await.expect("certified");
    let platform = operator.speaking(address("platform:example.net"), platform_key);
    cast.hats[0].app_setup(&id("notes")).await.expect("set up");
    cast.hats[0].plug_connect(&id("fitbit")).await.expect("connected");
    let entrust = json!({ "transport": "nats", "bridge": "carrier" }).to_string();
    cast.hats[2].send(Order::new(cast.hats[2].party(), &["entrust"], entrust)).await.expect("entrusted");
    for number in [0, 1, 2, 4] {
        cast.debit(number, "feed").await;
    }
    let of_idle = terms(idle.party());
    for number in [0, 4] {
        idle.debit_propose(&hat(number), &id("idle"), &of_idle).await.expect("proposed");
        cast.hats[number].debit_enable(&id("idle")).await.expect("enabled");
    }

    let stop = Arc::new(AtomicBool::new(false));
    let suspended = Reason::Suspended;
    let h = [hat(0), hat(1), hat(2), hat(3), hat(4)];
    let [plug_to, app_to, pull_of, own, carried, fitbit_to] = [0, 0, 0, 1, 2, 0].map(|number: usize| h[number].clone());
    let keyed = Arc::new(keys::generate().public());
    let speakers = vec![
        speaker("plug:facebook", suspended, &cast.plug, &stop, move |_| {
            Order::credit(&plug_to, &id("facebook"), RECORD)
        }),
        speaker("app:notes", suspended, &app, &stop, move |_| Order::credit(&app_to, &id("notes"), NOTE)),
        speaker("org:acme", suspended, &cast.org, &stop, move |_| {
            Order::pull(&pull_of, &id("feed"), &PullAsk::default()).settle_within(Duration::from_secs(60))
        }),
        speaker("hat:h1.hubat.net", suspended, &cast.hats[1], &stop, move |_| {
            Order::release(&own, &id("feed"), RECORD)
        }),
        speaker("bridge:carrier", suspended, &bridge, &stop, move |_| Order::release(&carried, &id("feed"), RECORD)),
        speaker("platform:example.net", suspended, &platform, &stop, move |number| {
            Order::register_hat(&id(&format!("n{number}.example.net")), &keyed)
        }),
        speaker("plug:fitbit", Reason::RevokedKey, &fitbit, &stop, move |_| {
            Order::credit(&fitbit_to, &id("fitbit"), r#"[{"endpoint":"fitbit/steps","data":{"n":1}}]"#)
        }),
    ];
    // Deliveries for acme go on from one who is not suspended, so that receipts of acme are under way; and some for idle.
    let [from, to_idle] = [h[4].clone(), h[4].clone()];
    let releases = speaker("hat:h4.hubat.net", Reason::NothingSelected, &cast.hats[4], &stop, move |_| {
        Order::release(&from, &id("feed"), RECORD)
    });
    let receipts = attend(&cast.org, &stop);
    let held = Order::release(&to_idle, &id("idle"), RECORD).settle_within(Duration::from_secs(600));
    let held = cast.hats[4].send(held).await.expect("accepted").outcome.exchange;
    let short = cast.hats[0].clone();
    let ends = Order::release(&hat(0), &id("idle"), RECORD).settle_within(Duration::from_secs(4));
    let ends = tokio::spawn(async move { short.conclude(ends, Duration::from_secs(30)).await.expect("it ends") });
    tokio::time::sleep(Duration::from_millis(800)).await;

    // In flight: everybody speaks meanwhile.
    let mut out = Vec::new();
    for speaker in &speakers {
        match speaker.who {
            "plug:fitbit" => {
                let since = dex::client::ids::now();
                operator.revoke_key(&address(speaker.who), &fitbit_key, since).await.expect("revoked");
            }
            who => drop(operator.suspend(&address(who)).await.expect("suspended")),
        }
        out.push(Instant::now());
    }
    operator.suspend(idle.party()).await.expect("suspended");
    let (idle_out, idle_at) = (Instant::now(), dex::client::ids::now());
    tokio::time::sleep(ON).await;
    stop.store(true, Ordering::Relaxed);

    let acme_out = out[2];
    let mut slowest = Duration::ZERO;
    for (speaker, out) in speakers.into_iter().zip(out) {
        let said = speaker.task.await.expect("it spoke");
        let taken = said.iter().filter(|it| it.refused.is_none()).count();
        let later: Vec<&Said> = said.iter().filter(|it| it.at > out + WITHIN).collect();
        assert!(taken > 5 && later.len() > 5, "{}: {taken} taken, {} later", speaker.who, later.len());
        for it in &later {
            assert_eq!(it.refused, Some(speaker.reason), "{}", speaker.who);
        }
        let last = said.iter().filter(|it| it.refused.is_none()).map(|it| it.at.saturating_duration_since(out)).max();
        slowest = slowest.max(last.unwrap_or_default());
    }
    println!("the last message that was taken left {slowest:?} after the operator's outcome");
    assert!(slowest < WITHIN);
    let receipts = receipts.await.expect("they were sent");
    let (before, after): (Vec<&Said>, Vec<&Said>) = receipts.iter().partition(|it| it.at <= acme_out);
    assert!(before.iter().any(|it| it.refused.is_none()), "receipts were under way");
    let late: Vec<&&Said> = after.iter().filter(|it| it.at > acme_out + WITHIN && it.refused.is_none()).collect();
    assert!(late.is_empty(), "{} receipts of a suspended party were taken", late.len());
    // Nobody is hindered who is in force; but nothing is let out to who is not.
    let others = releases.task.await.expect("it spoke");
    assert!(others.iter().filter(|it| it.at > acme_out + WITHIN).all(|it| it.refused == Some(Reason::Suspended)));

    // Nothing has left for who is suspended: neither a first delivery nor one again, and nobody is asked for it.
    let subjects = [
        "dex.v1.out.org.idle.delivery.idle",
        "dex.v1.out.org.acme.delivery.feed",
        "dex.v1.out.hat.h0_hubat_net.request",
    ];
    let limit = idle_at.plus(i64::try_from(WITHIN.as_nanos()).expect("short"));
    let mut counts = Vec::new();
    for subject in subjects {
        let (count, newest) = stored(&exchange, subject).await;
        let newest = newest.unwrap_or_else(|| panic!("nothing was ever sent on {subject}"));
        assert!(newest < limit.0, "{subject}: the newest is {} ms too late", (newest - limit.0) / 1_000_000);
        counts.push(count);
    }
    assert!(idle_out.elapsed() > Duration::from_secs(2));
    let ended = ends.await.expect("no panic");
    assert_eq!(ended.last[0].outcome.status, Status::Expired, "an exchange with a suspended recipient ends");
    for (subject, count) in subjects.into_iter().zip(counts) {
        assert!(stored(&exchange, subject).await.0 <= count, "{subject} has gained messages");
    }

    // Resumed, it gets what is open, and its receipt counts.
    operator.resume(idle.party()).await.expect("resumed");
    let resumed = Instant::now();
    let stop = Arc::new(AtomicBool::new(false));
    let attended = attend(&idle, &stop);
    let trace = json!({ "id": held });
    loop {
        let told = operator.query("exchange.trace", trace.to_string()).await.expect("told");
        if told["status"] == "settled" {
            break;
        }
        assert!(resumed.elapsed() < Duration::from_secs(30), "{told}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.store(true, Ordering::Relaxed);
    attended.await.expect("it listened");
    let page = exchange.metrics().await;
    let parked = page.lines().find_map(|line| line.strip_prefix("dex_deliveries_parked_total ")).expect("told");
    assert!(parked.parse::<f64>().expect("a number") >= 2.0, "{parked}");
}
