//! What became of an exchange: for the HAT it is about, for who sent it, and for admins.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::domain::Address;
use crate::gateway::caller::Caller;
use crate::gateway::endpoint::{Access, Endpoint};
use crate::gateway::fault::Fault;
use crate::gateway::{Gateway, etag};

/// Its calls.
pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/api/v1/exchanges/{id}", trace)
            .about("Exchanges", "Every step of an exchange, with its leaves: digests and counts, never content")
            .access(Access::Token)
            .path_param("id", "Id of the exchange, its message or its delivery")
            .query("proof", false, "With the entries of the steps and their proofs", json!({ "type": "boolean" }))
            .answer(200, "Its steps", json!({ "type": "object" }))
            .empty(304, "Unchanged"),
    ]
}

/// Whether the caller may see a trace: the entity's own, or the sender's. Who only received it may not: the steps name
/// the entity, which a recipient need not know.
fn may_see(caller: &Caller, trace: &Value) -> bool {
    let steps = trace["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    let party = |step: &Value, field: &str| step[field].as_str().and_then(|text| text.parse::<Address>().ok());
    let own = steps.iter().all(|step| party(step, "entity").is_some_and(|entity| caller.sees(&entity)));
    let sent = steps.first().and_then(|step| party(step, "from")).is_some_and(|from| caller.sees(&from));
    !steps.is_empty() && (own || sent)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    proof: bool,
}

async fn trace(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    caller: Caller,
    id: web::Path<String>,
    wanted: web::Query<Wanted>,
) -> Result<HttpResponse, Fault> {
    let id: Uuid = id.parse().map_err(|_| Fault::malformed("id: it is no UUID"))?;
    let trace = gateway.link.ask("exchange.trace", &json!({ "id": id, "proof": wanted.proof })).await?;
    if !may_see(&caller, &trace) {
        // As if it were not there: an id does not tell whether it exists.
        let origin = gateway.link.origin();
        return Err(Fault::not_found(format!("nothing with the id {id} is in the ledger of {origin}")));
    }
    Ok(etag::answer(&request, &trace))
}
