//! The configuration as the parts of the daemon want it.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::bundles::Bundles;
use crate::actors::large::LargeBounds;
use crate::actors::shared::Bounds;
use crate::config::{Config, Signatures};
use crate::domain::{Address, Id, Key, Kind, Limits};
use crate::gateway::link;
use crate::gateway::vault::Vault;
use crate::ledger;
use crate::nats::streams::{InLimits, OutLimits};
use crate::nats::{Connect, Credentials, EmbeddedOptions, WebSocketOptions};

/// Bytes of the state bucket: it holds one checkpoint.
pub const STATE_BYTES: i64 = 1 << 20;

fn given(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// Options of the embedded broker; `None` when an address is configured.
pub fn embedded(config: &Config, state: &Path) -> Option<EmbeddedOptions> {
    if given(&config.nats.url).is_some() {
        return None;
    }
    let embedded = &config.nats.embedded;
    let mut options = EmbeddedOptions::new(state.join("nats"));
    options.binary = given(&embedded.binary).map(PathBuf::from);
    options.host.clone_from(&embedded.host);
    options.port = embedded.port;
    options.sync_interval = Some(embedded.sync_interval.0);
    options.threads = std::num::NonZeroUsize::new(embedded.threads);
    let websocket = &embedded.websocket;
    options.websocket =
        websocket.enabled.then(|| WebSocketOptions { listen: websocket.listen, origins: websocket.origins.clone() });
    Some(options)
}

/// How to connect.
///
/// # Errors
/// When the seed file cannot be read.
pub fn connect(config: &Config, url: &str) -> anyhow::Result<Connect> {
    let mut connect = Connect::new(url, format!("dex {}", config.exchange.origin));
    connect.credentials = match (given(&config.nats.credentials_file), given(&config.nats.nkey_seed_file)) {
        (Some(file), _) => Credentials::CredsFile(file.into()),
        (None, Some(file)) => {
            let seed = std::fs::read_to_string(file).with_context(|| format!("nats.nkey_seed_file {file}"))?;
            Credentials::NkeySeed(seed.trim().to_owned())
        }
        (None, None) => Credentials::None,
    };
    Ok(connect)
}

/// Limits of the input stream.
pub fn in_limits(config: &Config) -> InLimits {
    InLimits {
        partitions: u32::from(config.exchange.partitions),
        max_bytes: config.streams.in_max_bytes,
        max_age: config.streams.in_max_age.0,
        replicas: 1,
    }
}

/// Limits of the output stream.
pub fn out_limits(config: &Config) -> OutLimits {
    OutLimits {
        max_bytes: config.streams.out_max_bytes,
        max_age: config.streams.out_max_age.0,
        max_consumers: config.streams.out_max_consumers,
        replicas: 1,
    }
}

/// The buckets of large content, and how it is moved; none when it is off.
pub fn large(config: &Config) -> Option<LargeBounds> {
    let large = &config.large;
    large.enabled.then_some(LargeBounds {
        transfers: large.transfers,
        store_bytes: large.store_bytes,
        keep_uploads: large.keep_uploads.0,
        keep_deliveries: config.streams.out_max_age.0,
    })
}

/// In steps of how many HATs public figures are told; none when no statistics are kept.
pub fn statistics(config: &Config) -> Option<u32> {
    config.statistics.enabled.then_some(config.statistics.k)
}

/// Options of the ledger.
pub fn ledger(config: &Config, state: &Path) -> ledger::Options {
    let mut options = ledger::Options::new(state, config.exchange.origin.clone());
    options.segment_bytes = config.ledger.segment_bytes;
    options.spool_segment_bytes = config.ledger.spool_segment_bytes;
    options.reserve_bytes = config.ledger.reserve_bytes;
    options
}

/// Bounds of messages and entities.
pub fn limits(config: &Config) -> Limits {
    let limits = &config.limits;
    Limits {
        body_bytes: limits.body_bytes,
        header_bytes: limits.header_bytes,
        depth: limits.depth,
        records: limits.records,
        id_back: limits.id_back.nanos(),
        id_ahead: limits.id_ahead.nanos(),
        deadline_default: limits.deadline_default.nanos(),
        deadline_min: limits.deadline_min.nanos(),
        deadline_max: limits.deadline_max.nanos(),
        open_per_hat: limits.open_per_hat,
        messages_per_minute: limits.messages_per_minute,
        claim_lapse: limits.claim_lapse.nanos(),
        connecting_again: limits.connecting_again.nanos(),
        notices_per_hour: limits.notices_per_hour,
        four_eyes: limits.four_eyes,
        large_bytes: if config.large.enabled { limits.large_content_bytes } else { 0 },
        large_per_hat: limits.large_per_hat_bytes,
        ..Limits::default()
    }
}

/// The maker of trust bundles.
pub fn bundles(config: &Config) -> Bundles {
    Bundles::new(config.trust.bundle_life.nanos(), config.trust.bundle_bytes)
}

/// Bounds of the actors.
pub fn bounds(config: &Config) -> Bounds {
    let actors = &config.actors;
    Bounds {
        batch: actors.batch,
        linger: actors.linger.0,
        live: actors.live,
        idle: actors.idle.0,
        restarts_per_minute: actors.restarts_per_minute,
        quarantine: actors.quarantine.0,
        redelivery_first: config.dispatch.redelivery_first.0,
        redelivery_max: config.dispatch.redelivery_max.0,
        notices_per_second: config.dispatch.notices_per_second,
        snapshot_interval: config.snapshot.interval.0,
        snapshot_entries: config.snapshot.entries,
        tail_entries: config.snapshot.entries_max,
        ..Bounds::default()
    }
}

/// Threads for partitions.
pub fn arbiters(config: &Config) -> usize {
    match config.actors.arbiters {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        some => some,
    }
    .min(usize::from(config.exchange.partitions))
}

/// Whether the broker's authentication stands for signatures.
pub fn trusted_broker(config: &Config) -> bool {
    config.exchange.signatures == Signatures::TrustedBroker
}

/// Who the configuration stands for, with their keys: its operators, the gateway's own when its admins act as one, and
/// the daemon's bridge when anything of it speaks for HATs.
///
/// # Errors
/// When a name is no id, which the configuration's check has excluded, or a key cannot be read.
pub fn declared(config: &Config) -> anyhow::Result<Vec<(Address, Vec<Key>)>> {
    let named = |name: &str| anyhow::Ok(Address::new(Kind::Operator, Id::new(name)?));
    let listed = config.operator.iter().map(|operator| Ok((named(&operator.name)?, operator.keys.clone())));
    let mut operators: Vec<(Address, Vec<Key>)> = listed.collect::<anyhow::Result<_>>()?;
    if config.gateway.enabled && config.gateway.admin {
        let vault = Vault::open(Path::new(&config.exchange.state_dir)).context("the gateway's key")?;
        let own = link::operator();
        let key = vault.signer(&own).public();
        operators.push((own, vec![key]));
    }
    if config.gateway.enabled || config.bridge.enabled {
        let key = super::carry::key(Path::new(&config.exchange.state_dir))?;
        operators.push((super::carry::address(config)?, vec![key.public()]));
    }
    Ok(operators)
}
