//! Whether the daemon is well: named checks, and heartbeats that go stale.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

/// A heart that beat no longer ago is alive.
const STALE_AFTER: Duration = Duration::from_secs(10);

/// How one check stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// Whether it is well.
    pub ok: bool,
    /// What to know about it.
    pub detail: String,
}

#[derive(Default)]
struct Known {
    checks: BTreeMap<String, (bool, String)>,
    beats: BTreeMap<String, Instant>,
}

/// Checks by name, set by the parts that know; read by `/health/ready`. A few dozen names at the most.
#[derive(Default)]
pub struct Health {
    known: Mutex<Known>,
}

impl Health {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets a check.
    pub fn set(&self, name: &str, ok: bool, detail: &str) {
        let mut known = self.lock();
        match known.checks.get_mut(name) {
            Some((was, text)) => {
                *was = ok;
                if text != detail {
                    detail.clone_into(text);
                }
            }
            None => {
                known.checks.insert(name.to_owned(), (ok, detail.to_owned()));
            }
        }
    }

    /// A recurring part is alive. Once it has beaten it must go on.
    pub fn heartbeat(&self, name: &str) {
        let mut known = self.lock();
        match known.beats.get_mut(name) {
            Some(beat) => *beat = Instant::now(),
            None => {
                known.beats.insert(name.to_owned(), Instant::now());
            }
        }
    }

    /// Every check as it stands at `now`.
    pub fn checks(&self, now: Instant) -> Vec<Check> {
        let known = self.lock();
        let set = known.checks.iter().map(|(name, (ok, detail))| Check {
            name: name.clone(),
            ok: *ok,
            detail: detail.clone(),
        });
        let beats = known.beats.iter().map(|(name, beat)| {
            let age = now.saturating_duration_since(*beat);
            let ok = age <= STALE_AFTER;
            let detail = if ok { "alive".to_owned() } else { format!("silent for {} s: it is stuck", age.as_secs()) };
            Check { name: name.clone(), ok, detail }
        });
        set.chain(beats).collect()
    }

    /// True when every check is well and there is at least one.
    pub fn ready(&self, now: Instant) -> bool {
        let checks = self.checks(now);
        !checks.is_empty() && checks.iter().all(|check| check.ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heart_that_stops_makes_it_unready() {
        let health = Health::default();
        let now = Instant::now();
        assert!(!health.ready(now), "nothing is known yet");
        health.set("nats", true, "connected");
        health.heartbeat("partition-0");
        assert!(health.ready(Instant::now()));
        let later = Instant::now() + STALE_AFTER + Duration::from_secs(1);
        assert!(!health.ready(later));
        health.set("nats", false, "gone");
        assert!(!health.ready(Instant::now()));
    }
}
