//! The daemon: puts the layers together, starts them in order, stops them in order.

mod broker;
pub mod bundles;
mod carry;
mod housekeeping;
mod identity;
mod purge;
pub mod queries;
mod running;
mod settings;
mod statistics;
pub mod watchdog;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use sd_notify::NotifyState;

pub use running::{Extras, Running};

use crate::config::Config;

/// How long a stop may take before what is left is left to the next start.
const STOP_WITHIN: Duration = Duration::from_secs(20);
/// The signal of a write beyond a limit on file sizes, on Linux.
const SIGXFSZ: i32 = 25;
/// Exit code of a failed write or sync (`EX_TEMPFAIL`): a restart reads what is on disk.
pub const EXIT_WRITE_FAILED: u8 = 75;

/// Runs the daemon until SIGTERM or SIGINT. `file` is read again on SIGHUP.
///
/// # Errors
/// When it cannot start; the message says what to do.
pub async fn run(config: Config, file: Option<&Path>) -> anyhow::Result<ExitCode> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be caught")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be caught")?;
    let mut hangup = signal(SignalKind::hangup()).context("SIGHUP cannot be caught")?;
    // Without a handler a write beyond a limit on file sizes kills the process instead of failing.
    let _file_size = signal(SignalKind::from_raw(SIGXFSZ)).context("SIGXFSZ cannot be caught")?;

    let mut running = tokio::select! {
        started = Running::start(config, Extras::default()) => started?,
        _ = terminate.recv() => return Ok(ExitCode::SUCCESS),
        _ = interrupt.recv() => return Ok(ExitCode::SUCCESS),
    };
    watchdog::notify(&[NotifyState::Ready]);
    let pings = watchdog::start(&running.shared().health);
    tracing::info!(
        nats = running.nats_url(),
        websocket = running.websocket_url(),
        http = %running.http_address(),
        gateway = running.gateway_address().map(tracing::field::display),
        console = running.console().map(tracing::field::display),
        tree_size = running.shared().reader.tree_size(),
        "ready"
    );
    let code = loop {
        tokio::select! {
            _ = terminate.recv() => break ExitCode::SUCCESS,
            _ = interrupt.recv() => break ExitCode::SUCCESS,
            _ = hangup.recv() => {
                watchdog::reloading();
                running.reload(file);
                watchdog::notify(&[NotifyState::Ready]);
            }
            fatal = running.fatal() => {
                tracing::error!(%fatal, "stopping at once: nothing more can be recorded");
                break ExitCode::from(EXIT_WRITE_FAILED);
            }
        }
    };
    if let Some(pings) = pings {
        pings.abort();
    }
    watchdog::notify(&[NotifyState::Stopping]);
    let hard = code != ExitCode::SUCCESS;
    if hard {
        // No further write is tried: the restart reads what is there and cuts what was not durable.
        running.abandon();
        return Ok(code);
    }
    if !running.stop(STOP_WITHIN).await {
        tracing::warn!("not everything was drained in time; the next start goes on from the ledger");
    }
    Ok(code)
}
