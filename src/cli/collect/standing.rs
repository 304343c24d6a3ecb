//! How the ledger says that a delivery stands.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::client::{Client, ClientError};

/// The status of a delivery, where the ledger tells it.
///
/// # Errors
/// As [`Client::query`]; a problem `not-found` also under an offer without personal data, where nobody is told what leads to
/// a HAT.
pub async fn standing(client: &Client, delivery: Uuid) -> Result<Option<String>, ClientError> {
    let told = client.query("exchange.trace", json!({ "id": delivery }).to_string()).await?;
    Ok(told.get("status").and_then(Value::as_str).map(str::to_owned))
}

/// Whether a delivery of this status still waits for its receipt.
pub fn is_open(status: &str) -> bool {
    matches!(status, "accepted" | "pending")
}
