//! A plug's jobs as they come: pulled from the exchange's work queue under a lease, verified, kept, given back or ended.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::message::Acker;
use async_nats::jetstream::stream::ConsumerErrorKind;
use async_nats::jetstream::{AckKind, ErrorCode, Message};
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::domain::job::JobBody;
use crate::nats::streams::DEX_JOBS;
use crate::wire::{job, subject};

use super::Client;
use super::error::ClientError;
use super::headers::Received;

/// How long one call for jobs stays open at the broker.
const OPEN: Duration = Duration::from_secs(2);
/// Silence beyond [`OPEN`] after which a call is taken for lost.
const LOST: Duration = Duration::from_secs(3);

/// The work queue of one plug.
#[derive(Clone)]
pub struct Jobs {
    client: Client,
    consumer: PullConsumer,
}

/// One job in hand. It comes to somebody else when it is neither kept nor ended within the lease.
pub struct Leased {
    /// What is to be done.
    pub job: JobBody,
    /// How often it was handed out, this time included.
    pub times: i64,
    lease: Duration,
    acker: Acker,
}

impl std::fmt::Debug for Leased {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Leased({}, time {})", self.job.job, self.times)
    }
}

impl Client {
    /// Binds to the jobs of the plug that this client speaks for. `None`: the exchange has planned none yet, so there is
    /// no consumer to bind to.
    ///
    /// # Errors
    /// [`ClientError::Broker`] when the broker cannot be asked.
    pub async fn jobs(&self) -> Result<Option<Jobs>, ClientError> {
        let name = subject::job_consumer(&self.party().id);
        let found = self.hub.link.jetstream.get_consumer_from_stream(name, DEX_JOBS);
        match tokio::time::timeout(self.hub.call_deadline, found).await {
            Ok(Ok(consumer)) => Ok(Some(Jobs { client: self.apart(), consumer })),
            Ok(Err(error)) => match error.kind() {
                ConsumerErrorKind::JetStream(told)
                    if [ErrorCode::CONSUMER_NOT_FOUND, ErrorCode::STREAM_NOT_FOUND].contains(&told.error_code()) =>
                {
                    Ok(None)
                }
                _ => Err(ClientError::Broker(error.to_string())),
            },
            Err(_) => Err(ClientError::Broker("the consumer of the jobs was not told in time".into())),
        }
    }

    /// Whether the broker is connected now.
    pub fn is_connected(&self) -> bool {
        self.hub.link.state.borrow().connected
    }

    /// Waits until what was published last is on its way, at most `within`.
    pub async fn flush(&self, within: Duration) {
        // Who waits longer has lost the broker, and with it what was to be flushed.
        drop(tokio::time::timeout(within, self.hub.link.client.flush()).await);
    }
}

impl Jobs {
    /// Within which a job must be kept or ended.
    pub fn lease(&self) -> Duration {
        self.consumer.cached_info().config.ack_wait
    }

    /// Pulls at most `most` jobs and hands them to `into` as they come; returns how many when that many have come, none
    /// came for a while, or `stop` was said, which hands back what came too late. An `Err` among them tells of a job that was not
    /// taken, because it is not the exchange's: it is gone from the queue.
    ///
    /// # Errors
    /// [`ClientError::Broker`]: the broker is away, or the consumer is gone.
    pub async fn pull(
        &self,
        most: usize,
        into: &mpsc::Sender<Result<Leased, ClientError>>,
        stop: &CancellationToken,
    ) -> Result<usize, ClientError> {
        let broker = |error: &dyn std::fmt::Display| ClientError::Broker(error.to_string());
        let call = self.consumer.batch().max_messages(most).expires(OPEN).messages();
        let mut messages = call.await.map_err(|error| broker(&error))?;
        let mut came = 0;
        loop {
            let next = match tokio::time::timeout(OPEN + LOST, messages.next()).await {
                Ok(next) => next,
                Err(_) => return Err(ClientError::Broker("a call for jobs was not answered".into())),
            };
            let Some(message) = next else { return Ok(came) };
            let message = message.map_err(|error| broker(&error))?;
            came += 1;
            let leased = self.take(message).await;
            match leased {
                Ok(leased) if stop.is_cancelled() => leased.hand_back(None).await,
                other => {
                    if into.send(other).await.is_err() {
                        return Ok(came);
                    }
                }
            }
        }
    }

    /// Reads and verifies one job.
    async fn take(&self, message: Message) -> Result<Leased, ClientError> {
        let times = message.info().map_or(1, |info| info.delivered);
        let (message, acker) = message.split();
        let empty = HeaderMap::new();
        let headers = Received(message.headers.as_ref().unwrap_or(&empty));
        let place = message.subject.as_str();
        let read = job::read(place, &headers, &message.payload, self.client.origin(), self.client.trust());
        match read {
            Ok(job) => {
                let lease = self.lease().min(Duration::from_secs(job.lease_seconds.into())).max(Duration::from_secs(1));
                Ok(Leased { job, times, lease, acker })
            }
            Err(source) => {
                drop(acker.ack_with(AckKind::Term).await);
                Err(ClientError::Unverified { subject: place.to_owned(), source })
            }
        }
    }
}

impl Leased {
    /// Within which it must be kept or ended.
    pub fn lease(&self) -> Duration {
        self.lease
    }

    /// Keeps the lease for as long as this future is polled: three times in each. It never ends.
    pub async fn keep(&self) {
        let mut beats = tokio::time::interval_at(tokio::time::Instant::now() + self.lease / 3, self.lease / 3);
        beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            beats.tick().await;
            // When the broker is away the next beat is as good, or the lease lapses.
            if let Err(error) = self.acker.ack_with(AckKind::Progress).await {
                tracing::debug!(%error, "a lease was not kept");
            }
        }
    }

    /// It is over: nobody gets it any more.
    pub async fn end(self) {
        if let Err(error) = self.acker.ack().await {
            // It comes once more, and is found to be over then.
            tracing::debug!(%error, "the end of a job was not told to the broker");
        }
    }

    /// Somebody else may have it, now or after `pause`.
    pub async fn hand_back(self, pause: Option<Duration>) {
        if let Err(error) = self.acker.ack_with(AckKind::Nak(pause)).await {
            // The lease lapses.
            tracing::debug!(%error, "a job was not handed back");
        }
    }
}
