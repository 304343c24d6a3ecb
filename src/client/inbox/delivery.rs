//! Content that came, with the answers that its recipient can give.

use std::sync::Arc;

use async_nats::jetstream::message::Acker;
use bytes::Bytes;
use smol_str::SmolStr;

use crate::client::Client;
use crate::client::error::ClientError;
use crate::client::inbox::seen::Seen;
use crate::client::order::Order;
use crate::domain::command::Receipt;
use crate::domain::event::Verdict;
use crate::domain::{Digest, Reason, Records};
use crate::wire::{self, OutcomeOut};

/// A verified delivery in hand. Dropped without an answer it comes again, until its deadline.
pub struct Delivery {
    content: wire::Delivery,
    client: Client,
    acker: Acker,
    seen: Arc<Seen>,
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
        Delivery { content, client, acker, seen }
    }

    /// Kept: a receipt over what came. Waits until the exchange has it in its ledger.
    ///
    /// # Errors
    /// As [`Client::send`]; the delivery comes again then.
    pub async fn accept(self) -> Result<OutcomeOut, ClientError> {
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
    pub fn receipt_of(&self, verdict: Verdict, reason: Option<SmolStr>) -> Receipt {
        Receipt {
            delivery: self.id,
            digest: Digest::of(&self.body),
            count: Records::parse(self.body.clone(), usize::MAX).map_or(0, |records| records.count()),
            verdict,
            reason,
        }
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
        let comes_again = match &outcome {
            Ok(_) => false,
            // Sent again it would be refused again, but for what passes: then it leaves as another message.
            Err(ClientError::Refused(refusal)) => {
                let passes = [Reason::OverQuota, Reason::Stale, Reason::Internal, Reason::Suspended];
                passes.contains(&refusal.reason)
            }
            Err(_) => true,
        };
        if comes_again && matches!(outcome, Err(ClientError::Refused(_))) {
            self.seen.refused(self.id);
        }
        if !comes_again {
            self.close().await;
        }
        outcome
    }

    /// Says nothing: the exchange expires at its deadline, and the broker need not bring it again.
    pub async fn ignore(self) {
        self.close().await;
    }

    /// The records, as they came.
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
