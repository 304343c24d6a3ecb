//! The supervisor of one partition's entities: loads, routes to, restarts, quarantines, passivates.
//!
//! It keeps a factory (load from committed state), never an actor's memory. The partition that routes
//! to an entity is the one that passivates it, so no message can fall between the two.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::Recipient;

use super::directory::Seat;
use super::entity::{Answers, Ask, Batch};
use super::kinds;
use super::shared::Shared;
use crate::domain::{Address, Timestamp};
use crate::telemetry::events::{ActorExit, EntityQuarantined, Passivated};

/// Longest pause before a restart.
const BACKOFF_MAX: Duration = Duration::from_secs(1);
/// The window over which restarts are counted.
const RESTART_WINDOW: Duration = Duration::from_secs(60);
/// When there are too many live entities, this part of the bound is made free, so that room lasts for a while.
const ROOM: usize = 16;
/// Longest that an entity may take over one stride before it counts as frozen.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Why an entity's actor ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Nothing to do for a while, or room was needed.
    Passivated,
    /// Its core panicked.
    Panicked,
    /// Its mailbox is gone though nobody stopped it.
    Lost,
    /// It did not answer in time.
    Frozen,
    /// Its committed state could not be read.
    LoadFailed,
}

impl Exit {
    /// The word in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Exit::Passivated => "passivated",
            Exit::Panicked => "panicked",
            Exit::Lost => "lost",
            Exit::Frozen => "frozen",
            Exit::LoadFailed => "load-failed",
        }
    }

    /// Every way to end.
    pub const ALL: [Exit; 5] = [Exit::Passivated, Exit::Panicked, Exit::Lost, Exit::Frozen, Exit::LoadFailed];
}

struct Live {
    recipient: Recipient<Batch>,
    /// Batches decided by it that are not committed yet.
    in_flight: usize,
    used: Instant,
}

/// Restarts of one entity within the window.
#[derive(Default)]
struct Restarts {
    at: VecDeque<Instant>,
}

/// Entities of one partition.
pub struct Supervisor {
    shared: Arc<Shared>,
    live: HashMap<Address, Live>,
    restarts: HashMap<Address, Restarts>,
}

impl Supervisor {
    /// A supervisor without live entities.
    pub fn new(shared: Arc<Shared>) -> Self {
        Supervisor { shared, live: HashMap::new(), restarts: HashMap::new() }
    }

    /// Live entities.
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// True without live entities.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// Whether the entity's actor is gone while entries of it are on their way to the ledger: it can be
    /// loaded only when they are committed.
    pub fn gone_in_flight(&self, entity: &Address) -> bool {
        self.live.get(entity).is_some_and(|live| live.in_flight > 0 && !live.recipient.connected())
    }

    /// The mailbox of `entity`, loading it when cold. `None` when it is quarantined or cannot be loaded.
    pub fn seat(&mut self, entity: &Address) -> Option<Recipient<Batch>> {
        let now = Instant::now();
        if let Some(live) = self.live.get_mut(entity) {
            if live.recipient.connected() {
                live.used = now;
                return Some(live.recipient.clone());
            }
            // Ended without our doing: whatever it held is in the ledger.
            self.ended(entity, Exit::Lost);
        }
        if let Some(Seat::Quarantined { until }) = self.shared.directory.seat(entity) {
            if now < until {
                return None;
            }
            self.shared.directory.release(entity);
        }
        match kinds::spawn(&self.shared, entity) {
            Ok(recipient) => {
                crate::telemetry::path().loads.increment(1);
                self.shared.directory.put(entity.clone(), Seat::Live(recipient.clone()));
                self.live.insert(entity.clone(), Live { recipient: recipient.clone(), in_flight: 0, used: now });
                Some(recipient)
            }
            Err(error) => {
                tracing::error!(kind = %entity.kind, %error, "an entity's committed state cannot be loaded");
                self.ended(entity, Exit::LoadFailed);
                self.quarantine(entity);
                None
            }
        }
    }

    /// Takes note that `entity`'s actor ended.
    fn ended(&mut self, entity: &Address, exit: Exit) {
        self.live.remove(entity);
        self.shared.directory.clear(entity);
        ActorExit { kind: entity.kind.as_str(), why: exit.as_str() }.emit();
    }

