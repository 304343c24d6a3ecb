//! What a client is told at connect: where the exchange is, who speaks, and its default deadlines.

use std::time::Duration;

use crate::domain::{Address, Key};
use crate::nats::Credentials;
use crate::wire::Signer;

/// How to reach an exchange, and as whom.
#[derive(Debug)]
pub struct ClientOptions {
    /// One NATS address or several, separated by commas: `nats://host:4222`.
    pub url: String,
    /// How to prove to the broker who we are. Not the party's signature, which every message carries.
    pub credentials: Credentials,
    /// The party that speaks.
    pub party: Address,
    /// Its key. Without one the client can read and ask, and send nothing.
    pub signer: Option<Signer>,
    /// The exchange's origin. `None`: asked of `dex.v1.api.health` at connect, and kept.
    pub origin: Option<String>,
    /// The exchange's key, to verify what it sends. `None`: asked of `dex.v1.api.health` at connect and
    /// kept for the life of the client (trust on first use: name the key where that is not enough).
    pub dex_key: Option<Key>,
    /// How long a call waits for its first outcome.
    pub call_deadline: Duration,
    /// How long the first connect is tried.
    pub connect_deadline: Duration,
    /// Most messages of this connection that wait for their first outcome; further calls wait for room.
    pub window: usize,
}

/// Default of [`ClientOptions::call_deadline`].
pub const CALL_DEADLINE: Duration = Duration::from_secs(15);
/// Default of [`ClientOptions::connect_deadline`].
pub const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// Default of [`ClientOptions::window`].
pub const WINDOW: usize = 4096;

impl ClientOptions {
    /// `party` at the exchange behind `url`, with the defaults: no broker credentials, no signer, origin
    /// and key asked of the exchange.
    pub fn new(url: impl Into<String>, party: Address) -> Self {
        ClientOptions {
            url: url.into(),
            credentials: Credentials::None,
            party,
            signer: None,
            origin: None,
            dex_key: None,
            call_deadline: CALL_DEADLINE,
            connect_deadline: CONNECT_DEADLINE,
            window: WINDOW,
        }
    }

    /// Signs with this key.
    #[must_use]
    pub fn signer(mut self, signer: Signer) -> Self {
        self.signer = Some(signer);
        self
    }

    /// Expects this origin.
    #[must_use]
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origin = Some(origin.into());
        self
    }

    /// Takes messages for the exchange's only when signed with this key.
    #[must_use]
    pub fn dex_key(mut self, key: Key) -> Self {
        self.dex_key = Some(key);
        self
    }

    /// Waits so long for a first outcome.
    #[must_use]
    pub fn call_deadline(mut self, deadline: Duration) -> Self {
        self.call_deadline = deadline;
        self
    }
}
