//! The messages of exchanges.

use bytes::Bytes;

use crate::client::Client;
use crate::client::error::ClientError;
use crate::client::order::Order;
use crate::domain::command::{PullAsk, Receipt};
use crate::domain::{Address, Id, Kind, MessageId};
use crate::wire::OutcomeOut;

impl Order {
    /// `hat.<hat>.credit.<by>`: records into the HAT, from the plug or app `by`.
    pub fn credit(hat: &Id, by: &Id, records: impl Into<Bytes>) -> Self {
        Order::new(&hat_address(hat), &["credit", by.as_str()], records)
    }

    /// `hat.<hat>.release.<debit>`: records out of the HAT under one data debit.
    pub fn release(hat: &Id, debit: &Id, records: impl Into<Bytes>) -> Self {
        Order::new(&hat_address(hat), &["release", debit.as_str()], records)
    }

    /// `hat.<hat>.data`: records out of the HAT to every active debit that selects any of them.
    pub fn data(hat: &Id, records: impl Into<Bytes>) -> Self {
        Order::new(&hat_address(hat), &["data"], records)
    }

    /// `hat.<hat>.pull.<debit>`: the debit's client asks the HAT for a release.
    pub fn pull(hat: &Id, debit: &Id, ask: &PullAsk) -> Self {
        Order::json(&hat_address(hat), &["pull", debit.as_str()], ask)
    }

    /// `hat.<hat>.recall.<exchange>`: the sender wants an exchange back.
    pub fn recall(hat: &Id, exchange: MessageId) -> Self {
        Order::new(&hat_address(hat), &["recall", &exchange.to_string()], "")
    }

    /// A receipt on the subject that the delivery names.
    pub fn receipt(receipt_to: &str, receipt: &Receipt) -> Self {
        let body = serde_json::to_vec(receipt).expect("ids, digests and texts are JSON");
        Order::on(receipt_to, body)
    }
}

/// The address of a HAT.
pub fn hat_address(hat: &Id) -> Address {
    Address::new(Kind::Hat, hat.clone())
}

impl Client {
    /// Sends records into a HAT, as the plug or app that this client speaks for.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn credit(&self, hat: &Id, records: impl Into<Bytes>) -> Result<OutcomeOut, ClientError> {
        self.send(Order::credit(hat, &self.party().id, records)).await
    }

    /// Sends records out of this client's HAT under one debit.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn release(&self, debit: &Id, records: impl Into<Bytes>) -> Result<OutcomeOut, ClientError> {
        self.send(Order::release(&self.party().id, debit, records)).await
    }

    /// Sends records out of this client's HAT to every debit that selects any.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn data(&self, records: impl Into<Bytes>) -> Result<OutcomeOut, ClientError> {
        self.send(Order::data(&self.party().id, records)).await
    }

    /// Asks a HAT for a release under a debit of which this client's party is the client.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn pull(&self, hat: &Id, debit: &Id, ask: &PullAsk) -> Result<OutcomeOut, ClientError> {
        self.send(Order::pull(hat, debit, ask)).await
    }

    /// Takes back an exchange that this client's party sent.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn recall(&self, hat: &Id, exchange: MessageId) -> Result<OutcomeOut, ClientError> {
        self.send(Order::recall(hat, exchange)).await
    }

    /// Sends a receipt; [`crate::client::Delivery::accept`] and its sisters do so for what they hold.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn receipt(&self, receipt_to: &str, receipt: &Receipt) -> Result<OutcomeOut, ClientError> {
        self.send(Order::receipt(receipt_to, receipt)).await
    }
}
