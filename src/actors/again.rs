//! What is sent again: open deliveries on the outbox's own schedule, and after a start what may not have
//! left before the last stop.

use std::sync::Arc;

use super::dispatch::Publish;
use super::outbox::{Mark, Outbox, nanos};
use super::shared::sealed;
use crate::domain::event::Direction;
use crate::domain::{Effect, Event, effects_of};
use crate::store::Sealed;
use crate::telemetry::events::{EffectFailed, Redelivered};

/// Most re-deliveries in one go.
const REDELIVER_MAX: usize = 500;

impl Outbox {
    /// Sends open deliveries again whose time has come.
    pub async fn redeliver(&mut self) {
        self.ready_again().await;
        self.leave().await;
    }

    async fn ready_again(&mut self) {
        let now = self.shared.clock.now();
        for _ in 0..REDELIVER_MAX {
            let Some(&(next, delivery)) = self.due.first() else { return };
            if next > now {
                return;
            }
            self.due.remove(&(next, delivery));
            let Some(item) = self.items.get_mut(&delivery) else { continue };
            let wait = nanos(self.shared.bounds.redelivery_first).saturating_mul(1 << (item.attempts + 1).min(20));
            item.next = now.plus(wait.min(nanos(self.shared.bounds.redelivery_max)));
            self.due.insert((item.next, delivery));
            let (leaf, spool) = (item.leaf, item.spool);
            let Some(sealed) = self.shared.entry(leaf) else { continue };
            // What is held back waits for the entry by which it leaves.
            let Some(opened) = sealed.entry.event.left() else { continue };
            if !self.may_leave(opened) {
                continue;
            }
            if let Some(item) = self.items.get_mut(&delivery) {
                item.attempts += 1;
            }
            Redelivered {}.emit();
            if opened.direction == Direction::Pull {
                self.request(opened).await;
                continue;
            }
            if opened.large.is_some() {
                self.shared.large.deliver(leaf, opened);
                continue;
            }
            match self.content(spool) {
                Ok(content) => self.deliver(&sealed.entry.entity, opened, content).await,
                Err(detail) => EffectFailed { what: "re-delivery", detail: &detail }.emit(),
            }
        }
    }

    /// The committed entries whose effects may not have left before the last stop: from the mark on. As many as
    /// can be between commit and publication.
    ///
    /// # Errors
    /// When one of these entries cannot be read: what it owes to whom is not known then.
    pub fn owed(&self) -> Result<Vec<Arc<Sealed>>, String> {
        let from = self.shared.progress.dispatched_through();
        let mut owed = Vec::new();
        for stored in self.shared.reader.scan(from) {
            let stored = stored.map_err(|error| error.to_string())?;
            let leaf = stored.leaf;
            owed.push(sealed(&self.shared, stored).map_err(|error| format!("leaf {leaf} is no entry: {error}"))?);
        }
        Ok(owed)
    }

    /// Publishes their effects again. Deliveries only of exchanges that are still open.
    pub async fn recover(&mut self, owed: Vec<Arc<Sealed>>) {
        let (tree_size, checkpoint) = (self.shared.reader.tree_size(), self.shared.reader.checkpoint());
        if let (Some(first), Some(last)) = (owed.first(), owed.last()) {
            let (from, to) = (first.leaf, last.leaf + 1);
            tracing::info!(from, to, "effects of these leaves are published again");
        }
        for sealed in owed {
            let event = &sealed.entry.event;
            let about = match event {
                Event::Fetching(fetching) => Some(fetching.delivery),
                _ => event.began().or(event.left()).map(|opened| opened.delivery),
            };
            let open = about.is_none_or(|delivery| self.items.contains_key(&delivery));
            if !open {
                self.tell_only(&sealed).await;
                continue;
            }
            self.publish(vec![Publish {
                lane: self.shared.partition_of(&sealed.entry.entity),
                contents: vec![None],
                sealed: vec![sealed],
                repeats: Vec::new(),
                refusals: Vec::new(),
                tree_size,
                checkpoint: Arc::clone(&checkpoint),
            }])
            .await;
        }
    }

    /// An exchange that is final by now: only its first outcome may still be owed.
    async fn tell_only(&mut self, sealed: &Arc<Sealed>) {
        let mut told = Vec::new();
        for effect in effects_of(&sealed.entry) {
            if let Effect::Outcome { to, outcome, .. } = effect {
                told.push((to, self.placed(sealed, outcome, self.shared.reader.tree_size())));
            }
        }
        self.tell(told).await;
        let mark = Mark { tickets: self.last, from: sealed.leaf, to: sealed.leaf + 1 };
        drop(self.marks.send(mark).await);
    }
}
