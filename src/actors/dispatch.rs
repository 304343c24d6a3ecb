//! The outbox: effects of committed entries leave here, in batches, in ledger order of each partition.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use bytes::Bytes;
use smol_str::SmolStr;
use tokio::sync::mpsc;

use super::heal::Lost;
use super::outbox::Outbox;
use super::shared::Shared;
use super::work::Refusal;
use crate::store::Sealed;

/// Most shares of commits that wait to be published.
const QUEUE: usize = 64;
/// Most shares of commits that are published at once.
const SHARES: usize = 8;
/// How often re-deliveries are looked for.
const REDELIVER_EVERY: Duration = Duration::from_secs(1);

/// An outcome to be told once more.
#[derive(Debug, Clone)]
pub struct Repeat {
    /// The entry that answered the message first.
    pub sealed: Arc<Sealed>,
    /// Where the caller waits this time.
    pub reply: Option<SmolStr>,
    /// Whether a proof is wanted with it.
    pub want_proof: bool,
}

/// One partition's share of a commit, to be published.
#[derive(Debug, Clone)]
pub struct Publish {
    /// Committed entries; their leaves are contiguous.
    pub sealed: Vec<Arc<Sealed>>,
    /// The content of each that opened an exchange.
    pub contents: Vec<Option<Bytes>>,
    /// Outcomes to be told again.
    pub repeats: Vec<Repeat>,
    /// Refusals of senders who are not authenticated.
    pub refusals: Vec<Refusal>,
    /// The partition.
    pub lane: u16,
    /// Tree size of the checkpoint that covers the entries.
    pub tree_size: u64,
    /// That checkpoint.
    pub checkpoint: Arc<str>,
}

impl Publish {
    /// True when nothing would leave and no leaf is covered.
    pub fn is_empty(&self) -> bool {
        self.sealed.is_empty() && self.repeats.is_empty() && self.refusals.is_empty()
    }
}

/// Holds the publishing task of its arbiter. Shares of commits come by a channel instead of its mailbox: whoever
/// brings one goes on as soon as there is room, without waiting for a thread that is busy to say so.
pub struct DispatchActor {
    shared: Arc<Shared>,
    outbox: Option<Outbox>,
    owed: Vec<Arc<Sealed>>,
    due: Option<mpsc::Receiver<Publish>>,
    lost: Option<mpsc::Receiver<Lost>>,
}

impl DispatchActor {
    /// A dispatcher over a prepared outbox that publishes what is `owed` first; `lost` tells what its stream loses. Shares
    /// of commits are brought through the sender, which waits while there are 64 that wait already.
    pub fn new(
        shared: Arc<Shared>,
        outbox: Outbox,
        owed: Vec<Arc<Sealed>>,
        lost: mpsc::Receiver<Lost>,
    ) -> (Self, mpsc::Sender<Publish>) {
        let (queue, due) = mpsc::channel(QUEUE);
        (DispatchActor { shared, outbox: Some(outbox), owed, due: Some(due), lost: Some(lost) }, queue)
    }
}

impl Actor for DispatchActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let outbox = self.outbox.take().expect("an actor is started once");
        let owed = std::mem::take(&mut self.owed);
        let due = self.due.take().expect("an actor is started once");
        let lost = self.lost.take().expect("an actor is started once");
        let shared = Arc::clone(&self.shared);
        let fatal = shared.fatal.clone();
        let run = fatal.guard("the dispatch", run(shared, outbox, owed, due, lost));
        ctx.spawn(run.into_actor(self).map(|_, _, ctx| ctx.stop()));
    }
}

/// Publishes what comes, and what is due again, one after the other.
async fn run(
    shared: Arc<Shared>,
    mut outbox: Outbox,
    owed: Vec<Arc<Sealed>>,
    mut due: mpsc::Receiver<Publish>,
    mut lost: mpsc::Receiver<Lost>,
) {
    outbox.recover(owed).await;
    let mut ticks = tokio::time::interval(REDELIVER_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            // First, or a queue that is never empty would keep open deliveries waiting for ever.
            _ = ticks.tick() => {
                shared.health.heartbeat("dispatch-actor");
                outbox.redeliver().await;
                outbox.look_at_input();
            }
            Some(lost) = lost.recv() => outbox.lost(lost),
            publish = due.recv() => match publish {
                Some(publish) => {
                    // What waits already leaves with it: their deliveries share signatures.
                    let mut shares = vec![publish];
                    while shares.len() < SHARES
                        && let Ok(publish) = due.try_recv()
                    {
                        shares.push(publish);
                    }
                    outbox.publish(shares).await;
                    // A queue that is never empty must not keep what was lost waiting for ever.
                    if outbox.heals() {
                        outbox.heal().await;
                    }
                }
                None => return,
            },
            () = std::future::ready(()), if outbox.heals() => outbox.heal().await,
        }
    }
}
