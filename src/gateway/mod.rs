//! The REST gateway: the exchange over HTTP, for HATs and clients of the original API and for its own.
//!
//! It is only a client of the protocol: whatever it does it says in signed messages and asks in queries, like any
//! stranger's program (`link`). A HAT's word is passed on by `bridge:<origin>`, an account's by the account's own parties.

pub mod accounts;
pub mod admin;
pub mod caller;
pub mod compat;
pub mod console;
pub mod cors;
pub mod desk;
pub mod endpoint;
pub mod etag;
pub mod fault;
pub mod guard;
pub mod hat_token;
pub mod limit;
pub mod link;
pub mod live;
pub mod offer_token;
pub mod once;
pub mod openapi;
pub mod page;
pub mod pins;
pub mod rest;
pub mod role;
pub mod routes;
pub mod server;
pub mod settings;
pub mod vault;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use tokio_util::sync::CancellationToken;

use crate::bridge::Onboarding;
use crate::bridge::hat::Door;
use crate::client::{Client, ClientError, ClientOptions, ids, keys};
use crate::domain::id::IdError;
use crate::domain::{Address, Key};
use crate::nats::Credentials;

use accounts::Accounts;
use accounts::lockout::Lockout;
use accounts::password::Passwords;
use accounts::store::Kept;
use desk::Desk;
use limit::Limits;
use link::Link;
use once::Once;
use pins::Pins;
use settings::Settings;
use vault::Vault;

/// How often what has ended is forgotten: tokens, callers that were counted.
const SWEEP: Duration = Duration::from_secs(60);
/// How long a call of the exchange may take.
const CALL_WITHIN: Duration = Duration::from_secs(10);
/// Messages of the gateway that wait for their first outcome.
const WINDOW: usize = 1024;

/// The gateway's parts, shared by all requests.
pub struct Gateway {
    /// What it is told.
    pub settings: Settings,
    /// The way to the exchange.
    pub link: Link,
    /// Who may log in.
    pub accounts: Accounts,
    /// Passwords, a few at a time.
    pub passwords: Passwords,
    /// Failed logins.
    pub lockout: Lockout,
    /// Figures for everybody.
    pub public: compat::Public,
    /// Deliveries under offers that wait for their receipts.
    pub desk: Desk,
    /// The way to HATs that are to be registered.
    pub onboarding: Onboarding,
    /// Onboardings of each address.
    pub onboard_limits: Limits,
    /// Figures as they change.
    pub live: live::Hub,
    /// Pinned keys of HATs.
    pub pins: Pins,
    /// Idempotency keys.
    pub once: Once,
    /// Requests of each account and HAT.
    pub limits: Limits,
    /// Requests of each address.
    pub address_limits: Limits,
}

/// Where the exchange is.
#[derive(Debug)]
pub struct Exchange {
    /// Its broker.
    pub url: String,
    /// How to prove to the broker who we are.
    pub credentials: Credentials,
    /// Its origin.
    pub origin: String,
    /// Its key.
    pub key: Key,
}

/// Why the gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The exchange cannot be reached.
    #[error("the exchange: {0}")]
    Exchange(#[from] ClientError),
    /// A key file of the state folder.
    #[error(transparent)]
    Key(#[from] keys::KeyFileError),
    /// The accounts.
    #[error(transparent)]
    Accounts(#[from] accounts::AccountError),
    /// What TLS to HATs needs of the system is not there.
    #[error("the HTTP client for HATs: {0}")]
    Door(#[from] reqwest::Error),
    /// An address cannot be bound.
    #[error("{at} cannot be bound: {source}")]
    Bind {
        /// Which.
        at: String,
        /// Why.
        source: std::io::Error,
    },
}

/// The address of the daemon's own bridge.
///
/// # Errors
/// When the origin is no id, which the configuration's check has excluded.
pub fn bridge_of(origin: &str) -> Result<Address, IdError> {
    format!("bridge:{origin}").parse()
}

/// A running gateway.
pub struct Running {
    server: ServerHandle,
    admin: ServerHandle,
    gateway: Arc<Gateway>,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Running {
    /// Ends it; requests that are being answered have 2 s.
    pub async fn stop(self) {
        // They never end by themselves, and would be waited for.
        self.gateway.live.close();
        self.admin.stop(true).await;
        self.server.stop(true).await;
    }
}

/// Starts the gateway on this actix system.
///
/// # Errors
/// [`StartError`] when something that it needs is not there.
pub async fn start(settings: Settings, exchange: Exchange, stop: CancellationToken) -> Result<Running, StartError> {
    let bridge = bridge_of(&exchange.origin).map_err(ClientError::from)?;
    let mut options = ClientOptions::new(exchange.url, bridge).signer(vault::bridge(&settings.state)?);
    options.credentials = exchange.credentials;
    options.origin = Some(exchange.origin);
    options.dex_key = Some(exchange.key);
    options.call_deadline = CALL_WITHIN;
    options.window = WINDOW;
    let client = Client::connect(options).await?;
    let (bridge_client, door) = (client.clone(), Door::new(&settings.door)?);
    let accounts = Accounts::open(&settings.state)?;
    let gateway = Arc::new(Gateway {
        link: Link::new(client, Vault::open(&settings.state)?, settings.admin),
        once: Once::new(accounts.once()?),
        accounts,
        passwords: Passwords::new(settings.logins)?,
        lockout: Lockout::default(),
        public: compat::Public::default(),
        desk: Desk::default(),
        onboarding: Onboarding::new(bridge_client, door, compat::hats::AT_ONCE),
        onboard_limits: Limits::new(compat::hats::RATE),
        live: live::Hub::default(),
        pins: Pins::default(),
        limits: Limits::new(settings.rate),
        address_limits: Limits::new(settings.address_rate),
        settings,
    });
    let bind = |source| StartError::Bind { at: format!("gateway.listen {}", gateway.settings.listen), source };
    let (server, address) = server::serve(&gateway).map_err(bind)?;
    let handle = server.handle();
    actix_web::rt::spawn(server);
    let socket = gateway.settings.state.join(admin::SOCKET).display().to_string();
    let admin = admin::serve(&gateway).map_err(|source| StartError::Bind { at: socket, source })?;
    let admin_handle = admin.handle();
    actix_web::rt::spawn(admin);
    actix_web::rt::spawn(sweep(Arc::clone(&gateway), stop.clone()));
    actix_web::rt::spawn(live::sample(Arc::clone(&gateway), stop));
    Ok(Running { server: handle, admin: admin_handle, gateway, address })
}

async fn sweep(gateway: Arc<Gateway>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(SWEEP) => {}
            () = stop.cancelled() => return,
        }
        gateway.limits.sweep();
        gateway.address_limits.sweep();
        gateway.onboard_limits.sweep();
        let dead = gateway.once.sweep(ids::now());
        if !dead.is_empty() && gateway.keep(Kept::Drop(dead)).await.is_err() {
            tracing::warn!("idempotency keys that have expired stay on disk until the next start");
        }
        let sweeper = Arc::clone(&gateway);
        match tokio::task::spawn_blocking(move || sweeper.accounts.sweep(ids::now())).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::error!(%error, "tokens that have ended could not be dropped"),
            Err(error) => tracing::error!(%error, "dropping tokens that have ended has died"),
        }
    }
}
