//! Records into a HAT, by its data API.

use std::collections::HashMap;

use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::domain::Id;

use super::ask::{Ask, json};
use super::error::{Fault, HatError};
use super::token::Session;

const POST: &str = "POST /api/v2.6/data/{ns}/{endpoint}";

/// One record as the HAT shows it.
#[derive(Deserialize)]
struct Stored {
    #[serde(default)]
    data: Value,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Stored now.
    Stored,
    /// The HAT holds this content already.
    Held,
    /// Not taken.
    Refused,
    /// Not known yet.
    Unknown,
}

impl Session {
    /// One POST as this application, of an array (with `skipErrors`) or of one record.
    async fn post(&self, app: &Id, endpoint: &str, skip: bool, body: Vec<u8>) -> Result<Vec<u8>, HatError> {
        let query = if skip { "?skipErrors=true" } else { "" };
        let path = format!("/api/v2.6/data/{endpoint}{query}");
        Ok(self.ask(app.as_str(), Ask::send(POST, Method::POST, &path, body)).await?.body)
    }

    /// Posts records of one endpoint with `skipErrors=true`, and marks in `kept` those that the HAT shows
    /// as stored. The others it passed over: as duplicates, or as faulty; which, the answer does not say.
    ///
    /// # Errors
    /// [`HatError`]; some may be stored all the same.
    pub async fn post_many(
        &self,
        app: &Id,
        endpoint: &str,
        records: &[&RawValue],
        kept: &mut [Kept],
    ) -> Result<(), HatError> {
        let mut body = Vec::with_capacity(records.iter().map(|record| record.get().len() + 1).sum::<usize>() + 1);
        for (number, record) in records.iter().enumerate() {
            body.push(if number == 0 { b'[' } else { b',' });
            body.extend_from_slice(record.get().as_bytes());
        }
        body.push(b']');
        let answer = self.post(app, endpoint, true, body).await?;
        let stored: Vec<Stored> = json(&answer, "the stored records").map_err(|fault| self.error(POST, fault))?;
        // Only what was sent counts, and as often as it was sent: a HAT's own count is not believed.
        let mut shown: HashMap<String, usize> = HashMap::new();
        for record in stored {
            *shown.entry(record.data.to_string()).or_default() += 1;
        }
        for (record, kept) in records.iter().zip(kept) {
            let Ok(value) = serde_json::from_str::<Value>(record.get()) else { continue };
            if let Some(left) = shown.get_mut(&value.to_string()).filter(|left| **left > 0) {
                *left -= 1;
                *kept = Kept::Stored;
            }
        }
        Ok(())
    }

    /// Posts one record alone: the one way to learn whether the HAT holds it or refuses it.
    ///
    /// # Errors
    /// [`HatError`] when that is not known: the HAT failed, or we may not write there at all.
    pub async fn post_one(&self, app: &Id, endpoint: &str, record: &RawValue) -> Result<Kept, HatError> {
        match self.post(app, endpoint, false, record.get().as_bytes().to_vec()).await {
            Ok(answer) => {
                let stored: Stored = json(&answer, "the stored record").map_err(|fault| self.error(POST, fault))?;
                let same = serde_json::from_str::<Value>(record.get()).is_ok_and(|sent| sent == stored.data);
                if same { Ok(Kept::Stored) } else { Err(self.error(POST, Fault::Form("another record than was sent"))) }
            }
            Err(error) => match error.fault {
                Fault::Duplicate => Ok(Kept::Held),
                Fault::Status(400 | 413 | 422) => Ok(Kept::Refused),
                _ => Err(error),
            },
        }
    }
}
