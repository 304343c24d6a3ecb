//! Kills of the daemon at the two points where most is at stake. Those at random points are in `soak.rs`.

use std::collections::HashSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dex::actors::clock::{Clock, SystemClock};
use dex::actors::kinds;
use dex::actors::shared::FaultHook;
use dex::client::{Client, ClientOptions, Order};
use dex::daemon::{Extras, Running};
use dex::domain::{Action, Entry, Event, Registration, Status, Timestamp};
use dex::ledger::{CheckpointVerifier, offline};
use dex::store::{RegistryFold, StateDb, rebuild};
use dex::wire::Signer;
use futures_util::StreamExt;
use uuid::Uuid;

use crate::support::cast::{Cast, RECORD};
use crate::support::inside::{Ground, Inside};
use crate::support::ledger::{entries, sound};

/// Takes every delivery of a HAT, answers it, and keeps the ids.
fn receive(hat: Client, taken: Arc<Mutex<Vec<Uuid>>>) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let mut deliveries = hat.deliveries().await.expect("an inbox");
        while let Some(delivery) = deliveries.next().await {
            let Ok(delivery) = delivery else { continue };
            taken.lock().expect("not poisoned").push(delivery.id);
            // While the exchange is away the receipt is repeated; it may still time out, and comes again.
            tokio::spawn(async move { delivery.accept().await });
        }
    })
}

/// The rows of the live database and of one made of the ledger alone are the same.
fn rebuilt_is_live(ground: &Ground, daemon: Inside) {
    let shared = Arc::clone(&daemon.shared);
    assert!(daemon.stop(), "drained");
    let fresh = StateDb::open(ground.folder.path().join("rebuilt.redb"), "dex.test").expect("made");
    let registry = RegistryFold { touches: Event::touches_registry, apply: Registration::apply };
    let all = shared.reader.scan(0).map(|stored| {
        let sealed = dex::actors::shared::sealed(&shared, stored.expect("readable")).expect("an entry");
        Ok::<_, std::convert::Infallible>(Arc::unwrap_or_clone(sealed))
    });
    rebuild(&fresh, all, registry, kinds::fold, 100, Timestamp(0)).expect("rebuilt");
    let live = &shared.db;
    let rows = |db: &StateDb| db.rows(None).expect("readable").map(|row| row.expect("a row")).collect::<Vec<_>>();
    assert!(!rows(live).is_empty());
    assert_eq!(rows(live), rows(&fresh));
    assert_eq!(live.registrations().expect("readable"), fresh.registrations().expect("readable"));
    assert_eq!(live.open_rows().expect("readable"), fresh.open_rows().expect("readable"));
    for entry in entries(&shared) {
        for key in dex::store::index_keys(&entry).iter() {
            let of = |db: &StateDb| db.index(std::slice::from_ref(key)).expect("readable");
            assert_eq!(of(live), of(&fresh));
        }
    }
}

