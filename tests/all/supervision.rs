//! Entities that panic, freeze the budget, or are too many: nobody else notices, nothing is lost.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dex::actors::shared::FaultHook;
use dex::client::{ClientError, Order};
use dex::daemon::Extras;
use dex::domain::{Action, Command, Event, MessageId, Reason, Status};
use futures_util::future::join_all;

use crate::support::cast::{Cast, RECORD};
use crate::support::inside::{Ground, Inside};
use crate::support::ledger::{entries, sound};

/// Records that make the core panic, by what the fault hooks look for.
const POISON: &str = r#"[{"endpoint":"facebook/poison","data":{}}]"#;

fn poisonous(command: &Command) -> bool {
    matches!(&command.action, Action::Credit { records, .. } if records.items[0].endpoint == "facebook/poison")
}

fn extras(fault: impl Fn(&Command) + Send + Sync + 'static) -> Extras {
    let fault: FaultHook = Arc::new(fault);
    Extras { fault: Some(fault), ..Extras::default() }
}

fn refused(result: Result<dex::wire::OutcomeOut, ClientError>) -> Reason {
    result.expect_err("refused").reason().expect("with a reason")
}

#[tokio::test]
async fn a_panic_is_tried_once_more_on_fresh_state() {
    let ground = Ground::new();
    let panics = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&panics);
    let daemon = Inside::start(
        ground.config(""),
        extras(move |command| {
            if poisonous(command) && count.fetch_add(1, Ordering::SeqCst) == 0 {
                panic!("the first time");
            }
        }),
    );
    let cast = Cast::new(ground.client().await, 1).await;
    let before = join_all((0..20).map(|_| cast.plug.credit(&cast.hats[0].party().id, RECORD))).await;
    let (poison, after) = tokio::join!(
        cast.plug.credit(&cast.hats[0].party().id, POISON),
        join_all((0..20).map(|_| cast.plug.credit(&cast.hats[0].party().id, RECORD)))
    );
    assert_eq!(poison.expect("accepted").outcome.status, Status::Accepted);
    assert!(before.into_iter().chain(after).all(|credit| credit.expect("accepted").outcome.status == Status::Accepted));
    assert_eq!(panics.load(Ordering::SeqCst), 2, "decided twice, recorded once");
    let (opened, _) = sound(&entries(&daemon.shared));
    assert_eq!(opened, 41);
    assert!(daemon.stop(), "drained");
}

#[tokio::test]
async fn a_message_that_panics_every_time_is_kept_as_a_dead_letter() {
    let ground = Ground::new();
    let daemon = Inside::start(ground.config(""), extras(|command| assert!(!poisonous(command), "every time")));
    let cast = Cast::new(ground.client().await, 2).await;
    let bob = cast.hat(0);
    let order = Order::credit(&bob, &cast.plug.party().id, POISON).id(cast.plug.message_id());
    let (poison, others) = tokio::join!(
        cast.plug.send(order.clone()),
        join_all((0..40).map(|n| cast.plug.credit(&cast.hats[n % 2].party().id, RECORD)))
    );
    assert_eq!(refused(poison), Reason::Internal);
    assert!(others.into_iter().all(|credit| credit.expect("accepted").outcome.status == Status::Accepted));
    let entries = entries(&daemon.shared);
    let dead = entries.iter().filter(|entry| matches!(entry.event, Event::DeadLetter { .. })).count();
    assert_eq!(dead, 1);
    assert_eq!(sound(&entries).0, 40);
    // Told again it is the same answer, and nothing more is recorded.
    let size = daemon.shared.reader.tree_size();
    assert_eq!(refused(cast.plug.send(order).await), Reason::Internal);
    assert_eq!(daemon.shared.reader.tree_size(), size);
}

