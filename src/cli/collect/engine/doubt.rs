//! Deliveries of which the exchange says no, though an earlier receipt of theirs may have been taken: what was told of it is read.

use tokio::time::Instant;
use uuid::Uuid;

use super::Engine;
use crate::cli::collect::sink::{Ended, SinkError};
use crate::cli::collect::told::{self, Question, Told};

/// How often it is read again what was told of a receipt, where that is not there (yet) or does not reach back far enough.
const LOOKS: u32 = 3;

impl Engine {
    /// Reads what was told of all that are in doubt by now.
    pub(super) fn ask(&mut self) {
        if self.doubts.is_empty() || !self.asked.is_empty() {
            return;
        }
        let doubts = std::mem::take(&mut self.doubts);
        let asked = doubts.into_iter().filter_map(|id| self.open.get(&id).map(|open| Question::of(&open.piece)));
        self.asked.push(Box::pin(told::look(self.client.clone(), asked.collect())));
    }

    /// What was told of deliveries that were in doubt.
    pub(super) async fn heard(&mut self, told: Vec<(Uuid, Told)>) -> Result<(), SinkError> {
        self.last = Instant::now();
        let mut ended = Ended::default();
        for (id, told) in told {
            let Some(open) = self.open.get_mut(&id) else { continue };
            match told {
                Told::Settled => ended.settled.push(id),
                Told::Not => ended.dropped.push(id),
                Told::Nothing if open.looks < LOOKS => {
                    open.looks += 1;
                    self.send_again(id, None).await?;
                }
                // Rows too many can be taken out again; a settled one that is not there cannot be had any more.
                Told::Nothing => ended.untold.push(id),
            }
        }
        for id in &ended.untold {
            let why = "it has ended, and it cannot be told whether it had settled before: its records are kept";
            crate::cli::out::note(format_args!("delivery {id}: {why}"));
        }
        if !ended.dropped.is_empty() {
            *self.counts.dropped.entry("late".to_owned()).or_default() += ended.dropped.len() as u64;
        }
        self.end(&ended).await
    }
}