#[tokio::test]
async fn a_restart_goes_on_with_what_was_open_and_a_rebuild_agrees() {
    let ground = Ground::new();
    let daemon = Inside::start(ground.config("[snapshot]\ninterval = \"50ms\"\n"), Extras::default());
    let cast = Cast::new(ground.client().await, 4).await;
    cast.debit(0, "acme.feed").await;
    let mut orders = Vec::new();
    for n in 0..40 {
        let order = Order::credit(&cast.hat(n % 4), &cast.plug.party().id, RECORD).id(cast.plug.message_id());
        let order = if n == 7 { order.settle_within(Duration::from_secs(2)) } else { order };
        cast.plug.send(order.clone()).await.expect("accepted");
        orders.push(order);
    }
    cast.hats[0].data(RECORD).await.expect("fanned out");
    assert!(daemon.stop(), "drained");

    let daemon = Inside::start(ground.config(""), Extras::default());
    // What the run before had no time to purge is purged at once: all but the message at each position.
    let started = Instant::now();
    let link = ground.broker.link("counting").await;
    let mut input = link.jetstream.get_stream("DEX_IN").await.expect("made by the daemon");
    while input.info().await.expect("told").state.messages > 4 {
        assert!(started.elapsed() < Duration::from_secs(4), "purged at the start, not only after a while");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let size = daemon.shared.reader.tree_size();
    // The first outcome again, and nothing recorded.
    let again = cast.plug.send(orders[3].clone()).await.expect("accepted");
    assert_eq!(again.outcome.status, Status::Accepted);
    assert!(again.leaf.index < size);
    assert_eq!(daemon.shared.reader.tree_size(), size);
    // What was delivered before the restart is settled by receipts after it.
    let mut inbox = cast.hats[1].deliveries().await.expect("an inbox");
    let delivery = inbox.next().await.expect("one").expect("good");
    assert_eq!(delivery.accept().await.expect("settled").outcome.status, Status::Settled);
    // And what nobody answers expires by the deadline that was set before it.
    let deadline = Instant::now() + Duration::from_secs(20);
    while !entries(&daemon.shared).iter().any(|entry| matches!(entry.event, Event::Expired(_))) {
        assert!(Instant::now() < deadline, "the deadline survives a restart");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(sound(&entries(&daemon.shared)), (41, 2));
    rebuilt_is_live(&ground, daemon);
}

/// Says which thread asks for the time, and ends the process at the chosen moment.
struct FatalClock {
    armed: Arc<AtomicUsize>,
}

impl Clock for FatalClock {
    fn now(&self) -> Timestamp {
        let publishing = std::backtrace::Backtrace::force_capture().to_string().contains("outbox");
        if self.armed.load(Ordering::SeqCst) == 1 && publishing {
            std::process::abort();
        }
        SystemClock.now()
    }
}

/// Not a test of its own: the daemon that the tests below start as a child process and that ends itself.
#[test]
fn the_daemon_that_ends_itself() {
    let (Ok(config), Ok(point)) = (std::env::var("DEX_TEST_CONFIG"), std::env::var("DEX_TEST_POINT")) else {
        return;
    };
    let decided = AtomicUsize::new(0);
    let armed = Arc::new(AtomicUsize::new(0));
    let at_publish = point == "publish";
    let arm = Arc::clone(&armed);
    let round = point == "round";
    let fault: FaultHook = Arc::new(move |command| {
        if round {
            if let Action::Credit { records, .. } = &command.action
                && records.items[0].endpoint == "facebook/poison"
            {
                std::thread::sleep(Duration::from_secs(2));
                std::process::abort();
            }
            return;
        }
        if !matches!(command.action, Action::Credit { .. }) || decided.fetch_add(1, Ordering::SeqCst) < 5 {
            return;
        }
        if at_publish {
            arm.store(1, Ordering::SeqCst);
        } else {
            std::process::abort();
        }
    });
    let clock: Arc<dyn Clock> = Arc::new(FatalClock { armed });
    let extras = Extras { fault: Some(fault), clock: at_publish.then_some(clock) };
    let config = dex::config::load(Some(Path::new(&config))).expect("right");
    actix::System::new().block_on(async move {
        let _running = Running::start(config, extras).await.expect("starts");
        // Longer than any test waits for the end.
        tokio::time::sleep(Duration::from_secs(60)).await;
    });
}

/// Exchanges opened in the ledger, and deliveries in the output stream, of a daemon that has ended.
async fn stopped_at(ground: &Ground) -> (usize, usize) {
    let mut opened = 0;
    let state = ground.folder.path().join("state");
    let seed = std::fs::read_to_string(state.join("dex.seed")).expect("made at the first start");
    let public = Signer::from_seed_text(seed.trim()).expect("a seed").public();
    let verifier = CheckpointVerifier::new("dex.test", public.0).expect("a key");
    let reader = offline::read(&state, &verifier).expect("readable");
    for stored in reader.scan(0) {
        let entry: Entry = rmp_serde::from_slice(&stored.expect("readable").entry).expect("an entry");
        opened += usize::from(matches!(entry.event, Event::Opened(_)));
    }
    let link = ground.broker.link("counting").await;
    let stream = link.jetstream.get_stream("DEX_OUT").await.expect("made by the daemon");
    let mut subjects = stream.info_with_subjects("dex.v1.out.hat.*.delivery").await.expect("told");
    let mut delivered = 0;
    while let Some(subject) = subjects.next().await {
        delivered += subject.expect("told").1;
    }
    (opened, delivered)
}

/// Sends credits to a daemon that ends itself at `point`, then to a whole one; returns what the HAT got
/// and the entries, after all were settled.
async fn across(point: &str) -> usize {
    let ground = Ground::new();
    ground.config("");
    let mut child = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "recovery::the_daemon_that_ends_itself", "--nocapture"])
        .env("DEX_TEST_CONFIG", ground.folder.path().join("dex.toml"))
        .env("DEX_TEST_POINT", point)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let operator = loop {
        let options = ClientOptions::new(ground.broker.url(), "operator:main".parse().expect("an address"));
        match Client::connect(options.signer(ground.operator())).await {
            Ok(client) => break client,
            Err(error) => {
                assert!(child.try_wait().expect("asked").is_none(), "ended too early: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    };
    let cast = Cast::new(operator, 1).await;
    let sending: Vec<_> = (0..12)
        .map(|_| {
            let order = Order::credit(&cast.hat(0), &cast.plug.party().id, RECORD).wait(Duration::from_secs(60));
            let plug = cast.plug.clone();
            tokio::spawn(async move { plug.conclude(order, Duration::from_secs(90)).await })
        })
        .collect();
    let deadline = Instant::now() + Duration::from_secs(60);
    while child.try_wait().expect("asked").is_none() {
        assert!(Instant::now() < deadline, "it ends itself");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (opened, delivered) = stopped_at(&ground).await;
    if point == "publish" {
        assert!(opened > delivered, "it ended between commit and publish: {opened} opened, {delivered} delivered");
    }
    let daemon = Inside::start(ground.config(""), Extras::default());
    let taken: Arc<Mutex<Vec<Uuid>>> = Arc::default();
    let reader = receive(cast.hats[0].clone(), Arc::clone(&taken));
    for sent in sending {
        let end = sent.await.expect("ran").expect("accepted and ended");
        assert_eq!(end.last[0].outcome.status, Status::Settled);
    }
    reader.abort();
    let distinct: HashSet<Uuid> = taken.lock().expect("not poisoned").iter().copied().collect();
    assert_eq!(sound(&entries(&daemon.shared)), (12, 12));
    rebuilt_is_live(&ground, daemon);
    distinct.len()
}

#[tokio::test]
async fn an_end_between_fetch_and_commit_loses_nothing() {
    assert_eq!(across("decide").await, 12);
}

#[tokio::test]
async fn an_end_between_commit_and_publish_loses_nothing() {
    assert_eq!(across("publish").await, 12);
}
