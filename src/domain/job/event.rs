//! What has happened to jobs, as ledger entries tell it.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use uuid::Uuid;

use super::JobError;
use crate::domain::id::Id;
use crate::domain::time::Timestamp;

/// Something has happened to a job of a HAT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobEvent {
    /// Who fetches.
    pub plug: Id,
    /// What, by its name below the plug's namespace.
    pub endpoint: SmolStr,
    /// Which job.
    pub job: Uuid,
    /// What has happened.
    pub step: JobStep,
}

/// How far a job has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // each variant's own text tells what its fields are
pub enum JobStep {
    /// It is planned, as this attempt of the round that began then; workers are given it.
    Planned {
        attempt: u32,
        round: Timestamp,
        ends: Timestamp,
        lease_seconds: u32,
        /// Somebody wanted it now.
        #[serde(default, skip_serializing_if = "crate::domain::event::is_false")]
        wanted: bool,
    },
    /// A successor would go on from there.
    Progressed { continuation: SmolStr, records: u32 },
    /// It is done; the next round begins then, if any.
    Done {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        continuation: Option<SmolStr>,
        /// The continuation is forgotten.
        #[serde(default, skip_serializing_if = "crate::domain::event::is_false")]
        forget: bool,
        records: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        not_before: Option<Timestamp>,
        next: Option<Timestamp>,
    },
    /// It failed; another attempt is planned then.
    Failed { failure: JobFailure, next: Option<Timestamp> },
    /// It failed for the last time in its round; the next round begins then, if any.
    Dead { failure: JobFailure, next: Option<Timestamp> },
    /// Nothing was heard of it by its end; another one is planned then, if any.
    Lapsed { next: Option<Timestamp> },
    /// The plug was disconnected, or the HAT is not in force any more.
    Over,
}

/// Why a job failed, and what its source asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFailure {
    /// Why.
    pub error: JobError,
    /// Records that it brought all the same.
    #[serde(default)]
    pub records: u32,
    /// The source is not to be asked before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// The plug is told that its source wants to be left alone for so many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tell: Option<u32>,
}

impl JobStep {
    /// The steps as words, in their order.
    pub const WORDS: [&str; 7] = ["planned", "progressed", "done", "failed", "dead", "lapsed", "over"];

    /// Which of [`JobStep::WORDS`] it is.
    pub const fn place(&self) -> usize {
        match self {
            JobStep::Planned { .. } => 0,
            JobStep::Progressed { .. } => 1,
            JobStep::Done { .. } => 2,
            JobStep::Failed { .. } => 3,
            JobStep::Dead { .. } => 4,
            JobStep::Lapsed { .. } => 5,
            JobStep::Over => 6,
        }
    }

    /// Whether the job is over with this.
    pub const fn ends(&self) -> bool {
        !matches!(self, JobStep::Planned { .. } | JobStep::Progressed { .. })
    }
}

/// When jobs of a plug are planned on a HAT from now on; none: not any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobsMoved {
    /// The plug.
    pub plug: Id,
    /// When, by endpoint.
    pub at: Vec<(SmolStr, Option<Timestamp>)>,
}

/// Why the jobs of a plug are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HoldReason {
    /// The plug or an operator asked for it.
    Asked,
    /// The plug reports that its jobs fail.
    Failing,
    /// Its source wants to be left alone.
    RateLimited,
}

impl HoldReason {
    /// The word in answers and in the ledger's telling.
    pub const fn as_str(self) -> &'static str {
        match self {
            HoldReason::Asked => "asked",
            HoldReason::Failing => "failing",
            HoldReason::RateLimited => "rate-limited",
        }
    }
}
