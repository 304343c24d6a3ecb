//! Moves content that is larger than a message, beside the path: fetched into a file of its own and judged, handed out
//! again as an object for its recipient, removed when the exchange is final. What is to be done follows from the
//! ledger: at a start from the open exchanges, later from their entries.

mod clear;
mod deliver;
pub mod desk;
mod fetch;
mod files;
mod reading;

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::shared::Shared;
use super::work::Work;
use crate::domain::Event;
use crate::domain::exchange::large::Fetching;
use crate::ledger::SpoolRef;
use crate::nats::{BatchPublisher, Link, StreamError, lookup, streams};
use crate::telemetry::events::{EffectFailed, LargeMoved};
use crate::wire::object::{BUCKET_IN, BUCKET_OUT, stream_of};

use desk::{Duty, Turn};
use files::Files;

/// How often the buckets are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often what nobody owns is looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(600);
/// How often work is looked for that nobody called for.
const TICK: Duration = Duration::from_millis(500);

/// Bounds of large content.
#[derive(Debug, Clone)]
pub struct LargeBounds {
    /// Contents fetched or handed out at the same time.
    pub transfers: usize,
    /// Bytes of each bucket, and of the contents of open exchanges in the folder.
    pub store_bytes: u64,
    /// Age after which an upload goes.
    pub keep_uploads: Duration,
    /// Age after which a delivery's object goes, whatever becomes of its exchange.
    pub keep_deliveries: Duration,
}

impl LargeBounds {
    /// Makes or verifies the two buckets; where they differ from what is asked.
    ///
    /// # Errors
    /// When the broker does not make them.
    pub async fn prepare(&self, link: &Link) -> Result<Vec<streams::Difference>, StreamError> {
        let bytes = i64::try_from(self.store_bytes).unwrap_or(i64::MAX);
        let mut differences = Vec::new();
        for (bucket, age) in [(BUCKET_IN, self.keep_uploads), (BUCKET_OUT, self.keep_deliveries)] {
            let prepared = streams::prepare_objects(&link.jetstream, bucket, bytes, age).await?;
            if prepared.made {
                tracing::debug!(bucket, "the object bucket was made");
            }
            differences.extend(prepared.differences);
        }
        Ok(differences)
    }
}

/// What became of a piece of work.
enum End {
    /// It is done, or there is nothing to do any more.
    Done,
    /// It is to be tried again.
    Again,
}

/// What the last look at the buckets has shown.
#[derive(Debug, Default)]
struct Seen {
    /// When that of the deliveries was made.
    made: Option<i64>,
    /// Whether it was told that they cannot be looked at.
    told: bool,
}

impl Seen {
    /// They cannot be looked at: whether that is to be told now. Once, until it has passed, for it is tried several times a
    /// second at a start; not while the broker is away, which is told elsewhere.
    fn fails(&mut self, connected: bool) -> bool {
        let now = connected && !self.told;
        self.told |= now;
        now
    }

    /// They can be looked at: whether it was told that they cannot.
    fn passes(&mut self) -> bool {
        std::mem::take(&mut self.told)
    }
}

/// Who moves them.
pub struct Mover {
    shared: Arc<Shared>,
    link: Link,
    publisher: BatchPublisher,
    locals: Vec<mpsc::Sender<Work>>,
    files: Files,
    bounds: LargeBounds,
}

/// Puts a content that is to be fetched on the desk.
pub(super) fn fetch_job(shared: &Shared, leaf: u64, fetching: &Fetching) {
    shared.large.fetch(leaf, fetching, shared.limits.load().large_per_hat);
}

/// Puts the open exchanges with large content on the desk: those that have nothing in the spool.
pub fn begin(shared: &Shared, open: &[(Uuid, u64, Option<SpoolRef>)]) {
    for (_, leaf, _) in open.iter().filter(|(_, _, spool)| spool.is_none()) {
        let Some(sealed) = shared.entry(*leaf) else { continue };
        match &sealed.entry.event {
            Event::Fetching(fetching) => fetch_job(shared, *leaf, fetching),
            Event::Held { opened, .. } if opened.large.is_some() => shared.large.rest(*leaf, opened),
            event => {
                if let Some(opened) = event.left().filter(|opened| opened.large.is_some()) {
                    shared.large.deliver(*leaf, opened);
                }
            }
        }
    }
}

