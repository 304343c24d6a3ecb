//! What a real worker acquires from a real source into the HATs of a simulation: its plug on the stage, and its side of the
//! books, from the outcomes that the exchange publishes to the plug.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Client, ClientError, Inbox, Item, Order};
use crate::domain::job::JobWord;
use crate::domain::{Id, Kind};

use super::drive::Drive;
use super::people::Person;
use super::recipient;
use super::stage::all;

/// The plug that the worker works for, and its namespace.
pub const ACQUIRER: &str = "pedometer";
/// What it acquires, below the namespace.
pub const ENDPOINT: &str = "walks";

/// The plug on a stage.
pub struct Acquirer {
    /// Who it is.
    pub person: Person,
    client: Client,
}

/// Its manifest, for a source at `address`, `host:port`.
pub fn manifest(address: &str) -> Value {
    json!({
        "description": "Reads walks from the demo's own source.",
        "url": format!("http://{address}/"),
        "endpoints": [{
            "name": ENDPOINT, "fields": { "id": "direct", "at": "quasi", "steps": "quasi" }, "refreshSeconds": 60,
        }],
        "jobs": { "leaseSeconds": 30, "perMinute": 60_000 },
        "settings": { "connectors": { ENDPOINT: {
            "kind": "http-json", "url": format!("http://{address}/{{hat}}/walks"), "records": "items", "id": "id",
            "paging": { "kind": "cursor", "path": "next", "param": "after" },
        } } },
    })
}

impl Acquirer {
    /// The plug of this seed, speaking over the connection of `beside`.
    pub fn new(seed: u64, beside: &Client) -> Self {
        let person = Person::new(seed, Kind::Plug, ACQUIRER);
        let client = beside.speaking(person.address.clone(), person.signer());
        Acquirer { person, client }
    }

    /// Registers and approves it, and connects every HAT to it. What was done by an earlier run stays.
    ///
    /// # Errors
    /// The first call that failed.
    pub async fn set(&self, drive: &Drive, operator: &Client, address: &str) -> Result<(), ClientError> {
        let key = self.client.key()?;
        let profile = json!({
            "key": key, "name": "Pedometer", "namespace": ACQUIRER, "manifest": manifest(address),
        });
        let register = Order::new(&self.person.address, &["register"], profile.to_string());
        all([(self.client.clone(), register)]).await?;
        all([(operator.clone(), Order::approve(&self.person.address, &key))]).await?;
        let id = self.person.id();
        let hats = drive.stage.cast.hats.iter();
        all(hats.map(|hat| (drive.stage.voice(&hat.person).clone(), Order::plug_connect(hat.person.id(), id)))).await
    }

    /// Reads the plug's outcomes into the books. To be opened before the worker begins.
    ///
    /// # Errors
    /// As [`Client::inbox`].
    pub async fn listen(&self, drive: &Arc<Drive>) -> Result<tokio::task::JoinHandle<()>, ClientError> {
        let inbox = recipient::open(&self.client).await?;
        Ok(tokio::spawn(read(Arc::clone(drive), inbox)))
    }

    /// Asks for the first job of every HAT now, not within the minute that the exchange spreads them over.
    pub async fn want(&self, drive: &Drive) {
        let id: &Id = self.person.id();
        let word = JobWord::wanted(Some(ENDPOINT.into()));
        let hats = drive.stage.cast.hats.iter();
        // A refusal (there is one already) is in the plug's outcomes.
        drop(all(hats.map(|hat| (self.client.clone(), Order::job(hat.person.id(), id, &word)))).await);
    }
}

async fn read(drive: Arc<Drive>, mut inbox: Inbox) {
    while let Some(item) = inbox.next().await {
        match item {
            Ok(Item::Outcomes(outcomes)) => outcomes.iter().for_each(|outcome| drive.tally.acquired(outcome)),
            Ok(_) => {}
            Err(error) => drive.tally.stray(format!("the acquiring plug: {error}")),
        }
    }
}

impl Drive {
    /// Waits until every exchange that the worker opened has ended; at most `within`. True when all have.
    pub async fn settle_acquired(&self, within: Duration) -> bool {
        let deadline = tokio::time::Instant::now() + within;
        while self.tally.acquired_open() > 0 {
            if tokio::time::Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        true
    }
}
