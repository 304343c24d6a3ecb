//! What is said of jobs: by workers, by who wants one now, and of all jobs of a plug.

use serde::{Deserialize, Deserializer, Serialize};
use smol_str::SmolStr;
use uuid::Uuid;

use super::CONTINUATION_BYTES_MAX;
use crate::domain::id::Id;

/// Why a job failed. A closed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobError {
    /// The source does not accept the account's credentials: not tried again in this round.
    Unauthorized,
    /// The source has no such thing.
    NotFound,
    /// The source has it no more, or not from the continuation on.
    Gone,
    /// The source asks to come later.
    RateLimited,
    /// No answer in time.
    Timeout,
    /// No connection, or it broke.
    Network,
    /// More than a worker takes.
    TooLarge,
    /// The answer is not of the form that the connector reads.
    Malformed,
    /// The worker's own rules forbid to ask (an address, a redirect), or the exchange refused what was read.
    Refused,
    /// The worker failed.
    Internal,
}

impl JobError {
    /// The whole closed set.
    pub const ALL: [JobError; 10] = [
        JobError::Unauthorized,
        JobError::NotFound,
        JobError::Gone,
        JobError::RateLimited,
        JobError::Timeout,
        JobError::Network,
        JobError::TooLarge,
        JobError::Malformed,
        JobError::Refused,
        JobError::Internal,
    ];

    /// The word on the wire and in the ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            JobError::Unauthorized => "unauthorized",
            JobError::NotFound => "not-found",
            JobError::Gone => "gone",
            JobError::RateLimited => "rate-limited",
            JobError::Timeout => "timeout",
            JobError::Network => "network",
            JobError::TooLarge => "too-large",
            JobError::Malformed => "malformed",
            JobError::Refused => "refused",
            JobError::Internal => "internal",
        }
    }
}

impl std::fmt::Display for JobError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is said of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobStatus {
    /// A part is done: who takes over goes on from the continuation.
    Progress,
    /// It is done.
    Done,
    /// It failed.
    Failed,
    /// There should be one now.
    Wanted,
}

/// Body of `hat.<hat>.job.<plug>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JobWord {
    /// Which job; of [`JobStatus::Wanted`] none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Uuid>,
    /// What of it.
    pub status: JobStatus,
    /// Of `wanted`: which endpoint, by its name below the plug's namespace; none: each that has jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<SmolStr>,
    /// Of `progress` and `done`: where to go on. Absent: as before; `null`: from the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "said")]
    pub continuation: Option<Option<SmolStr>>,
    /// Records that it has brought, in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<u32>,
    /// Of `failed` and `done`: the source is not to be asked for this again before so many seconds are over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u32>,
    /// Of `failed`: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
}

/// A field that is there, be it `null`.
fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<SmolStr>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl JobWord {
    /// A word that only has a status.
    fn bare(job: Option<Uuid>, status: JobStatus) -> Self {
        JobWord {
            job,
            status,
            endpoint: None,
            continuation: None,
            records: None,
            retry_after_seconds: None,
            error: None,
        }
    }

    /// A part of the job is done, and a successor goes on from `continuation`.
    pub fn progress(job: Uuid, continuation: impl Into<SmolStr>) -> Self {
        JobWord { continuation: Some(Some(continuation.into())), ..JobWord::bare(Some(job), JobStatus::Progress) }
    }

    /// The job is done. `continuation` as in [`JobWord::continuation`].
    pub fn done(job: Uuid, continuation: Option<Option<SmolStr>>) -> Self {
        JobWord { continuation, ..JobWord::bare(Some(job), JobStatus::Done) }
    }

    /// The job failed.
    pub fn failed(job: Uuid, error: JobError) -> Self {
        JobWord { error: Some(error), ..JobWord::bare(Some(job), JobStatus::Failed) }
    }

    /// A job should be planned now.
    pub fn wanted(endpoint: Option<SmolStr>) -> Self {
        JobWord { endpoint, ..JobWord::bare(None, JobStatus::Wanted) }
    }

    /// Checks what serde's types cannot say: which fields go with which status, and lengths.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn check(&self) -> Result<(), String> {
        use JobStatus::{Done, Failed, Progress, Wanted};
        let status = self.status;
        let fields = [
            ("job", self.job.is_some(), status != Wanted, status != Wanted),
            ("endpoint", self.endpoint.is_some(), status == Wanted, false),
            ("continuation", self.continuation.is_some(), matches!(status, Progress | Done), status == Progress),
            ("records", self.records.is_some(), status != Wanted, false),
            ("retryAfterSeconds", self.retry_after_seconds.is_some(), matches!(status, Failed | Done), false),
            ("error", self.error.is_some(), status == Failed, status == Failed),
        ];
        for (field, there, may, must) in fields {
            if there && !may {
                return Err(format!("{field} does not go with status {:?}", self.word()));
            }
            if must && !there {
                return Err(format!("status {:?} needs the field {field}", self.word()));
            }
        }
        match &self.continuation {
            Some(None) if status == Progress => Err("continuation of progress is a text, not null".to_owned()),
            Some(Some(text)) if text.len() > CONTINUATION_BYTES_MAX => {
                Err(format!("continuation has {} bytes, more than {CONTINUATION_BYTES_MAX}", text.len()))
            }
            _ => Ok(()),
        }
    }

    fn word(&self) -> &'static str {
        match self.status {
            JobStatus::Progress => "progress",
            JobStatus::Done => "done",
            JobStatus::Failed => "failed",
            JobStatus::Wanted => "wanted",
        }
    }
}

/// Body of `plug.<plug>.schedule`: what holds for all jobs of a plug.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlugSchedule {
    /// No job is planned while it is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<bool>,
    /// No job is planned for so many seconds from now; 0: what was held before goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_seconds: Option<u32>,
    /// The exchange itself speaks: a job of this HAT was told to come later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hat: Option<Id>,
}
