//! HATs that speak only HTTP, through the real daemon and its bridge: what is credited arrives once, what
//! the owner decides on the HAT holds in the exchange, and a HAT that misbehaves harms nobody else.

use std::time::{Duration, Instant};

use dex::bridge::hat::{Door, DoorOptions};
use dex::bridge::{OnboardError, Onboarded, Onboarding};
use dex::client::{Client, ClientError, Order, keys};
use dex::domain::{Id, Reason, Status};
use dex::http::resolve::Fixed;
use dex::wire::OutcomeOut;
use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::support::cast::{Cast, address, id, terms};
use crate::support::exchange::Exchange;
use crate::support::http_hat::{HttpHats, Mode, PLATFORM};
use crate::support::nats_server::TestServer;

const DOMAIN: &str = "only-http.net";
const BOB: &str = "bob.only-http.net";
const EVE: &str = "eve.only-http.net";
const BRIDGE: &str = "bridge:dex.test";
const DATA: &str = "/api/v2.6/data/";

struct World {
    hats: Option<HttpHats>,
    exchange: Exchange,
    cast: Cast,
    bridge: Client,
    onboarding: Onboarding,
    _broker: TestServer,
    _folder: tempfile::TempDir,
}

fn door(hats: &HttpHats) -> DoorOptions {
    DoorOptions {
        plain: true,
        private: true,
        fixed: vec![Fixed::parse(&hats.resolve(DOMAIN)).expect("reads")],
        limit: Duration::from_secs(1),
        ..DoorOptions::default()
    }
}

impl World {
    /// An exchange with its bridge on, and these HATs onboarded, connected to the plug.
    async fn new(names: &[&str]) -> World {
        let hats = HttpHats::start();
        let broker = TestServer::start();
        let folder = tempfile::tempdir().expect("folder");
        let password = folder.path().join("password");
        std::fs::write(&password, PLATFORM.1).expect("written");
        let more = format!(
            "[bridge]\nenabled = true\nplain_http = true\nprivate_addresses = true\nresolve = [{:?}]\ntimeout = \"1s\"\n\
             roster_every = \"200ms\"\ndebits_every = \"200ms\"\ndebits_every_max = \"400ms\"\nkey_every = \"300ms\"\n\
             pause_max = \"1s\"\n[[bridge.account]]\ndomain = {DOMAIN:?}\nusername = {:?}\npassword = {:?}",
            hats.resolve(DOMAIN),
            PLATFORM.0,
            format!("file:{}", password.display()),
        );
        let exchange = Exchange::tuned(&broker, &more);
        let cast = Cast::new(exchange.client().await, 0).await;
        let key = keys::load(&exchange.path("state/bridge.key")).expect("made at start");
        let bridge = cast.operator.speaking(address(BRIDGE), key);
        let onboarding = Onboarding::new(bridge.clone(), Door::new(&door(&hats)).expect("built"), 8);
        let world = World { hats: Some(hats), exchange, cast, bridge, onboarding, _broker: broker, _folder: folder };
        for name in names {
            let done = world.onboarding.onboard(&id(name)).await.expect("onboarded");
            assert_eq!(done, Onboarded::Registered);
            world.bridge.send(Order::plug_connect(&id(name), &id("facebook"))).await.expect("connected");
        }
        world
    }

    fn hats(&self) -> &HttpHats {
        self.hats.as_ref().expect("up")
    }

    /// The plug credits these records to a HAT; how it ends.
    async fn credit(&self, hat: &str, data: &[Value], within: u64) -> OutcomeOut {
        credit(&self.cast.plug, hat, data, within).await
    }

    fn feed(&self, hat: &str) -> usize {
        self.hats().records(hat, "facebook/feed").len()
    }
}

async fn credit(plug: &Client, hat: &str, data: &[Value], within: u64) -> OutcomeOut {
    let records: Vec<Value> = data.iter().map(|data| json!({"endpoint": "facebook/feed", "data": data})).collect();
    let order = Order::credit(&id(hat), &id("facebook"), json!(records).to_string());
    let order = order.settle_within(Duration::from_secs(within));
    let end = plug.conclude(order, Duration::from_secs(within + 20)).await.expect("ended");
    end.last[0].clone()
}

