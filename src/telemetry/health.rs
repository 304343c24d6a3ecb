//! Whether the daemon is well: named checks, and heartbeats that go stale.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

/// A heart that beat no longer ago is alive.
pub const STALE_AFTER: Duration = Duration::from_secs(10);
/// A heart that is silent for longer, with no known cause, is stuck: `/health/live` says so.
pub const STUCK_AFTER: Duration = Duration::from_secs(60);

/// Checks that name something that the daemon waits for by design: the broker, room, the input. A restart
/// would mend none of it, so the silence of a part that may be waiting is not held against it meanwhile.
const WAITS: [&str; 4] = ["nats", "publishing", "ledger", "snapshot"];
/// The same, by the beginning of the name: one for each partition.
const WAITS_INPUT: &str = "input-";
/// Parts that wait for nothing but the disk: their silence is never excused.
const NEVER_WAIT: [&str; 2] = ["ledger-actor", "snapshot-actor"];

fn is_wait(check: &str) -> bool {
    WAITS.contains(&check) || check.starts_with(WAITS_INPUT)
}

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
    /// When a wait last ended.
    waited_until: Option<Instant>,
}

impl Known {
    /// When a wait last ended; `now` while one goes on.
    fn waited(&self, now: Instant) -> Option<Instant> {
        let waits = self.checks.iter().any(|(name, (ok, _))| !ok && is_wait(name));
        if waits { Some(now) } else { self.waited_until }
    }
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
        let ends = ok && is_wait(name) && known.checks.get(name).is_some_and(|(was, _)| !was);
        if ends {
            known.waited_until = Some(Instant::now());
        }
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

    /// Parts that have been silent for longer than `patience` at `now` and have no known cause to wait:
    /// only a restart helps them. Empty while the daemon lives.
    pub fn stuck(&self, now: Instant, patience: Duration) -> Vec<String> {
        let known = self.lock();
        let waited = known.waited(now);
        let since = |name: &str, beat: Instant| {
            let waited = waited.filter(|_| !NEVER_WAIT.contains(&name));
            waited.map_or(beat, |waited| waited.max(beat))
        };
        known
            .beats
            .iter()
            .filter(|(name, beat)| now.saturating_duration_since(since(name, **beat)) > patience)
            .map(|(name, _)| name.clone())
            .collect()
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

    #[test]
    fn a_part_is_stuck_when_it_is_silent_without_a_cause() {
        let health = Health::default();
        let second = Duration::from_secs(1);
        assert!(health.stuck(Instant::now(), STUCK_AFTER).is_empty(), "nothing is known yet: it is starting");
        health.set("nats", true, "connected");
        health.set("partition-9", false, "no wait: only a check of that name");
        for part in ["partition-0", "dispatch-actor", "ledger-actor"] {
            health.heartbeat(part);
        }
        let late = Instant::now() + STUCK_AFTER + second;
        assert!(health.stuck(Instant::now() + STUCK_AFTER - second, STUCK_AFTER).is_empty());
        assert_eq!(health.stuck(late, STUCK_AFTER), ["dispatch-actor", "ledger-actor", "partition-0"]);

        // The broker is away: who talks to it may be silent, the ledger may not.
        health.set("nats", false, "gone");
        assert_eq!(health.stuck(late, STUCK_AFTER), ["ledger-actor"]);
        health.set("nats", true, "back");
        health.set("input-3", false, "the stream is gone");
        assert_eq!(health.stuck(late, STUCK_AFTER), ["ledger-actor"]);
        // Once it is back the time counts from there.
        health.set("input-3", true, "reading");
        let back = Instant::now();
        assert!(health.stuck(back + STUCK_AFTER - second, STUCK_AFTER).is_empty());
        assert_eq!(health.stuck(back + STUCK_AFTER + second, STUCK_AFTER).len(), 3);
    }
}
