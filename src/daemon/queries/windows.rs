//! `stats.window`, `stats.series`, and the signed broadcast of the windows.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use crate::actors::shared::Shared;
use crate::domain::statistics::{self, Window};
use crate::nats::header_map;
use crate::wire::{Problem, statistics as signed, subject};

use super::ask::{Answer, not_found, question};

/// How often statistics are broadcast.
const EVERY: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    window: Option<Window>,
}

/// None are kept.
pub fn off() -> Problem {
    not_found("this exchange keeps no statistics: statistics.enabled is false".to_owned())
}

/// What happened within a rolling window, `5m` when none is named.
pub fn window(shared: &Shared, body: &[u8]) -> Answer {
    let Question { window } = question(body)?;
    let (of, at) = (window.unwrap_or(Window::FiveMinutes), shared.clock.now());
    let found = shared.statistics.look(|mut look| (look.window(of, at), look.stand().clone()));
    let (bucket, stand) = found.ok_or_else(off)?;
    Ok(statistics::window(of, at, &bucket, &stand))
}

/// The same, slot by slot.
pub fn series(shared: &Shared, body: &[u8]) -> Answer {
    let Question { window } = question(body)?;
    let (copy, stand) = shared.statistics.copy().ok_or_else(off)?;
    Ok(statistics::series(&copy, window.unwrap_or(Window::FiveMinutes), shared.clock.now(), &stand))
}

/// Broadcasts all windows until told to stop.
pub async fn broadcast(shared: Arc<Shared>, client: async_nats::Client, stop: CancellationToken) {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let topic = subject::broadcast("stats");
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = stop.cancelled() => return,
        }
        let at = shared.clock.now();
        let told = shared.statistics.look(|mut look| {
            let windows: Vec<_> = Window::ALL.into_iter().map(|of| (of, look.window(of, at))).collect();
            let k = look.statistics().catalogue().k();
            statistics::broadcast(&shared.origin, at, &windows, k, look.stand())
        });
        let Some(told) = told else { continue };
        let body = told.to_string();
        let headers = header_map(&signed::headers(&shared.signer, &shared.origin, body.as_bytes()));
        if let Err(error) = client.publish_with_headers(topic.clone(), headers, body.into()).await {
            tracing::debug!(%error, "statistics were not broadcast");
        }
    }
}
