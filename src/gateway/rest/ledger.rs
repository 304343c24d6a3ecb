//! The ledger's newest checkpoint, inclusion proofs, and what the exchange counted.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::gateway::endpoint::{Access, Endpoint};
use crate::gateway::fault::Fault;
use crate::gateway::role::Role;
use crate::gateway::{Gateway, etag};

const TAG: &str = "Ledger";

/// Its calls.
pub fn endpoints() -> Vec<Endpoint> {
    let object = json!({ "type": "object" });
    let number = json!({ "type": "integer", "minimum": 0, "maximum": i64::MAX });
    vec![
        Endpoint::get("/api/v1/ledger/checkpoint", checkpoint)
            .about(TAG, "The newest signed checkpoint (C2SP tlog-checkpoint)")
            .answer(200, "The checkpoint and its tree size", object.clone())
            .empty(304, "Unchanged"),
        Endpoint::get("/api/v1/ledger/proof", proof)
            .about(TAG, "Proves that a leaf is in the tree")
            .query("leaf", true, "Index of the leaf", number.clone())
            .query("treeSize", false, "For the tree of this size; the newest when absent", number)
            .answer(200, "Commitment and inclusion path (RFC 9162)", object.clone()),
        Endpoint::get("/api/v1/stats", stats)
            .about("Statistics", "What this exchange counted since it started")
            .access(Access::Role(Role::ViewDataStats))
            .answer(200, "Counts by status, reason and direction", object),
    ]
}

async fn checkpoint(gateway: web::Data<Gateway>, request: HttpRequest) -> Result<HttpResponse, Fault> {
    Ok(etag::answer(&request, &gateway.link.ask("ledger.checkpoint", &Value::Null).await?))
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Wanted {
    leaf: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    tree_size: Option<u64>,
}

async fn proof(gateway: web::Data<Gateway>, wanted: web::Query<Wanted>) -> Result<web::Json<Value>, Fault> {
    Ok(web::Json(gateway.link.ask("ledger.proof", &json!(wanted.into_inner())).await?))
}

async fn stats(gateway: web::Data<Gateway>) -> Result<web::Json<Value>, Fault> {
    Ok(web::Json(gateway.link.ask("stats.summary", &Value::Null).await?))
}
