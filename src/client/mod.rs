//! The Rust client of an exchange: what HATs, plugs, apps, organisations and our own verbs speak with.
//!
//! Every call has a deadline; a message is repeated under the same `Dex-Id` until its first outcome
//! comes. What arrives is verified and handed out once.
//!
//! ```no_run
//! use std::path::Path;
//! use dex::client::{Client, ClientOptions, keys};
//! use dex::domain::Id;
//! use futures_util::StreamExt;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // A plug writes into a HAT that has connected it.
//! let key = keys::load(Path::new("facebook.key"))?;
//! let options = ClientOptions::new("nats://127.0.0.1:4222", "plug:facebook".parse()?).signer(key);
//! let plug = Client::connect(options).await?;
//! let bob = Id::new("bob.hubat.net")?;
//! let outcome = plug.credit(&bob, r#"[{"endpoint":"facebook/feed","data":{"message":"hi"}}]"#).await?;
//! println!("{} is {}", outcome.outcome.exchange, outcome.outcome.status);
//!
//! // The HAT takes it and says so.
//! let key = keys::load(Path::new("bob.key"))?;
//! let hat = plug.speaking("hat:bob.hubat.net".parse()?, key);
//! let mut deliveries = hat.deliveries().await?;
//! if let Some(delivery) = deliveries.next().await.transpose()? {
//!     println!("{} records from {}", delivery.count, delivery.source);
//!     delivery.accept().await?;
//! }
//! # Ok(())
//! # }
//! ```

pub mod error;
pub mod finals;
mod headers;
mod hub;
pub mod ids;
pub mod inbox;
mod jobs;
pub mod keys;
pub mod large;
pub mod options;
pub mod order;
pub mod orders;
mod send;
mod trust;
mod waiting;

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::domain::{Address, Key, MessageId};
use crate::wire::Signer;
use crate::wire::received::Trust;

pub use error::{ClientError, Refusal};
pub use finals::Conclusion;
pub use inbox::accept::{Deliveries, accept_all};
pub use inbox::consumer::Topic;
pub use inbox::{Delivery, Inbox, InboxOptions, Item, Recall, Request};
pub use jobs::{Jobs, Leased};
pub use options::ClientOptions;
pub use order::{Deadline, Order};

use hub::Hub;

/// Who speaks.
struct Voice {
    party: Address,
    signer: Option<Signer>,
}

/// One party's voice over a connection. Cheap to clone; a connection may carry many parties.
#[derive(Clone)]
pub struct Client {
    hub: Arc<Hub>,
    voice: Arc<Voice>,
    finals: Arc<OnceCell<finals::Finals>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({} at {})", self.voice.party, self.hub.origin)
    }
}

impl Client {
    /// Connects to an exchange as one party.
    ///
    /// # Errors
    /// [`ClientError::Connect`] when the broker cannot be reached or does not let us in;
    /// [`ClientError::NoAnswer`] when the exchange behind it must be asked who it is and does not answer.
    pub async fn connect(options: ClientOptions) -> Result<Self, ClientError> {
        let hub = Arc::new(Hub::open(&options).await?);
        let voice = Voice { party: options.party, signer: options.signer };
        Ok(Client { hub, voice: Arc::new(voice), finals: Arc::default() })
    }

    /// Another party (or key) over the same connection and window.
    #[must_use]
    pub fn speaking(&self, party: Address, signer: Signer) -> Self {
        let voice = Voice { party, signer: Some(signer) };
        Client { hub: Arc::clone(&self.hub), voice: Arc::new(voice), finals: Arc::default() }
    }

    /// Like a clone, without the kept final outcomes: for tasks that these outlive.
    fn apart(&self) -> Self {
        Client { hub: Arc::clone(&self.hub), voice: Arc::clone(&self.voice), finals: Arc::default() }
    }

    /// Who this client speaks for.
    pub fn party(&self) -> &Address {
        &self.voice.party
    }

    /// The exchange's origin.
    pub fn origin(&self) -> &str {
        &self.hub.origin
    }

    /// The keys that the exchange is known by: the given one, or those pinned at connect.
    pub fn dex_keys(&self) -> &[Key] {
        &self.hub.keys
    }

    /// On whose word this client takes messages for the exchange's: its keys', or the broker's where the
    /// exchange signs nothing and said so when it was asked for its keys.
    pub fn trust(&self) -> Trust<'_> {
        if self.hub.trusted_broker { Trust::Broker } else { Trust::Keys(&self.hub.keys) }
    }

    /// The public key that this client signs with.
    ///
    /// # Errors
    /// [`ClientError::NoSigner`].
    pub fn key(&self) -> Result<Key, ClientError> {
        let signer = self.voice.signer.as_ref().ok_or(ClientError::NoSigner)?;
        Ok(signer.public())
    }

    /// A fresh message id, greater than every one before it on this connection.
    pub fn message_id(&self) -> MessageId {
        self.hub.ids.next(ids::now().unix_ms(), &mut rand::thread_rng())
    }

    /// Asks `dex.v1.api.<call>`; `body` is JSON or empty.
    ///
    /// # Errors
    /// [`ClientError::Problem`] when the exchange says no, [`ClientError::NoAnswer`] when nothing came.
    pub async fn query(&self, call: &str, body: impl Into<Bytes>) -> Result<Value, ClientError> {
        self.hub.query(call, body.into()).await
    }

    /// Messages of this connection that wait for their first outcome.
    pub fn waiting(&self) -> usize {
        self.hub.waiting.len()
    }
}
