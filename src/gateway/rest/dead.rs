//! Dead letters, and what was refused before its sender was known, for admins.

use actix_web::web;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::gateway::endpoint::{Access, Endpoint};
use crate::gateway::fault::Fault;
use crate::gateway::page::LIMIT_MAX;
use crate::gateway::role::Role;

/// Rows when nothing is said.
const LIMIT: usize = 100;

/// Its calls.
pub fn endpoints() -> Vec<Endpoint> {
    let leaf = json!({ "type": "integer", "minimum": 0, "maximum": i64::MAX });
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT });
    vec![
        Endpoint::get("/api/v1/dead-letters", list)
            .about("Operation", "Messages that could not be worked on, and counts of those refused unauthenticated")
            .access(Access::Role(Role::Master))
            .query("after", false, "Only what stands behind this leaf of the ledger; the next of the page before", leaf)
            .query("limit", false, "Most rows", limit)
            .answer(
                200,
                "Rows in the order of the ledger, each with its reason; next is the after of the next page. A page looks \
                 at 50,000 entries at most: it may be empty and have a next",
                json!({ "type": "object", "required": ["items"] }),
            ),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    after: Option<u64>,
    limit: Option<usize>,
}

async fn list(gateway: web::Data<Gateway>, wanted: web::Query<Wanted>) -> Result<web::Json<Value>, Fault> {
    let limit = wanted.limit.unwrap_or(LIMIT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Fault::malformed(format!("limit: it is 1 to {LIMIT_MAX}")));
    }
    let mut question = json!({ "limit": limit });
    if let Some(after) = wanted.after {
        question["after"] = json!(after);
    }
    Ok(web::Json(gateway.link.ask("dead.list", &question).await?))
}
