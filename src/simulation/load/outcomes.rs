//! The plug's other half: reads what became of its credits.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Load, LoadError, reader};
use crate::nats::intake::MAX_BATCH;
use crate::wire::{received, subject};

const WHO: &str = "outcomes";

/// Books outcomes until told to stop.
///
/// # Errors
/// [`LoadError`] when the broker gives no more, or what came are no outcomes.
pub async fn run(load: Arc<Load>, stop: CancellationToken) -> Result<(), LoadError> {
    let link = load.link(WHO).await?;
    let mut reader = reader(&link, WHO, &subject::outcome(&load.crowd.plug)).await?;
    load.listens();
    while !stop.is_cancelled() {
        let batch = reader.next_batch(MAX_BATCH, Duration::ZERO).await.map_err(|e| LoadError::new(WHO, e))?;
        for message in batch {
            let outcomes = received::outcomes(&message.payload).map_err(|e| LoadError::new(WHO, e))?;
            load.books.hear(outcomes.iter().map(|out| (out.outcome.exchange.0, out.outcome.status)));
        }
    }
    Ok(())
}
