//! The bridge beside the daemon, when the configuration wants it: a client like any other.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use crate::bridge::hat::retry::Retry;
use crate::bridge::hat::secret::Source;
use crate::bridge::hat::{Account, Door, DoorOptions};
use crate::bridge::{BridgeOptions, run};
use crate::client::{Client, ClientOptions};
use crate::config::Config;
use crate::domain::Address;
use crate::http::resolve::Fixed;
use crate::nats::Connect;
use crate::telemetry::Health;
use crate::wire::Signer;

/// Pause before the bridge is started again after it could not connect.
const AGAIN: Duration = Duration::from_secs(2);

/// Rules for the way out to HATs.
///
/// # Errors
/// A line of `bridge.resolve` that cannot be read.
pub fn door(config: &Config) -> anyhow::Result<DoorOptions> {
    let bridge = &config.bridge;
    let fixed: Result<Vec<Fixed>, String> = bridge.resolve.iter().map(|line| Fixed::parse(line)).collect();
    Ok(DoorOptions {
        plain: bridge.plain_http,
        private: bridge.private_addresses,
        fixed: fixed.map_err(anyhow::Error::msg).context("bridge.resolve")?,
        limit: bridge.timeout.0,
        connect: bridge.connect_timeout.0,
        answer_bytes: bridge.answer_bytes,
    })
}

/// What the bridge is told.
///
/// # Errors
/// A value that cannot be read.
pub fn options(config: &Config) -> anyhow::Result<BridgeOptions> {
    let bridge = &config.bridge;
    let accounts = bridge.account.iter().map(|account| {
        let password = Source::parse(&account.password)
            .map_err(|why| anyhow::anyhow!("bridge.account, domain {:?}: password {why}", account.domain))?;
        Ok(Account { domain: account.domain.clone(), username: account.username.clone(), password })
    });
    let usual = BridgeOptions::default();
    Ok(BridgeOptions {
        door: door(config)?,
        accounts: accounts.collect::<anyhow::Result<_>>()?,
        hats: bridge.hats,
        at_once: bridge.at_once,
        roster_every: bridge.roster_every.0,
        debits_every: bridge.debits_every.0,
        debits_most: bridge.debits_every_max.0,
        key_every: bridge.key_every.0,
        pauses: Retry { most: bridge.pause_max.0, first: usual.pauses.first.min(bridge.pause_max.0), ..usual.pauses },
    })
}

/// The daemon's own bridge.
///
/// # Errors
/// The origin is no id, which the configuration's check excludes.
pub fn address(config: &Config) -> anyhow::Result<Address> {
    format!("bridge:{}", config.exchange.origin).parse().context("exchange.origin")
}

/// The bridge's key, made on the first start.
///
/// # Errors
/// The file cannot be read or made.
pub fn key(state: &Path) -> anyhow::Result<Signer> {
    crate::gateway::vault::bridge(state).context("the bridge's key")
}

/// What the bridge needs to run.
pub struct Carry {
    options: BridgeOptions,
    door: Door,
    party: Address,
    signer: Signer,
}

/// Prepares the bridge; `None` when the configuration wants none.
///
/// # Errors
/// Anything that it needs is not there.
pub fn prepare(config: &Config, state: &Path) -> anyhow::Result<Option<Carry>> {
    if !config.bridge.enabled {
        return Ok(None);
    }
    let options = options(config)?;
    let door = Door::new(&options.door).context("the HTTP client of the bridge")?;
    Ok(Some(Carry { options, door, party: address(config)?, signer: key(state)? }))
}

impl Carry {
    /// Runs until told to stop; connects again until it can.
    pub async fn run(self, connect: Connect, origin: String, health: Arc<Health>, stop: CancellationToken) {
        loop {
            let mut options = ClientOptions::new(connect.url.clone(), self.party.clone());
            options.credentials = connect.credentials.clone();
            // A signer is not copied: made anew from its seed for each try.
            options.signer = Signer::from_seed_text(self.signer.seed_text().as_str()).ok();
            options.origin = Some(origin.clone());
            match Client::connect(options).await {
                Ok(bridge) => return run(bridge, self.door, self.options, health, stop).await,
                Err(error) => tracing::warn!(%error, "the bridge cannot connect, it is tried again"),
            }
            tokio::select! {
                () = tokio::time::sleep(AGAIN) => {}
                () = stop.cancelled() => return,
            }
        }
    }
}
