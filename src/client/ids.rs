//! Fresh message ids: UUIDv7, each greater than the one before.

use std::sync::{Mutex, PoisonError};

use rand::RngCore;

use crate::domain::{MessageId, Timestamp};
use crate::wire::message_id_v7;

/// The 12 bits after an id's time count ids of one millisecond.
const COUNT_MAX: u16 = 0x0fff;

/// Gives out ids. RFC 9562 §6.2, method 1: a counter after the time, seeded anew each millisecond.
#[derive(Debug, Default)]
pub struct Ids {
    last: Mutex<(u64, u16)>,
}

impl Ids {
    /// An id of the time `now_ms`, greater than every id given out before.
    pub fn next(&self, now_ms: u64, rng: &mut impl RngCore) -> MessageId {
        let (ms, count) = {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            // A clock set back does not set ids back.
            *last = if now_ms > last.0 {
                // Half of the range is left for the ids that follow in this millisecond.
                (now_ms, (rng.next_u32() & 0x07ff) as u16)
            } else if last.1 < COUNT_MAX {
                (last.0, last.1 + 1)
            } else {
                (last.0 + 1, 0)
            };
            *last
        };
        let mut random = [0u8; 10];
        rng.fill_bytes(&mut random);
        random[..2].copy_from_slice(&count.to_be_bytes());
        message_id_v7(ms, random)
    }
}

/// The wall clock.
pub fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn ids_grow_even_when_the_clock_stands_or_goes_back() {
        let ids = Ids::default();
        let mut rng = rand::rngs::StdRng::seed_from_u64(1);
        let mut last = ids.next(1000, &mut rng);
        for n in 0..20_000u64 {
            let id = ids.next(if n % 3 == 0 { 990 } else { 1000 }, &mut rng);
            assert!(id > last, "{id} after {last}");
            assert_eq!(id.0.get_version_num(), 7);
            last = id;
        }
        // 20,000 ids of one instant run at most a few milliseconds ahead.
        assert!(last.unix_ms() < 1010);
        assert_eq!(ids.next(5000, &mut rng).unix_ms(), 5000);
    }
}
