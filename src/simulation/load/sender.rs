//! The plug: credits HATs round and round, as many as may be under way or so many a second.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio_util::sync::CancellationToken;

use super::{Load, LoadError, Mode, publisher};
use crate::client::ids::{Ids, now};
use crate::nats::{Outgoing, header_map};
use crate::wire::{MessageOptions, outgoing};

const WHO: &str = "sender";
/// How far an open loop may run ahead of the clock: sleeping for less costs more than it evens out.
const STEP: Duration = Duration::from_millis(1);

/// How fast credits leave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// As many as may be under way: each end lets the next one leave.
    Closed,
    /// So many a second, whatever comes back; a late one counts from when it was due.
    Open(f64),
}

/// Sends at `pace` until told to stop.
///
/// # Errors
/// [`LoadError`] when the broker takes no more.
pub async fn run(load: Arc<Load>, pace: Pace, stop: CancellationToken) -> Result<(), LoadError> {
    let link = load.link(WHO).await?;
    let publisher = publisher(&link, WHO).await?;
    let mut credits = Credits::new(&load);
    let began = Instant::now();
    let mut sent = 0u64;
    while !stop.is_cancelled() {
        let due = match pace {
            Pace::Closed => {
                let room = tokio::select! {
                    room = load.books.window.acquire() => room.map_err(|e| LoadError::new(WHO, e))?,
                    () = stop.cancelled() => break,
                };
                room.forget();
                Instant::now()
            }
            Pace::Open(rate) => {
                let due = began + Duration::from_secs_f64(sent as f64 / rate);
                let early = due.saturating_duration_since(Instant::now());
                if early > STEP {
                    tokio::time::sleep(early).await;
                }
                // What leaves early is timed from when it leaves.
                due.min(Instant::now())
            }
        };
        sent += 1;
        let message = credits.next(due);
        publisher.publish(message).await.map_err(|e| LoadError::new(WHO, e))?;
    }
    publisher.flush().await.map_err(|e| LoadError::new(WHO, e))
}

/// Makes one credit after another.
struct Credits<'a> {
    load: &'a Load,
    ids: Ids,
    rng: StdRng,
    next: u64,
}

impl<'a> Credits<'a> {
    fn new(load: &'a Load) -> Self {
        Credits { load, ids: Ids::default(), rng: StdRng::seed_from_u64(1), next: 0 }
    }

    fn next(&mut self, due: Instant) -> Outgoing {
        let load = self.load;
        let crowd = &load.crowd;
        let hat = crowd.hat(self.next);
        self.next += 1;
        let id = self.ids.next(now().unix_ms(), &mut self.rng);
        let body = content(self.rng.r#gen(), load.content);
        let signer = (load.mode == Mode::Signed).then_some(&crowd.plug_key);
        let action = ["credit", crowd.plug.id.as_str()];
        let options = MessageOptions::default();
        let out = outgoing::message_in(signer, &load.origin, &crowd.plug, hat, &action, id, &options, body);
        load.books.leaves(id.0, due);
        Outgoing { subject: out.subject.into(), headers: header_map(&out.headers), payload: out.payload, ttl: None }
    }
}

/// One record of `bytes` bytes that no other is like.
fn content(mark: u64, bytes: usize) -> Bytes {
    let head = format!("[{{\"endpoint\":\"load/records\",\"data\":{{\"mark\":\"{mark:016x}\",\"text\":\"");
    let tail = "\"}}]";
    let mut body = Vec::with_capacity(bytes.max(head.len() + tail.len()));
    body.extend_from_slice(head.as_bytes());
    body.resize(bytes.saturating_sub(tail.len()).max(head.len()), b'x');
    body.extend_from_slice(tail.as_bytes());
    body.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_json_of_the_asked_size_and_differ() {
        let (one, two) = (content(1, 512), content(2, 512));
        assert_eq!((one.len(), two.len()), (512, 512));
        assert_ne!(one, two);
        serde_json::from_slice::<serde_json::Value>(&one).expect("JSON");
        serde_json::from_slice::<serde_json::Value>(&content(1, 0)).expect("JSON of the least size");
    }
}
