//! Content that came, with the answers that its recipient can give.

use std::sync::{Arc, OnceLock};

use async_nats::jetstream::message::Acker;
use bytes::Bytes;
use smol_str::SmolStr;
use tokio::io::AsyncWrite;

use crate::client::Client;
use crate::client::error::ClientError;
use crate::client::inbox::seen::Seen;
use crate::client::order::Order;
use crate::domain::command::Receipt;
use crate::domain::event::Verdict;
use crate::domain::exchange::large::Object;
use crate::domain::{Digest, Reason, Records};
use crate::wire::{self, OutcomeOut};

/// A verified delivery in hand. Dropped without an answer it comes again, until its deadline.
pub struct Delivery {
    content: wire::Delivery,
    client: Client,
    acker: Acker,
    seen: Arc<Seen>,
    /// Digest and records of a large content that was downloaded and is as it should be.
    came: OnceLock<(Digest, u32)>,
}

impl std::ops::Deref for Delivery {
    type Target = wire::Delivery;

    fn deref(&self) -> &wire::Delivery {
        &self.content
    }
}

impl std::fmt::Debug for Delivery {
    /// Without the content, which belongs to no log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Delivery({}, {} records)", self.id, self.count)
    }
}

impl Delivery {
    pub(super) fn new(content: wire::Delivery, client: Client, acker: Acker, seen: Arc<Seen>) -> Self {
        Delivery { content, client, acker, seen, came: OnceLock::new() }
    }

    /// The object in which large content lies: [`Delivery::download`] it. None where the body is the records.
    pub fn object(&self) -> Option<Object> {
        self.content.object()
    }

    /// Reads a large content into `to`, chunk by chunk, and checks size, digest and count. Nothing of it may be used
    /// before this has gone well; what came until an error is rubbish, and it may be tried again.
    ///
    /// # Errors
    /// [`ClientError::Content`] when there is none, it has gone, cannot be written or is not what was delivered;
    /// [`ClientError::Broker`] when the broker does not answer.
    pub async fn download(&self, to: &mut (impl AsyncWrite + Unpin)) -> Result<Object, ClientError> {
        let object = self.object().ok_or_else(|| ClientError::Content("the body is the content".into()))?;
        let came = self.client.download(self.id, &object, to).await?;
        // Downloaded twice it is the same.
        let _ = self.came.set(came);
        Ok(object)
    }

    /// Kept: a receipt over what came. Waits until the exchange has it in its ledger.
    ///
    /// # Errors
    /// As [`Client::send`]; the delivery comes again then. [`ClientError::Content`] for a large content that was not
    /// downloaded.
    pub async fn accept(self) -> Result<OutcomeOut, ClientError> {
        if self.object().is_some() && self.came.get().is_none() {
            return Err(ClientError::Content("download it before you accept it".into()));
        }
        let receipt = self.receipt_of(Verdict::Accepted, None);
        self.answer(receipt).await
    }

    /// Not wanted; the exchange becomes disputed. `reason` is for people, at most 256 bytes.
    ///
    /// # Errors
    /// As [`Delivery::accept`].
    pub async fn refuse(self, reason: &str) -> Result<OutcomeOut, ClientError> {
        let receipt = self.receipt_of(Verdict::Refused, Some(reason.into()));
        self.answer(receipt).await
    }

    /// Given back, after a recall request: nothing of it was kept.
    ///
    /// # Errors
    /// As [`Delivery::accept`].
    pub async fn give_back(self) -> Result<OutcomeOut, ClientError> {
        let receipt = self.receipt_of(Verdict::Returned, None);
        self.answer(receipt).await
    }

    /// The receipt that agrees with what came: digest and count of the body itself, not of its headers.
    ///
    /// Of a large content that was not downloaded nothing has come.
    pub fn receipt_of(&self, verdict: Verdict, reason: Option<SmolStr>) -> Receipt {
        let (digest, count) = match (self.object(), self.came.get()) {
            (Some(_), Some(came)) => *came,
            (Some(_), None) => (Digest::of(&[]), 0),
            (None, _) => {
                let count = Records::parse(self.body.clone(), usize::MAX).map_or(0, |records| records.count());
                (Digest::of(&self.body), count)
            }
        };
        Receipt { delivery: self.id, digest, count, verdict, reason }
    }

    /// Answers with this receipt, whatever it says. The same receipt, given again because no outcome came,
    /// leaves under the same id again.
    ///
    /// # Errors
    /// As [`Delivery::accept`].
    pub async fn answer(self, receipt: Receipt) -> Result<OutcomeOut, ClientError> {
        let id = self.seen.receipt(receipt.clone(), || self.client.message_id());
        let order = Order::receipt(&self.receipt_to, &receipt).id(id);
        let outcome = self.client.send(order).await;
        match &outcome {
            Ok(_) => self.close().await,
            Err(ClientError::Refused(refusal)) if refusal.outcome.is_some() => {
                // Sent again it would be refused again, but for what passes: then it leaves as another message.
                let passes = [Reason::OverQuota, Reason::Stale, Reason::Internal, Reason::Suspended];
                if passes.contains(&refusal.reason) {
                    self.seen.refused(self.id);
                } else {
                    self.close().await;
                }
            }
            // What is in no ledger, like a wrong key's, has answered nothing: it comes again, and may be said as it is.
            Err(_) => {}
        }
        outcome
    }

    /// Says nothing: the exchange expires at its deadline, and the broker need not bring it again.
    pub async fn ignore(self) {
        self.close().await;
    }

    /// The records, as they came; of large content the reference to it.
    pub fn records(&self) -> &Bytes {
        &self.content.body
    }

    async fn close(&self) {
        self.seen.answered(self.id);
        if let Err(error) = self.acker.ack().await {
            // It comes again, and is seen to be answered then.
            tracing::debug!(delivery = %self.id, %error, "the broker was not told");
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.seen.given_up(self.content.id);
    }
}
