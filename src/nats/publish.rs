//! The pipelined JetStream publisher: own inbox, a bounded window of un-acked messages, and resending until each is stored.
//!
//! At least once: after a lost connection or a full stream the window is sent again from its first un-acked message, so a
//! message may be stored twice; recipients apply by id. Order holds while nothing fails.

mod ack;
mod driver;
mod kept;
mod window;

use std::{sync::Arc, time::Duration};

use async_nats::{Client, HeaderMap, Subject};
use bytes::Bytes;
use tokio::{sync::watch, task::JoinHandle};

use window::{Shared, Window};

/// Number of a published message: 1, 2, 3…
pub type Ticket = u64;

/// A message to publish into a stream.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Subject.
    pub subject: Subject,
    /// Headers; `Nats-TTL` is set from `ttl`.
    pub headers: HeaderMap,
    /// Body.
    pub payload: Bytes,
    /// How long the stream keeps it (rounded up to whole seconds, at least one); `None`: as long as the stream keeps messages.
    pub ttl: Option<Duration>,
}

/// Bounds and times of a publisher.
#[derive(Clone, Debug)]
pub struct PublisherOptions {
    /// Un-acked messages at most.
    pub max_messages: usize,
    /// Un-acked bytes at most (one larger message passes alone).
    pub max_bytes: usize,
    /// How long an ack may take before everything un-acked is sent again.
    pub ack_timeout: Duration,
    /// First pause after a failure; doubles up to `max_backoff`.
    pub min_backoff: Duration,
    /// Longest pause between tries.
    pub max_backoff: Duration,
}

impl Default for PublisherOptions {
    fn default() -> Self {
        Self {
            max_messages: 2048,
            max_bytes: 16 << 20,
            ack_timeout: Duration::from_secs(5),
            min_backoff: Duration::from_millis(20),
            max_backoff: Duration::from_secs(2),
        }
    }
}

/// How publishing goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishStatus {
    /// Acks come.
    Healthy,
    /// The stream is full (10077): it must be purged, read, or given more room.
    Full,
    /// The server answers that it has too much to do.
    Busy,
    /// No answer, no such stream, or no connection.
    Unreachable,
}

/// Running counts of a publisher.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PublishCounts {
    /// Messages stored and acked.
    pub acked: u64,
    /// Messages sent again.
    pub resent: u64,
    /// Failures that led to sending again.
    pub faults: u64,
    /// Messages the stream refuses for good.
    pub refused: u64,
    /// Messages in the window.
    pub in_flight: usize,
    /// Bytes in the window.
    pub bytes_in_flight: usize,
    /// Stream sequence in the newest ack: so far the stream must go.
    pub last_stream_sequence: u64,
    /// Acks whose sequence was not above that of the one before: each time the stream had been rolled back, or made anew.
    pub went_back: u64,
}

/// A message was not published, or never will be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// Headers and body exceed what the server takes.
    #[error("message of {size} bytes for {subject} exceeds the server's max_payload of {limit} bytes")]
    TooLarge {
        /// Subject.
        subject: String,
        /// Size, bytes.
        size: usize,
        /// Limit, bytes.
        limit: usize,
    },
    /// Not a subject one can publish to.
    #[error("`{subject}` is no subject to publish to: tokens must be non-empty and without wildcards or spaces")]
    Subject {
        /// The subject.
        subject: String,
    },
    /// The stream refuses this message for good.
    #[error("message {ticket} was refused by the stream (error {code}: {reason})")]
    Refused {
        /// Its ticket.
        ticket: Ticket,
        /// JetStream error code.
        code: u64,
        /// What the server said.
        reason: String,
    },
    /// The publisher ended: its connection is closed or its runtime is gone.
    #[error("the publisher is closed")]
    Closed,
    /// A plain (core) publish failed.
    #[error("publish to {subject} failed: {reason}")]
    Core {
        /// Subject.
        subject: String,
        /// Why.
        reason: String,
    },
}

/// The publisher. Its driver task runs on the runtime on which it was made and ends when it is dropped.
pub struct BatchPublisher {
    client: Client,
    shared: Arc<Shared>,
    status: watch::Receiver<PublishStatus>,
    acked: watch::Receiver<Ticket>,
    driver: JoinHandle<()>,
}

impl BatchPublisher {
    /// Subscribes the ack inbox and starts the driver on the current runtime.
    pub async fn start(client: &Client, options: PublisherOptions) -> Result<Self, PublishError> {
        let inbox = client.new_inbox();
        let acks = client.subscribe(format!("{inbox}.*")).await.map_err(|_| PublishError::Closed)?;
        let (status_sender, status) = watch::channel(PublishStatus::Healthy);
        let (acked_sender, acked) = watch::channel(0);
        let shared = Arc::new(Shared::new(Window::new(options.max_messages, options.max_bytes)));
        let driver = driver::Driver::new(client, inbox, acks, shared.clone(), options, status_sender, acked_sender);
        Ok(Self { client: client.clone(), shared, status, acked, driver: tokio::spawn(driver.run()) })
    }

