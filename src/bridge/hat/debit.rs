//! Data debits on a HAT: proposed with our account, enabled by the owner there, read by us.

use std::collections::BTreeMap;

use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use smol_str::SmolStr;

use crate::domain::event::DebitTerms;
use crate::domain::{Id, Timestamp};

use super::ask::{Ask, json as read};
use super::error::{Fault, HatError};
use super::token::Session;

const POST: &str = "POST /api/v2.6/data-debit/{id}";
const PUT: &str = "PUT /api/v2.6/data-debit/{id}";
const GET: &str = "GET /api/v2.6/data-debit/{id}";
const VALUES: &str = "GET /api/v2.6/data-debit/{id}/values";

/// The debit's id as a HAT takes it, which has no dots: each is written `D` (ids of the exchange have no
/// capitals, so it reads back).
pub fn hat_debit(debit: &Id) -> String {
    debit.as_str().replace('.', "D")
}

/// The name of the bundle of one revision. Names are global on a HAT, and a revision with the name of an
/// older one would keep the older one's definition.
pub fn bundle_name(debit: &Id, revision: u32) -> String {
    format!("{}R{revision}", hat_debit(debit))
}

/// The setup request of one revision.
fn request(debit: &Id, revision: u32, terms: &DebitTerms, now: Timestamp) -> Value {
    let start = terms.start.map_or_else(|| json!(now), |start| json!(start));
    let text = |given: &Option<SmolStr>| given.clone().unwrap_or_default();
    let name = bundle_name(debit, revision);
    let mut request = json!({
        "dataDebitKey": hat_debit(debit),
        "purpose": terms.purpose,
        "start": start,
        "period": u64::from(terms.period_seconds) * 1000,
        "cancelAtPeriodEnd": terms.cancel_at_period_end,
        "requestClientName": terms.request_client_name.clone().unwrap_or_else(|| terms.client.id.as_str().into()),
        "requestClientUrl": text(&terms.request_client_url),
        "requestClientLogoUrl": text(&terms.request_client_logo_url),
        "termsUrl": text(&terms.terms_url),
        "bundle": { "name": name, "bundle": terms.bundle.bundle },
    });
    if let Some(conditions) = &terms.conditions {
        request["conditions"] = json!({ "name": format!("{name}C"), "bundle": conditions.bundle });
    }
    let optional =
        [("requestApplicationId", &terms.request_application_id), ("requestDescription", &terms.request_description)];
    for (field, value) in optional {
        if let Some(value) = value {
            request[field] = json!(value);
        }
    }
    request
}

/// A revision as the HAT shows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Permissions {
    /// What it lets out.
    pub bundle: Named,
    /// The owner has enabled it.
    pub accepted: bool,
    /// When the owner ended it.
    #[serde(default)]
    pub canceled_at: Option<String>,
    /// It ends with its period.
    #[serde(default)]
    pub cancel_at_period_end: bool,
}

/// A bundle's name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Named {
    /// As given when it was proposed.
    pub name: String,
}

/// A debit as the HAT shows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// It is in force.
    pub active: bool,
    /// All revisions.
    #[serde(default)]
    pub permissions: Vec<Permissions>,
    /// The revision in force.
    #[serde(default)]
    pub permissions_active: Option<Permissions>,
    /// The newest revision.
    #[serde(default)]
    pub permissions_latest: Option<Permissions>,
}

/// What the owner has let out.
#[derive(Debug, Deserialize)]
pub struct Values {
    /// Conditions and whether they hold; none when the debit has none.
    #[serde(default)]
    pub conditions: BTreeMap<String, bool>,
    /// By property, the records in the HAT's own form.
    pub bundle: BTreeMap<String, Vec<Box<RawValue>>>,
}

impl Session {
    async fn put_up(&self, call: &'static str, method: Method, debit: &Id, body: &Value) -> Result<(), HatError> {
        let path = format!("/api/v2.6/data-debit/{}", hat_debit(debit));
        self.ask("", Ask::send(call, method, &path, body.to_string())).await.map(drop)
    }

    /// Proposes a debit, or a further revision of one that is there. `now` stands for a start that the
    /// terms leave open.
    ///
    /// # Errors
    /// [`HatError`]; [`Fault::Duplicate`] when the HAT has this revision.
    pub async fn propose(&self, debit: &Id, revision: u32, terms: &DebitTerms, now: Timestamp) -> Result<(), HatError> {
        let body = request(debit, revision, terms, now);
        if revision == 1 {
            return self.put_up(POST, Method::POST, debit, &body).await;
        }
        match self.put_up(PUT, Method::PUT, debit, &body).await {
            // It was never told of the revisions before.
            Err(error) if error.fault == Fault::Status(404) => self.put_up(POST, Method::POST, debit, &body).await,
            other => other,
        }
    }

    /// The debit as it stands there, and its ETag; `None` when it is still as `known` names it.
    ///
    /// # Errors
    /// [`HatError`]; [`Fault::Status`] 404 when it is not there.
    pub async fn debit(&self, debit: &Id, known: Option<&str>) -> Result<Option<(Shown, Option<String>)>, HatError> {
        let path = format!("/api/v2.6/data-debit/{}", hat_debit(debit));
        let ask = Ask { known, ..Ask::get(GET, &path) };
        let answer = self.ask("", ask).await?;
        if answer.status == StatusCode::NOT_MODIFIED {
            return Ok(None);
        }
        let shown = read(&answer.body, "the debit").map_err(|fault| self.error(GET, fault))?;
        Ok(Some((shown, answer.etag)))
    }

    /// What the owner lets out now.
    ///
    /// # Errors
    /// [`HatError`]; [`Fault::NotEnabled`] when the debit is not in force there.
    pub async fn values(&self, debit: &Id) -> Result<Values, HatError> {
        let path = format!("/api/v2.6/data-debit/{}/values", hat_debit(debit));
        let answer = self.ask("", Ask::get(VALUES, &path)).await?;
        read(&answer.body, "the values").map_err(|fault| self.error(VALUES, fault))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_debits_read_back_on_a_hat() {
        let id = |text| Id::new(text).expect("an id");
        assert_eq!(hat_debit(&id("acme.feed-3")), "acmeDfeed-3");
        assert_ne!(hat_debit(&id("acme.feed")), hat_debit(&id("acme-feed")));
        assert_eq!(bundle_name(&id("acme.feed"), 2), "acmeDfeedR2");
    }
}
