//! The messages of data debits.

use serde_json::json;

use crate::client::Client;
use crate::client::error::ClientError;
use crate::client::order::Order;
use crate::client::orders::exchange::hat_address;
use crate::domain::Id;
use crate::domain::event::DebitTerms;
use crate::wire::OutcomeOut;

impl Order {
    /// `hat.<hat>.debit-propose.<debit>`, by the debit's client.
    pub fn debit_propose(hat: &Id, debit: &Id, terms: &DebitTerms) -> Self {
        Order::json(&hat_address(hat), &["debit-propose", debit.as_str()], terms)
    }

    /// `hat.<hat>.debit-amend.<debit>`, by the debit's client: a revision that waits for the owner.
    pub fn debit_amend(hat: &Id, debit: &Id, terms: &DebitTerms) -> Self {
        Order::json(&hat_address(hat), &["debit-amend", debit.as_str()], terms)
    }

    /// `hat.<hat>.debit-enable.<debit>`, by the HAT: its owner accepts the newest revision.
    pub fn debit_enable(hat: &Id, debit: &Id) -> Self {
        Order::new(&hat_address(hat), &["debit-enable", debit.as_str()], "")
    }

    /// The same, of this revision: `conflict` when the client has amended the debit since.
    pub fn debit_enable_revision(hat: &Id, debit: &Id, revision: u32) -> Self {
        Order::json(&hat_address(hat), &["debit-enable", debit.as_str()], &json!({"revision": revision}))
    }

    /// `hat.<hat>.debit-disable.<debit>`, by the HAT: at once, or at the end of the running period.
    pub fn debit_disable(hat: &Id, debit: &Id, at_period_end: bool) -> Self {
        let body = json!({"atPeriodEnd": at_period_end});
        Order::json(&hat_address(hat), &["debit-disable", debit.as_str()], &body)
    }
}

impl Client {
    /// As a debit's client: proposes it to a HAT's owner.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn debit_propose(&self, hat: &Id, debit: &Id, terms: &DebitTerms) -> Result<OutcomeOut, ClientError> {
        self.send(Order::debit_propose(hat, debit, terms)).await
    }

    /// As a debit's client: proposes other terms; the old ones stay in force until the owner accepts.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn debit_amend(&self, hat: &Id, debit: &Id, terms: &DebitTerms) -> Result<OutcomeOut, ClientError> {
        self.send(Order::debit_amend(hat, debit, terms)).await
    }

    /// As a HAT: accepts the newest revision of a debit.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn debit_enable(&self, debit: &Id) -> Result<OutcomeOut, ClientError> {
        self.send(Order::debit_enable(&self.party().id, debit)).await
    }

    /// As a HAT: ends a debit, at once or with its running period.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn debit_disable(&self, debit: &Id, at_period_end: bool) -> Result<OutcomeOut, ClientError> {
        self.send(Order::debit_disable(&self.party().id, debit, at_period_end)).await
    }
}
