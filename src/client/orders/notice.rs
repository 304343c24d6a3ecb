//! Notices: posted by a party, read by a HAT.

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use serde_json::{Value, json};

use crate::client::inbox::consumer::Topic;
use crate::client::inbox::{InboxOptions, Item};
use crate::client::order::Order;
use crate::client::{Client, ClientError};
use crate::domain::notice::Notice;
use crate::domain::{Address, Id};
use crate::wire::{Noticed, OutcomeOut};

impl Order {
    /// `operator|plug|app|org.<id>.notice`, by that party. The outcome's `delivery` is the notice's id.
    pub fn notice(from: &Address, notice: &Notice) -> Self {
        Order::json(from, &["notice"], notice)
    }
}

impl Client {
    /// Tells HATs something. The outcome's `delivery` is the notice's id.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn post_notice(&self, notice: &Notice) -> Result<OutcomeOut, ClientError> {
        self.send(Order::notice(self.party(), notice)).await
    }

    /// A page of the notices that stand for this HAT, the oldest first; `after` is the `next` of the page before.
    ///
    /// # Errors
    /// As [`Client::query`].
    pub async fn notices_for(&self, hat: &Id, after: Option<uuid::Uuid>) -> Result<Value, ClientError> {
        let mut question = json!({ "hat": hat });
        if let Some(after) = after {
            question["after"] = json!(after);
        }
        self.query("notice.list", question.to_string()).await
    }

    /// Notices for this client's party as they come, verified; they may repeat: apply by [`Noticed::id`].
    ///
    /// # Errors
    /// As [`Client::inbox`].
    pub async fn notices(&self) -> Result<BoxStream<'static, Result<Noticed, ClientError>>, ClientError> {
        let options = InboxOptions { topic: Topic::Notices, durable: false, ..InboxOptions::default() };
        let inbox = self.inbox_with(options).await?;
        let notices = inbox.filter_map(|item| {
            std::future::ready(match item {
                Ok(Item::Notice(notice)) => Some(Ok(*notice)),
                Ok(_) => None,
                Err(error) => Some(Err(error)),
            })
        });
        Ok(notices.boxed())
    }
}
