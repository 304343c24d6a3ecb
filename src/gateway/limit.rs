//! How many requests each caller may make.

use std::num::NonZeroU32;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::fault::Fault;

/// Callers that are counted one by one; beyond it new ones share one count.
const CALLERS_MAX: usize = 50_000;

/// Requests a second, and how many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// In the long run.
    pub per_second: u32,
    /// At once, after a pause.
    pub burst: u32,
}

/// Counts requests by caller.
pub struct Limits {
    known: DefaultKeyedRateLimiter<String>,
    clock: DefaultClock,
}

fn quota(rate: Rate) -> Quota {
    let at_least_one = |n: u32| NonZeroU32::new(n.max(1)).unwrap_or(NonZeroU32::MIN);
    Quota::per_second(at_least_one(rate.per_second)).allow_burst(at_least_one(rate.burst))
}

impl Limits {
    /// Allows each caller this rate.
    pub fn new(rate: Rate) -> Self {
        Limits { known: RateLimiter::keyed(quota(rate)), clock: DefaultClock::default() }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// 429 with the seconds to wait.
    pub fn take(&self, caller: String) -> Result<(), Fault> {
        let caller = if self.known.len() >= CALLERS_MAX { "others".to_owned() } else { caller };
        self.known.check_key(&caller).map_err(|until| {
            let wait = until.wait_time_from(self.clock.now());
            Fault::too_many("too many requests", wait.as_secs() + 1)
        })
    }

    /// Forgets callers that have their whole burst again.
    pub fn sweep(&self) {
        self.known.retain_recent();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_caller_has_a_count_of_its_own_and_the_table_is_bounded() {
        let limits = Limits::new(Rate { per_second: 1, burst: 3 });
        for _ in 0..3 {
            assert!(limits.take("a".into()).is_ok());
        }
        let refused = limits.take("a".into()).expect_err("over");
        assert_eq!((refused.problem.status, refused.retry_after), (429, Some(1)));
        assert!(limits.take("b".into()).is_ok());
        for n in 0..CALLERS_MAX + 10 {
            let _ = limits.take(n.to_string());
        }
        assert!(limits.known.len() <= CALLERS_MAX + 1);
    }
}
