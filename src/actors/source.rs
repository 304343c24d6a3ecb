//! A partition's input: opens its consumer from our own position, compares the stream with what we know
//! of it, and opens it again whenever anything about it is in doubt.

use std::time::{Duration, Instant};

use super::position::Track;
use super::shared::{Place, Shared};
use crate::nats::streams::{self, DEX_IN};
use crate::nats::{Intake, IntakeOptions, Known, Link, Raw, distrust, lookup};
use crate::telemetry::events::{IntakeReopened, StreamMadeAgain, StreamRolledBack};

/// First pause before a broken input is opened again.
const REOPEN_FIRST: Duration = Duration::from_millis(50);
/// Longest pause.
const REOPEN_MAX: Duration = Duration::from_secs(2);
/// How often the message at our position is looked at while all seems well.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long such a look may take.
const LOOK_WITHIN: Duration = Duration::from_secs(2);
/// How long a partition waits for a first message before it looks at its deadlines.
const IDLE: Duration = Duration::from_millis(50);

/// Where messages come from.
pub struct Source {
    link: Link,
    intake: Option<Intake>,
    created: i64,
    failures: u32,
    pending: u64,
    looked: Instant,
    /// Set while the broker does not tell how far the input was read.
    blind: bool,
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
        Source { link, intake: None, created: 0, failures: 0, pending: 0, looked: Instant::now(), blind: false }
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
        if self.looked.elapsed() >= LOOK_EVERY {
            // Boxed, like the opening: rare, and too large to be carried along with every batch.
            Box::pin(self.look(shared, partition, track)).await;
        }
        if self.intake.is_none() {
            if let Err(error) = Box::pin(self.open(shared, partition, track)).await {
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
        let created = self.stream(shared).await?;
        self.distrust(shared, partition, track).await?;
        let start = track.newest().map_or(1, |newest| newest.sequence + 1);
        let options = IntakeOptions { idle: IDLE, ..IntakeOptions::default() };
        let intake =
            Intake::open(&self.link.jetstream, &self.link.client, DEX_IN, u32::from(partition), start, options)
                .await
                .map_err(|error| error.to_string())?;
        self.created = created;
        self.blind = false;
        self.intake = Some(intake);
        self.looked = Instant::now();
        Ok(())
    }

    /// When the stream was made; when it is gone it is made again, as it was.
    async fn stream(&self, shared: &Shared) -> Result<i64, String> {
        let wanted = &shared.streams.input;
        let there = streams::prepare_in(&self.link.jetstream, wanted).await.map_err(|error| error.to_string())?;
        if there.made {
            StreamMadeAgain { stream: DEX_IN }.emit();
        }
        match there.partitions == wanted.partitions {
            true => Ok(there.identity.created_ns),
            false => Err(format!("DEX_IN has {} partitions, not {}", there.partitions, wanted.partitions)),
        }
    }

    /// Forgets our place in the stream when the stream does not hold the message there as we know it.
    /// True when it does not.
    async fn distrust(&self, shared: &Shared, partition: u16, track: &mut Track) -> Result<bool, String> {
        let Some(newest) = track.newest() else { return Ok(false) };
        let age = i64::try_from(shared.streams.input.max_age.as_nanos()).unwrap_or(i64::MAX);
        let known = Known {
            stream_created: newest.stream_created,
            sequence: newest.sequence,
            id: newest.id,
            stored_at: Some(newest.stored_at),
            kept_until: newest.stored_at.saturating_add(age),
        };
        let identity = lookup::identity(&self.link.jetstream, DEX_IN).await.map_err(|e| e.to_string())?;
        let loss = distrust::compare(&self.link.jetstream, DEX_IN, &identity, &known, shared.clock.now().0)
            .await
            .map_err(|error| error.to_string())?;
        let Some(loss) = loss else { return Ok(false) };
        StreamRolledBack { partition, why: loss.as_str() }.emit();
        track.forget();
        shared.progress.passed(partition, Place::default());
        shared.progress.input_lost();
        Ok(true)
    }

    /// Looks now and then whether the stream, which may seem well, is still the one that we know: a
    /// purge tells nobody.
    async fn look(&mut self, shared: &Shared, partition: u16, track: &mut Track) {
        self.looked = Instant::now();
        // What keeps the broker from telling ends the intake as well, if it lasts.
        match tokio::time::timeout(LOOK_WITHIN, self.distrust(shared, partition, track)).await {
            Ok(Ok(false)) => {}
            Ok(Ok(true)) => self.intake = None,
            Ok(Err(error)) => tracing::debug!(partition, %error, "the input could not be looked at"),
            Err(_) => tracing::debug!(partition, "the input could not be looked at in time"),
        }
    }

    /// True when the server has nothing more for this partition and everything it sent was taken: every
    /// message stored before this call was read. False when that cannot be told.
    pub async fn drained(&mut self, partition: u16) -> bool {
        let Some(intake) = self.intake.as_mut() else {
            return false;
        };
        match intake.info().await {
            Ok(info) => {
                self.blind = false;
                info.pending == 0 && info.delivered_consumer_sequence == intake.taken()
            }
            Err(error) => {
                // Asked several times a second while a deadline is due: said once.
                if !std::mem::replace(&mut self.blind, true) {
                    tracing::warn!(partition, %error, "the broker does not tell how far the input was read: deadlines wait");
                }
                false
            }
        }
    }
}
