//! Step 4: hand a round's entries to the ledger; the flight is followed by the landing task.

use actix::prelude::SendError;
use rand::RngCore;
use tokio::sync::oneshot;

use super::decide::Decided;
use super::land::Flight;
use super::ledger::Commit;
use super::partition::Partition;
use super::work::Work;
use crate::ledger::{NewRecord, Position};

impl Partition {
    /// Commits a round.
    pub(super) async fn commit(&mut self, decided: Decided) {
        self.commit_before(decided, None).await;
    }

    /// Commits a round while the messages from `undecided` on are still to be decided.
    pub(super) async fn commit_before(&mut self, mut decided: Decided, undecided: Option<u64>) {
        if self.anonymous.due(self.now.max(self.shared.clock.now())) {
            for event in self.anonymous.drain() {
                let entry = self.own_entry(event, self.now, None);
                decided.entries.push((entry, None));
            }
        }
        let moved = self.settle(undecided);
        let position = self.ticks.take(moved);
        let refusals = std::mem::take(&mut self.refusals);
        let idle = decided.entries.is_empty() && decided.repeats.is_empty() && refusals.is_empty();
        if idle && !(position.is_some() && self.ticks.position_due()) {
            if let Some(position) = position {
                self.ticks.uncommitted(position);
            }
            return;
        }
        if position.is_some() {
            self.ticks.position_sent();
        }
        let mut records = Vec::with_capacity(decided.entries.len());
        let mut entries = Vec::with_capacity(decided.entries.len());
        for (entry, content) in decided.entries {
            let mut salt = [0u8; 32];
            rand::thread_rng().fill_bytes(&mut salt);
            let packed = rmp_serde::to_vec_named(&entry).expect("an entry is plain data");
            records.push(NewRecord { salt, entry: packed, content: content.clone() });
            entries.push((entry, content));
        }
        for entity in &decided.entities {
            self.supervisor.borrow_mut().departed(entity);
        }
        let (reply, landed) = oneshot::channel();
        let commit = Commit { partition: self.number, position, records, reply };
        let flight =
            Flight { landed, entries, repeats: decided.repeats, refusals, entities: decided.entities, position };
        self.departed += 1;
        // Room for one more in flight first: the ledger's mailbox is sized for it.
        let Ok(place) = self.flights.reserve().await else {
            return self.stop.cancel();
        };
        // Queued and not waited for: while the ledger syncs, the next batch is decided.
        match self.neighbours.ledger.try_send(commit) {
            Ok(()) => {}
            // Never reached with that size; waiting loses nothing all the same.
            Err(SendError::Full(commit)) => {
                if self.neighbours.ledger.send(commit).await.is_err() {
                    self.ledger_gone();
                }
            }
            Err(SendError::Closed(_)) => self.ledger_gone(),
        }
        place.send(flight);
    }

    fn ledger_gone(&self) {
        self.shared.fatal.tell("the ledger actor is gone");
        self.stop.cancel();
    }

    /// The place that may be committed now.
    fn settle(&mut self, undecided: Option<u64>) -> Option<Position> {
        let held = self.held.iter().filter_map(|work: &Work| work.sequence).min();
        let first = [undecided, held, self.later, self.anonymous.first_sequence()].into_iter().flatten().min();
        self.track.settle(first)
    }
}
