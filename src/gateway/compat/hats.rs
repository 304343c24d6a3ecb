//! HATs come in, and say which applications their owners accept.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::json;

use super::shape::{once, repeatable};
use crate::bridge::{OnboardError, Onboarded};
use crate::domain::{Address, Id, Kind, Reason};
use crate::gateway::Gateway;
use crate::gateway::caller::{Caller, network};
use crate::gateway::endpoint::{Access, Endpoint};
use crate::gateway::fault::{Fault, Original};
use crate::gateway::limit::Rate;
use crate::gateway::link::Speaker;
use crate::gateway::rest::login::read;

const TAG: &str = "Original: HATs";
/// HATs onboarded at the same time.
pub const AT_ONCE: usize = 64;
/// Onboardings that one address may ask for: each makes this machine ask another one. 1,200 a minute in the long run.
pub const RATE: Rate = Rate { per_second: 20, burst: 200 };

/// Its calls.
pub fn endpoints() -> Vec<Endpoint> {
    let text = json!({ "type": "string" });
    let message = json!({ "type": "object", "required": ["message"], "properties": { "message": text } });
    let mut calls = Vec::new();
    for (path, body) in [
        ("/api/users/registerHat", json!({ "hatAddress": text, "applicationId": text })),
        ("/api/v3/users/registerHat", json!({ "hatAddress": text })),
    ] {
        let call = Endpoint::post(path, register).about(TAG, "Registers a HAT by its address; again changes nothing");
        let body = json!({ "type": "object", "required": ["hatAddress"], "properties": body });
        calls.push(repeatable(call).original().body(body).answer(200, "Registered", message.clone()));
    }
    for path in ["/api/users/register-consent/{appId}", "/api/v3/users/register-consent/{appId}"] {
        for call in [Endpoint::get(path, consent), repeatable(Endpoint::post(path, consent))] {
            let call = call.about(TAG, "The HAT's owner accepts an application").access(Access::Hat).original();
            calls.push(call.path_param("appId", "The application's id").answer(200, "Ledgered", message.clone()));
        }
    }
    calls
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct New {
    hat_address: String,
}

async fn register(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    caller: Caller,
    body: web::Bytes,
) -> Result<HttpResponse, Original> {
    gateway.onboard_limits.take(network(gateway.from(&request)).to_string())?;
    let New { hat_address } = read(&body)?;
    let hat =
        Id::new(&hat_address.to_ascii_lowercase()).map_err(|error| Fault::malformed(format!("hatAddress: {error}")))?;
    let work = gateway.clone().into_inner();
    once(&gateway, &request, &caller, &body, |_| async move {
        let message = match work.onboarding.onboard(&hat).await {
            Ok(Onboarded::Registered) => "HAT registered",
            Ok(Onboarded::Known) => "HAT is registered already",
            Err(OnboardError::Exchange(error)) => return Err(error.into()),
            // The HAT's failing is the request's: it is at fault when it names one that is not there. Not kept as the
            // answer to a key: the HAT may be up when the same is asked again.
            Err(error) => return Err(Fault::malformed(error.to_string())),
        };
        Ok((200, json!({ "message": message })))
    })
    .await
}

async fn consent(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    caller: Caller,
    app: web::Path<String>,
) -> Result<HttpResponse, Original> {
    let hat = Address::new(Kind::Hat, caller.hat()?.hat.clone());
    let app = Id::new(&app).map_err(|_| Fault::not_found("there is no application of this id"))?;
    let work = gateway.clone().into_inner();
    once(&gateway, &request, &caller, b"", |message| async move {
        match work.link.act(Speaker::Bridge, &hat, &["app-setup", app.as_str()], "", Some(message)).await {
            // Accepted before: HATs say it again with every setup.
            Err(fault) if matches!(fault.problem.reason, Reason::AlreadyExists | Reason::WrongState) => {}
            // An application that was never registered: to the original's clients a thing that is not there.
            Err(fault) if fault.problem.reason == Reason::UnknownParty => {
                return Err(Fault::not_found(format!("there is no application {app}")));
            }
            other => drop(other?),
        }
        Ok((200, json!({ "message": format!("consent to {app} registered") })))
    })
    .await
}
