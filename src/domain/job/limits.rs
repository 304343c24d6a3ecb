//! What a plug's manifest says of its jobs besides their endpoints.

use serde::{Deserialize, Serialize};

use crate::domain::time::SECOND;

/// How long a worker has a job before another may take it over, seconds.
pub const LEASE_SECONDS: (u32, u32) = (10, 3600);
/// How often a job is tried before it is dead.
pub const ATTEMPTS: (u32, u32) = (1, 20);
/// Jobs of a plug that are handed to its workers in a minute.
pub const PER_MINUTE: (u32, u32) = (1, 600_000);
/// Longest life of a job, seconds: a day.
const LIFE_SECONDS_MAX: u32 = 86_400;
/// Shortest life of a job, seconds.
const LIFE_SECONDS_MIN: u32 = 600;

/// `jobs` of a manifest. What is absent is as in [`JobLimits::default`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct JobLimits {
    /// A worker that is silent for so long has lost its job: 10 to 3,600 seconds.
    pub lease_seconds: u32,
    /// After so many attempts a job is dead: 1 to 20.
    pub attempts: u32,
    /// Most jobs of the plug that are handed to its workers in a minute, over all HATs: 1 to 600,000.
    pub per_minute: u32,
}

impl Default for JobLimits {
    fn default() -> Self {
        JobLimits { lease_seconds: 120, attempts: 5, per_minute: 600 }
    }
}

impl JobLimits {
    /// The first field that is out of its range, and the range.
    pub fn out_of_range(&self) -> Option<(&'static str, u32, (u32, u32))> {
        let fields = [
            ("leaseSeconds", self.lease_seconds, LEASE_SECONDS),
            ("attempts", self.attempts, ATTEMPTS),
            ("perMinute", self.per_minute, PER_MINUTE),
        ];
        fields.into_iter().find(|(_, value, (least, most))| !(least..=most).contains(&value))
    }

    /// How long a job is to be done in, nanoseconds: about a round, but time enough for five workers to lose it, and a
    /// day at most.
    pub fn life(&self, refresh_seconds: Option<u32>) -> i64 {
        let least = LIFE_SECONDS_MIN.max(self.lease_seconds * 5);
        let seconds = refresh_seconds.unwrap_or(LIFE_SECONDS_MIN).clamp(least, LIFE_SECONDS_MAX);
        i64::from(seconds) * SECOND
    }
}
