//! The consumer behind an inbox: opened, read, opened again whenever the broker was away.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::datetime::DateTime;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use async_nats::jetstream::{AckKind, Message};
use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc;

use super::delivery::Delivery;
use super::item::{Item, Recall, Request};
use super::seen::{SEEN_MAX, Seen, Turn};
use crate::client::headers::Received;
use crate::client::{Client, ClientError};
use crate::domain::{Address, Id};
use crate::nats::streams::DEX_OUT;
use crate::wire::{received, subject};

/// A consumer that nobody reads goes after so long.
const INACTIVE: Duration = Duration::from_secs(3600);
/// First pause before a lost consumer is opened again.
const REOPEN_FIRST: Duration = Duration::from_millis(100);
/// Longest pause.
const REOPEN_MAX: Duration = Duration::from_secs(5);
/// Silence of the broker after which the consumer is opened again (twice this).
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Which of a party's messages an inbox reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Topic {
    /// All of them.
    #[default]
    All,
    /// Content only.
    Deliveries,
    /// Content under debits only.
    Released,
    /// Requests to give content back only.
    Recalls,
    /// Outcomes only.
    Outcomes,
    /// Notices only.
    Notices,
}

impl Topic {
    fn filters(self, party: &Address) -> Vec<String> {
        match self {
            Topic::All => vec![subject::out_filter(party)],
            Topic::Deliveries => {
                let own = subject::delivery(party, None);
                vec![format!("{own}.>"), own]
            }
            // One filter each: it stands in the subject of the request, so the broker can hold a party to its own.
            Topic::Released => vec![format!("{}.>", subject::delivery(party, None))],
            Topic::Recalls => vec![subject::recall(party)],
            Topic::Outcomes => vec![subject::outcome(party)],
            Topic::Notices => vec![subject::notice(party)],
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Topic::All => "",
            Topic::Deliveries => "-deliveries",
            Topic::Released => "-released",
            Topic::Recalls => "-recalls",
            Topic::Outcomes => "-outcomes",
            Topic::Notices => "-notices",
        }
    }
}

/// How an inbox reads.
#[derive(Debug, Clone)]
pub struct InboxOptions {
    /// Which messages.
    pub topic: Topic,
    /// Whose messages. `None`: this client's own. A bridge reads those of a HAT that entrusts itself to it,
    /// and what it answers is signed by the bridge, on the HAT's own subject.
    pub of: Option<Address>,
    /// Of deliveries only those under this debit.
    pub debit: Option<Id>,
    /// Durable: what was not answered comes again to the next inbox of this party and topic, for as long as `keep`.
    /// Not durable: the consumer is this inbox's alone and goes with it.
    pub durable: bool,
    /// The broker forgets a consumer that nobody has read for so long.
    pub keep: Duration,
    /// Only what comes from now on. For a durable consumer that is there already, it goes on where it was.
    pub only_new: bool,
    /// Most messages in hand: handed out and not yet answered.
    pub in_hand: i64,
    /// A delivery that was not answered by then is brought again by the broker.
    pub answer_within: Duration,
}

impl Default for InboxOptions {
    /// Everything, durable, from the oldest on, 4096 in hand, 60 s.
    fn default() -> Self {
        InboxOptions {
            topic: Topic::All,
            of: None,
            debit: None,
            durable: true,
            keep: INACTIVE,
            only_new: false,
            in_hand: 4096,
            answer_within: Duration::from_secs(60),
        }
    }
}

/// A party's messages, verified. It never ends by itself: lost connections and consumers are made anew.
/// An `Err` tells of one message that was not taken, or of the broker; the next items follow.
pub struct Inbox {
    items: mpsc::Receiver<Result<Item, ClientError>>,
}

impl Stream for Inbox {
    type Item = Result<Item, ClientError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.items.poll_recv(cx)
    }
}

impl Inbox {
    /// The next message.
    pub async fn next(&mut self) -> Option<Result<Item, ClientError>> {
        self.items.recv().await
    }

    /// The next message, if one is here already.
    pub fn try_next(&mut self) -> Option<Result<Item, ClientError>> {
        self.items.try_recv().ok()
    }
}