    /// Puts a message into the window, waiting while it is full, and returns its ticket. Its ack comes later.
    ///
    /// Several tasks may call this; tickets are in the order in which messages leave.
    pub async fn publish(&self, outgoing: Outgoing) -> Result<Ticket, PublishError> {
        let size = self.check(&outgoing)?;
        let mut outgoing = Some(self.with_ttl(outgoing));
        loop {
            if let Some(ticket) = self.shared.push(&mut outgoing, size)? {
                return Ok(ticket);
            }
            let room = self.shared.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            // Looked at once more after registering, so that room made in between is not missed.
            if let Some(ticket) = self.shared.push(&mut outgoing, size)? {
                return Ok(ticket);
            }
            room.await;
        }
    }

    /// Like [`BatchPublisher::publish`], but gives the message back when the window is full.
    pub fn try_publish(&self, outgoing: Outgoing) -> Result<Result<Ticket, Outgoing>, PublishError> {
        let size = self.check(&outgoing)?;
        let mut slot = Some(self.with_ttl(outgoing));
        match self.shared.push(&mut slot, size)? {
            Some(ticket) => Ok(Ok(ticket)),
            None => Ok(Err(slot.take().expect("a message that was not pushed is still in its slot"))),
        }
    }

    /// The ticket up to which every message is stored (or refused for good).
    pub fn acked_through(&self) -> Ticket {
        *self.acked.borrow()
    }

    /// A watch of [`BatchPublisher::acked_through`].
    pub fn watch_acked(&self) -> watch::Receiver<Ticket> {
        self.acked.clone()
    }

    /// Waits until all messages up to `ticket` are stored. Has no time limit: put your own around it.
    ///
    /// # Errors
    /// `Refused` when `ticket` itself was refused (of refusals the last 1024 are known), `Closed` when the publisher ended.
    pub async fn acked(&self, ticket: Ticket) -> Result<(), PublishError> {
        self.acked.clone().wait_for(|through| *through >= ticket).await.map_err(|_| PublishError::Closed)?;
        match self.shared.refusal(ticket) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Waits until everything published so far is stored; an error names the first message refused since the last flush.
    pub async fn flush(&self) -> Result<(), PublishError> {
        let last = self.shared.last_ticket();
        self.acked.clone().wait_for(|through| *through >= last).await.map_err(|_| PublishError::Closed)?;
        match self.shared.first_unreported_refusal() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// How publishing goes, watched.
    pub fn status(&self) -> watch::Receiver<PublishStatus> {
        self.status.clone()
    }

    /// Running counts.
    pub fn counts(&self) -> PublishCounts {
        self.shared.counts()
    }

    /// Publishes a plain message, stored nowhere and not acked: replies to `Dex-Reply`, broadcasts on `dex.v1.pub`.
    pub async fn publish_core(&self, subject: Subject, headers: HeaderMap, payload: Bytes) -> Result<(), PublishError> {
        publish_core(&self.client, subject, headers, payload).await
    }

    fn check(&self, outgoing: &Outgoing) -> Result<usize, PublishError> {
        let size = kept::size(&outgoing.headers, &outgoing.payload);
        let limit = self.client.max_payload();
        let subject = || outgoing.subject.to_string();
        if size > limit {
            return Err(PublishError::TooLarge { subject: subject(), size, limit });
        }
        if !publishable(&outgoing.subject) {
            return Err(PublishError::Subject { subject: subject() });
        }
        Ok(size + outgoing.subject.len())
    }

    fn with_ttl(&self, mut outgoing: Outgoing) -> Outgoing {
        if let Some(ttl) = outgoing.ttl {
            let seconds = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
            outgoing.headers.insert("Nats-TTL", format!("{}s", seconds.max(1)));
        }
        outgoing
    }
}

impl Drop for BatchPublisher {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Publishes a plain message on a connection: stored nowhere, not acked.
pub async fn publish_core(
    client: &Client,
    subject: Subject,
    headers: HeaderMap,
    payload: Bytes,
) -> Result<(), PublishError> {
    let sent = if headers.is_empty() {
        client.publish(subject.clone(), payload).await
    } else {
        client.publish_with_headers(subject.clone(), headers, payload).await
    };
    sent.map_err(|error| PublishError::Core { subject: subject.to_string(), reason: error.to_string() })
}

fn publishable(subject: &str) -> bool {
    subject.split('.').all(|token| !token.is_empty() && !token.bytes().any(|b| b <= b' ' || b == b'*' || b == b'>'))
}

#[cfg(test)]
mod tests {
    use super::publishable;

    #[test]
    fn only_plain_subjects_are_published_to() {
        assert!(publishable("dex.v1.out.hat.bob_hubat_net.delivery"));
        for bad in ["", "a..b", ".a", "a.", "a.*", "a.>", "a b", "a\r\nb"] {
            assert!(!publishable(bad), "{bad:?}");
        }
    }
}
