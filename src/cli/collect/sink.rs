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

/// Deliveries that are done with, by how they ended.
#[derive(Debug, Default)]
pub struct Ended {
    /// Settled: their records stay.
    pub settled: Vec<Uuid>,
    /// It cannot be told: their records stay.
    pub untold: Vec<Uuid>,
    /// Otherwise: their records go.
    pub dropped: Vec<Uuid>,
}

impl Ended {
    /// Those whose records stay.
    pub fn kept(&self) -> Vec<Uuid> {
        [&self.settled[..], &self.untold[..]].concat()
    }
}

/// The next receipt of a delivery: its id, and whether one before it may have been taken.
pub type Next = (MessageId, bool);

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

    /// The next receipt of a delivery is this one, not `before`. Which it is then: that of another collector where one has
    /// been faster, and nothing where one is done with the delivery.
    ///
    /// # Errors
    /// [`SinkError`].
    pub async fn again(
        &mut self,
        id: Uuid,
        before: MessageId,
        next: Next,
        stop: &CancellationToken,
    ) -> Result<Option<Next>, SinkError> {
        match self {
            // Locked for this process alone.
            Sink::Files(files) => files.again(id, next.0, next.1).map(|()| Some(next)),
            Sink::Postgres(postgres) => postgres.again(id, before, next, stop).await,
        }
    }

    /// These are done with; how many records have come to stay.
    ///
    /// # Errors
    /// [`SinkError`].
    pub async fn done(&mut self, ended: &Ended, now: Timestamp, stop: &CancellationToken) -> Result<u64, SinkError> {
        match self {
            Sink::Files(files) => files.done(&ended.kept(), &ended.dropped, now),
            Sink::Postgres(postgres) => postgres.done(ended, stop).await,
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
