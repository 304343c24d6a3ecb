//! A HAT that fails is left alone for a while: longer each time, up to a bound.

use std::time::{Duration, Instant};

use crate::bridge::hat::retry::Retry;

/// Failures in a row after which a HAT is called down.
const DOWN_AFTER: u32 = 3;

/// The state of one HAT as its bridge sees it.
#[derive(Debug, Clone)]
pub struct Breaker {
    pauses: Retry,
    failures: u32,
    until: Option<Instant>,
}

impl Breaker {
    /// Closed, with these pauses (their number of tries is not used: it never gives up).
    pub fn new(pauses: Retry) -> Self {
        Breaker { pauses, failures: 0, until: None }
    }

    /// How long the HAT is still to be left alone.
    pub fn wait(&self, now: Instant) -> Duration {
        self.until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    /// A call failed in a way that may pass. `after`: the HAT asked to be left alone so long.
    pub fn failed(&mut self, now: Instant, jitter: f64, after: Option<Duration>) {
        self.failures = self.failures.saturating_add(1);
        let pause = self.pauses.pause(self.failures, jitter).max(after.unwrap_or_default());
        self.until = Some(now + pause);
    }

    /// A call was answered.
    pub fn answered(&mut self) {
        (self.failures, self.until) = (0, None);
    }

    /// Whether it has failed so often that it is called down.
    pub fn down(&self) -> bool {
        self.failures >= DOWN_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_with_the_first_answer() {
        let pauses = Retry { tries: 1, first: Duration::from_secs(1), most: Duration::from_secs(60) };
        let mut breaker = Breaker::new(pauses);
        let now = Instant::now();
        assert_eq!(breaker.wait(now), Duration::ZERO);
        let mut last = Duration::ZERO;
        for failures in 1..=10 {
            breaker.failed(now, 1.0, None);
            let wait = breaker.wait(now);
            assert!(wait >= last && wait <= Duration::from_secs(60));
            assert_eq!(breaker.down(), failures >= 3);
            last = wait;
        }
        assert_eq!(last, Duration::from_secs(60));
        assert_eq!(breaker.wait(now + Duration::from_secs(61)), Duration::ZERO, "asked again after the pause");
        breaker.failed(now, 0.0, Some(Duration::from_secs(600)));
        assert_eq!(breaker.wait(now), Duration::from_secs(600), "a HAT may ask for more");
        breaker.answered();
        assert!(!breaker.down() && breaker.wait(now).is_zero());
    }
}
