//! An offer as the original tells it, and back: every field of it has its place in the exchange's own terms.

use serde::Deserialize;
use serde_json::{Value, json};

use super::shape::{date, uuid_of};
use crate::domain::Address;
use crate::gateway::accounts::Accounts;
use crate::gateway::fault::Fault;

/// Length of a period when the acquirer names no duration: that of the original's applications, 30 days.
const PERIOD_SECONDS: u64 = 30 * 86_400;

/// What a client sends to register one. Fields that it may also send and that the exchange sets (`provider`, `status`,
/// `created`) are not looked at, as in the original.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OfferRegistration {
    /// Its id, chosen by the client.
    pub offer_id: String,
    title: String,
    description: String,
    starts: Value,
    expires: Value,
    #[serde(default)]
    collection_duration: Option<u64>,
    #[serde(default)]
    data_conditions: Option<Value>,
    required_data: Value,
    /// Not of the original: HATs are told to the acquirer under pseudonyms only.
    #[serde(default)]
    without_pii: bool,
    required_min_user: u32,
    required_max_user: u32,
}

impl OfferRegistration {
    /// The terms in which the exchange keeps it.
    ///
    /// # Errors
    /// 400 that names the field.
    pub fn terms(&self, owner: &Address) -> Result<Value, Fault> {
        let seconds = match self.collection_duration {
            None => PERIOD_SECONDS,
            Some(ms) if ms > 0 && ms % 1000 == 0 && ms / 1000 <= u64::from(u32::MAX) => ms / 1000,
            Some(_) => {
                return Err(Fault::malformed("collectionDuration: it is whole seconds in milliseconds, above 0"));
            }
        };
        let mut debit = json!({
            "client": owner, "purpose": self.title, "bundle": self.required_data, "periodSeconds": seconds,
            "cancelAtPeriodEnd": self.collection_duration.is_some(), "requestDescription": self.description,
        });
        if let Some(conditions) = self.data_conditions.as_ref().filter(|it| !it.is_null()) {
            debit["conditions"] = conditions.clone();
        }
        if self.without_pii {
            debit["withoutPii"] = json!(true);
        }
        Ok(json!({
            "owner": owner, "title": self.title, "debit": debit,
            "starts": date("starts", &self.starts)?, "expires": date("expires", &self.expires)?,
            "minClaims": self.required_min_user, "maxClaims": self.required_max_user,
        }))
    }
}

/// The party that owns an offer of the exchange.
pub fn owner(offer: &Value) -> Option<Address> {
    offer["owner"].as_str()?.parse().ok()
}

/// Whether anybody may see it: it is or was open for claims.
pub fn is_public(offer: &Value) -> bool {
    matches!(offer["standing"].as_str(), Some("approved" | "satisfied" | "oversubscribed"))
}

/// Its status in the original's words. `closed` and `expired` are ours: to the original an offer just stops being within
/// its time; of one that reached its minimum that is told as `satisfied`.
fn status(offer: &Value) -> &str {
    match offer["standing"].as_str().unwrap_or("draft") {
        "expired" if offer["satisfied"] == true => "satisfied",
        other => other,
    }
}

/// The exchange's offer, with its terms, in the original's shape.
pub fn told(offer: &Value, accounts: &Accounts) -> Value {
    let (terms, debit) = (&offer["terms"], &offer["terms"]["debit"]);
    let provider = owner(offer).map(|owner| {
        let account = accounts.owner(&owner).and_then(|name| accounts.get(&name));
        account.map_or_else(|| uuid_of(&owner), |account| account.user)
    });
    let mut told = json!({
        "offerId": offer["offer"], "provider": provider, "title": terms["title"],
        "description": debit["requestDescription"].as_str().unwrap_or_default(),
        "starts": terms["starts"], "expires": terms["expires"], "requiredData": debit["bundle"],
        "requiredMinUser": terms["minClaims"], "requiredMaxUser": terms["maxClaims"], "status": status(offer),
    });
    if !offer["registered"].is_null() {
        told["created"] = offer["registered"].clone();
    }
    if !debit["conditions"].is_null() {
        told["dataConditions"] = debit["conditions"].clone();
    }
    if debit["withoutPii"] == true {
        told["withoutPii"] = json!(true);
    }
    if debit["cancelAtPeriodEnd"] == true {
        told["collectionDuration"] = json!(debit["periodSeconds"].as_u64().unwrap_or(0) * 1000);
    }
    told
}