impl Client {
    /// Everything for this client's party, by a durable consumer of its own.
    ///
    /// # Errors
    /// [`ClientError::Broker`] when the consumer cannot be made.
    pub async fn inbox(&self) -> Result<Inbox, ClientError> {
        self.inbox_with(InboxOptions::default()).await
    }

    /// An inbox with these options.
    ///
    /// # Errors
    /// As [`Client::inbox`].
    pub async fn inbox_with(&self, options: InboxOptions) -> Result<Inbox, ClientError> {
        // A channel of the size of a fetch: what is in it is in hand.
        let (sender, items) = mpsc::channel(256);
        let seen = Arc::new(Seen::new(SEEN_MAX));
        let pump = Pump { client: self.apart(), options, seen, sender, read_to: Mutex::default() };
        let opened = tokio::time::timeout(self.hub.call_deadline, pump.open()).await;
        let consumer = opened.map_err(|_| ClientError::NoAnswer {
            subject: format!("{DEX_OUT} (a consumer for {})", self.party()),
            waited: self.hub.call_deadline,
        })??;
        tokio::spawn(pump.run(consumer));
        Ok(Inbox { items })
    }
}

struct Pump {
    client: Client,
    options: InboxOptions,
    seen: Arc<Seen>,
    sender: mpsc::Sender<Result<Item, ClientError>>,
    /// Store time of the last message of a consumer that is not durable: one made in its place goes on there.
    read_to: Mutex<Option<DateTime>>,
}

fn broker(error: impl std::fmt::Display) -> ClientError {
    ClientError::Broker(error.to_string())
}

impl Pump {
    /// Whose messages are read.
    fn reads(&self) -> &Address {
        self.options.of.as_ref().unwrap_or_else(|| self.client.party())
    }

    fn start(&self) -> DeliverPolicy {
        let read_to = *self.read_to.lock().unwrap_or_else(PoisonError::into_inner);
        match (read_to, self.options.only_new) {
            (Some(start_time), _) => DeliverPolicy::ByStartTime { start_time },
            (None, true) => DeliverPolicy::New,
            (None, false) => DeliverPolicy::All,
        }
    }

    /// Keeps where a consumer that is not durable has read to.
    fn note(&self, at: DateTime) {
        if !self.options.durable {
            *self.read_to.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
        }
    }

    async fn open(&self) -> Result<PullConsumer, ClientError> {
        let party = self.reads();
        let mut filters = self.options.topic.filters(party);
        let mut name = format!("{}-{}{}", party.kind, party.id.to_token(), self.options.topic.suffix());
        if let Some(debit) = &self.options.debit {
            filters = vec![subject::delivery(party, Some(debit))];
            name = format!("{name}-under-{}", debit.to_token());
        }
        if self.options.of.is_some() {
            // Another consumer than the one that the party itself may have.
            let by = self.client.party();
            name = format!("{name}-by-{}-{}", by.kind, by.id.to_token());
        }
        let mut config = pull::Config {
            durable_name: self.options.durable.then_some(name),
            ack_policy: AckPolicy::Explicit,
            ack_wait: self.options.answer_within,
            max_ack_pending: self.options.in_hand,
            inactive_threshold: self.options.keep,
            deliver_policy: self.start(),
            ..pull::Config::default()
        };
        if filters.len() == 1 {
            config.filter_subject = filters.remove(0);
        } else {
            config.filter_subjects = filters;
        }
        let jetstream = &self.client.hub.link.jetstream;
        if self.options.durable {
            let name = config.durable_name.clone().unwrap_or_default();
            // One that is there goes on as it is: its start must not be changed.
            if let Ok(found) = jetstream.get_consumer_from_stream(&name, DEX_OUT).await {
                return Ok(found);
            }
        }
        jetstream.create_consumer_on_stream(config, DEX_OUT).await.map_err(broker)
    }

