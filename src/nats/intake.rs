//! The intake of one partition: a pull consumer made anew from our own position, read in batches, with gaps seen.

mod delivery;
mod error;
mod pull;

use std::time::Duration;

use async_nats::{
    Client, HeaderMap, Message, StatusCode, Subject, Subscriber,
    jetstream::{
        self, ErrorCode,
        consumer::{AckPolicy, DeliverPolicy, pull::Config},
        stream::ConsumerErrorKind,
    },
};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use tokio::time::{Instant, timeout_at};

pub use error::IntakeError;
use pull::Pull;

/// Most messages one call of [`Intake::next_batch`] hands out.
pub const MAX_BATCH: usize = 512;

/// How long a batch that is not full is left alone at most.
const SLICE: Duration = Duration::from_millis(2);

/// Bounds and times of an intake.
#[derive(Clone, Debug)]
pub struct IntakeOptions {
    /// Messages asked for at a time. Held in the client at most: one and a half times this. 2 to 16 384.
    pub request_messages: usize,
    /// Bytes asked for at a time (at least one largest message). Held in the client at most: twice this.
    pub request_bytes: usize,
    /// A batch ends once it holds this many bytes.
    pub batch_bytes: usize,
    /// How long [`Intake::next_batch`] waits for a first message before it returns an empty batch.
    pub idle: Duration,
    /// The server speaks at least this often while nothing comes; silence of more than twice this is an error.
    pub heartbeat: Duration,
    /// The server forgets a consumer nobody pulls from after this.
    pub inactive_threshold: Duration,
}

impl Default for IntakeOptions {
    fn default() -> Self {
        Self {
            request_messages: 2048,
            request_bytes: 8 << 20,
            batch_bytes: 16 << 20,
            idle: Duration::from_millis(500),
            heartbeat: Duration::from_secs(2),
            inactive_threshold: Duration::from_secs(300),
        }
    }
}

/// One message as the stream holds it.
#[derive(Clone, Debug)]
pub struct Raw {
    /// Subject as stored: `dex.v1.p.<n>.<kind>.<id>.<action…>`.
    pub subject: Subject,
    /// Headers, `None` when it has none.
    pub headers: Option<HeaderMap>,
    /// Body.
    pub payload: Bytes,
    /// Sequence in the stream.
    pub stream_sequence: u64,
    /// Delivery number of this consumer: 1, 2, 3 without holes.
    pub consumer_sequence: u64,
    /// When the stream stored it, nanoseconds since 1970.
    pub stored_at_ns: i64,
    /// How many messages of this partition came after it when it was sent to us.
    pub pending: u64,
}

impl Raw {
    fn size(&self) -> usize {
        self.payload.len() + self.subject.len()
    }
}

/// How far a consumer is, asked of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntakeInfo {
    /// Messages of the partition not delivered to us yet.
    pub pending: u64,
    /// Last delivery number given out.
    pub delivered_consumer_sequence: u64,
    /// Its sequence in the stream.
    pub delivered_stream_sequence: u64,
}

/// The pull consumer `dex_p<n>` of one partition. Dropping it ends the subscription; the consumer fades on the server.
pub struct Intake {
    js: jetstream::Context,
    client: Client,
    stream: String,
    consumer: String,
    subscriber: Subscriber,
    pull: Pull,
    options: IntakeOptions,
    /// Reconnects seen by the client when we opened: another number means that deliveries may be lost.
    connects: u64,
    /// Delivery number of the last message taken.
    taken: u64,
    /// Pending count of the last message taken, or of the consumer when it was made.
    pending: u64,
    /// Since when nothing at all came while we were waiting.
    silent_since: Option<Instant>,
}

impl Intake {
    /// Deletes what is left of the partition's consumer and makes it anew, to deliver from `start_sequence` on (0 and 1: all).
    pub async fn open(
        js: &jetstream::Context,
        client: &Client,
        stream: &str,
        partition: u32,
        start_sequence: u64,
        options: IntakeOptions,
    ) -> Result<Self, IntakeError> {
        let consumer = format!("dex_p{partition}");
        let filter = format!("dex.v1.p.{partition}.>");
        Self::open_on(js, client, stream, consumer, filter, start_sequence, options).await
    }

