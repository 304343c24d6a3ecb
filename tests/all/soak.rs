//! The soak: a short one that must hold, and a checker that must find what is wrong with a doctored log.

use std::process::{Command, Stdio};
use std::time::Duration;

use dex::domain::event::Direction;
use dex::domain::{Entry, Event};
use dex::ledger::{CheckpointVerifier, offline};
use dex::simulation::soak::{Load, Testimony, check};
use dex::simulation::{Cast, Settings, Stage};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::exchange::Exchange;
use crate::support::nats_server::binary;

#[test]
fn killed_at_random_points_under_load_it_loses_and_doubles_nothing() {
    let output = Command::new(env!("CARGO_BIN_EXE_dex"))
        .args(["soak", "--rounds", "9", "--seed", "5", "--rate", "60", "--hats", "6"])
        .env("DEX_NATS_SERVER", binary())
        .stdin(Stdio::null())
        .output()
        .expect("runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let shown = format!("{text}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{shown}");
    let line = text.lines().last().unwrap_or_default();
    let sums = line.strip_prefix("soak: rounds=9 receipted=").expect(&shown);
    let (receipted, rest) = sums.split_once(' ').expect(&shown);
    assert_eq!(rest, "lost=0 doubled=0 unfinished=0", "{shown}");
    assert!(receipted.parse::<u64>().expect(&shown) > 200, "there was load: {shown}");
    for killed in ["own server, daemon", "own server, server", "own server, both"] {
        assert_eq!(text.matches(&format!("{killed} killed")).count(), 2, "{shown}");
    }
    for killed in ["embedded server, daemon", "embedded server, server", "embedded server, both"] {
        assert_eq!(text.matches(&format!("{killed} killed")).count(), 1, "{shown}");
    }
}

/// What the participants of a short, undisturbed load saw, and the log of it.
async fn undisturbed() -> (Testimony, Vec<(u64, Entry)>) {
    let mut exchange = Exchange::start();
    let settings = Settings {
        seed: 2,
        hats: 6,
        rate: 80,
        mistakes: 0.1,
        settle_within: Duration::from_secs(30),
        expire_within: Duration::from_secs(2),
        ..Settings::default()
    };
    let cast = Cast::new(settings.seed, settings.hats);
    let stage = Stage::set(cast, &exchange.nats, exchange.operator()).await.expect("registered");
    let key = stage.platform().dex_keys()[0];
    let load = Load::new(stage, settings);
    let readers = load.listen().await.expect("listening");
    let stop = CancellationToken::new();
    let ends = stop.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(2)).await;
        ends.cancel();
    });
    load.run(&stop).await;
    assert!(load.settle(Duration::from_secs(40)).await, "everything ends");
    drop(readers);
    exchange.stop();
    let verifier = CheckpointVerifier::new("dex.test", key.0).expect("a key");
    let reader = offline::read(&exchange.path("state"), &verifier).expect("readable");
    let entries = reader.scan(0).map(|stored| {
        let stored = stored.expect("readable");
        (stored.leaf, rmp_serde::from_slice(&stored.entry).expect("an entry"))
    });
    (load.witness.testimony(), entries.collect())
}

/// The delivery that an entry opens or ends.
fn delivery(entry: &Entry) -> Option<Uuid> {
    match &entry.event {
        Event::Opened(opened) => Some(opened.delivery),
        event => event.closed().map(|closed| closed.delivery),
    }
}

#[tokio::test]
async fn a_doctored_log_or_testimony_is_found() {
    let (seen, log) = undisturbed().await;
    let whole = check(&seen, log.clone());
    assert!(whole.is_clean(), "{whole:?}");
    assert!(whole.receipted > 50, "{whole:?}");
    let (leaf, settled) = log
        .iter()
        .find(|(_, entry)| matches!(&entry.event, Event::Settled(it) if it.direction == Direction::Credit))
        .expect("a credit was settled");
    let one = delivery(settled).expect("it names its delivery");

    // One receipted exchange is missing.
    let without = |drop: &dyn Fn(&Entry) -> bool| log.iter().filter(|(_, it)| !drop(it)).cloned().collect::<Vec<_>>();
    let missing = check(&seen, without(&|it| delivery(it) == Some(one)));
    assert_eq!((missing.lost, missing.doubled, missing.unfinished), (1, 0, 0), "{missing:?}");
    assert_eq!(missing.receipted, whole.receipted);

    // Its end is missing: what was told of it is lost, and it stands open.
    let open = check(&seen, without(&|it| it == settled));
    assert_eq!((open.lost, open.doubled, open.unfinished), (1, 0, 1), "{open:?}");

    // Its end says something else than was told.
    let mut other = log.clone();
    for (_, entry) in &mut other {
        if entry == settled
            && let Event::Settled(closed) = entry.event.clone()
        {
            entry.event = Event::Expired(closed);
        }
    }
    let other = check(&seen, other);
    assert_eq!((other.lost, other.doubled, other.unfinished), (1, 0, 0), "{other:?}");

    // It was settled twice.
    let last = log.last().expect("entries").0;
    let mut twice = log.clone();
    twice.push((last + 1, settled.clone()));
    let twice = check(&seen, twice);
    assert_eq!((twice.lost, twice.doubled, twice.unfinished), (0, 1, 0), "{twice:?}");

    // It was opened and delivered a second time, under another delivery id, and applied from both.
    let mut again = log.clone();
    let second = Uuid::from_u128(7);
    for n in 1..=2 {
        let from = log.iter().filter(|(at, it)| at <= leaf && delivery(it) == Some(one)).nth(n - 1);
        let mut entry = from.expect("opened and settled").1.clone();
        match &mut entry.event {
            Event::Opened(opened) => opened.delivery = second,
            Event::Settled(closed) => closed.delivery = second,
            _ => {}
        }
        again.push((last + n as u64, entry));
    }
    let mut both = seen.clone();
    both.applied.insert(second, seen.applied[&one].clone());
    let again = check(&both, again);
    assert_eq!((again.lost, again.doubled, again.unfinished), (0, 1, 0), "{again:?}");

    // Its recipient applied it twice, or never had it, or had what the ledger does not know.
    let mut doubled = seen.clone();
    doubled.applied.get_mut(&one).expect("applied").times = 2;
    assert_eq!(check(&doubled, log.clone()).doubled, 1);
    let mut never = seen.clone();
    never.applied.remove(&one);
    assert_eq!(check(&never, log.clone()).lost, 1);
    let mut unknown = seen.clone();
    let mut from_nowhere = seen.applied[&one].clone();
    from_nowhere.records = vec!["accept.0".into()];
    unknown.applied.insert(Uuid::from_u128(9), from_nowhere);
    assert_eq!(check(&unknown, log.clone()).lost, 1);

    // A sender was never told, or never learned the end.
    let mut silent = seen.clone();
    let exchange = *seen.ended.keys().next().expect("ended");
    silent.open.insert(exchange);
    assert_eq!(check(&silent, log.clone()).unfinished, 1);

    // An entity's numbers have a gap.
    let gap = check(&seen, without(&|it| it.entity == settled.entity && it.n == 2));
    assert!(gap.findings.iter().any(|it| it.starts_with("numbers: ")), "{gap:?}");
}