/// Waits until it is so.
async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !so().await {
        assert!(Instant::now() < deadline, "not in 30 s: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_credit_is_stored_once_and_the_ledger_says_who_answered() {
    let world = World::new(&[BOB]).await;
    let records = [json!({"n": 1}), json!({"n": 2}), json!({"text": "ä b"})];
    let end = world.credit(BOB, &records, 30).await;
    assert_eq!((end.outcome.status, end.outcome.count), (Status::Settled, 3));
    assert_eq!(world.feed(BOB), 3);
    assert_eq!(world.hats().application(BOB, "facebook"), Some(true), "the plug was set up there");

    let question = json!({"id": end.outcome.exchange}).to_string();
    let trace = world.cast.operator.query("exchange.trace", question).await.expect("told").to_string();
    assert!(trace.contains(BRIDGE), "the receipt is the bridge's word: {trace}");
    assert!(!trace.contains("\"from\":\"hat:bob"), "never the HAT's: {trace}");

    // The same content again, in an exchange of its own: held already, so it is there and nothing is added.
    let again = world.credit(BOB, &records, 30).await;
    assert_eq!(again.outcome.status, Status::Settled);
    assert_eq!(world.feed(BOB), 3);
    let page = world.exchange.metrics().await;
    assert!(page.contains("dex_bridge_records_total{fate=\"held\"} 3"), "counted as held");
    assert!(!page.contains("only-http"), "no id of a party is in a metric");
    let log = world.exchange.log().join("\n");
    assert!(!log.contains(PLATFORM.1) && !log.contains("ä b"), "neither password nor content is logged");
}

#[tokio::test]
async fn what_a_hat_does_not_keep_is_disputed() {
    let world = World::new(&[BOB]).await;
    let some = world.credit(BOB, &[json!({"n": 1}), json!({"unwelcome": 1})], 30).await;
    assert_eq!((some.outcome.status, some.outcome.reason), (Status::Disputed, Some(Reason::CountMismatch)));
    assert_eq!(world.feed(BOB), 1, "one bad record holds back no other");
    let none = world.credit(BOB, &[json!({"unwelcome": 2})], 30).await;
    assert_eq!((none.outcome.status, none.outcome.reason), (Status::Disputed, Some(Reason::RefusedByRecipient)));
    // A HAT that may not be written to.
    world.hats().behave(BOB, Mode::Fail(403), DATA);
    let denied = world.credit(BOB, &[json!({"n": 2})], 30).await;
    assert_eq!((denied.outcome.status, denied.outcome.reason), (Status::Disputed, Some(Reason::RefusedByRecipient)));
    // The owner disables the plug at the HAT: said in the exchange, where it can write no more.
    world.hats().behave(BOB, Mode::Well, "/");
    world.hats().disable_application(BOB, "facebook");
    let disabled = world.credit(BOB, &[json!({"n": 3})], 30).await;
    assert_eq!(disabled.outcome.reason, Some(Reason::RefusedByRecipient));
    let order = Order::credit(&id(BOB), &id("facebook"), r#"[{"endpoint":"facebook/feed","data":1}]"#);
    let error = world.cast.plug.send(order).await.expect_err("disconnected");
    assert_eq!(error.reason(), Some(Reason::NotConnected));
}

#[tokio::test]
async fn misbehaving_hats_are_outlived_and_hold_up_no_other() {
    let world = World::new(&[BOB, EVE]).await;
    world.credit(BOB, &[json!({"n": 0})], 30).await;
    let modes = [
        Mode::Hang,
        Mode::Fail(500),
        Mode::Endless,
        Mode::Garbage,
        Mode::ClaimAll,
        Mode::Busy(503, 1),
        Mode::Redirect("http://169.254.169.254/".into()),
    ];
    for (number, mode) in modes.into_iter().enumerate() {
        world.hats().behave(BOB, mode.clone(), DATA);
        let began = Instant::now();
        let bad = [json!({"bad": number})];
        let good = [json!({"good": number})];
        let (bad, (good, took)) = tokio::join!(world.credit(BOB, &bad, 3), async {
            let end = world.credit(EVE, &good, 30).await;
            (end, began.elapsed())
        });
        assert_eq!(good.outcome.status, Status::Settled, "{mode:?}");
        assert!(took < Duration::from_secs(3), "{mode:?} held up another HAT for {took:?}");
        let refused = matches!(mode, Mode::Redirect(_));
        let (status, reason) = match refused {
            true => (Status::Disputed, Reason::RefusedByRecipient),
            false => (Status::Expired, Reason::DeadlinePassed),
        };
        assert_eq!((bad.outcome.status, bad.outcome.reason), (status, Some(reason)), "{mode:?}");
    }
    // What was stored before the HAT failed is there once.
    world.hats().behave(BOB, Mode::StoreThenFail, DATA);
    let sent = [json!({"half": 1}), json!({"half": 2})];
    let (end, ()) = tokio::join!(world.credit(BOB, &sent, 30), async {
        until("it was stored", async || world.feed(BOB) >= 3).await;
        world.hats().behave(BOB, Mode::Well, "/");
    });
    assert_eq!(end.outcome.status, Status::Settled);
    assert_eq!(world.feed(BOB), 3);
    // Half is dropped without a word: found out, and sent again.
    world.hats().behave(BOB, Mode::DropHalf, DATA);
    let end = world.credit(BOB, &[json!({"d": 1}), json!({"d": 2})], 30).await;
    assert_eq!((end.outcome.status, world.feed(BOB)), (Status::Settled, 5));
}

#[tokio::test]
async fn a_debit_is_proposed_enabled_by_the_owner_pulled_and_settled() {
    let world = World::new(&[BOB]).await;
    let debit = id("acme.feed");
    let org = &world.cast.org;
    org.debit_propose(&id(BOB), &debit, &terms(org.party())).await.expect("proposed");
    until("the HAT has it", async || world.hats().debit(BOB, "acmeDfeed").is_some()).await;
    let asked = world.hats().debit(BOB, "acmeDfeed").expect("there");
    assert_eq!((asked["period"].as_u64(), asked["purpose"].as_str()), (Some(3_600_000), Some("a test")));
    world.hats().keep(BOB, "facebook/feed", &json!({"message": "mine"}));
    world.hats().keep(BOB, "rumpel/notes", &json!({"message": "not asked for"}));
    let early = pull(org, &debit, None).await.expect_err("not enabled");
    assert_eq!(early.reason(), Some(Reason::DebitNotActive));

    world.hats().enable(BOB, "acmeDfeed");
    let shown = async |key: &str| {
        let question = json!({"hat": BOB, "debit": "acme.feed"}).to_string();
        org.query("debit.show", question).await.expect("told")[key].clone()
    };
    until("the exchange knows", async || shown("active").await == true).await;
    let mut inbox = org.deliveries().await.expect("an inbox");
    let taking = async {
        let delivery = inbox.next().await.expect("one").expect("good");
        let records: Value = serde_json::from_slice(delivery.records()).expect("JSON");
        assert_eq!(records.as_array().map(Vec::len), Some(1));
        assert_eq!(records[0]["data"], json!({"message": "mine"}));
        assert_eq!(delivery.source, address(&format!("hat:{BOB}")));
        delivery.accept().await.expect("settled")
    };
    let (asked, settled) = tokio::join!(pull(org, &debit, Some(10)), taking);
    assert_eq!(asked.expect("answered").outcome.status, Status::Settled);
    assert_eq!(settled.outcome.status, Status::Settled);

    // A condition that does not hold: the pull is refused, and says so.
    world.hats().condition(BOB, "grown-up", false);
    let refused = pull(org, &debit, None).await.expect("ended");
    assert_eq!((refused.outcome.status, refused.outcome.reason), (Status::Disputed, Some(Reason::RefusedByRecipient)));
    world.hats().condition(BOB, "grown-up", true);

    // An amendment waits for the owner there too, while the old terms hold.
    let mut amended = terms(org.party());
    amended.purpose = "another".into();
    org.debit_amend(&id(BOB), &debit, &amended).await.expect("amended");
    until("the HAT has it", async || {
        world.hats().debit(BOB, "acmeDfeed").is_some_and(|asked| asked["purpose"] == "another")
    })
    .await;
    assert_eq!((shown("active").await, shown("waits").await), (json!(true), json!(true)));
    world.hats().enable(BOB, "acmeDfeed");
    until("the amendment is in force", async || shown("waits").await == false).await;
    world.hats().disable(BOB, "acmeDfeed");
    until("the exchange knows the end", async || shown("active").await == false).await;
    let late = pull(org, &debit, None).await.expect_err("ended");
    assert_eq!(late.reason(), Some(Reason::DebitEnded));
    world.hats().enable(BOB, "acmeDfeed");
    until("enabled again", async || shown("active").await == true).await;
}

/// Pulls and waits for the end of the pull.
async fn pull(org: &Client, debit: &Id, limit: Option<u32>) -> Result<OutcomeOut, ClientError> {
    let ask = dex::domain::command::PullAsk { limit, ..Default::default() };
    let order = Order::pull(&id(BOB), debit, &ask);
    Ok(org.conclude(order, Duration::from_secs(30)).await?.last[0].clone())
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_while_hat_and_daemon_go_and_come() {
    let mut world = World::new(&[BOB]).await;
    world.credit(BOB, &[json!({"n": "first"})], 30).await;
    let down = world.hats.take().expect("up").down();
    let plug = world.cast.plug.clone();
    let mut waiting = Vec::new();
    for number in 0..5 {
        let plug = plug.clone();
        waiting.push(tokio::spawn(async move { credit(&plug, BOB, &[json!({"n": number})], 60).await }));
    }
    tokio::time::sleep(Duration::from_millis(700)).await;
    world.exchange.kill();
    world.exchange.restart();
    world.hats = Some(down.up());
    for one in waiting {
        assert_eq!(one.await.expect("no panic").outcome.status, Status::Settled);
    }
    assert_eq!(world.feed(BOB), 6);
    let kept = world.hats().records(BOB, "facebook/feed");
    assert_eq!(kept.iter().filter(|record| record["n"] == 3).count(), 1, "once in effect");
}

#[tokio::test]
async fn a_hat_with_another_key_gets_nothing_and_cannot_be_onboarded() {
    let world = World::new(&[BOB]).await;
    assert_eq!(world.onboarding.onboard(&id(BOB)).await.expect("idempotent"), Onboarded::Known);
    world.credit(BOB, &[json!({"n": 1})], 30).await;
    world.hats().change_key(BOB);
    tokio::time::sleep(Duration::from_millis(400)).await;
    let end = world.credit(BOB, &[json!({"n": 2})], 30).await;
    assert_eq!((end.outcome.status, end.outcome.reason), (Status::Disputed, Some(Reason::RefusedByRecipient)));
    assert_eq!(world.feed(BOB), 1);
    let error = world.onboarding.onboard(&id(BOB)).await.expect_err("another key");
    assert!(matches!(error, OnboardError::OtherKey(_)), "{error}");
    // A HAT that is not up, and one that is no HAT.
    world.hats().behave(EVE, Mode::Fail(502), "/users");
    assert!(matches!(world.onboarding.onboard(&id(EVE)).await, Err(OnboardError::Hat(_))));
    world.hats().behave(EVE, Mode::Garbage, "/");
    assert!(matches!(world.onboarding.onboard(&id(EVE)).await, Err(OnboardError::Hat(_))));
    world.hats().behave(EVE, Mode::Well, "/");
    assert_eq!(world.onboarding.onboard(&id(EVE)).await.expect("well now"), Onboarded::Registered);
    // The verb says the same.
    let onboard = async |hat: &str| {
        let mut verb = tokio::process::Command::new(env!("CARGO_BIN_EXE_dex"));
        verb.args(["--url", &world.exchange.nats, "--as", BRIDGE, "--json", "hat", "onboard", hat])
            .args(["--plain-http", "--private-addresses", "--resolve", &world.hats().resolve(DOMAIN), "--key"])
            .arg(world.exchange.path("state/bridge.key"));
        let done = verb.output().await.expect("it runs");
        (done.status.code(), String::from_utf8_lossy(&done.stdout).into_owned())
    };
    let (code, said) = onboard("ann.only-http.net").await;
    assert!(code == Some(0) && said.contains("\"registered\""), "{code:?} {said}");
    let (code, said) = onboard(BOB).await;
    assert!(code == Some(1) && said.contains("another key"), "{code:?} {said}");
}

/// The bar is 1,000 a minute; a debug build on a busy machine does several times that.
#[tokio::test]
async fn hats_are_onboarded_by_the_hundred() {
    let world = World::new(&[]).await;
    let names: Vec<Id> = (0..300).map(|number| id(&format!("h{number}.{DOMAIN}"))).collect();
    let began = Instant::now();
    let done: Vec<_> = world.onboarding.onboard_all(futures_util::stream::iter(names)).collect().await;
    let took = began.elapsed();
    assert!(done.iter().all(|(_, done)| matches!(done, Ok(Onboarded::Registered))), "all of them");
    let rate = 300.0 / took.as_secs_f64() * 60.0;
    println!("{rate:.0} onboardings a minute");
    assert!(rate >= 1000.0, "{rate:.0} a minute");
}
