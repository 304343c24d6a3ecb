//! What is to be done about the large contents of open exchanges: a table beside the outbox, so that nothing on the path
//! of a message waits for them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::domain::Address;
use crate::domain::event::Opened;
use crate::domain::exchange::large::Fetching;

/// Most exchanges whose content is removed at a time.
const CLEARS_MAX: usize = 4;

/// A piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// Fetch the content and say what was found in it.
    Fetch,
    /// Hand the content out and publish its delivery.
    Deliver,
    /// The exchange is final: remove all of it.
    Clear,
}

#[derive(Debug)]
struct Job {
    leaf: u64,
    from: Address,
    bytes: u64,
    /// Whether its content takes room in the folder, or is about to.
    stored: bool,
    /// Deliveries that its content is parted into while it is fetched.
    parts: Vec<Uuid>,
    duty: Option<Duty>,
    running: Option<CancellationToken>,
    clearing: bool,
    not_before: Instant,
    tries: u32,
}

/// A piece of work that is taken up.
#[derive(Debug)]
pub struct Turn {
    /// Of which exchange.
    pub delivery: Uuid,
    /// The entry that tells of it.
    pub leaf: u64,
    /// What.
    pub duty: Duty,
    /// Deliveries that the content was parted into when it was fetched.
    pub parts: Vec<Uuid>,
    /// Cancelled when the exchange ends meanwhile.
    pub cancel: CancellationToken,
}

/// How the table stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Census {
    /// Contents to be fetched.
    pub waiting: usize,
    /// Bytes that contents take, or are about to.
    pub stored: u64,
}

/// The table. Bounded by the open exchanges with large content.
#[derive(Debug, Default)]
pub struct LargeDesk {
    jobs: Mutex<BTreeMap<Uuid, Job>>,
    /// How many jobs: looked at for every exchange that ends.
    count: AtomicUsize,
    wake: Notify,
}

