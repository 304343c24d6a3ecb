//! Manners towards sources: how many pages of a host at a time, how many further tries, and when it is left alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::http::retry::{Budget, Retry};

/// Most hosts remembered. Beyond it those that nobody asks now are forgotten, those that are left alone last; so never more
/// than this many and those that the jobs under way ask.
const HOSTS_MAX: usize = 4096;
/// Failures in a row after which a host is left alone for a while.
const DOWN_AFTER: u32 = 3;

/// What holds for every host.
#[derive(Debug, Clone, Copy)]
pub struct Manners {
    /// Pages at a time.
    pub at_once: usize,
    /// Further tries in a minute.
    pub retries_a_minute: u32,
    /// Pauses of a host that fails again and again.
    pub pauses: Retry,
}

#[derive(Debug, Default)]
struct Standing {
    failures: u32,
    /// A failure of a call that began by then is of the same moment as the last one.
    counted: Option<Instant>,
    until: Option<Instant>,
}

/// One host.
#[derive(Debug)]
pub struct Host {
    /// Places for pages.
    pub seats: Semaphore,
    pauses: Retry,
    budget: Budget,
    standing: Mutex<Standing>,
}

impl Host {
    fn new(manners: &Manners) -> Self {
        Host {
            seats: Semaphore::new(manners.at_once.max(1)),
            pauses: manners.pauses,
            budget: Budget::new(manners.retries_a_minute, f64::from(manners.retries_a_minute) / 60.0),
            standing: Mutex::default(),
        }
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one further try; false when none is left.
    pub fn may_retry(&self, now: Instant) -> bool {
        self.budget.take(now)
    }

    /// How long it is still to be left alone.
    pub fn wait(&self, now: Instant) -> Duration {
        self.standing().until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    /// It answered, be it with a refusal.
    pub fn answered(&self) {
        let mut standing = self.standing();
        (standing.failures, standing.counted) = (0, None);
    }

    /// It asks to be left alone so long.
    pub fn pause(&self, now: Instant, pause: Duration) {
        let mut standing = self.standing();
        let until = now + pause;
        standing.until = Some(standing.until.map_or(until, |before| before.max(until)));
    }

    /// A call that began at `began` was not answered. After a few in a row the host is left alone, longer each time. Calls
    /// that were under way together count as one.
    pub fn failed(&self, began: Instant, now: Instant, jitter: f64) {
        let mut standing = self.standing();
        if standing.counted.is_some_and(|counted| began <= counted) {
            return;
        }
        standing.counted = Some(now);
        standing.failures = standing.failures.saturating_add(1);
        if standing.failures >= DOWN_AFTER {
            let until = now + self.pauses.pause(standing.failures - DOWN_AFTER + 1, jitter);
            // What the host itself asked for may be longer.
            standing.until = Some(standing.until.map_or(until, |before| before.max(until)));
        }
    }
}

/// All hosts that this worker asks.
#[derive(Debug)]
pub struct Hosts {
    manners: Manners,
    known: Mutex<HashMap<String, Arc<Host>>>,
}

impl Hosts {
    /// None yet.
    pub fn new(manners: Manners) -> Self {
        Hosts { manners, known: Mutex::default() }
    }

    /// The host of this name.
    pub fn of(&self, name: &str) -> Arc<Host> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = known.get(name) {
            return Arc::clone(host);
        }
        if known.len() >= HOSTS_MAX {
            let now = Instant::now();
            known.retain(|_, host| Arc::strong_count(host) > 1 || !host.wait(now).is_zero());
            if known.len() >= HOSTS_MAX {
                known.retain(|_, host| Arc::strong_count(host) > 1);
            }
        }
        let host = Arc::new(Host::new(&self.manners));
        known.insert(name.to_owned(), Arc::clone(&host));
        host
    }

    /// How many are left alone at `now`.
    pub fn paused(&self, now: Instant) -> usize {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.values().filter(|host| !host.wait(now).is_zero()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> Hosts {
        let pauses = Retry { tries: 1, first: Duration::from_secs(1), most: Duration::from_secs(60) };
        Hosts::new(Manners { at_once: 2, retries_a_minute: 2, pauses })
    }

    #[test]
    fn a_host_that_fails_in_a_row_is_left_alone_and_one_moment_counts_once() {
        let host = hosts().of("api.example");
        let began = Instant::now();
        // Two hundred calls of one moment fail.
        for n in 0..200 {
            host.failed(began, began + Duration::from_millis(n), 1.0);
        }
        assert_eq!(host.wait(began), Duration::ZERO);
        let mut now = began + Duration::from_secs(1);
        let mut last = Duration::ZERO;
        for n in 2..12 {
            host.failed(now, now, 1.0);
            let wait = host.wait(now);
            assert_eq!(wait.is_zero(), n < DOWN_AFTER, "{n}");
            assert!(wait >= last && wait <= Duration::from_secs(60));
            last = wait;
            now += wait + Duration::from_millis(1);
        }
        assert_eq!(last, Duration::from_secs(60));
        host.answered();
        host.failed(now, now, 1.0);
        assert_eq!(host.wait(now + Duration::from_secs(1)), Duration::ZERO, "counted anew");
    }

    #[test]
    fn what_a_host_asks_for_is_kept_and_budgets_are_its_own() {
        let hosts = hosts();
        let (one, two) = (hosts.of("a"), hosts.of("b"));
        let now = Instant::now();
        one.pause(now, Duration::from_secs(90));
        one.pause(now, Duration::from_secs(5));
        assert_eq!(one.wait(now), Duration::from_secs(90), "the longer one holds");
        assert_eq!(hosts.paused(now), 1);
        assert!(one.may_retry(now) && one.may_retry(now) && !one.may_retry(now));
        assert!(two.may_retry(now) && two.wait(now).is_zero());
        assert!(Arc::ptr_eq(&one, &hosts.of("a")));
    }

    #[test]
    fn a_failure_shortens_no_pause_that_a_host_asked_for() {
        let host = hosts().of("api.example");
        let began = Instant::now();
        host.pause(began, Duration::from_secs(900));
        for n in 0..6 {
            let now = began + Duration::from_secs(n);
            host.failed(now, now, 1.0);
        }
        assert_eq!(host.wait(began), Duration::from_secs(900));
    }

    #[test]
    fn hosts_that_nobody_asks_are_forgotten_beyond_the_bound() {
        let hosts = hosts();
        let held = hosts.of("held");
        hosts.of("paused").pause(Instant::now(), Duration::from_secs(900));
        for n in 0..HOSTS_MAX + 10 {
            hosts.of(&format!("h{n}"));
        }
        assert!(hosts.known.lock().expect("no panic").len() <= HOSTS_MAX);
        assert!(Arc::ptr_eq(&held, &hosts.of("held")));
        assert_eq!(hosts.paused(Instant::now()), 1, "what a host asked for is kept before what nobody asks");
        for n in 0..=HOSTS_MAX {
            hosts.of(&format!("p{n}")).pause(Instant::now(), Duration::from_secs(900));
        }
        assert!(hosts.known.lock().expect("no panic").len() <= HOSTS_MAX, "not even if all are left alone");
        assert!(Arc::ptr_eq(&held, &hosts.of("held")));
    }
}
