//! What can come to a party.

use crate::client::{Client, ClientError, Order};
use crate::domain::command::Receipt;
use crate::domain::{Id, MessageId};
use crate::wire::{self, OutcomeOut};

use super::delivery::Delivery;

/// One message for a party.
#[derive(Debug)]
pub enum Item {
    /// Content; wants a receipt.
    Delivery(Box<Delivery>),
    /// A client pulls; wants a release. Taken off the broker when handed out: the exchange repeats it
    /// until its deadline.
    Request(Request),
    /// A sender wants a delivery back; wants a receipt `returned`.
    Recall(Recall),
    /// What became of own messages and exchanges, of one commit. May repeat: apply by exchange and status.
    Outcomes(Vec<OutcomeOut>),
    /// A notice, verified. May repeat: apply by its id.
    Notice(Box<wire::Noticed>),
    /// How a plug and a HAT stand to each other, verified. May repeat and overtake: the higher `n` of a pair holds.
    Connection(Box<wire::Connected>),
    /// Anything else that the exchange tells.
    Other {
        /// The subject it came on.
        subject: String,
        /// Its body.
        body: bytes::Bytes,
    },
}

/// A client's wish for a release, verified.
#[derive(Debug)]
pub struct Request {
    pub(super) ask: wire::Request,
    pub(super) client: Client,
}

impl std::ops::Deref for Request {
    type Target = wire::Request;

    fn deref(&self) -> &wire::Request {
        &self.ask
    }
}

impl Request {
    /// Answers with these records, as a release under the debit that was named.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn release(self, records: impl Into<bytes::Bytes>) -> Result<OutcomeOut, ClientError> {
        let order = self.order(records);
        self.client.send(order).await
    }

    /// Answers with records that are too large for a message: uploads them first, and waits until the exchange has fetched
    /// them, at most `within`.
    ///
    /// # Errors
    /// As [`Client::release_large`].
    pub async fn release_large(
        self,
        content: impl tokio::io::AsyncRead + Unpin,
        within: std::time::Duration,
    ) -> Result<OutcomeOut, ClientError> {
        let object = self.client.upload(content).await?;
        let order = Order::release_object(&self.client.party().id, &self.ask.debit, &object).answers(self.ask.pull);
        self.client.send_fetched(order, within).await
    }

    /// The release that answers, not sent yet.
    pub fn order(&self, records: impl Into<bytes::Bytes>) -> Order {
        let hat: &Id = &self.client.party().id;
        let pull: MessageId = self.ask.pull;
        Order::release(hat, &self.ask.debit, records).answers(pull)
    }
}

/// A sender's wish to have a delivery back, verified.
#[derive(Debug)]
pub struct Recall {
    pub(super) ask: wire::RecallRequest,
    pub(super) client: Client,
}

impl std::ops::Deref for Recall {
    type Target = wire::RecallRequest;

    fn deref(&self) -> &wire::RecallRequest {
        &self.ask
    }
}

impl Recall {
    /// Answers with this receipt. `returned` over the delivery's digest and count gives it back.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn answer(self, receipt: &Receipt) -> Result<OutcomeOut, ClientError> {
        self.client.receipt(&self.ask.receipt_to, receipt).await
    }
}
