//! An entry of the ledger that cannot be read: nothing false is said because of it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Duration;

use dex::client::{ClientError, Order};
use dex::daemon::Extras;
use dex::domain::Event;

use crate::support::cast::{Cast, RECORD};
use crate::support::inside::{Ground, Inside};
use crate::support::ledger::{entries, sound};

/// Turns the bits of the first byte of `needle` where the segment holds it.
fn turn(segment: &PathBuf, needle: &[u8]) {
    let bytes = std::fs::read(segment).expect("the segment");
    let at = bytes.windows(needle.len()).position(|window| window == needle).expect("the entry is in the segment");
    let file = File::options().write(true).open(segment).expect("the segment");
    file.write_all_at(&[bytes[at] ^ 0xff], at as u64).expect("written");
}

#[tokio::test]
async fn a_repetition_of_an_unreadable_entry_is_no_conflict_and_is_answered_once_it_can_be_read() {
    let ground = Ground::new();
    let daemon = Inside::start(ground.config("[snapshot]\ninterval = \"50ms\"\n"), Extras::default());
    let cast = Cast::new(ground.client().await, 1).await;
    let id = cast.plug.message_id();
    let order = || Order::credit(&cast.hat(0), &cast.plug.party().id, RECORD).id(id).wait(Duration::from_secs(3));
    let first = cast.plug.send(order()).await.expect("accepted");
    // Twice on a row of its own: the second landing forgets what the first snapshot holds.
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        cast.plug.credit(&cast.hat(0), RECORD).await.expect("accepted");
    }
    let before = entries(&daemon.shared).len();

    let segment = ground.folder.path().join("state/ledger/seg-00000000000000000000.dex");
    let opened = daemon.shared.entry(first.leaf.index).expect("the entry");
    assert!(matches!(opened.entry.event, Event::Opened(_)));
    let salt = daemon.shared.reader.read(first.leaf.index).expect("the record").salt;
    turn(&segment, &salt);
    let damaged = cast.plug.send(order()).await.expect_err("nothing can be said");
    assert!(matches!(damaged, ClientError::Timeout { stored: true, .. }), "{damaged}");
    assert!(daemon.shared.entry(first.leaf.index).is_none(), "the damage is real");

    let mut healed = salt;
    healed[0] ^= 0xff;
    turn(&segment, &healed);
    let again = cast.plug.send(order()).await.expect("its outcome is told again");
    assert_eq!((again.leaf.index, again.outcome.status), (first.leaf.index, first.outcome.status));
    assert_eq!(entries(&daemon.shared).len(), before, "nothing was decided again");
    sound(&entries(&daemon.shared));
}