    /// The same for any reader that keeps its own place: a consumer of this name and filter on any stream.
    ///
    /// # Errors
    /// [`IntakeError`] when the consumer cannot be made.
    pub async fn open_on(
        js: &jetstream::Context,
        client: &Client,
        stream: &str,
        consumer: String,
        filter: String,
        start_sequence: u64,
        options: IntakeOptions,
    ) -> Result<Self, IntakeError> {
        let connects = connects(client);
        match js.delete_consumer_from_stream(&consumer, stream).await {
            Ok(_) => {}
            Err(error) => match error.kind() {
                ConsumerErrorKind::JetStream(inner) if inner.error_code() == ErrorCode::CONSUMER_NOT_FOUND => {}
                _ => return Err(IntakeError::open(stream, &consumer, error)),
            },
        }
        let config = Config {
            name: Some(consumer.clone()),
            deliver_policy: match start_sequence {
                0 | 1 => DeliverPolicy::All,
                start_sequence => DeliverPolicy::ByStartSequence { start_sequence },
            },
            ack_policy: AckPolicy::None,
            filter_subject: filter,
            inactive_threshold: options.inactive_threshold,
            memory_storage: true,
            num_replicas: 1,
            ..Default::default()
        };
        let made = js
            .create_consumer_on_stream(config, stream)
            .await
            .map_err(|error| IntakeError::open(stream, &consumer, error))?;
        let inbox = client.new_inbox();
        let subscriber =
            client.subscribe(inbox.clone()).await.map_err(|error| IntakeError::open(stream, &consumer, error))?;
        let pull = Pull::new(client, stream, &consumer, inbox, &options);
        Ok(Self {
            js: js.clone(),
            client: client.clone(),
            stream: stream.to_string(),
            consumer,
            subscriber,
            pull,
            options,
            connects,
            taken: 0,
            pending: made.cached_info().num_pending,
            silent_since: None,
        })
    }

    /// The next messages in order: waits up to `options.idle` for the first (none: an empty batch), then takes what comes
    /// until there are `max` (at most [`MAX_BATCH`]), `options.batch_bytes`, or `linger` has passed since the first.
    ///
    /// # Errors
    /// After an error this intake is spent: open another from your own position + 1. Messages taken before the error in the
    /// same call are not handed out; they come again. Cancelling the call loses nothing but what it had taken: open anew.
    pub async fn next_batch(&mut self, max: usize, linger: Duration) -> Result<Vec<Raw>, IntakeError> {
        let max = max.clamp(1, MAX_BATCH);
        let idle_until = Instant::now() + self.options.idle;
        let Some(first) = self.next_until(idle_until).await? else {
            return Ok(Vec::new());
        };
        let linger_until = Instant::now() + linger;
        let mut bytes = first.size();
        let mut batch = Vec::with_capacity(max.min(first.pending as usize + 1));
        batch.push(first);
        let mut full = self.take_ready(&mut batch, &mut bytes, max).await?;
        while !full && Instant::now() < linger_until {
            // Slept through: woken for each message, this task could do nothing with it but wait for the next.
            tokio::time::sleep_until(linger_until.min(Instant::now() + SLICE)).await;
            full = self.take_ready(&mut batch, &mut bytes, max).await?;
        }
        Ok(batch)
    }

    /// Takes what has come already. True when the batch is full.
    async fn take_ready(&mut self, batch: &mut Vec<Raw>, bytes: &mut usize, max: usize) -> Result<bool, IntakeError> {
        let now = Instant::now();
        while batch.len() < max && *bytes < self.options.batch_bytes {
            let Some(raw) = self.next_until(now).await? else {
                return Ok(false);
            };
            *bytes += raw.size();
            batch.push(raw);
        }
        Ok(true)
    }

    /// Had the consumer nothing more for us when it sent the last message? (Local; [`Intake::info`] asks the server.)
    pub fn caught_up(&self) -> bool {
        self.pending == 0
    }

    /// Messages that waited behind the last one taken.
    pub fn pending(&self) -> u64 {
        self.pending
    }

    /// Delivery number of the last message that was taken.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Asks the server how far this consumer is.
    pub async fn info(&self) -> Result<IntakeInfo, IntakeError> {
        let stream = self.js.get_stream_no_info(&self.stream).await.map_err(|e| self.fault(e))?;
        let info = stream.consumer_info(&self.consumer).await.map_err(|e| self.fault(e))?;
        Ok(IntakeInfo {
            pending: info.num_pending,
            delivered_consumer_sequence: info.delivered.consumer_sequence,
            delivered_stream_sequence: info.delivered.stream_sequence,
        })
    }