    /// Reads until nobody listens any more.
    async fn run(self, mut consumer: PullConsumer) {
        let mut pause = REOPEN_FIRST;
        if self.options.only_new {
            self.note(consumer.cached_info().created);
        }
        loop {
            let name = consumer.cached_info().name.clone();
            if let Err(error) = self.read(&consumer, &mut pause).await {
                tracing::debug!(%error, "an inbox is opened again");
            } else {
                if !self.options.durable {
                    // It would go by itself after the inactive threshold.
                    let jetstream = &self.client.hub.link.jetstream;
                    drop(jetstream.delete_consumer_from_stream(&name, DEX_OUT).await);
                }
                return;
            }
            consumer = loop {
                tokio::select! {
                    () = self.sender.closed() => return,
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 2).min(REOPEN_MAX);
                match self.open().await {
                    Ok(consumer) => break consumer,
                    Err(error) => {
                        tracing::debug!(%error, "an inbox cannot be opened, trying again")
                    }
                }
            };
        }
    }

    /// `Ok` when nobody listens any more.
    async fn read(&self, consumer: &PullConsumer, pause: &mut Duration) -> Result<(), ClientError> {
        let stream = consumer.stream().max_messages_per_batch(256).heartbeat(HEARTBEAT);
        let mut messages = stream.messages().await.map_err(broker)?;
        loop {
            let message = tokio::select! {
                () = self.sender.closed() => return Ok(()),
                message = messages.next() => message,
            };
            let Some(message) = message else {
                return Err(ClientError::Broker("the consumer's stream has ended".into()));
            };
            let message = message.map_err(broker)?;
            *pause = REOPEN_FIRST;
            if !self.options.durable
                && let Ok(info) = message.info()
            {
                self.note(info.published);
            }
            let Some(item) = self.take(message).await else {
                continue;
            };
            if self.sender.send(item).await.is_err() {
                return Ok(());
            }
        }
    }

    /// Reads one message; nothing to hand out when it was answered already.
    async fn take(&self, message: Message) -> Option<Result<Item, ClientError>> {
        let (message, acker) = message.split();
        let empty = HeaderMap::new();
        let headers = Received(message.headers.as_ref().unwrap_or(&empty));
        let (origin, keys) = (self.client.origin(), self.client.trust());
        let place = message.subject.as_str();
        // dex.v1.out.<kind>.<id>.<topic>
        let item = match place.split('.').nth(5).unwrap_or("") {
            "delivery" => {
                let read = received::delivery(place, &headers, message.payload.clone(), origin, keys);
                match read {
                    Ok(mut content) => match self.seen.came(content.id) {
                        Turn::HandOut => {
                            if let Some(of) = &self.options.of {
                                content.receipt_to = subject::published(of, &["receipt"]);
                            }
                            let seen = Arc::clone(&self.seen);
                            let client = self.client.clone();
                            let delivery = Delivery::new(content, client, acker, seen);
                            return Some(Ok(Item::Delivery(Box::new(delivery))));
                        }
                        Turn::InHand => return None,
                        Turn::Answered => {
                            drop(acker.ack().await);
                            return None;
                        }
                    },
                    Err(error) => Err(error),
                }
            }
            "request" => received::request(place, &headers, &message.payload, origin, keys)
                .map(|ask| Item::Request(Request { ask, client: self.client.clone() })),
            "recall" => received::recall_request(place, &headers, &message.payload, origin, keys)
                .map(|ask| Item::Recall(Recall { ask, client: self.client.clone() })),
            "outcome" => received::outcomes(&message.payload).map(Item::Outcomes),
            "notice" => received::notice(place, &headers, &message.payload, origin, keys)
                .map(|notice| Item::Notice(Box::new(notice))),
            "connection" => received::connection(place, &headers, &message.payload, origin, keys)
                .map(|told| Item::Connection(Box::new(told))),
            _ => Ok(Item::Other { subject: place.to_owned(), body: message.payload.clone() }),
        };
        // What is not acknowledged here is brought again, which does no harm.
        match item {
            Ok(item) => {
                drop(acker.ack().await);
                Some(Ok(item))
            }
            Err(source) => {
                drop(acker.ack_with(AckKind::Term).await);
                Some(Err(ClientError::Unverified { subject: place.to_owned(), source }))
            }
        }
    }
}
