//! Whether a party is approved, and with which rules.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::domain::{Address, Id, Kind};
use crate::gateway::caller::Caller;
use crate::gateway::endpoint::{Access, Endpoint};
use crate::gateway::fault::Fault;
use crate::gateway::{Gateway, etag};
use crate::wire::canonical::canonical;

const TAG: &str = "Trust";

/// Its calls.
pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/api/v1/trust/{party}", verify)
            .about(TAG, "Whether a party is approved; a HAT's past is told to itself, its platform and admins")
            .access(Access::Optional)
            .path_param("party", "Like plug:facebook")
            .query("at", false, "As of this instant (RFC 3339)", json!({ "type": "string" }))
            .answer(200, "How it stands; unknown when it never registered", json!({ "type": "object" }))
            .empty(304, "Unchanged"),
        Endpoint::get("/api/trust/bundle", bundle)
            .about(TAG, "Who may take part, signed, to be used without asking until it expires")
            .answer(200, "Canonical JSON: bundle, key, signature", json!({ "type": "object" }))
            .empty(304, "The caller has it"),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct When {
    at: Option<String>,
}

/// A HAT's past tells its plugs and apps: it is for the HAT, for accounts that may see it or that own its platform,
/// and for admins.
fn may_see_past(caller: &Caller, hat: &Address) -> Result<(), Fault> {
    caller.known()?;
    let mut rest = hat.id.as_str();
    let mut seen = caller.sees(hat);
    while let (false, Some((_, domain))) = (seen, rest.split_once('.')) {
        let platform = Id::new(domain).map(|id| Address::new(Kind::Platform, id));
        seen = platform.is_ok_and(|platform| caller.owning(&platform).is_ok());
        rest = domain;
    }
    if seen { Ok(()) } else { Err(Fault::forbidden(format!("the past of {hat} is told to itself and its platform"))) }
}

async fn verify(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    caller: Caller,
    party: web::Path<String>,
    when: web::Query<When>,
) -> Result<HttpResponse, Fault> {
    let party: Address = party.parse().map_err(|error| Fault::malformed(format!("party: {error}")))?;
    let mut question = json!({ "party": party });
    if let Some(at) = &when.at {
        if party.kind == Kind::Hat {
            may_see_past(&caller, &party)?;
        }
        question["at"] = json!(at);
    }
    Ok(etag::answer(&request, &gateway.link.ask("trust.verify", &question).await?))
}

/// The bundle's bytes, as they were signed.
async fn bundle(gateway: web::Data<Gateway>, request: HttpRequest) -> Result<HttpResponse, Fault> {
    let answer = gateway.link.ask("trust.bundle", &Value::Null).await?;
    let bytes =
        canonical(&answer).map_err(|error| Fault::internal("the trust bundle has no canonical form", &error))?;
    Ok(etag::bytes(&request, bytes, "public, no-cache"))
}
