//! What a service manager is told (`sd_notify(3)`), and its watchdog: pinged while no part is stuck, and only then.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use tokio::task::JoinHandle;

use crate::telemetry::Health;
use crate::telemetry::health::STALE_AFTER;

/// Pings in one period of the watchdog: two may come late.
const PINGS: u32 = 3;
/// The shortest pause between pings, whatever the manager asks for.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// Starts pinging when the service manager asks for it (`WATCHDOG_USEC`). It runs on the daemon's main thread,
/// so that a hung main thread does not ping either.
pub fn start(health: &Arc<Health>) -> Option<JoinHandle<()>> {
    let period = sd_notify::watchdog_enabled()?;
    tracing::info!(?period, "the service manager's watchdog is pinged");
    let health = Arc::clone(health);
    Some(actix::spawn(async move { ping(&health, period, || notify(&[NotifyState::Watchdog])).await }))
}

/// Calls `send` three times in each `period`, for ever, but not while a part has been silent for a whole period
/// (10 s at least) without a known cause: then the manager kills and restarts the process.
pub async fn ping(health: &Health, period: Duration, send: impl Fn()) {
    let patience = period.max(STALE_AFTER);
    let mut ticks = tokio::time::interval((period / PINGS).max(PAUSE_MIN));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut well = true;
    loop {
        ticks.tick().await;
        let stuck = health.stuck(Instant::now(), patience);
        if stuck.is_empty() {
            if !well {
                tracing::info!("no part is stuck any more: the watchdog is pinged again");
            }
            send();
        } else if well {
            tracing::error!(?stuck, "parts are stuck: the watchdog is not pinged, the service manager restarts us");
        }
        well = stuck.is_empty();
    }
}

/// Says that the configuration is being read again; [`NotifyState::Ready`] ends it.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "no service manager was notified"),
    }
}

/// Tells the service manager, if there is one (`NOTIFY_SOCKET`).
pub fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "no service manager was notified");
    }
}
