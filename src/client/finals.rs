//! Waits for how exchanges end: final outcomes of one party, kept for those who ask.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::time::Instant;

use super::order::Order;
use super::{Client, ClientError};
use crate::domain::MessageId;
use crate::wire::OutcomeOut;

/// Final outcomes remembered; a conclusion that is asked for later than that many others is not found.
const FINALS_MAX: usize = 65_536;

/// How a message ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Conclusion {
    /// Its first outcome.
    pub first: OutcomeOut,
    /// Its final one: one for each part of a fan-out, in their order; for any other message just one.
    pub last: Vec<OutcomeOut>,
}

#[derive(Debug, Default)]
struct Kept {
    by_id: HashMap<MessageId, OutcomeOut>,
    order: VecDeque<MessageId>,
}

/// Final outcomes as they come, and those that name parts.
#[derive(Debug)]
pub(super) struct Finals {
    kept: Arc<Mutex<Kept>>,
    came: watch::Receiver<u64>,
    reader: tokio::task::JoinHandle<()>,
}

impl Drop for Finals {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Finals {
    async fn open(client: &Client) -> Result<Self, ClientError> {
        let mut outcomes = client.outcomes().await?;
        let kept = Arc::new(Mutex::new(Kept::default()));
        let (count, came) = watch::channel(0u64);
        let keeper = Arc::clone(&kept);
        let reader = tokio::spawn(async move {
            while let Some(outcome) = outcomes.next().await {
                let Ok(outcome) = outcome else { continue };
                // What is fetched for all debits goes on in its parts.
                if !outcome.outcome.status.is_final() && outcome.outcome.parts.is_empty() {
                    continue;
                }
                {
                    let mut kept = lock(&keeper);
                    let id = outcome.outcome.exchange;
                    if kept.by_id.insert(id, outcome).is_none() {
                        kept.order.push_back(id);
                    }
                    if kept.order.len() > FINALS_MAX
                        && let Some(oldest) = kept.order.pop_front()
                    {
                        kept.by_id.remove(&oldest);
                    }
                }
                count.send_modify(|n| *n += 1);
            }
        });
        Ok(Finals { kept, came, reader })
    }

    async fn wait(&self, id: MessageId, deadline: Instant) -> Option<OutcomeOut> {
        let mut came = self.came.clone();
        loop {
            came.mark_unchanged();
            if let Some(outcome) = lock(&self.kept).by_id.get(&id) {
                return Some(outcome.clone());
            }
            match tokio::time::timeout_at(deadline, came.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return None,
            }
        }
    }
}

impl Client {
    /// Sends a message and waits until it, or every part of its fan-out, has ended; at most `within`.
    ///
    /// # Errors
    /// As [`Client::send`]; [`ClientError::Timeout`] names what is still open.
    pub async fn conclude(&self, order: Order, within: Duration) -> Result<Conclusion, ClientError> {
        let deadline = Instant::now() + within;
        // Listening begins before the message leaves.
        let finals = self.finals.get_or_try_init(|| Finals::open(self)).await?;
        let first = self.send(order).await?;
        if first.outcome.status.is_final() && first.outcome.parts.is_empty() {
            let last = vec![first.clone()];
            return Ok(Conclusion { first, last });
        }
        let end = async |id: MessageId| {
            let ended = finals.wait(id, deadline).await;
            ended.ok_or(ClientError::Timeout { id, waited: within, stored: true })
        };
        let mut parts = first.outcome.parts.clone();
        if parts.is_empty() {
            let ended = end(first.outcome.exchange).await?;
            if ended.outcome.parts.is_empty() {
                return Ok(Conclusion { first, last: vec![ended] });
            }
            parts = ended.outcome.parts;
        }
        let mut last = Vec::with_capacity(parts.len());
        for part in parts {
            last.push(end(part.exchange).await?);
        }
        Ok(Conclusion { first, last })
    }
}
