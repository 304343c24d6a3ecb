//! Query services.
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
/// Serves queries until told to stop.
pub async fn serve(_: Arc<crate::actors::shared::Shared>, _: crate::nats::Link, _: CancellationToken) {}