    /// The next message, `None` when `until` passes first. What is ready is taken without looking at the clock.
    async fn next_until(&mut self, until: Instant) -> Result<Option<Raw>, IntakeError> {
        loop {
            self.pull.ask_if_low().await.map_err(|e| self.fault(e))?;
            // Unconstrained: a spent cooperative budget must not look like an empty queue. The batch bounds the work.
            let ready = tokio::task::unconstrained(self.subscriber.next()).now_or_never();
            let next = match ready {
                Some(next) => next,
                None => {
                    let now = Instant::now();
                    let silent_until = *self.silent_since.get_or_insert(now) + self.silence();
                    if connects(&self.client) != self.connects {
                        return Err(IntakeError::Reconnected { consumer: self.consumer.clone() });
                    }
                    match timeout_at(until.min(silent_until), self.subscriber.next()).await {
                        Ok(next) => next,
                        Err(_) if Instant::now() >= silent_until => {
                            let waited = self.silence();
                            return Err(IntakeError::MissedHeartbeat { consumer: self.consumer.clone(), waited });
                        }
                        Err(_) => return Ok(None),
                    }
                }
            };
            self.silent_since = None;
            let message = next.ok_or_else(|| IntakeError::Closed { consumer: self.consumer.clone() })?;
            match message.status {
                None | Some(StatusCode::OK) => return self.take(message).map(Some),
                Some(status) => self.note_status(status, &message)?,
            }
        }
    }

    fn take(&mut self, message: Message) -> Result<Raw, IntakeError> {
        self.pull.delivered();
        let reply = message.reply.as_deref().unwrap_or_default();
        let at = delivery::parse(reply).ok_or_else(|| IntakeError::Protocol {
            consumer: self.consumer.clone(),
            what: "a message came without a JetStream delivery subject",
        })?;
        if at.consumer_sequence != self.taken + 1 {
            let (expected, got) = (self.taken + 1, at.consumer_sequence);
            return Err(IntakeError::Gap { consumer: self.consumer.clone(), expected, got });
        }
        self.taken = at.consumer_sequence;
        self.pending = at.pending;
        Ok(Raw {
            subject: message.subject,
            headers: message.headers,
            payload: message.payload,
            stream_sequence: at.stream_sequence,
            consumer_sequence: at.consumer_sequence,
            stored_at_ns: at.stored_at_ns,
            pending: at.pending,
        })
    }

    fn note_status(&mut self, status: StatusCode, message: &Message) -> Result<(), IntakeError> {
        let consumer = || self.consumer.clone();
        let description = message.description.as_deref().unwrap_or_default();
        let number = |name: &str| -> Option<u64> { message.headers.as_ref()?.get(name)?.as_str().parse().ok() };
        match status {
            StatusCode::IDLE_HEARTBEAT => match number("Nats-Last-Consumer") {
                // What the server sent last never reached us: the library dropped it, and nothing newer will show the hole.
                Some(sent) if sent > self.taken => {
                    Err(IntakeError::Gap { consumer: consumer(), expected: self.taken + 1, got: sent })
                }
                _ => Ok(()),
            },
            StatusCode::NO_RESPONDERS => Err(IntakeError::ConsumerGone { consumer: consumer() }),
            _ if description.eq_ignore_ascii_case("Consumer Deleted") => {
                Err(IntakeError::ConsumerGone { consumer: consumer() })
            }
            _ => match number("Nats-Pending-Messages") {
                // Asking again would end the same way, for ever.
                Some(left) if description.starts_with("Message Size Exceeds") && self.pull.was_barren(left) => {
                    Err(IntakeError::Protocol {
                        consumer: consumer(),
                        what: "a stored message is larger than a whole request: raise options.request_bytes",
                    })
                }
                Some(left) => {
                    self.pull.ended(left);
                    Ok(())
                }
                None => Err(IntakeError::Server { consumer: consumer(), reason: format!("{status} {description}") }),
            },
        }
    }

    fn silence(&self) -> Duration {
        self.options.heartbeat * 2 + Duration::from_millis(250)
    }

    fn fault(&self, error: impl ToString) -> IntakeError {
        IntakeError::Server { consumer: self.consumer.clone(), reason: error.to_string() }
    }
}

fn connects(client: &Client) -> u64 {
    client.statistics().connects.load(std::sync::atomic::Ordering::Relaxed)
}
