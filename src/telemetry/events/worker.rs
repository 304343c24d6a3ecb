//! A plug worker: jobs, pages, records, tokens. A job's log names its plug and endpoint, never the HAT.

use std::time::Duration;

use crate::domain::job::JobError;
use crate::telemetry::names;

/// A worker is finished with a job.
pub struct JobEnded<'a> {
    /// How, one of [`JobEnded::RESULTS`].
    pub result: &'static str,
    /// Whose it was.
    pub plug: &'a str,
    /// What was fetched, below the namespace.
    pub endpoint: &'a str,
    /// Which attempt of its round.
    pub attempt: u32,
    /// Pages fetched.
    pub pages: u32,
    /// Records credited.
    pub records: u32,
    /// Why it failed: the protocol's word, and what happened.
    pub fault: Option<(&'static str, &'a str)>,
    /// How long the worker had it.
    pub took: Duration,
}

impl JobEnded<'_> {
    /// Every result: to its end, with an error told, found to be over, given back for somebody else.
    pub const RESULTS: [&'static str; 4] = ["done", "failed", "over", "handed-back"];

    /// Logs and counts.
    pub fn emit(self) {
        let (plug, endpoint, attempt, pages, records) =
            (self.plug, self.endpoint, self.attempt, self.pages, self.records);
        let ms = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX);
        match self.fault {
            Some((error, what)) => {
                tracing::warn!(plug, endpoint, attempt, pages, records, ms, error, what, "a job failed");
            }
            None => tracing::debug!(plug, endpoint, attempt, pages, records, ms, result = self.result, "a job ended"),
        }
        metrics::counter!(names::WORKER_JOBS_TOTAL, "result" => self.result).increment(1);
    }
}

/// A page was fetched.
pub struct PageFetched {
    /// From the request to the last record read.
    pub took: Duration,
}

impl PageFetched {
    /// Counts.
    pub fn emit(self) {
        metrics::histogram!(names::WORKER_PAGE_SECONDS).record(self.took.as_secs_f64());
    }
}

/// A page could not be fetched, this time.
pub struct SourceFault<'a> {
    /// The protocol's word, one of [`SourceFault::WORDS`].
    pub word: &'static str,
    /// What happened: no address, no content, no secret.
    pub what: &'a str,
}

impl SourceFault<'_> {
    /// Every word.
    pub const WORDS: [&'static str; 10] = {
        let mut words = [""; 10];
        let mut n = 0;
        while n < words.len() {
            words[n] = JobError::ALL[n].as_str();
            n += 1;
        }
        words
    };

    /// Logs and counts.
    pub fn emit(self) {
        tracing::debug!(error = self.word, what = self.what, "a page was not fetched");
        metrics::counter!(names::WORKER_FAULTS_TOTAL, "error" => self.word).increment(1);
    }
}

/// A round begins anew: the source does not take the place in it that was kept.
pub struct RoundAnew<'a> {
    /// Whose it is.
    pub plug: &'a str,
    /// What is fetched, below the namespace.
    pub endpoint: &'a str,
    /// What it answered: the protocol's word, one of [`RoundAnew::WORDS`].
    pub error: &'static str,
}

impl RoundAnew<'_> {
    /// Every word.
    pub const WORDS: [&'static str; 3] =
        [JobError::Gone.as_str(), JobError::NotFound.as_str(), JobError::Refused.as_str()];

    /// Logs and counts.
    pub fn emit(self) {
        let (plug, endpoint, error) = (self.plug, self.endpoint, self.error);
        tracing::warn!(
            plug,
            endpoint,
            error,
            "the source does not take the place that was kept: the round begins anew"
        );
        metrics::counter!(names::WORKER_ROUNDS_ANEW_TOTAL, "error" => error).increment(1);
    }
}

/// A page's records were dealt with.
pub struct RecordsCredited {
    /// Accepted by the exchange now.
    pub credited: usize,
    /// Credited before, so not sent again.
    pub known: usize,
    /// Larger than a message, so left out.
    pub too_large: usize,
    /// Not of the form that the connector reads, so left out, as its settings say.
    pub unreadable: usize,
}

impl RecordsCredited {
    /// Every fate.
    pub const FATES: [&'static str; 4] = ["credited", "known", "too-large", "unreadable"];

    /// Logs what was left out, and counts.
    pub fn emit(self) {
        if self.too_large > 0 {
            tracing::warn!(records = self.too_large, "records that are larger than a message were left out");
        }
        for (fate, count) in Self::FATES.into_iter().zip([self.credited, self.known, self.too_large, self.unreadable]) {
            metrics::counter!(names::WORKER_RECORDS_TOTAL, "fate" => fate).increment(count as u64);
        }
    }
}

/// An access token was asked for.
pub struct TokenRefreshed {
    /// Whether one came.
    pub done: bool,
}

impl TokenRefreshed {
    /// Every result.
    pub const RESULTS: [&'static str; 2] = ["refreshed", "failed"];

    /// Counts.
    pub fn emit(self) {
        let [refreshed, failed] = Self::RESULTS;
        metrics::counter!(names::WORKER_TOKENS_TOTAL, "result" => if self.done { refreshed } else { failed })
            .increment(1);
    }
}
