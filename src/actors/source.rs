//! A partition's input: opens its consumer from our own position, compares the stream with what we know
//! of it, and opens it again whenever anything about it is in doubt.

use std::time::Duration;

use super::position::Track;
use super::shared::{Place, Shared};
use crate::domain::MessageId;
use crate::ledger::Position;
use crate::nats::streams::DEX_IN;
use crate::nats::{Intake, IntakeOptions, Link, Raw, lookup};
use crate::telemetry::events::{IntakeReopened, StreamRolledBack};

/// First pause before a broken input is opened again.
const REOPEN_FIRST: Duration = Duration::from_millis(50);
/// Longest pause.
const REOPEN_MAX: Duration = Duration::from_secs(2);
/// How long a partition waits for a first message before it looks at its deadlines.
const IDLE: Duration = Duration::from_millis(50);

/// Where messages come from.
pub struct Source {
    link: Link,
    intake: Option<Intake>,
    created: i64,
    failures: u32,
    pending: u64,
}

/// What a pull came to.
pub struct Pulled {
    /// Messages in stream order.
    pub messages: Vec<Raw>,
    /// True when the input was opened (again) for this pull.
    pub reopened: bool,
}

impl Source {
    /// An input over a connection of the partition's own.
    pub fn new(link: Link) -> Self {
        Source { link, intake: None, created: 0, failures: 0, pending: 0 }
    }

    /// When the stream was made, nanoseconds since the Unix epoch; 0 before it was opened.
    pub fn stream_created(&self) -> i64 {
        self.created
    }

    /// Messages that waited behind the last one read.
    pub fn pending(&self) -> u64 {
        self.pending
    }

    /// The next messages; none after a short wait, or while the broker cannot be reached.
    pub async fn next(&mut self, shared: &Shared, partition: u16, track: &mut Track) -> Pulled {
        let mut reopened = false;
        if self.intake.is_none() {
            if let Err(error) = self.open(shared, partition, track).await {
                self.failures = self.failures.saturating_add(1);
                shared.health.set(&format!("input-{partition}"), false, "the input stream cannot be read");
                tracing::warn!(partition, %error, "the input cannot be opened, trying again");
                tokio::time::sleep(self.pause()).await;
                return Pulled { messages: Vec::new(), reopened };
            }
            shared.health.set(&format!("input-{partition}"), true, "read");
            reopened = true;
        }
        let Some(intake) = self.intake.as_mut() else {
            return Pulled { messages: Vec::new(), reopened };
        };
        match intake.next_batch(shared.bounds.batch, shared.bounds.linger).await {
            Ok(messages) => {
                self.failures = 0;
                self.pending = messages.last().map_or(0, |last| last.pending);
                Pulled { messages, reopened }
            }
            Err(error) => {
                IntakeReopened { partition, detail: error.to_string() }.emit();
                self.intake = None;
                self.failures = self.failures.saturating_add(1);
                tokio::time::sleep(self.pause()).await;
                Pulled { messages: Vec::new(), reopened }
            }
        }
    }

    fn pause(&self) -> Duration {
        REOPEN_FIRST.saturating_mul(1 << self.failures.min(8)).min(REOPEN_MAX)
    }

    /// Opens the consumer after the last message that this process has taken in, unless the stream is
    /// not the one that we know: then from its first message on. Known ids fall out.
    async fn open(&mut self, shared: &Shared, partition: u16, track: &mut Track) -> Result<(), String> {
        let identity = lookup::identity(&self.link.jetstream, DEX_IN).await.map_err(|e| e.to_string())?;
        let start = match track.newest() {
            None => 1,
            Some(newest) => match self.holds(&newest, identity.created_ns).await? {
                true => newest.sequence + 1,
                false => {
                    StreamRolledBack { stream: DEX_IN, partition }.emit();
                    track.forget();
                    shared.progress.passed(partition, Place::default());
                    1
                }
            },
        };
        let options = IntakeOptions { idle: IDLE, ..IntakeOptions::default() };
        let intake =
            Intake::open(&self.link.jetstream, &self.link.client, DEX_IN, u32::from(partition), start, options)
                .await
                .map_err(|error| error.to_string())?;
        self.created = identity.created_ns;
        self.intake = Some(intake);
        Ok(())
    }

    /// Whether the stream still holds the message at our position, as we know it.
    async fn holds(&self, position: &Position, created: i64) -> Result<bool, String> {
        if position.stream_created != created {
            return Ok(false);
        }
        let found = lookup::message_at(&self.link.jetstream, DEX_IN, position.sequence)
            .await
            .map_err(|error| error.to_string())?;
        Ok(found.is_some_and(|found| {
            let id = found.dex_id.as_deref().and_then(|id| id.parse::<MessageId>().ok());
            found.stored_at_ns == position.stored_at && id.map_or([0; 16], |id| *id.0.as_bytes()) == position.id
        }))
    }

    /// True when the server has nothing more for this partition and everything it sent was taken: every
    /// message stored before this call was read. False when that cannot be told.
    pub async fn drained(&mut self) -> bool {
        let Some(intake) = self.intake.as_mut() else {
            return false;
        };
        match intake.info().await {
            Ok(info) => info.pending == 0 && info.delivered_consumer_sequence == intake.taken(),
            Err(_) => false,
        }
    }
}
