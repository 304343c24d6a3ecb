//! The daemon's actors, for admins.

use actix_web::web;
use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::gateway::endpoint::{Access, Endpoint};
use crate::gateway::fault::Fault;
use crate::gateway::role::Role;

/// Its calls.
pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/api/actors", show)
            .about("Operation", "The actors by partition and kind, what waits before them, and the checks of health")
            .access(Access::Role(Role::Master))
            .answer(200, "Counts, never which entities they are", json!({ "type": "object" })),
    ]
}

async fn show(gateway: web::Data<Gateway>) -> Result<web::Json<Value>, Fault> {
    Ok(web::Json(gateway.link.ask("actors.show", &Value::Null).await?))
}
