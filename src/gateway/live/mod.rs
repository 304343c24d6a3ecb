//! `/api/live`: figures as they change, once a second, as server-sent events.
//!
//! Everybody shares one sample a second. A stream holds a mark of the newest frame and nothing else, so that who reads
//! slowly skips frames instead of filling memory.

mod frame;
mod seat;
mod stream;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Gateway;
use crate::client::ids;
use crate::telemetry::live;
use frame::{Frame, Sample};
use seat::Seats;

pub use stream::endpoints;

/// How often a frame is made.
const EVERY: Duration = Duration::from_secs(1);
/// Frames that are kept: what a page sees of the past when it is opened.
const PAST: usize = 180;
/// Over how many samples latencies are told.
const LATENCY_OVER: usize = 10;

/// Makes frames known to who listens.
pub struct Hub {
    newest: watch::Sender<Option<Arc<Frame>>>,
    past: Mutex<VecDeque<Arc<Frame>>>,
    seats: Seats,
    closing: CancellationToken,
}

impl Default for Hub {
    fn default() -> Self {
        Hub {
            newest: watch::Sender::new(None),
            past: Mutex::default(),
            seats: Seats::default(),
            closing: CancellationToken::new(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    /// Ends all streams, and lets no further ones begin.
    pub fn close(&self) {
        self.closing.cancel();
    }

    /// The frames that are kept, the oldest first.
    fn past(&self) -> Vec<Arc<Frame>> {
        lock(&self.past).iter().cloned().collect()
    }

    fn publish(&self, frame: Arc<Frame>) {
        let mut past = lock(&self.past);
        if past.len() == PAST {
            past.pop_front();
        }
        past.push_back(Arc::clone(&frame));
        drop(past);
        self.newest.send_replace(Some(frame));
    }
}

/// Makes a frame a second until told to stop, whether anybody listens or not: it costs microseconds, and who comes later
/// sees the minutes before.
pub async fn sample(gateway: Arc<Gateway>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut samples: VecDeque<Sample> = VecDeque::with_capacity(LATENCY_OVER + 1);
    let mut number = 0;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return,
        }
        let now = Sample { at: Instant::now(), figures: live().read() };
        if let (Some(last), Some(first)) = (samples.back(), samples.front()) {
            number += 1;
            gateway.live.publish(Arc::new(Frame::new(number, ids::now(), last, first, &now)));
        }
        if samples.len() > LATENCY_OVER {
            samples.pop_front();
        }
        samples.push_back(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_reads_slowly_skips_frames() {
        let hub = Hub::default();
        let sample = Sample { at: Instant::now(), figures: live().read() };
        let mut slow = hub.newest.subscribe();
        for number in 1..=5 {
            hub.publish(Arc::new(Frame::new(number, ids::now(), &sample, &sample, &sample)));
        }
        assert_eq!(slow.borrow_and_update().as_ref().map(|frame| frame.number), Some(5));
        assert!(!slow.has_changed().expect("the hub is there"), "nothing waits behind it");
    }

    #[test]
    fn the_past_is_bounded() {
        let hub = Hub::default();
        let sample = Sample { at: Instant::now(), figures: live().read() };
        for number in 0..PAST as u64 + 5 {
            hub.publish(Arc::new(Frame::new(number, ids::now(), &sample, &sample, &sample)));
        }
        let past = hub.past();
        assert_eq!((past.len(), past[0].number), (PAST, 5));
    }
}