#[tokio::test]
async fn panics_between_batches_in_flight_lose_and_double_nothing() {
    let ground = Ground::new();
    let seen: Arc<Mutex<HashSet<MessageId>>> = Arc::default();
    let daemon = Inside::start(
        // Small batches, so that several are in flight when one panics.
        ground.config("[actors]\nbatch = 8\nlinger = \"1ms\"\nrestarts_per_minute = 100\n"),
        extras(move |command| {
            let Some(cause) = &command.cause else { return };
            // Every 60th credit panics at its first try.
            let chosen =
                matches!(command.action, Action::Credit { .. }) && cause.id.0.as_bytes()[15].is_multiple_of(60);
            if chosen && seen.lock().expect("not poisoned").insert(cause.id) {
                panic!("once for this message");
            }
        }),
    );
    let cast = Cast::new(ground.client().await, 3).await;
    let credits = join_all((0..300).map(|n| cast.plug.credit(&cast.hats[n % 3].party().id, RECORD))).await;
    let ids: HashSet<MessageId> =
        credits.into_iter().map(|credit| credit.expect("accepted").outcome.exchange).collect();
    assert_eq!(ids.len(), 300);
    let (opened, _) = sound(&entries(&daemon.shared));
    assert_eq!(opened, 300, "each exactly once");
    assert!(daemon.stop(), "drained");
}

#[tokio::test]
async fn an_entity_over_its_budget_is_quarantined_alone_until_released() {
    let ground = Ground::new();
    let daemon = Inside::start(
        ground.config("[actors]\nrestarts_per_minute = 2\n"),
        extras(|command| assert!(!poisonous(command), "every time")),
    );
    let cast = Cast::new(ground.client().await, 2).await;
    let (bob, ann) = (cast.hat(0), cast.hat(1));
    let short = Order::credit(&bob, &cast.plug.party().id, RECORD).settle_within(Duration::from_secs(2));
    cast.plug.send(short).await.expect("accepted");
    for _ in 0..3 {
        assert_eq!(refused(cast.plug.credit(&bob, POISON).await), Reason::Internal);
    }
    assert_eq!(daemon.shared.directory.census().quarantined, 1);
    assert_eq!(refused(cast.plug.credit(&bob, RECORD).await), Reason::Internal, "good messages too");
    assert_eq!(cast.plug.credit(&ann, RECORD).await.expect("accepted").outcome.status, Status::Accepted);
    // Who is not the plug gets no entry in its name, quarantine or not.
    let size = daemon.shared.reader.tree_size();
    let forger = cast.operator.speaking(cast.plug.party().clone(), dex::client::keys::generate());
    assert_eq!(refused(forger.credit(&bob, RECORD).await), Reason::BadSignature);
    let new: Vec<_> = entries(&daemon.shared).into_iter().skip(usize::try_from(size).expect("few")).collect();
    assert!(new.iter().all(|entry| entry.cause.is_none()), "{new:?}");
    // Long enough for the deadline above to come while nobody serves it.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert!(daemon.shared.directory.release(cast.hats[0].party()));
    assert_eq!(cast.plug.credit(&bob, RECORD).await.expect("accepted").outcome.status, Status::Accepted);
    // A deadline that passed meanwhile is not forgotten.
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !entries(&daemon.shared).iter().any(|entry| matches!(entry.event, Event::Expired(_))) {
        assert!(std::time::Instant::now() < deadline, "every exchange ends");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    sound(&entries(&daemon.shared));
}

#[tokio::test]
async fn few_actors_serve_many_entities() {
    let ground = Ground::new();
    let daemon = Inside::start(ground.config("[actors]\nlive = 3\nidle = \"1ms\"\n"), Extras::default());
    let cast = Cast::new(ground.client().await, 40).await;
    for _ in 0..3 {
        let all = (0..200).map(|n| cast.plug.credit(&cast.hats[n % 40].party().id, RECORD));
        assert!(join_all(all).await.into_iter().all(|credit| credit.is_ok()));
    }
    let (opened, _) = sound(&entries(&daemon.shared));
    assert_eq!(opened, 600);
    let deadline = std::time::Instant::now() + Duration::from_secs(15);
    while daemon.shared.directory.census().live > 4 * 3 {
        assert!(std::time::Instant::now() < deadline, "actors over the bound are put to rest");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(daemon.stop(), "drained");
}