    /// After a panic, once all that was handed to the ledger is committed: how long to wait before
    /// the entity is loaded anew, or `None` when its budget is spent and it is quarantined.
    pub fn restart(&mut self, entity: &Address, exit: Exit) -> Option<Duration> {
        self.ended(entity, exit);
        let now = Instant::now();
        let restarts = self.restarts.entry(entity.clone()).or_default();
        while restarts.at.front().is_some_and(|at| now.duration_since(*at) > RESTART_WINDOW) {
            restarts.at.pop_front();
        }
        restarts.at.push_back(now);
        let count = u32::try_from(restarts.at.len()).unwrap_or(u32::MAX);
        if count > self.shared.bounds.restarts_per_minute {
            self.restarts.remove(entity);
            self.quarantine(entity);
            return None;
        }
        self.shared.board.restarted(self.shared.partition_of(entity), entity.kind);
        let wait = Duration::from_millis(5).saturating_mul(1 << count.min(10));
        Some(wait.min(BACKOFF_MAX))
    }

    fn quarantine(&mut self, entity: &Address) {
        let until = Instant::now() + self.shared.bounds.quarantine;
        self.shared.directory.put(entity.clone(), Seat::Quarantined { until });
        self.shared.board.quarantined(self.shared.partition_of(entity), entity.kind);
        EntityQuarantined { kind: entity.kind.as_str() }.emit();
    }

    /// One batch of this entity is on its way to the ledger.
    pub fn departed(&mut self, entity: &Address) {
        if let Some(live) = self.live.get_mut(entity) {
            live.in_flight += 1;
        }
    }

    /// One batch of this entity is committed.
    pub fn arrived(&mut self, entity: &Address) {
        if let Some(live) = self.live.get_mut(entity) {
            live.in_flight = live.in_flight.saturating_sub(1);
        }
    }

    /// Stops entities that were idle for long, and the longest idle ones beyond the bound of live
    /// actors. Nothing of them is in flight and their mailbox is empty: only this partition writes to it.
    /// Dropping the last address of an actor stops it.
    pub fn passivate(&mut self) {
        let now = Instant::now();
        let idle = self.shared.bounds.idle;
        let over = self.over_bound();
        let quiet = self.live.iter().filter(|(_, live)| live.in_flight == 0);
        let mut ending: Vec<(Instant, Address)> = quiet
            .filter(|(_, live)| over || now.duration_since(live.used) >= idle)
            .map(|(entity, live)| (live.used, entity.clone()))
            .collect();
        if over {
            ending.sort_unstable();
            // Some more than the bound asks for, so that this is not done again at the next new entity.
            let kept = self.shared.bounds.live - self.shared.bounds.live / ROOM;
            let excess = self.live.len().saturating_sub(kept);
            let still = ending.iter().take_while(|(used, _)| now.duration_since(*used) >= idle).count();
            ending.truncate(excess.max(still));
        }
        for (_, entity) in ending {
            self.live.remove(&entity);
            self.shared.directory.clear(&entity);
            Passivated { kind: entity.kind.as_str() }.emit();
        }
        self.restarts
            .retain(|_, restarts| restarts.at.back().is_some_and(|at| now.duration_since(*at) <= RESTART_WINDOW));
    }

    /// True when live actors are over the bound, so that [`Supervisor::passivate`] should run now.
    pub fn over_bound(&self) -> bool {
        self.live.len() > self.shared.bounds.live
    }
}

/// Hands `asks` to an entity's mailbox, in strides so that the arbiter serves others in between.
pub async fn hand(recipient: Recipient<Batch>, asks: Vec<Ask>, now: Timestamp, stride: usize) -> Result<Answers, Exit> {
    let mut all = Answers { answers: Vec::with_capacity(asks.len()), panicked: false, wake: None };
    let mut rest = asks.into_iter().peekable();
    while rest.peek().is_some() {
        let asks: Vec<Ask> = rest.by_ref().take(stride).collect();
        let sent = recipient.send(Batch { asks, now, handed: std::time::Instant::now() });
        match tokio::time::timeout(ANSWER_WITHIN, sent).await {
            Ok(Ok(answers)) => {
                all.panicked = answers.panicked;
                all.wake = answers.wake.or(all.wake);
                all.answers.extend(answers.answers);
                if all.panicked {
                    break;
                }
            }
            Ok(Err(_)) => {
                return if all.answers.is_empty() {
                    Err(Exit::Lost)
                } else {
                    all.panicked = true;
                    Ok(all)
                };
            }
            Err(_) => {
                return if all.answers.is_empty() {
                    Err(Exit::Frozen)
                } else {
                    all.panicked = true;
                    Ok(all)
                };
            }
        }
    }
    Ok(all)
}
