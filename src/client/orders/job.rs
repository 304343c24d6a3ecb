//! The messages about jobs.

use crate::client::Client;
use crate::client::error::ClientError;
use crate::client::order::Order;
use crate::client::orders::exchange::hat_address;
use crate::domain::job::{JobWord, PlugSchedule};
use crate::domain::{Address, Id, Kind};
use crate::wire::OutcomeOut;

impl Order {
    /// `hat.<hat>.job.<plug>`: what the plug says of a job, or that one is wanted now.
    pub fn job(hat: &Id, plug: &Id, word: &JobWord) -> Self {
        Order::json(&hat_address(hat), &["job", plug.as_str()], word)
    }

    /// `plug.<plug>.schedule`: what holds for all jobs of a plug.
    pub fn schedule(plug: &Id, schedule: &PlugSchedule) -> Self {
        Order::json(&Address::new(Kind::Plug, plug.clone()), &["schedule"], schedule)
    }
}

impl Client {
    /// Says how a job of this client's plug goes on, or how it ended.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn job(&self, hat: &Id, word: &JobWord) -> Result<OutcomeOut, ClientError> {
        self.send(Order::job(hat, &self.party().id, word)).await
    }
}
