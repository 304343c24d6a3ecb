//! What a plug's health is told by: how many jobs were done and failed since the report before.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Client, Order};
use crate::domain::job::JobError;

/// How often it is reported, when there is something to report.
const EVERY: Duration = Duration::from_secs(30);
/// How long one report waits for its outcome; it is sent with the next one otherwise.
const WAIT: Duration = Duration::from_secs(10);

/// Jobs that ended and were not reported yet.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    done: u32,
    failed: u32,
    last: Option<JobError>,
}

/// The counts of one plug.
#[derive(Debug, Default)]
pub struct Report {
    counts: Mutex<Counts>,
}

/// How a job ended, as far as its plug's health is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// To its end.
    Done,
    /// Not.
    Failed(JobError),
    /// Somebody else has it, or nobody: it says nothing of the source.
    Elsewhere,
}

impl Report {
    /// One job ended. An account that is refused says nothing of the plug: its HAT has the entry.
    pub fn note(&self, ended: Ended) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        match ended {
            Ended::Done => counts.done = counts.done.saturating_add(1),
            Ended::Failed(JobError::Unauthorized) | Ended::Elsewhere => {}
            Ended::Failed(error) => {
                counts.failed = counts.failed.saturating_add(1);
                counts.last = Some(error);
            }
        }
    }

    fn take(&self) -> Counts {
        std::mem::take(&mut *self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reports for ever.
    pub async fn run(&self, plug: &Client) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.send(plug).await;
        }
    }

    /// Reports what there is. Counts whose report was not taken are left out of the next one: health is of the present.
    pub async fn send(&self, plug: &Client) {
        let counts = self.take();
        if counts.done + counts.failed == 0 {
            return;
        }
        let order = Order::new(plug.party(), &["report"], body(counts).to_string()).wait(WAIT);
        if let Err(error) = plug.send(order).await {
            tracing::debug!(%error, "a report of the plug's jobs was not taken");
        }
    }
}

fn body(counts: Counts) -> Value {
    // The most that one report may say.
    const MOST: u32 = 500_000;
    let mut body = json!({ "done": counts.done.min(MOST), "failed": counts.failed.min(MOST) });
    if let Some(error) = counts.last {
        body["error"] = json!(error.as_str());
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_concerns_one_account_is_not_reported() {
        let report = Report::default();
        for ended in
            [Ended::Done, Ended::Failed(JobError::Unauthorized), Ended::Failed(JobError::Timeout), Ended::Elsewhere]
        {
            report.note(ended);
        }
        assert_eq!(body(report.take()), json!({ "done": 1, "failed": 1, "error": "timeout" }));
        assert_eq!(body(report.take()), json!({ "done": 0, "failed": 0 }));
    }
}
