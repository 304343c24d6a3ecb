//! What is under way, when it was meant to leave, and what came of it.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::domain::Status;
use crate::simulation::latency::Latencies;

/// Times of one phase of the load.
#[derive(Debug, Clone, Default)]
pub struct Times {
    /// From the moment a message was meant to leave to its first outcome.
    pub outcome: Latencies,
    /// To its final outcome.
    pub settlement: Latencies,
}

/// Counts of all phases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Credits sent.
    pub sent: u64,
    /// Accepted.
    pub accepted: u64,
    /// Settled.
    pub settled: u64,
    /// Ended in any other way.
    pub failed: u64,
    /// Sent and without an end.
    pub open: u64,
}

/// The books of a load.
pub struct Books {
    open: Mutex<HashMap<Uuid, Instant, RandomState>>,
    times: Mutex<Times>,
    sent: AtomicU64,
    accepted: AtomicU64,
    settled: AtomicU64,
    failed: AtomicU64,
    /// Exchanges that may be under way yet.
    pub(super) window: Semaphore,
    width: u32,
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Books {
    /// Books for at most `window` exchanges under way at a time.
    pub fn new(window: u32) -> Self {
        Books {
            open: Mutex::default(),
            times: Mutex::default(),
            sent: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            settled: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            window: Semaphore::new(window as usize),
            width: window,
        }
    }

    /// An exchange leaves that was meant to leave at `due`.
    pub fn leaves(&self, exchange: Uuid, due: Instant) {
        held(&self.open).insert(exchange, due);
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    /// What the exchange says of a whole message of outcomes. Repeated outcomes change nothing.
    pub fn hear(&self, heard: impl Iterator<Item = (Uuid, Status)>) {
        let now = Instant::now();
        let (mut accepted, mut settled, mut failed) = (0, 0, 0);
        {
            let mut open = held(&self.open);
            let mut times = held(&self.times);
            for (exchange, status) in heard {
                if status == Status::Accepted {
                    if let Some(due) = open.get(&exchange) {
                        times.outcome.add(now.duration_since(*due));
                        accepted += 1;
                    }
                } else if status.is_final()
                    && let Some(due) = open.remove(&exchange)
                {
                    times.settlement.add(now.duration_since(due));
                    *(if status == Status::Settled { &mut settled } else { &mut failed }) += 1;
                }
            }
        }
        self.accepted.fetch_add(accepted, Ordering::Relaxed);
        self.settled.fetch_add(settled, Ordering::Relaxed);
        self.failed.fetch_add(failed, Ordering::Relaxed);
        self.window.add_permits((settled + failed) as usize);
    }

    /// The counts so far.
    pub fn counts(&self) -> Counts {
        let open = held(&self.open).len() as u64;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            sent: read(&self.sent),
            accepted: read(&self.accepted),
            settled: read(&self.settled),
            failed: read(&self.failed),
            open,
        }
    }

    /// Takes the times so far; what follows is counted anew.
    pub fn take_times(&self) -> Times {
        std::mem::take(&mut *held(&self.times))
    }

    /// Most exchanges under way at a time.
    pub fn width(&self) -> u32 {
        self.width
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_ends_once_and_makes_room_once() {
        let books = Books::new(4);
        let ids: Vec<Uuid> = (0..3).map(Uuid::from_u128).collect();
        for id in &ids {
            books.window.try_acquire().expect("room").forget();
            books.leaves(*id, Instant::now());
        }
        let all = |status| ids.iter().map(move |id| (*id, status));
        books.hear(all(Status::Accepted));
        books.hear(all(Status::Settled).take(2));
        books.hear(all(Status::Settled).take(2));
        assert_eq!(books.counts(), Counts { sent: 3, accepted: 3, settled: 2, failed: 0, open: 1 });
        books.hear(all(Status::Expired));
        assert_eq!(books.counts(), Counts { sent: 3, accepted: 3, settled: 2, failed: 1, open: 0 });
        assert_eq!(books.window.available_permits(), 4);
        assert_eq!(books.take_times().settlement.count(), 3);
        assert_eq!(books.take_times().settlement.count(), 0);
    }
}