impl LargeDesk {
    fn jobs(&self) -> MutexGuard<'_, BTreeMap<Uuid, Job>> {
        // Every change under the lock is complete in itself.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, delivery: Uuid, leaf: u64, from: &Address, bytes: u64, stored: bool, duty: Option<Duty>) {
        let mut jobs = self.jobs();
        let now = Instant::now();
        let job = jobs.entry(delivery).or_insert_with(|| Job {
            leaf,
            from: from.clone(),
            bytes,
            stored,
            parts: Vec::new(),
            duty: None,
            running: None,
            clearing: false,
            not_before: now,
            tries: 0,
        });
        if job.duty == Some(Duty::Clear) {
            return;
        }
        (job.leaf, job.bytes, job.stored) = (leaf, bytes, job.stored || stored);
        (job.duty, job.not_before, job.tries) = (duty, now, 0);
        self.count.store(jobs.len(), Ordering::Release);
        drop(jobs);
        self.wake.notify_one();
    }

    /// The content of this exchange is to be fetched. What it is parted into may come to `most` bytes.
    pub fn fetch(&self, leaf: u64, fetching: &Fetching, most: u64) {
        let size = fetching.object.size;
        let parts = fetching.debits.len().max(1) as u64;
        let bytes = size.saturating_mul(parts).min(most).max(size);
        self.set(fetching.delivery, leaf, &fetching.from, bytes, false, Some(Duty::Fetch));
    }

    /// The content of this exchange is parted into these deliveries while it is fetched: what is on disk of them is its own.
    pub fn part(&self, delivery: &Uuid, parts: Vec<Uuid>) {
        if let Some(job) = self.jobs().get_mut(delivery) {
            job.parts = parts;
        }
    }

    /// The content is here and is held back.
    pub fn rest(&self, leaf: u64, opened: &Opened) {
        self.set(opened.delivery, leaf, &opened.from, u64::from(opened.bytes_out), true, None);
    }

    /// The content is here and its delivery is to be published, maybe again.
    pub fn deliver(&self, leaf: u64, opened: &Opened) {
        self.set(opened.delivery, leaf, &opened.from, u64::from(opened.bytes_out), true, Some(Duty::Deliver));
    }

    /// The exchange is final.
    pub fn close(&self, delivery: &Uuid) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        if let Some(job) = self.jobs().get_mut(delivery) {
            (job.duty, job.not_before, job.tries) = (Some(Duty::Clear), Instant::now(), 0);
            if let Some(running) = &job.running {
                running.cancel();
            }
        }
        self.wake.notify_one();
    }

    /// The next piece of work: what is to be removed first ([`CLEARS_MAX`] at a time), then the oldest exchange. At most
    /// `most` contents are moved at a time, and half of them (one at least) of one sender; a content is fetched only into
    /// room among `room` bytes.
    pub fn next(&self, most: usize, room: u64) -> Option<Turn> {
        let mut jobs = self.jobs();
        let now = Instant::now();
        let running = jobs.values().filter(|job| job.running.is_some());
        let (clearing, moved): (Vec<&Job>, Vec<&Job>) = running.partition(|job| job.clearing);
        let clears = clearing.len() < CLEARS_MAX;
        let moving: Vec<Address> = moved.iter().map(|job| job.from.clone()).collect();
        let stored: u64 = jobs.values().filter(|job| job.stored).map(|job| job.bytes).sum();
        let fits = |job: &Job| match job.duty {
            None | Some(Duty::Clear) => false,
            Some(duty) => {
                let own = moving.iter().filter(|from| **from == job.from).count();
                let free = duty == Duty::Deliver || job.stored || stored.saturating_add(job.bytes) <= room;
                moving.len() < most && own < (most / 2).max(1) && free
            }
        };
        let due = |job: &Job| job.running.is_none() && job.not_before <= now;
        let clear = |job: &Job| clears && job.duty == Some(Duty::Clear);
        let first = jobs.iter().find(|(_, job)| due(job) && clear(job));
        let found = first.or_else(|| jobs.iter().find(|(_, job)| due(job) && fits(job)));
        let delivery = *found?.0;
        let job = jobs.get_mut(&delivery)?;
        let (duty, cancel) = (job.duty.take()?, CancellationToken::new());
        job.running = Some(cancel.clone());
        job.clearing = duty == Duty::Clear;
        job.stored |= duty == Duty::Fetch;
        Some(Turn { delivery, leaf: job.leaf, duty, parts: job.parts.clone(), cancel })
    }

    /// A piece of work is done.
    pub fn done(&self, delivery: &Uuid, duty: Duty) {
        let mut jobs = self.jobs();
        if duty == Duty::Clear {
            jobs.remove(delivery);
            self.count.store(jobs.len(), Ordering::Release);
        } else if let Some(job) = jobs.get_mut(delivery) {
            job.running = None;
        }
        drop(jobs);
        self.wake.notify_one();
    }

    /// A piece of work is to be tried again, later each time, unless something else is to be done by now.
    pub fn again(&self, delivery: &Uuid, duty: Duty) {
        if let Some(job) = self.jobs().get_mut(delivery) {
            (job.running, job.clearing) = (None, false);
            if job.duty.is_none() {
                job.tries = job.tries.saturating_add(1);
                let pause = Duration::from_millis(250 << job.tries.min(6));
                (job.duty, job.not_before) = (Some(duty), Instant::now() + pause);
            }
        }
        self.wake.notify_one();
    }

    /// Whether the exchange still stands as the entry at `leaf` says.
    pub fn stands(&self, delivery: &Uuid, leaf: u64) -> bool {
        self.jobs().get(delivery).is_some_and(|job| job.leaf == leaf && job.duty != Some(Duty::Clear))
    }

    /// Whether anything of this exchange is still to be kept.
    pub fn holds(&self, delivery: &Uuid) -> bool {
        let jobs = self.jobs();
        let part = |job: &Job| job.duty != Some(Duty::Clear) && !job.clearing && job.parts.contains(delivery);
        jobs.contains_key(delivery) || jobs.values().any(part)
    }

    /// Every content that has left is to be handed out again where it lacks.
    pub fn deliver_all(&self) {
        let now = Instant::now();
        for job in self.jobs().values_mut().filter(|job| job.stored && job.running.is_none() && job.duty.is_none()) {
            // What is held back is found to be so by its entry.
            (job.duty, job.not_before) = (Some(Duty::Deliver), now);
        }
        self.wake.notify_one();
    }

    /// Resolves when there may be something to do.
    pub async fn called(&self) {
        self.wake.notified().await;
    }

    /// How it stands.
    pub fn census(&self) -> Census {
        let jobs = self.jobs();
        Census {
            waiting: jobs.values().filter(|job| job.duty == Some(Duty::Fetch)).count(),
            stored: jobs.values().filter(|job| job.stored).map(|job| job.bytes).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{Authority, Direction};
    use crate::domain::exchange::large::Object;
    use crate::domain::{Digest, Id, MessageId, Timestamp};

    fn fetching(number: u128, from: &str, size: u64) -> Fetching {
        Fetching {
            exchange: MessageId(Uuid::from_u128(number)),
            from: from.parse().expect("an address"),
            by: from.parse().expect("an address"),
            to: "hat:bob.hubat.net".parse().expect("an address"),
            direction: Direction::Credit,
            authority: Authority::Plug(Id::new("facebook").expect("an id")),
            delivery: Uuid::from_u128(number),
            deadline: Timestamp(0),
            object: Object { id: Uuid::nil(), size, digest: Digest([0; 32]), count: 1, chunks: 1 },
            debits: Vec::new(),
            pull: None,
            without_pii: false,
        }
    }

    #[test]
    fn one_sender_takes_half_and_nothing_is_fetched_without_room() {
        let desk = LargeDesk::default();
        for (number, from) in [(1, "plug:a"), (2, "plug:a"), (3, "plug:b"), (4, "plug:c")] {
            desk.fetch(7, &fetching(number, from, 40), 400);
        }
        let mut taken = Vec::new();
        while let Some(turn) = desk.next(4, 100) {
            taken.push(turn.delivery.as_u128());
        }
        assert_eq!(taken, [1, 2], "two of one sender, and no room for a third");
        assert_eq!(desk.census(), Census { waiting: 2, stored: 80 });
        // What ends makes room, and is cleared before anything else.
        desk.close(&Uuid::from_u128(1));
        desk.again(&Uuid::from_u128(1), Duty::Fetch);
        let turn = desk.next(4, 100).expect("to be cleared");
        assert_eq!((turn.duty, turn.delivery.as_u128()), (Duty::Clear, 1));
        desk.done(&turn.delivery, turn.duty);
        assert_eq!(desk.next(4, 100).map(|turn| turn.delivery.as_u128()), Some(3));
        assert!(desk.next(2, 1000).is_none(), "two are moved already");
    }

    #[test]
    fn an_end_cancels_what_is_under_way_and_nothing_replaces_it() {
        let desk = LargeDesk::default();
        desk.fetch(7, &fetching(1, "plug:a", 40), 400);
        let turn = desk.next(2, 100).expect("to be fetched");
        assert!(desk.stands(&turn.delivery, 7) && !desk.stands(&turn.delivery, 8));
        desk.close(&turn.delivery);
        assert!(turn.cancel.is_cancelled() && !desk.stands(&turn.delivery, 7));
        desk.fetch(9, &fetching(1, "plug:a", 40), 400);
        desk.done(&turn.delivery, turn.duty);
        assert_eq!(desk.next(2, 100).map(|turn| turn.duty), Some(Duty::Clear));
        desk.done(&turn.delivery, Duty::Clear);
        assert!(!desk.holds(&turn.delivery));
    }
}