impl Mover {
    /// A mover over a connection of its own; `locals` lead to the partitions, `folder` is the contents'.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new(
        shared: Arc<Shared>,
        link: Link,
        publisher: BatchPublisher,
        locals: Vec<mpsc::Sender<Work>>,
        folder: PathBuf,
        bounds: LargeBounds,
    ) -> std::io::Result<Self> {
        Ok(Mover { shared, link, publisher, locals, files: Files::open(folder)?, bounds })
    }

    /// Works until the stop.
    pub async fn run(self, stop: CancellationToken) {
        let mover = Arc::new(self);
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut looked, mut swept, mut seen) = (Instant::now(), None::<Instant>, Seen::default());
        while !stop.is_cancelled() {
            while let Some(turn) = mover.shared.large.next(mover.bounds.transfers, mover.bounds.store_bytes) {
                actix::spawn(Arc::clone(&mover).turn(turn, stop.clone()));
            }
            tokio::select! {
                () = mover.shared.large.called() => {}
                _ = ticks.tick() => {}
                () = stop.cancelled() => break,
            }
            mover.gauges();
            if seen.made.is_none() || looked.elapsed() >= LOOK_EVERY {
                looked = Instant::now();
                mover.look(&mut seen).await;
            }
            if swept.is_none_or(|at: Instant| at.elapsed() >= SWEEP_EVERY) && mover.sweep().await {
                swept = Some(Instant::now());
            }
        }
    }

    async fn turn(self: Arc<Self>, turn: Turn, stop: CancellationToken) {
        let work = async {
            match turn.duty {
                Duty::Fetch => self.fetch(&turn).await,
                Duty::Deliver => self.deliver(&turn).await,
                Duty::Clear => self.clear(&turn).await,
            }
        };
        // A fault of ours on one content must not keep its place for ever.
        let work = AssertUnwindSafe(work).catch_unwind().map(|end| {
            end.unwrap_or_else(|_| {
                failed("fault", &"the work on a content panicked");
                End::Again
            })
        });
        // What is removed is not cancelled; it is short.
        let ended = async {
            match turn.duty {
                Duty::Clear => std::future::pending().await,
                _ => turn.cancel.cancelled().await,
            }
        };
        let end = tokio::select! {
            end = work => end,
            () = ended => End::Done,
            () = stop.cancelled() => End::Done,
        };
        match end {
            End::Done => self.shared.large.done(&turn.delivery, turn.duty),
            End::Again => {
                LargeMoved { what: "again" }.emit();
                self.shared.large.again(&turn.delivery, turn.duty);
            }
        }
    }

    /// Makes buckets again that are gone. When that of the deliveries is another one than before, what it has lost is
    /// handed out again.
    async fn look(&self, seen: &mut Seen) {
        let js = &self.link.jetstream;
        let found = lookup::find(js, &stream_of(BUCKET_OUT)).await;
        let uploads = lookup::find(js, &stream_of(BUCKET_IN)).await;
        let (found, uploads) = match (found, uploads) {
            (Ok(found), Ok(uploads)) => (found, uploads),
            // A broker that refuses to tell would be heard of nowhere else.
            (Err(error), _) | (_, Err(error)) => {
                if seen.fails(self.link.state.borrow().connected) {
                    tracing::warn!(%error, "the object buckets cannot be looked at; it is tried again");
                }
                return;
            }
        };
        if seen.passes() {
            tracing::info!("the object buckets can be looked at again");
        }
        if found.is_none() || uploads.is_none() {
            tracing::error!("an object bucket was gone and is made again, empty");
            if let Err(error) = self.bounds.prepare(&self.link).await {
                return failed("bucket", &error);
            }
        }
        let made = found.map(|bucket| bucket.created_ns).unwrap_or_default();
        if seen.made.is_some_and(|before| before != made) {
            self.shared.large.deliver_all();
        }
        seen.made = Some(made);
    }

    fn gauges(&self) {
        let census = self.shared.large.census();
        crate::telemetry::large_gauges(census.waiting, census.stored);
    }
}

/// Says that something of a content could not be done.
fn failed(what: &'static str, error: &dyn std::fmt::Display) {
    EffectFailed { what: "large content", detail: &format!("{what}: {error}") }.emit();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_that_cannot_be_looked_at_are_told_once_and_not_while_the_broker_is_away() {
        let mut seen = Seen::default();
        assert!(!seen.fails(false) && !seen.passes(), "nothing was told");
        assert!(seen.fails(true));
        assert!(!seen.fails(true) && !seen.fails(false) && !seen.fails(true));
        assert!(seen.passes() && !seen.passes());
        assert!(seen.fails(true), "it is another time");
    }
}
