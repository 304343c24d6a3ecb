//! The one generic shell around a state machine: mailbox, guarded decide and apply.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use actix::prelude::*;
use bytes::Bytes;

use super::shared::Shared;
use crate::domain::{
    Action, Address, Command, Context as Ground, Decision, Entity, Entry, Known, Reason, Timestamp, seal,
};

/// A command and what the exchange knows of its id.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The command.
    pub command: Command,
    /// Whether its id was seen.
    pub known: Known,
}

/// An entity's part of a batch: handed over whole, at most [`super::shared::Bounds::stride`] asks.
#[derive(Message)]
#[rtype(result = "Answers")]
pub struct Batch {
    /// The asks in order.
    pub asks: Vec<Ask>,
    /// The partition's now.
    pub now: Timestamp,
    /// When it was put into the mailbox.
    pub handed: Instant,
}

/// What one ask led to.
#[derive(Debug)]
pub enum Answer {
    /// Entries, with content to spool.
    Record(Vec<(Entry, Option<Bytes>)>),
    /// The first outcome again.
    Repeat,
    /// Refused before the sender was authenticated.
    Anonymous(Reason),
    /// Nothing to do before then.
    Wait(Timestamp),
    /// Nothing to do.
    Nothing,
}

impl Answer {
    fn touches_time(&self) -> bool {
        matches!(self, Answer::Record(entries) if entries.iter().any(|(entry, _)| entry.event.touches_time()))
    }

    /// What it is, in a word.
    pub fn name(&self) -> &'static str {
        match self {
            Answer::Record(_) => "recorded",
            Answer::Repeat => "known",
            Answer::Anonymous(_) => "refused",
            Answer::Wait(_) | Answer::Nothing => "nothing",
        }
    }
}

/// The answers, in order. Fewer than the asks when the core panicked: the first unanswered ask is
/// the offending one and the actor has stopped.
pub struct Answers {
    /// One per answered ask.
    pub answers: Vec<Answer>,
    /// Whether the core panicked on the next ask.
    pub panicked: bool,
    /// When the entity is to look at the time again, where these answers may have changed that.
    pub wake: Option<Option<Timestamp>>,
}

/// The core panicked; whatever it worked on may be half changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Panicked;

/// Decides one command; changes nothing.
pub fn judge<E: Entity>(shared: &Shared, entity: &Address, state: &E, ask: &Ask, now: Timestamp) -> Decision {
    let limits = shared.limits.load();
    let ground = Ground {
        origin: &shared.origin,
        delivery_key: &shared.delivery_key,
        limits: &limits,
        registry: &shared.registry,
        entity,
        now,
        trusted_broker: shared.trusted_broker,
    };
    state.decide(&ground, &ask.command, ask.known)
}

/// Decides one command under a guard and folds its entries into `state`.
///
/// # Errors
/// `Err` when the core panicked; `state` must then be thrown away.
pub fn guarded<E: Entity>(
    shared: &Shared,
    entity: &Address,
    state: &mut E,
    ask: &Ask,
    now: Timestamp,
) -> Result<Answer, Panicked> {
    catch_unwind(AssertUnwindSafe(|| {
        if let Some(fault) = &shared.fault {
            fault(&ask.command);
        }
        match judge(shared, entity, state, ask, now) {
            Decision::Record(drafts) => {
                let sealed = seal(entity, state.n() + 1, &ask.command, drafts);
                for (entry, _) in &sealed {
                    state.apply(entry);
                }
                Answer::Record(sealed)
            }
            Decision::Repeat => Answer::Repeat,
            Decision::Anonymous(reason) => Answer::Anonymous(reason),
            Decision::Wait(until) => Answer::Wait(until),
            Decision::Nothing => Answer::Nothing,
        }
    }))
    .map_err(|_| Panicked)
}

/// One live entity.
pub struct EntityActor<E: Entity> {
    address: Address,
    state: E,
    shared: Arc<Shared>,
}

impl<E: Entity + Unpin + 'static> EntityActor<E> {
    /// An actor over a loaded state.
    pub fn new(address: Address, state: E, shared: Arc<Shared>) -> Self {
        EntityActor { address, state, shared }
    }
}

impl<E: Entity + Unpin + 'static> Actor for EntityActor<E> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // The partition sends one part at a time; the rest is room for a stop.
        ctx.set_mailbox_capacity(4);
    }
}

impl<E: Entity + Unpin + 'static> Handler<Batch> for EntityActor<E> {
    type Result = MessageResult<Batch>;

    fn handle(&mut self, batch: Batch, ctx: &mut Self::Context) -> Self::Result {
        crate::telemetry::path().mailbox_seconds.record(batch.handed.elapsed().as_secs_f64());
        let mut answers = Vec::with_capacity(batch.asks.len());
        for ask in &batch.asks {
            match guarded(&self.shared, &self.address, &mut self.state, ask, batch.now) {
                Ok(answer) => answers.push(answer),
                Err(Panicked) => {
                    // The state may be half changed: nothing reads it any more, the supervisor
                    // loads it anew from what is committed.
                    ctx.stop();
                    return MessageResult(Answers { answers, panicked: true, wake: None });
                }
            }
        }
        let woken = batch.asks.iter().any(|ask| ask.command.action == Action::Wake);
        let wake = match answers.last() {
            // Its state says that it is due; it has looked, and can do nothing about it yet.
            Some(Answer::Wait(until)) => Some(Some(*until)),
            _ => (woken || answers.iter().any(Answer::touches_time)).then(|| self.state.wake()),
        };
        MessageResult(Answers { answers, panicked: false, wake })
    }
}
