//! Lock-out on guessing: who fails again and again, by account and by address, waits longer each time.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::Id;

/// Failures that cost nothing yet.
const FREE: u32 = 5;
/// How long the first wait is; it doubles with each further failure …
const FIRST: Duration = Duration::from_secs(30);
/// … up to this.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// Failures are forgotten so long after the last one.
const FORGOTTEN: Duration = Duration::from_secs(30 * 60);
/// Most names, and most addresses, that are remembered. Beyond it the one whose last failure is oldest goes.
const MOST: usize = 10_000;

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Failures {
    fn until(self) -> Option<Instant> {
        let over = self.count.checked_sub(FREE)?;
        let wait = FIRST.saturating_mul(1 << over.min(16)).min(LONGEST);
        Some(self.last + wait)
    }
}

/// Remembers failed logins.
#[derive(Debug, Default)]
pub struct Lockout {
    table: Mutex<(HashMap<Id, Failures>, HashMap<IpAddr, Failures>)>,
}

fn wait<K: Hash + Eq>(table: &HashMap<K, Failures>, key: &K, now: Instant) -> Option<Duration> {
    let until = table.get(key)?.until()?;
    until.checked_duration_since(now).filter(|left| !left.is_zero())
}

fn count<K: Hash + Eq + Clone>(table: &mut HashMap<K, Failures>, key: &K, now: Instant) {
    if table.len() >= MOST && !table.contains_key(key) {
        table.retain(|_, failures| now.saturating_duration_since(failures.last) < FORGOTTEN);
        if table.len() >= MOST
            && let Some(oldest) = table.iter().min_by_key(|(_, failures)| failures.last).map(|(key, _)| key.clone())
        {
            table.remove(&oldest);
        }
    }
    let failures = table.entry(key.clone()).or_insert(Failures { count: 0, last: now });
    if now.saturating_duration_since(failures.last) >= FORGOTTEN {
        failures.count = 0;
    }
    failures.count = failures.count.saturating_add(1);
    failures.last = now;
}

impl Lockout {
    /// Seconds that this name or address still has to wait; `None` when it may try.
    pub fn locked(&self, name: &Id, from: IpAddr, now: Instant) -> Option<u64> {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let left = wait(&table.0, name, now).max(wait(&table.1, &from, now))?;
        Some(left.as_secs() + 1)
    }

    /// A login failed.
    pub fn failed(&self, name: &Id, from: IpAddr, now: Instant) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        count(&mut table.0, name, now);
        count(&mut table.1, &from, now);
    }

    /// Takes back one failure of an address that was counted before the login was worked on.
    pub fn forgive(&self, from: IpAddr) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(failures) = table.1.get_mut(&from) {
            failures.count = failures.count.saturating_sub(1);
        }
    }

    /// A login succeeded: the name's failures are forgotten. Those of the address stay, so that who has an account
    /// of its own cannot clear them between guesses.
    pub fn succeeded(&self, name: &Id) {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).0.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_is_bounded_and_is_forgotten() {
        let lockout = Lockout::default();
        let ann = Id::new("ann").expect("an id");
        let here = IpAddr::from([127, 0, 0, 1]);
        let there = IpAddr::from([127, 0, 0, 2]);
        let mut now = Instant::now();
        for _ in 0..FREE - 1 {
            lockout.failed(&ann, here, now);
            assert_eq!(lockout.locked(&ann, here, now), None);
        }
        lockout.failed(&ann, here, now);
        assert_eq!(lockout.locked(&ann, here, now), Some(31));
        assert_eq!(lockout.locked(&ann, there, now), Some(31), "the name is locked from everywhere");
        let ben = Id::new("ben").expect("an id");
        assert_eq!(lockout.locked(&ben, here, now), Some(31), "the address for every name");
        assert_eq!(lockout.locked(&ben, there, now), None);
        now += Duration::from_secs(31);
        assert_eq!(lockout.locked(&ann, here, now), None);
        lockout.failed(&ann, here, now);
        assert_eq!(lockout.locked(&ann, here, now), Some(61));
        for _ in 0..100 {
            lockout.failed(&ann, here, now);
        }
        assert_eq!(lockout.locked(&ann, here, now), Some(LONGEST.as_secs() + 1));
        lockout.succeeded(&ann);
        assert!(lockout.locked(&ann, there, now).is_none() && lockout.locked(&ann, here, now).is_some());
        now += FORGOTTEN;
        lockout.failed(&ben, here, now);
        assert_eq!(lockout.locked(&ben, here, now), None, "what is long ago does not count");
    }

    #[test]
    fn the_table_is_bounded() {
        let lockout = Lockout::default();
        let now = Instant::now();
        for n in 0..MOST as u32 + 100 {
            let name = Id::new(&format!("n{n}")).expect("an id");
            lockout.failed(&name, IpAddr::from(n.to_be_bytes()), now + Duration::from_millis(u64::from(n)));
        }
        let table = lockout.table.lock().expect("no panic");
        assert!(table.0.len() <= MOST && table.1.len() <= MOST);
    }
}
