//! When jobs are planned. Everything follows from times and from a hash of what is fetched, so that many HATs spread by
//! themselves and the same state decides the same.

use sha2::{Digest as _, Sha256};

use crate::domain::id::Id;
use crate::domain::time::{SECOND, Timestamp};

/// Longest time over which what is due at once is spread, nanoseconds: 15 min.
pub const SPREAD_MAX: i64 = 900 * SECOND;
/// Longest time over which first jobs are spread, nanoseconds.
const FIRST_MAX: i64 = 60 * SECOND;
/// What a job may be late without being called overdue, nanoseconds.
pub const LATE_MAX: i64 = 30 * SECOND;
/// Pause before the second attempt, nanoseconds; it doubles with each.
const BACK_OFF: i64 = 30 * SECOND;
/// Longest pause between two attempts, nanoseconds: an hour.
const BACK_OFF_MAX: i64 = 3600 * SECOND;

/// A place within any window, between 0 and 1 in steps of 2⁻⁶⁴: evenly spread over HATs, plugs and endpoints, and over
/// the `round`s of one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(u64);

impl Place {
    /// Of this endpoint of this HAT, in the round that `round` begins.
    pub fn of(hat: &Id, plug: &Id, endpoint: &str, round: Timestamp) -> Self {
        let mut hash = Sha256::new();
        for part in [hat.as_str(), plug.as_str(), endpoint] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        hash.update(round.0.to_be_bytes());
        let bytes: [u8; 32] = hash.finalize().into();
        let [a, b, c, d, e, f, g, h, ..] = bytes;
        Place(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }

    /// The place as nanoseconds from the beginning of a window of this length.
    pub fn within(self, window: i64) -> i64 {
        let wide = u128::from(self.0) * u128::from(window.max(0).unsigned_abs());
        i64::try_from(wide >> 64).unwrap_or(i64::MAX)
    }
}

fn nanos(seconds: u32) -> i64 {
    i64::from(seconds) * SECOND
}

/// Over how long jobs that are due at once are spread, nanoseconds.
pub fn spread(refresh_seconds: u32) -> i64 {
    (nanos(refresh_seconds) / 4).min(SPREAD_MAX)
}

/// When the first job is planned of what was connected at `at`.
pub fn first(at: Timestamp, refresh_seconds: u32, place: Place) -> Timestamp {
    at.plus(place.within(nanos(refresh_seconds).min(FIRST_MAX)))
}

/// When the next round begins after the one that was planned at `planned`: a refresh interval later, 10 % more or less.
pub fn next_round(planned: Timestamp, refresh_seconds: u32, place: Place) -> Timestamp {
    let refresh = nanos(refresh_seconds);
    planned.plus(refresh - refresh / 10 + place.within(refresh / 5))
}

/// When a job is planned anew that should have been long before `now`.
pub fn overdue(now: Timestamp, refresh_seconds: u32, place: Place) -> Timestamp {
    now.plus(place.within(spread(refresh_seconds)))
}

/// When the attempt after `attempt` (from 1) is planned, which failed at `at`: the pause doubles each time, with up to half
/// of it more. Not before the source asks for more, and then not all at that moment.
pub fn retry(at: Timestamp, attempt: u32, retry_after_seconds: Option<u32>, place: Place) -> Timestamp {
    let pause = BACK_OFF.saturating_mul(1 << attempt.saturating_sub(1).min(20)).min(BACK_OFF_MAX);
    let backed_off = at.plus(pause + place.within(pause / 2));
    retry_after_seconds.map_or(backed_off, |seconds| backed_off.max(not_before(at, seconds, place)))
}

/// When something is done that a source asked at `at` to be left alone with for so long: soon after that, spread by a tenth of it.
pub fn not_before(at: Timestamp, seconds: u32, place: Place) -> Timestamp {
    let pause = nanos(seconds.min(super::WAIT_SECONDS_MAX));
    at.plus(pause + place.within((pause / 10).clamp(SECOND, SPREAD_MAX)))
}
