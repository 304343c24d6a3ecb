//! Onboarding by address: the HAT's key is fetched and checked, the HAT is up, and it is registered with
//! that key pinned.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::bridge::hat::retry::{Budget, Retry, retry};
use crate::bridge::hat::rsa::HatKey;
use crate::bridge::hat::{Door, HatError};
use crate::client::{Client, ClientError, Order};
use crate::domain::{Address, Id, Kind, Reason};
use crate::telemetry::events::Onboarded as Event;

/// Retries of all onboardings together: at once, and in each second.
const RETRIES: (u32, f64) = (64, 16.0);

/// What an onboarding did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Onboarded {
    /// The HAT is registered now.
    Registered,
    /// It was registered with this key already.
    Known,
}

/// Why a HAT was not onboarded.
#[derive(Debug, thiserror::Error)]
pub enum OnboardError {
    /// The HAT did not answer as a HAT does.
    #[error("{0}")]
    Hat(#[from] HatError),
    /// It shows another key than the one that is pinned. Whoever holds the address now is not who was
    /// registered, and addresses are never given out again.
    #[error("{0} shows another key than the one that is pinned: its address stays with the key it was registered with")]
    OtherKey(Id),
    /// The exchange says no.
    #[error("{0}")]
    Exchange(#[from] ClientError),
}

impl OnboardError {
    /// The label of the metric.
    fn result(&self) -> &'static str {
        match self {
            OnboardError::Hat(_) => "hat",
            OnboardError::OtherKey(_) => "other-key",
            OnboardError::Exchange(_) => "exchange",
        }
    }
}

/// Onboards HATs, a bounded number at a time. Cheap to clone.
#[derive(Clone)]
pub struct Onboarding {
    bridge: Client,
    door: Door,
    room: Arc<Semaphore>,
    budget: Arc<Budget>,
    at_once: usize,
}

impl Onboarding {
    /// With the voice of a bridge and the way out; at most `at_once` HATs at a time.
    pub fn new(bridge: Client, door: Door, at_once: usize) -> Self {
        let at_once = at_once.max(1);
        let budget = Arc::new(Budget::new(RETRIES.0, RETRIES.1));
        Onboarding { bridge, door, room: Arc::new(Semaphore::new(at_once)), budget, at_once }
    }

    /// Onboards one HAT; doing it again changes nothing.
    ///
    /// # Errors
    /// [`OnboardError`].
    pub async fn onboard(&self, hat: &Id) -> Result<Onboarded, OnboardError> {
        let done = self.attempt(hat).await;
        let result = match &done {
            Ok(Onboarded::Registered) => "registered",
            Ok(Onboarded::Known) => "known",
            Err(error) => error.result(),
        };
        Event { result }.emit();
        done
    }

    /// Onboards many; the results come as they are there.
    pub fn onboard_all<S>(&self, hats: S) -> impl Stream<Item = (Id, Result<Onboarded, OnboardError>)>
    where
        S: Stream<Item = Id>,
    {
        let one = move |hat: Id| {
            let onboarding = self.clone();
            async move {
                let done = onboarding.onboard(&hat).await;
                (hat, done)
            }
        };
        hats.map(one).buffer_unordered(self.at_once)
    }

    async fn attempt(&self, hat: &Id) -> Result<Onboarded, OnboardError> {
        // Nobody closes it.
        let _room = self.room.acquire().await.map_err(|error| ClientError::Broker(error.to_string()))?;
        let policy = Retry { tries: 3, first: Duration::from_millis(250), most: Duration::from_secs(2) };
        let key = retry(&policy, &self.budget, rand::random, || self.door.public_key(hat)).await?;
        retry(&policy, &self.budget, rand::random, || self.door.probe(hat)).await?;
        match self.register(hat, &key).await {
            Ok(()) => Ok(Onboarded::Registered),
            Err(error) if matches!(error.reason(), Some(Reason::AlreadyExists | Reason::WrongState)) => {
                match self.pinned(hat).await? {
                    Some(pinned) if pinned == key => Ok(Onboarded::Known),
                    Some(_) => Err(OnboardError::OtherKey(hat.clone())),
                    None => Err(error.into()),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn register(&self, hat: &Id, key: &HatKey) -> Result<(), ClientError> {
        let to = Address::new(Kind::Hat, hat.clone());
        let body = json!({"publicKey": key.to_pem(), "transport": "http", "bridge": self.bridge.party().id});
        let order = Order::new(&to, &["register"], body.to_string());
        self.bridge.send(order).await.map(drop)
    }

    /// The key that is pinned for a HAT; none for one that is unknown or has only an nkey.
    async fn pinned(&self, hat: &Id) -> Result<Option<HatKey>, ClientError> {
        let party = Address::new(Kind::Hat, hat.clone());
        let shown: Value = self.bridge.query("trust.verify", json!({ "party": party }).to_string()).await?;
        Ok(pinned_in(&shown))
    }
}

/// The pinned key in what a query shows of a HAT.
pub(super) fn pinned_in(shown: &Value) -> Option<HatKey> {
    HatKey::parse(shown["profile"]["publicKey"].as_str()?).ok()
}
