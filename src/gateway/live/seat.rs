//! Places for streams: bounded together and by address, and given back by whoever drops one. A stream that nobody reads gives
//! its seat to others, but counts for its address until it is gone: the connection is not ours to end, and who leaves one
//! unread is not to have another in its place.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::Reason;
use crate::gateway::fault::Fault;

/// Most streams at a time, and of one address.
const STREAMS_MAX: usize = 256;
const STREAMS_PER_ADDRESS: usize = 16;
/// When to try again, seconds.
const RETRY_SECONDS: u64 = 10;

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// The places.
#[derive(Default)]
pub(super) struct Seats(Arc<Mutex<Taken>>);

/// One place of all; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Seat {
    taken: Arc<Mutex<Taken>>,
}

/// One stream of its address; dropped with the stream itself.
#[derive(Debug)]
pub(super) struct Stay {
    taken: Arc<Mutex<Taken>>,
    address: IpAddr,
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    // Every change under the lock is complete in itself.
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Seats {
    /// Takes a place for one stream: one of all, and one of its address.
    ///
    /// # Errors
    /// 429 when the address has too many streams, 503 when all together are too many.
    pub fn take(&self, address: IpAddr) -> Result<(Seat, Stay), Fault> {
        let mut taken = lock(&self.0);
        if taken.all >= STREAMS_MAX {
            let full = format!("{STREAMS_MAX} pages are watching already: ask without a stream, or later");
            return Err(Fault::new(Reason::OverQuota, full).status(503).retry_after(RETRY_SECONDS));
        }
        let own = taken.by_address.entry(address).or_insert(0);
        if *own >= STREAMS_PER_ADDRESS {
            let full = format!("{STREAMS_PER_ADDRESS} streams of one address are open already");
            return Err(Fault::too_many(full, RETRY_SECONDS));
        }
        *own += 1;
        taken.all += 1;
        drop(taken);
        let (seat, stay) = (Arc::clone(&self.0), Arc::clone(&self.0));
        Ok((Seat { taken: seat }, Stay { taken: stay, address }))
    }

    /// How many are taken.
    #[cfg(test)]
    pub fn taken(&self) -> usize {
        lock(&self.0).all
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.all = taken.all.saturating_sub(1);
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        if let Some(own) = taken.by_address.get_mut(&self.address) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                taken.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_counted_by_address_and_given_back() {
        let seats = Seats::default();
        let here = IpAddr::from([127, 0, 0, 1]);
        let take = |address: IpAddr| seats.take(address);
        let mut own: Vec<(Seat, Stay)> = (0..STREAMS_PER_ADDRESS).map(|_| take(here).expect("room")).collect();
        assert_eq!(take(here).expect_err("full").problem.status, 429);
        own.pop();
        own.push(take(here).expect("room again"));
        let others: Vec<(Seat, Stay)> = (0..u8::MAX).filter_map(|n| take(IpAddr::from([10, 0, 0, n])).ok()).collect();
        let full = take(IpAddr::from([10, 0, 1, 1])).expect_err("full");
        assert_eq!((full.problem.status, full.retry_after), (503, Some(RETRY_SECONDS)));
        drop(own);
        assert!(!lock(&seats.0).by_address.contains_key(&here), "nothing is kept of who has gone");
        assert_eq!(seats.taken(), others.len());
    }

    #[test]
    fn who_leaves_streams_unread_has_no_others_in_their_place() {
        let seats = Seats::default();
        let here = IpAddr::from([127, 0, 0, 1]);
        let mut stays = Vec::new();
        for _ in 0..STREAMS_PER_ADDRESS {
            let (seat, stay) = seats.take(here).expect("room");
            drop(seat);
            stays.push(stay);
        }
        assert_eq!(seats.taken(), 0, "others have all the seats");
        assert_eq!(seats.take(here).expect_err("they are there").problem.status, 429);
        stays.pop();
        drop(seats.take(here).expect("one is gone"));
    }
}
