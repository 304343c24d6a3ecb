//! Where collected records go. Whatever it is: kept on disk before the receipt leaves, done with after its outcome.

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::files::Files;
use super::piece::{Content, Piece};
use super::postgres::Postgres;
use crate::domain::{MessageId, Timestamp};

/// The sink cannot go on. What it was told before is kept.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SinkError(pub String);

/// What became of a delivery that was to be kept.
#[derive(Debug)]
pub enum Turn {
    /// It is kept, now or from before, and wants its receipt.
    Kept(Box<Piece>),
    /// It was done with before.
    Done,
    /// The sink will never take it, for this reason.
    Refused(String),
}

/// The sinks.
pub enum Sink {
    /// JSON Lines or CSV.
    Files(Box<Files>),
    /// A table.
    Postgres(Box<Postgres>),
}

impl Sink {
    /// What was kept before and not done with.
    pub fn unresolved(&mut self) -> Vec<Piece> {
        match self {
            Sink::Files(files) => files.unresolved(),
            Sink::Postgres(postgres) => postgres.unresolved(),
        }
    }

    /// Whether a delivery is done with.
    ///
    /// # Errors
    /// [`SinkError`].
    pub async fn is_done(&mut self, id: Uuid, stop: &CancellationToken) -> Result<bool, SinkError> {
        match self {
            Sink::Files(files) => Ok(files.is_done(id)),
            Sink::Postgres(postgres) => postgres.is_done(id, stop).await,
        }
    }

    /// Keeps deliveries; they are on disk when this returns. A verdict on each.
    ///
    /// # Errors
    /// [`SinkError`].
    pub async fn store(
        &mut self,
        incoming: Vec<(Piece, Content)>,
        stop: &CancellationToken,
    ) -> Result<Vec<Turn>, SinkError> {
        match self {
            Sink::Files(files) => files.store(incoming),
            Sink::Postgres(postgres) => postgres.store(incoming, stop).await,
        }
    }

    /// The next receipt of a delivery leaves under this id.
    ///
    /// # Errors
    /// [`SinkError`].
    pub async fn again(&mut self, id: Uuid, receipt: MessageId, stop: &CancellationToken) -> Result<(), SinkError> {
        match self {
            Sink::Files(files) => files.again(id, receipt),
            Sink::Postgres(postgres) => postgres.again(id, receipt, stop).await,
        }
    }

    /// These have settled, and these have ended otherwise; how many records have come to stay.
    ///
    /// # Errors
    /// [`SinkError`].
    pub async fn done(
        &mut self,
        settled: &[Uuid],
        dropped: &[Uuid],
        now: Timestamp,
        stop: &CancellationToken,
    ) -> Result<u64, SinkError> {
        match self {
            Sink::Files(files) => files.done(settled, dropped, now),
            Sink::Postgres(postgres) => postgres.done(settled, dropped, stop).await,
        }
    }

    /// Where a large content lies until it is taken.
    pub fn large(&self) -> &std::path::Path {
        match self {
            Sink::Files(files) => files.large(),
            Sink::Postgres(postgres) => postgres.large(),
        }
    }
}
