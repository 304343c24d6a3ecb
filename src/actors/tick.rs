//! What a partition does between batches: deadlines, held refusals, positions, passivation.

use std::time::{Duration, Instant};

use super::board::Stand;
use super::decide::Decided;
use super::entity::Ask;
use super::partition::Partition;
use super::work::Work;
use crate::domain::time::SECOND;
use crate::domain::{Action, Command, Known};
use crate::ledger::Position;

/// How often a position without entries is committed at most.
const POSITION_EVERY: Duration = Duration::from_secs(1);
/// How often entities are looked through for passivation.
const PASSIVATE_EVERY: Duration = Duration::from_secs(5);
/// How often the source is asked whether it is drained while a deadline is due.
const ASK_EVERY: Duration = Duration::from_millis(200);
/// How often entities are woken by the clock. What falls due in between is decided together, with one commit for many:
/// nothing that waits for hours needs its moment to the millisecond.
const WAKE_EVERY: Duration = Duration::from_millis(500);
/// How often gauges of the partition are set.
const GAUGE_EVERY: Duration = Duration::from_secs(1);
/// How far behind the moment of asking a drained source counts as read.
const DRAINED_LAG: i64 = SECOND / 2;
/// Most deadlines fired, and most entities woken, between two batches.
const DEADLINES_MAX: usize = 256;

/// When each recurring piece of work was last done.
pub struct Ticks {
    position: Instant,
    passivate: Instant,
    ask: Instant,
    gauge: Instant,
    woken: Instant,
    uncommitted: Option<Position>,
}

impl Ticks {
    /// All due a full interval from now.
    pub fn new() -> Self {
        let now = Instant::now();
        Ticks { position: now, passivate: now, ask: now, gauge: now, woken: now, uncommitted: None }
    }

    /// True when a position without entries may be committed.
    pub fn position_due(&mut self) -> bool {
        self.position.elapsed() >= POSITION_EVERY
    }

    /// Keeps a place that moved without entries.
    pub fn uncommitted(&mut self, position: Position) {
        self.uncommitted = Some(position);
    }

    /// The place to commit: the newer of what is kept and `moved`.
    pub fn take(&mut self, moved: Option<Position>) -> Option<Position> {
        let kept = self.uncommitted.take();
        moved.or(kept)
    }

    /// A place is on its way.
    pub fn position_sent(&mut self) {
        self.position = Instant::now();
    }
}

fn due(last: &mut Instant, every: Duration) -> bool {
    let due = last.elapsed() >= every;
    if due {
        *last = Instant::now();
    }
    due
}

impl Partition {
    /// Recurring work.
    pub(super) async fn tick(&mut self) {
        self.deadlines().await;
        let wall = self.shared.clock.now();
        if self.anonymous.due(self.now.max(wall)) || self.ticks.position_due() {
            self.commit(Decided::default()).await;
        }
        let over = self.supervisor.borrow().over_bound();
        if over || due(&mut self.ticks.passivate, PASSIVATE_EVERY) {
            self.supervisor.borrow_mut().passivate();
        }
        if due(&mut self.ticks.gauge, GAUGE_EVERY) {
            self.shared.health.heartbeat(&format!("partition-{}", self.number));
            let books = self.books.borrow();
            let stand = Stand {
                mailbox: 0,
                held: self.held.len(),
                in_flight: self.departed.saturating_sub(*self.arrived.borrow()),
                lag: self.source.pending(),
                open: books.open_count(),
            };
            self.shared.board.stands(self.number, stand);
            crate::telemetry::partition_gauges(
                self.number,
                books.open_count(),
                books.recents.len(),
                self.supervisor.borrow().len(),
                self.source.pending(),
            );
        }
    }

    /// Fires deadlines that have passed, and wakes entities whose time has come. None fires while a message stored before it may still be
    /// unread: either a later message was read, or the source is drained as of an instant after it.
    async fn deadlines(&mut self) {
        // A receipt that was stored in time may be among what is held.
        if !self.held.is_empty() {
            return;
        }
        let (deadline, wake) = {
            let books = self.books.borrow();
            let wake = (self.ticks.woken.elapsed() >= WAKE_EVERY).then(|| books.wakes.next()).flatten();
            (books.next_deadline(), wake)
        };
        let Some(next) = deadline.into_iter().chain(wake).min() else {
            return;
        };
        let mut passed = self.frontier;
        if next > passed {
            let wall = self.shared.clock.now();
            if next > wall || !due(&mut self.ticks.ask, ASK_EVERY) {
                return;
            }
            if !self.source.drained(self.number).await {
                return;
            }
            // The server's clock may lag ours, and its answer its store.
            passed = wall.plus(-DRAINED_LAG);
            if next > passed {
                return;
            }
        }
        self.now = self.now.max(passed);
        let fired = self.books.borrow_mut().due(passed, DEADLINES_MAX);
        let mut woken = Vec::new();
        if wake.is_some() {
            woken = self.books.borrow_mut().wakes.due(passed, DEADLINES_MAX);
            // A crowd goes on at the next occasion.
            if woken.len() < DEADLINES_MAX {
                self.ticks.woken = Instant::now();
            }
        }
        if fired.is_empty() && woken.is_empty() {
            return;
        }
        let deadlines = fired.into_iter().map(|(entity, delivery)| (entity, Action::Deadline { delivery }));
        let works = deadlines
            .chain(woken.into_iter().map(|entity| (entity, Action::Wake)))
            .map(|(entity, action)| Work {
                ask: Ask {
                    command: Command {
                        addressed: entity.clone(),
                        action,
                        cause: None,
                        deadline: None,
                        pull: None,
                        job: None,
                        stored_at: self.now,
                    },
                    known: Known::New,
                },
                entity,
                key: None,
                sequence: None,
                reply: None,
                want_proof: false,
                trace: None,
            })
            .collect();
        let Some(routed) = self.route(works) else { return };
        let decided = self.decide(routed).await;
        self.commit(decided).await;
    }
}
