//! The keys that registrations of HATs pin, kept for a moment so that not every request asks for them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dashmap::DashMap;
use serde_json::json;

use super::fault::Fault;
use super::link::Link;
use crate::domain::{Address, Id, Kind};

/// How long an answer is used: who is suspended or revoked is refused after this at the latest.
const FRESH: Duration = Duration::from_secs(2);
/// Most HATs that are remembered; beyond it the stale ones go, and then all.
const MOST: usize = 10_000;

/// Pinned keys by HAT. Only found ones are kept: names that are made up take no room.
#[derive(Debug, Default)]
pub struct Pins {
    table: DashMap<Id, (Instant, Arc<str>)>,
}

impl Pins {
    /// The RSA key (PEM) of a HAT that is registered and in force.
    ///
    /// # Errors
    /// 401 when it is not or has none, 503 when the exchange does not answer.
    pub async fn pem(&self, link: &Link, hat: &Id) -> Result<Arc<str>, Fault> {
        let now = Instant::now();
        if let Some(kept) = self.table.get(hat)
            && now.duration_since(kept.0) < FRESH
        {
            return Ok(Arc::clone(&kept.1));
        }
        let party = Address::new(Kind::Hat, hat.clone());
        let answer = link.ask("trust.verify", &json!({ "party": party })).await?;
        let unknown =
            || Fault::unauthorized("the HAT's token was not taken: its issuer is not registered here, or not in force");
        if answer["approved"] != true {
            self.table.remove(hat);
            return Err(unknown());
        }
        let pem = answer["profile"]["publicKey"].as_str().or_else(|| answer["publicKey"].as_str());
        let pem: Arc<str> = pem.ok_or_else(unknown)?.into();
        if self.table.len() >= MOST {
            self.table.retain(|_, (at, _)| now.duration_since(*at) < FRESH);
            if self.table.len() >= MOST {
                self.table.clear();
            }
        }
        self.table.insert(hat.clone(), (now, Arc::clone(&pem)));
        Ok(pem)
    }
}
