//! Entries of the ledger that cannot be read: nothing false is said because of them.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dex::client::{ClientError, Order};
use dex::daemon::Extras;
use dex::domain::command::Receipt;
use dex::domain::event::Verdict;
use dex::domain::{Digest, Reason, Status};
use serde_json::json;

use crate::support::cast::{Cast, RECORD};
use crate::support::inside::{Ground, Inside};
use crate::support::ledger::{entries, sound};
use crate::support::losses::receive;

const SOON: Duration = Duration::from_secs(30);
/// How long an answer is waited for that does not come.
const SILENCE: Duration = Duration::from_secs(2);

/// A daemon with its cast, whose rows are written at once.
struct World {
    ground: Ground,
    daemon: Inside,
    cast: Cast,
}

impl World {
    async fn new() -> World {
        let ground = Ground::new();
        let daemon = Inside::start(ground.config("[snapshot]\ninterval = \"50ms\"\n"), Extras::default());
        let cast = Cast::new(ground.client().await, 1).await;
        World { ground, daemon, cast }
    }

    fn credit(&self) -> Order {
        Order::credit(&self.cast.hat(0), &self.cast.plug.party().id, RECORD).wait(SOON)
    }

    /// Waits until all that was decided is in rows, and lets the tables forget it: they do when something new lands.
    async fn forget(&self) {
        let progress = &self.daemon.shared.progress;
        let deadline = Instant::now() + SOON;
        let through = progress.landed_through();
        while progress.snapshot_through() < through {
            assert!(Instant::now() < deadline, "rows are written");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.cast.plug.send(self.credit()).await.expect("accepted");
    }

    /// Turns the bits of the first byte of each of these salts on disk.
    fn turn(&self, salts: &[[u8; 32]]) {
        let segment = self.ground.folder.path().join("state/ledger/seg-00000000000000000000.dex");
        let bytes = std::fs::read(&segment).expect("the segment");
        let file = File::options().write(true).open(&segment).expect("the segment");
        for salt in salts {
            // All but the byte that is turned, whichever way it stands.
            let at = bytes.windows(31).position(|it| it == &salt[1..]).expect("the salt is in the segment") - 1;
            file.write_all_at(&[bytes[at] ^ 0xff], at as u64).expect("written");
        }
    }

    fn salts(&self, leaves: impl IntoIterator<Item = u64>) -> Vec<[u8; 32]> {
        leaves.into_iter().map(|leaf| self.daemon.shared.reader.read(leaf).expect("readable").salt).collect()
    }
}

fn is_silence<T: std::fmt::Debug>(said: Result<T, ClientError>) {
    let error = said.expect_err("nothing can be said");
    assert!(matches!(error, ClientError::Timeout { stored: true, .. }), "{error}");
}

#[tokio::test]
async fn a_repetition_is_no_conflict_and_gets_its_outcome_once_the_entry_can_be_read() {
    let world = World::new().await;
    let plug = &world.cast.plug;
    let id = plug.message_id();
    let order = || world.credit().id(id);
    let other = || Order::credit(&world.cast.hat(0), &plug.party().id, format!(" {RECORD}")).id(id).wait(SOON);
    let first = plug.send(order()).await.expect("accepted");
    world.forget().await;
    let before = entries(&world.daemon.shared).len();
    let salt = world.salts([first.leaf.index]);

    world.turn(&salt);
    is_silence(plug.send(order().wait(SILENCE)).await);
    assert!(world.daemon.shared.entry(first.leaf.index).is_none(), "the damage is real");
    let checks = world.daemon.shared.health.checks(Instant::now());
    assert!(checks.iter().any(|check| check.name == "ledger-read" && !check.ok), "health says so");
    let question = json!({ "id": id }).to_string();
    let traced = plug.query("exchange.trace", question.clone()).await.expect_err("half of it is not told");
    assert!(matches!(&traced, ClientError::Problem(it) if it.reason == Reason::Internal), "{traced}");

    world.turn(&salt);
    let again = plug.send(order()).await.expect("its outcome is told again");
    assert_eq!((again.leaf.index, again.outcome.status), (first.leaf.index, first.outcome.status));
    plug.query("exchange.trace", question).await.expect("told");
    assert_eq!(entries(&world.daemon.shared).len(), before, "nothing was decided again");
    assert_eq!(plug.send(other()).await.expect_err("another body").reason(), Some(Reason::Conflict));
    sound(&entries(&world.daemon.shared));
}

#[tokio::test]
async fn a_receipt_on_a_lane_is_not_refused_because_its_delivery_cannot_be_read() {
    let world = World::new().await;
    let (plug, shared) = (&world.cast.plug, &world.daemon.shared);
    let reader = receive(world.cast.hats[0].clone(), Arc::new(Mutex::new(Vec::new())));
    let end = plug.conclude(world.credit(), SOON).await.expect("ended");
    assert_eq!(end.last[0].outcome.status, Status::Settled);
    let delivery = end.last[0].outcome.delivery.expect("delivered");
    // What follows stays open, so that the ledger grows only by what is asked here.
    reader.abort();
    world.forget().await;
    let lane = &shared.lanes[usize::from(shared.partition_of(world.cast.hats[0].party()))];
    let receipt = Receipt { delivery, digest: Digest::of(b"x"), count: 1, verdict: Verdict::Accepted, reason: None };
    let late = || Order::receipt(&format!("dex.v1.in.lane.{lane}.receipt"), &receipt).wait(SOON);
    let whole = world.cast.org.send(late()).await.expect_err("it is not the recipient").reason();
    let ledger = entries(shared);
    let about = ledger.iter().enumerate().filter_map(|(leaf, entry)| {
        let text = serde_json::to_string(&entry.event).expect("JSON");
        text.contains(&delivery.to_string()).then_some(leaf as u64)
    });
    let salts = world.salts(about);
    assert!(salts.len() >= 2, "opened and settled");

    world.turn(&salts);
    is_silence(world.cast.org.send(late().wait(SILENCE)).await);
    world.turn(&salts);
    assert_eq!(entries(shared).len(), ledger.len(), "nothing was ledgered");
    assert_eq!(world.cast.org.send(late()).await.expect_err("as before").reason(), whole);
    sound(&entries(shared));
}
