//! The task of one HAT: takes what comes for it in order, and looks after its debits.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::bridge::hat::{Fault, HatError, Session};
use crate::client::{Client, Inbox, InboxOptions, Item};
use crate::domain::{Address, Id, Kind};
use crate::telemetry::events::BridgeFault;

use super::Common;
use super::breaker::Breaker;
use super::debits::Watch;

/// Most deliveries of one HAT in hand, so that what they hold in memory stays bounded.
const IN_HAND: i64 = 16;
/// A delivery that was not answered by then is brought again.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);
/// Pause before an inbox that could not be opened is opened again.
const REOPEN: Duration = Duration::from_secs(2);

/// One HAT and what its bridge remembers of it. All of it can be forgotten: the exchange brings again what
/// was not answered, and the HAT itself knows what it holds.
pub(super) struct Worker {
    pub common: Arc<Common>,
    pub session: Session,
    pub breaker: Breaker,
    /// Plugs and apps that are known to be set up there.
    pub set_up: BTreeSet<Id>,
    pub watch: Watch,
    key_checked: Option<Instant>,
    counted_down: bool,
}

impl Worker {
    pub fn new(common: Arc<Common>, session: Session) -> Self {
        let breaker = Breaker::new(common.options.pauses);
        let watch = Watch::default();
        Worker { common, session, breaker, set_up: BTreeSet::new(), watch, key_checked: None, counted_down: false }
    }

    /// The bridge's voice.
    pub fn bridge(&self) -> &Client {
        &self.common.bridge
    }

    /// The HAT's id.
    pub fn hat(&self) -> &Id {
        self.session.hat()
    }

    /// Works until told to stop; what is under way is dropped then, unanswered.
    pub async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = self.work() => {}
            () = stop.cancelled() => {}
        }
        if self.counted_down {
            self.common.down.fetch_sub(1, Ordering::Relaxed);
        }
    }

    async fn work(&mut self) {
        let mut inbox = self.open().await;
        let every = self.common.options.debits_every;
        // Not all HATs at the same instant.
        let mut look = tokio::time::Instant::now() + every.mul_f64(rand::random::<f64>() / 4.0);
        loop {
            tokio::select! {
                item = inbox.next() => match item {
                    Some(Ok(item)) => self.take(item).await,
                    Some(Err(error)) => tracing::warn!(%error, "a message for a HAT was not taken"),
                    None => inbox = self.open().await,
                },
                () = tokio::time::sleep_until(look) => {
                    self.look_after_debits().await;
                    look = tokio::time::Instant::now() + every;
                }
            }
        }
    }

    async fn open(&self) -> Inbox {
        loop {
            let options = InboxOptions {
                of: Some(Address::new(Kind::Hat, self.hat().clone())),
                in_hand: IN_HAND,
                answer_within: ANSWER_WITHIN,
                ..InboxOptions::default()
            };
            match self.bridge().inbox_with(options).await {
                Ok(inbox) => return inbox,
                Err(error) => {
                    tracing::warn!(%error, "what comes for a HAT cannot be read, it is tried again");
                    tokio::time::sleep(REOPEN).await;
                }
            }
        }
    }

    async fn take(&mut self, item: Item) {
        match item {
            Item::Delivery(delivery) => self.credit(*delivery).await,
            Item::Request(request) => self.pull(&request).await,
            Item::Recall(recall) => self.recall(recall).await,
            // Nobody over there reads them.
            Item::Outcomes(_) | Item::Notice(_) | Item::Connection(_) | Item::Other { .. } => {}
        }
    }

    /// Waits until the HAT may be asked again; false when that is not before `patience` has passed.
    pub async fn may_ask(&mut self, patience: Duration) -> bool {
        let wait = self.breaker.wait(Instant::now());
        if wait > patience {
            tokio::time::sleep(patience).await;
            return false;
        }
        tokio::time::sleep(wait).await;
        true
    }

    /// The HAT still has the pinned key, as far as it was looked at lately.
    pub async fn same_key(&mut self) -> Result<(), HatError> {
        let every = self.common.options.key_every;
        if self.key_checked.is_some_and(|then| then.elapsed() < every) {
            return Ok(());
        }
        self.session.check_key().await?;
        self.key_checked = Some(Instant::now());
        Ok(())
    }

    /// Notes how a call went.
    pub fn noted<T>(&mut self, done: Result<T, HatError>) -> Result<T, HatError> {
        match &done {
            Ok(_) => self.breaker.answered(),
            Err(error) => {
                BridgeFault { kind: error.fault.kind(), call: error.call, fault: &error.fault }.emit();
                if error.fault.passes() {
                    self.breaker.failed(Instant::now(), rand::random(), error.after);
                }
                if error.fault == Fault::OtherKey {
                    self.key_checked = None;
                }
            }
        }
        if self.breaker.down() != self.counted_down {
            self.counted_down = self.breaker.down();
            if self.counted_down {
                self.common.down.fetch_add(1, Ordering::Relaxed);
            } else {
                self.common.down.fetch_sub(1, Ordering::Relaxed);
            }
        }
        done
    }
}
