//! One connection to the broker, shared by all parties that speak over it: inbox, window, ids, pinned key.

use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::domain::Key;
use crate::nats::{Connect, Link};
use crate::wire::subject;

use super::error::ClientError;
use super::ids::Ids;
use super::options::ClientOptions;
use super::waiting::{Answer, Waiting};

/// First pause before a query is repeated.
const QUERY_PAUSE: Duration = Duration::from_millis(200);
/// Messages that the inbox holds before the library would drop: far above any window.
const INBOX_CAPACITY: usize = 262_144;

/// What all speakers of one connection share.
pub struct Hub {
    pub(super) link: Link,
    pub(super) inbox: String,
    pub(super) waiting: Arc<Waiting>,
    pub(super) window: Semaphore,
    pub(super) ids: Ids,
    pub(super) origin: String,
    pub(super) keys: Vec<Key>,
    /// The exchange signs nothing: the broker's authentication stands for signatures.
    pub(super) trusted_broker: bool,
    pub(super) call_deadline: Duration,
    reader: tokio::task::JoinHandle<()>,
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Hub {
    /// Connects and learns who the exchange is, unless the options say so.
    pub async fn open(options: &ClientOptions) -> Result<Hub, ClientError> {
        let mut connect = Connect::new(&options.url, format!("dex-client {}", options.party));
        connect.credentials = options.credentials.clone();
        connect.give_up_after = options.connect_deadline;
        connect.subscription_capacity = INBOX_CAPACITY;
        let link = connect.open().await?;
        let inbox = link.client.new_inbox();
        let mut answers = link
            .client
            .subscribe(format!("{inbox}.*"))
            .await
            .map_err(|error| ClientError::Broker(error.to_string()))?;
        let waiting = Arc::new(Waiting::default());
        let table = Arc::clone(&waiting);
        let reader = tokio::spawn(async move {
            while let Some(message) = answers.next().await {
                table.hand(message);
            }
        });
        let mut hub = Hub {
            link,
            inbox,
            waiting,
            window: Semaphore::new(options.window.max(1)),
            ids: Ids::default(),
            origin: options.origin.clone().unwrap_or_default(),
            keys: options.dex_key.into_iter().collect(),
            trusted_broker: false,
            call_deadline: options.call_deadline,
            reader,
        };
        if options.origin.is_none() || options.dex_key.is_none() {
            let known = hub.query("health", Bytes::new()).await?;
            hub.learn(&known)?;
        }
        Ok(hub)
    }

    /// Takes origin and keys from the answer of `health`, where they are not given.
    fn learn(&mut self, health: &Value) -> Result<(), ClientError> {
        let origin = health["origin"].as_str().ok_or_else(|| ClientError::Form("health names no origin".into()))?;
        if self.origin.is_empty() {
            origin.clone_into(&mut self.origin);
        } else if self.origin != origin {
            return Err(ClientError::Form(format!("the exchange is {origin:?}, not {:?}", self.origin)));
        }
        if self.keys.is_empty() {
            // Who names a key wants signatures, whatever the exchange says of itself.
            self.trusted_broker = health["signatures"] == "trusted-broker";
            let named = health["keys"].as_array().into_iter().flatten();
            for key in named {
                let key = key.as_str().unwrap_or_default();
                let key = key.parse::<Key>();
                self.keys.push(key.map_err(|error| ClientError::Form(format!("health, keys: {error}")))?);
            }
            if self.keys.is_empty() {
                return Err(ClientError::Form("health names no keys".into()));
            }
        }
        Ok(())
    }

    /// Asks `dex.v1.api.<call>`, again (it changes nothing) until an answer comes or the call's deadline
    /// passes.
    pub async fn query(&self, call: &str, body: Bytes) -> Result<Value, ClientError> {
        let subject = subject::api(call);
        let deadline = Instant::now() + self.call_deadline;
        let mut pause = QUERY_PAUSE;
        let mut waiter = self.waiting.enter();
        loop {
            let reply = waiter.answer_to(&self.inbox);
            let sent = self.link.client.publish_with_reply(subject.clone(), reply, body.clone());
            match tokio::time::timeout_at(deadline, sent).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(ClientError::Broker(error.to_string())),
                Err(_) => return Err(self.unanswered(subject)),
            }
            let again = (Instant::now() + pause).min(deadline);
            match tokio::time::timeout_at(again, waiter.next()).await {
                Ok(Answer::Problem(problem)) => return Err(ClientError::Problem(problem)),
                Ok(Answer::Plain(message)) if message.status.is_none() => {
                    return read(&message.payload, message.headers.as_ref());
                }
                // No responders: the daemon is not up (yet).
                Ok(_) => tokio::time::sleep_until(again).await,
                Err(_) => {}
            }
            if Instant::now() >= deadline {
                return Err(self.unanswered(subject));
            }
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }

    fn unanswered(&self, subject: String) -> ClientError {
        ClientError::NoAnswer { subject, waited: self.call_deadline }
    }
}

fn read(body: &[u8], headers: Option<&HeaderMap>) -> Result<Value, ClientError> {
    if let Some(error) = headers.and_then(|headers| headers.get("Nats-Service-Error")) {
        return match serde_json::from_slice(body) {
            Ok(problem) => Err(ClientError::Problem(Box::new(problem))),
            Err(_) => Err(ClientError::Form(error.as_str().to_owned())),
        };
    }
    serde_json::from_slice(body).map_err(|error| ClientError::Form(error.to_string()))
}
