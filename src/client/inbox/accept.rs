//! Streams of deliveries, for recipients that want nothing else.

use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};

use super::consumer::{InboxOptions, Topic};
use super::delivery::Delivery;
use super::item::Item;
use crate::client::{Client, ClientError};
use crate::wire::OutcomeOut;

/// A stream of deliveries.
pub type Deliveries = BoxStream<'static, Result<Delivery, ClientError>>;

impl Client {
    /// Content for this client's party, verified, each delivery once until it is answered. By a durable
    /// consumer that reads nothing else.
    ///
    /// # Errors
    /// As [`Client::inbox`].
    pub async fn deliveries(&self) -> Result<Deliveries, ClientError> {
        let options = InboxOptions { topic: Topic::Deliveries, ..InboxOptions::default() };
        let inbox = self.inbox_with(options).await?;
        let deliveries = inbox.filter_map(|item| {
            std::future::ready(match item {
                Ok(Item::Delivery(delivery)) => Some(Ok(*delivery)),
                Ok(_) => None,
                Err(error) => Some(Err(error)),
            })
        });
        Ok(deliveries.boxed())
    }

    /// Outcomes of this client's party from now on, as they are published; they may repeat.
    ///
    /// # Errors
    /// As [`Client::inbox`].
    pub async fn outcomes(&self) -> Result<BoxStream<'static, Result<OutcomeOut, ClientError>>, ClientError> {
        let options =
            InboxOptions { topic: Topic::Outcomes, durable: false, only_new: true, ..InboxOptions::default() };
        let inbox = self.inbox_with(options).await?;
        let outcomes = inbox.flat_map(|item| {
            futures_util::stream::iter(match item {
                Ok(Item::Outcomes(outcomes)) => outcomes.into_iter().map(Ok).collect(),
                Ok(_) => Vec::new(),
                Err(error) => vec![Err(error)],
            })
        });
        Ok(outcomes.boxed())
    }
}

/// Accepts all deliveries of a stream, at most `most` receipts under way at a time; `keep` is called with
/// each before its receipt leaves. Yields the receipts' outcomes as they come.
pub fn accept_all<S, F>(deliveries: S, most: usize, mut keep: F) -> impl Stream<Item = Result<OutcomeOut, ClientError>>
where
    S: Stream<Item = Result<Delivery, ClientError>>,
    F: FnMut(&Delivery),
{
    deliveries
        .map(move |delivery| {
            if let Ok(delivery) = &delivery {
                keep(delivery);
            }
            async { delivery?.accept().await }
        })
        .buffer_unordered(most.max(1))
}
