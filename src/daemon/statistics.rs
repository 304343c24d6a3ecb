//! Statistics at the start, and their gauges while the daemon runs.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use crate::actors::shared::{Shared, sealed};
use crate::domain::plug::Plug;
use crate::domain::plug::health::Standing as Health;
use crate::domain::statistics::{Stand, Statistics, Window};
use crate::domain::{Kind, RegistryView as _, Standing};
use crate::store::{Sealed, StoreError, load};
use crate::telemetry::{PlugGauge, PlugGauges, statistics_gauges, window_gauges};

/// How often gauges are set.
const EVERY: Duration = Duration::from_secs(5);
/// Most plugs that are looked at for their health.
const PLUGS_MAX: usize = 1_000;

/// Puts the statistics where the ledger is: those on disk, completed from the ledger where they are of fewer entries or
/// told in other steps, and the entries that are not in rows yet. `kept`: in steps of how many HATs; none: not kept.
///
/// # Errors
/// When database or ledger cannot be read.
pub fn begin(shared: &Shared, kept: Option<u32>, recent: &[Arc<Sealed>]) -> anyhow::Result<()> {
    let Some(k) = kept else {
        shared.db.keep_no_statistics();
        return Ok(());
    };
    let through = shared.db.known_through();
    let stored = match shared.db.stored_statistics() {
        Ok(stored) => stored,
        // Nothing is lost: the ledger has all of it.
        Err(error @ StoreError::Decode { .. }) => {
            tracing::warn!(%error, "the statistics on disk cannot be read and are made anew");
            None
        }
        Err(error) => return Err(error).context("those on disk"),
    };
    let stored = stored.filter(|it| it.catalogue().k() == k && it.through() <= through);
    let whole = stored.as_ref().is_some_and(|it| it.through() == through);
    let mut statistics = stored.unwrap_or_else(|| Statistics::new(k));
    if !whole {
        let from = statistics.through();
        if from < through {
            tracing::info!(from, through, "the statistics are made from the ledger");
        }
        for stored in shared.reader.scan(from) {
            let stored = stored?;
            if stored.leaf >= through {
                break;
            }
            let sealed = sealed(shared, stored)?;
            statistics.apply(sealed.leaf, sealed.committed, &sealed.entry);
        }
        statistics.reach(through);
        shared.db.replace_statistics(&statistics).context("those on disk")?;
    }
    for sealed in recent {
        statistics.apply(sealed.leaf, sealed.committed, &sealed.entry);
    }
    let stand = Stand { tree_size: shared.reader.tree_size(), checkpoint: shared.reader.checkpoint() };
    statistics.reach(stand.tree_size);
    shared.statistics.begin(statistics, stand);
    Ok(())
}

/// Sets the gauges every few seconds until told to stop.
pub async fn gauges(shared: Arc<Shared>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut plugs = PlugGauges::default();
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = stop.cancelled() => return,
        }
        windows(&shared);
        let look = Arc::clone(&shared);
        // Their states are read from disk.
        match tokio::task::spawn_blocking(move || health(&look)).await {
            Ok(found) => plugs.set(found),
            Err(error) => tracing::error!(%error, "the health of plugs cannot be shown"),
        }
    }
}

fn windows(shared: &Shared) {
    let now = shared.clock.now();
    for window in Window::ALL {
        // One after the other, so that entries need not wait for all.
        if let Some(bucket) = shared.statistics.look(|mut look| look.window(window, now)) {
            window_gauges(window, &bucket);
        }
    }
    let sizes = shared.statistics.look(|look| {
        let catalogue = look.statistics().catalogue();
        (catalogue.endpoints().len(), catalogue.fields(), look.statistics().through())
    });
    if let Some((endpoints, fields, through)) = sizes {
        statistics_gauges(endpoints, fields, shared.reader.tree_size().saturating_sub(through));
    }
}

/// How each approved plug does, in order of their names.
fn health(shared: &Shared) -> Vec<(String, PlugGauge)> {
    let now = shared.clock.now();
    let mut plugs = shared.registry.of_kind(Kind::Plug);
    plugs.retain(|plug| shared.registry.registration(plug).is_some_and(|it| it.standing == Standing::Active));
    plugs.sort_unstable();
    plugs.truncate(PLUGS_MAX);
    let mut found = Vec::with_capacity(plugs.len());
    for address in plugs {
        let plug: Plug = match load(&shared.db, &shared.tail, &address) {
            Ok(plug) => plug,
            Err(error) => {
                tracing::debug!(%error, "the health of a plug cannot be read");
                continue;
            }
        };
        let healthy = matches!(plug.standing(now), Health::Healthy | Health::Unknown);
        found.push((address.id.as_str().to_owned(), PlugGauge { healthy, lag: plug.health.lag_seconds.unwrap_or(0) }));
    }
    found
}
