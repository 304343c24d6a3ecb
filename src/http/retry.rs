//! When a call is tried again: how often, how soon, and how much of it all calls may take together.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often and how soon one call is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Tries in all, at least 1.
    pub tries: u32,
    /// Pause before the second try; it doubles with each.
    pub first: Duration,
    /// Longest pause.
    pub most: Duration,
}

impl Default for Retry {
    /// 3 tries, 200 ms, at most 5 s.
    fn default() -> Self {
        Retry { tries: 3, first: Duration::from_millis(200), most: Duration::from_secs(5) }
    }
}

impl Retry {
    /// The pause after failed try number `tries` (from 1). `jitter` is 0 to 1: of the pause the upper half
    /// is left to chance, so that many who failed at once do not come back at once.
    pub fn pause(&self, tries: u32, jitter: f64) -> Duration {
        let doubled = self.first.saturating_mul(1u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX));
        doubled.min(self.most).mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
    }
}

/// Retries that all calls together may make: a bucket that fills with time. First tries are free.
#[derive(Debug)]
pub struct Budget {
    most: f64,
    per_second: f64,
    left: Mutex<(f64, Option<Instant>)>,
}

impl Budget {
    /// At most `most` at once, and `per_second` in the long run.
    pub fn new(most: u32, per_second: f64) -> Self {
        Budget { most: f64::from(most), per_second, left: Mutex::new((f64::from(most), None)) }
    }

    /// Takes one retry; false when none is left.
    pub fn take(&self, now: Instant) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = left.1.map_or(0.0, |then| now.saturating_duration_since(then).as_secs_f64());
        let filled = (left.0 + passed * self.per_second).min(self.most);
        let taken = filled >= 1.0;
        *left = (if taken { filled - 1.0 } else { filled }, Some(now));
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pauses_grow_and_stay_in_their_bounds(tries in 1u32..200, jitter in 0.0f64..1.0) {
            let policy = Retry::default();
            let pause = policy.pause(tries, jitter);
            prop_assert!(pause >= policy.first / 2 && pause <= policy.most);
            prop_assert!(policy.pause(tries + 1, jitter) >= pause);
        }
    }

    #[test]
    fn the_budget_is_shared_and_fills_with_time() {
        let budget = Budget::new(2, 1.0);
        let now = Instant::now();
        assert!(budget.take(now) && budget.take(now) && !budget.take(now));
        assert!(budget.take(now + Duration::from_millis(1100)));
        assert!(!budget.take(now + Duration::from_millis(1200)));
        let later = now + Duration::from_secs(100);
        assert!(budget.take(later) && budget.take(later) && !budget.take(later), "never more than its most");
    }
}
