//! Who this exchange is, for whoever asks: what an acquirer or a page needs before it trusts an answer.

use actix_web::web;
use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::gateway::endpoint::Endpoint;
use crate::gateway::fault::Fault;

/// What is told of the query `health`: nothing of its inside, such as its partitions.
const TOLD: [&str; 8] = ["origin", "key", "keys", "checkpointKey", "version", "ready", "at", "treeSize"];

/// Its calls.
pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/api/v1/exchange", about)
            .about("Ledger", "Who this exchange is: its keys, its version, whether it is ready")
            .answer(200, "The exchange", json!({ "type": "object" })),
    ]
}

async fn about(gateway: web::Data<Gateway>) -> Result<web::Json<Value>, Fault> {
    let mut told = gateway.link.ask("health", &Value::Null).await?;
    if let Value::Object(fields) = &mut told {
        fields.retain(|name, _| TOLD.contains(&name.as_str()));
    }
    Ok(web::Json(told))
}
