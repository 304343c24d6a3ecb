//! How fresh a plug is and how well its jobs do, as far as it reports them. The store time of its reports decides, never
//! a time that the plug says itself.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::domain::entity::{Decision, Draft};
use crate::domain::entry::Entry;
use crate::domain::event::Event;
use crate::domain::exchange::check::{Case, permit};
use crate::domain::time::{SECOND, Timestamp};
use crate::domain::verdict::Reason;

/// Failed jobs in a row, without one that was done between them, from which on a plug is failing.
pub const FAILING_FROM: u32 = 3;
/// Most reports of one plug in a minute of event time; more are refused `over-quota`.
pub const REPORTS_PER_MINUTE: u32 = 60;
/// Most jobs in one report.
pub const JOBS_MAX: u32 = 1_000_000;
/// Most bytes of a report's error.
pub const ERROR_BYTES_MAX: usize = 256;

/// Body of `plug.<plug>.report`: the jobs that ended since the report before.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JobReport {
    /// Jobs that were done. With `failed`, 1 to [`JOBS_MAX`].
    #[serde(default)]
    pub done: u32,
    /// Jobs that failed.
    #[serde(default)]
    pub failed: u32,
    /// How far the newest data that was read lies behind its source, in seconds, at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_seconds: Option<u32>,
    /// Why the last one failed, for people; at most [`ERROR_BYTES_MAX`] bytes, kept in the ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<SmolStr>,
}

/// How a plug does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It has not reported a job that was done yet.
    #[default]
    Unknown,
    /// Its jobs are done, and as often as its manifest says.
    Healthy,
    /// No job was done for longer than its manifest's `freshForSeconds`, or what it reads lies further behind.
    Stale,
    /// [`FAILING_FROM`] jobs or more have failed since one was done.
    Failing,
}

/// What is known of a plug's jobs. Folded from entries.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Health {
    /// When it first reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Timestamp>,
    /// When it last reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported: Option<Timestamp>,
    /// When it last reported a job that was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<Timestamp>,
    /// When it last reported a job that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<Timestamp>,
    /// The lag that it last reported, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_seconds: Option<u32>,
    /// Jobs that have failed since one was done.
    #[serde(default)]
    pub failures: u32,
    /// Why the last one failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<SmolStr>,
    /// All jobs that were done.
    #[serde(default)]
    pub jobs_done: u64,
    /// All jobs that failed.
    #[serde(default)]
    pub jobs_failed: u64,
    /// What the ledger says last.
    #[serde(default)]
    pub told: Standing,
    /// Minute of event time of the last report, and how many there were in it.
    #[serde(default)]
    pub minute: (i64, u32),
}

fn minute_of(at: Timestamp) -> i64 {
    at.0.div_euclid(60 * SECOND)
}

impl Health {
    /// True when nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Health::default()
    }

    /// Until when the last job that was done keeps the plug fresh; before any was, its first report counts.
    pub fn fresh_until(&self, fresh_for_seconds: Option<u32>) -> Option<Timestamp> {
        let since = self.done.or(self.first)?;
        Some(since.plus(i64::from(fresh_for_seconds?) * SECOND))
    }

    /// How the plug does at `at`; `fresh_for_seconds` is its manifest's, without which it is never stale.
    pub fn standing(&self, at: Timestamp, fresh_for_seconds: Option<u32>) -> Standing {
        let behind = fresh_for_seconds.zip(self.lag_seconds).is_some_and(|(most, lag)| lag > most);
        let over = self.fresh_until(fresh_for_seconds).is_some_and(|until| at >= until);
        match self.done {
            _ if self.failures >= FAILING_FROM => Standing::Failing,
            _ if over || behind => Standing::Stale,
            Some(_) => Standing::Healthy,
            None => Standing::Unknown,
        }
    }

    /// When the ledger has to say by the clock alone that the plug is stale.
    pub(super) fn wake(&self, fresh_for_seconds: Option<u32>) -> Option<Timestamp> {
        match self.told {
            Standing::Unknown | Standing::Healthy => self.fresh_until(fresh_for_seconds),
            Standing::Stale | Standing::Failing => None,
        }
    }

    /// Decides the local command.
    pub(super) fn turn(&self, now: Timestamp, fresh_for_seconds: Option<u32>) -> Decision {
        match self.wake(fresh_for_seconds) {
            Some(since) if since <= now => Decision::one(Draft::further(Event::PlugStale { since })),
            _ => Decision::Nothing,
        }
    }

    fn with(&self, report: &JobReport, at: Timestamp) -> Self {
        let mut next = self.clone();
        next.first = next.first.or(Some(at));
        next.reported = Some(at);
        next.lag_seconds = report.lag_seconds.or(next.lag_seconds);
        next.jobs_done = next.jobs_done.saturating_add(u64::from(report.done));
        next.jobs_failed = next.jobs_failed.saturating_add(u64::from(report.failed));
        if report.failed > 0 {
            next.failed = Some(at);
            next.error = report.error.clone();
        }
        if report.done > 0 {
            next.done = Some(at);
            next.failures = 0;
        } else {
            next.failures = next.failures.saturating_add(report.failed);
        }
        let minute = minute_of(at);
        next.minute =
            if minute > next.minute.0 { (minute, 1) } else { (next.minute.0, next.minute.1.saturating_add(1)) };
        next
    }

    /// Decides `plug.<plug>.report`.
    pub(super) fn report(
        &self,
        case: &Case<'_>,
        report: &JobReport,
        fresh_for_seconds: Option<u32>,
    ) -> Result<Vec<Draft>, Reason> {
        permit(case.is_self())?;
        case.sender_approved()?;
        if self.minute.0 >= minute_of(case.at()) && self.minute.1 >= REPORTS_PER_MINUTE {
            return Err(Reason::OverQuota);
        }
        if !(1..=JOBS_MAX).contains(&report.done.saturating_add(report.failed)) {
            return Err(Reason::Malformed);
        }
        let health = self.with(report, case.at()).standing(case.at(), fresh_for_seconds);
        let event = Event::PlugReported { report: Box::new(report.clone()), health };
        Ok(vec![Draft::caused(event).on(case.key_basis().into_iter().collect())])
    }

    /// Folds an entry in.
    pub(super) fn apply(&mut self, entry: &Entry) {
        match &entry.event {
            Event::PlugReported { report, health } => {
                *self = self.with(report, entry.at);
                self.told = *health;
            }
            Event::PlugStale { .. } => self.told = Standing::Stale,
            _ => {}
        }
    }
}
