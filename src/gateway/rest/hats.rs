//! A HAT's connections: seen by the HAT, made and ended by it, used by the plugs and apps of accounts.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::debits::{own_hat, say};
use crate::domain::{Address, Id, Kind};
use crate::gateway::caller::Caller;
use crate::gateway::endpoint::{Access, Endpoint};
use crate::gateway::fault::Fault;
use crate::gateway::{Gateway, etag, once};

const TAG: &str = "HATs";

/// What a HAT says about a plug or app: heading in the path, verb, action of the protocol, what it does.
const SAID: [(&str, &str, &str, &str); 4] = [
    ("plugs", "connect", "plug-connect", "Connects a plug, or says yes to one that asks, as the HAT"),
    ("plugs", "disconnect", "plug-disconnect", "Disconnects a plug, or says no to one that asks, as the HAT"),
    ("apps", "setup", "app-setup", "Sets an application up in the version that is published, as the HAT"),
    ("apps", "disable", "app-disable", "Disables an application, as the HAT"),
];
/// Who brings records to a HAT.
const BRINGS: [(&str, Kind, &str); 2] = [
    ("plugs", Kind::Plug, "Brings records as a plug of the account that is connected to the HAT"),
    ("apps", Kind::App, "Brings records as an application of the account that is set up on the HAT"),
];

/// Its calls.
pub fn endpoints() -> Vec<Endpoint> {
    let key = json!({ "type": "string", "maxLength": 128 });
    let acts = |endpoint: Endpoint, access: Access| {
        let endpoint = endpoint.access(access).header(once::HEADER, false, "Makes a repeat harmless", key.clone());
        let endpoint = endpoint.path_param("hat", "The HAT's address").path_param("party", "Its id");
        endpoint.answer(200, "The outcome, ledgered", json!({ "type": "object" }))
    };
    let mut calls = vec![
        Endpoint::get("/api/v1/hats/{hat}", show)
            .about(TAG, "A HAT's standing, connections, plugs that ask to be connected, debits")
            .access(Access::Token)
            .path_param("hat", "The HAT's address")
            .answer(200, "The HAT", json!({ "type": "object" }))
            .empty(304, "Unchanged"),
    ];
    for (heading, verb, action, summary) in SAID {
        let handler = move |gateway: web::Data<Gateway>,
                            request: HttpRequest,
                            caller: Caller,
                            ids: web::Path<(Id, Id)>| async move {
            own_hat(&caller, &ids.0)?;
            say(gateway, &request, &caller, ids.into_inner(), action, None, web::Bytes::new()).await
        };
        let path = format!("/api/v1/hats/{{hat}}/{heading}/{{party}}/{verb}");
        calls.push(acts(Endpoint::post(path, handler).about(TAG, summary), Access::Hat));
    }
    for (heading, kind, summary) in BRINGS {
        let handler = move |gateway: web::Data<Gateway>,
                            request: HttpRequest,
                            caller: Caller,
                            ids: web::Path<(Id, Id)>,
                            body: web::Bytes| async move {
            let party = Address::new(kind, ids.1.clone());
            caller.owning(&party)?;
            say(gateway, &request, &caller, ids.into_inner(), "credit", Some(party), body).await
        };
        let path = format!("/api/v1/hats/{{hat}}/{heading}/{{party}}/credit");
        let record = json!({
            "type": "object", "required": ["endpoint", "data"], "properties": { "endpoint": { "type": "string" } },
        });
        let body = json!({ "type": "array", "minItems": 1, "items": record });
        calls.push(acts(Endpoint::post(path, handler).about(TAG, summary), Access::Account).body(body));
    }
    calls
}

async fn show(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    caller: Caller,
    hat: web::Path<Id>,
) -> Result<HttpResponse, Fault> {
    let hat = hat.into_inner();
    // Which HATs there are is told to nobody else.
    if !caller.sees(&Address::new(Kind::Hat, hat.clone())) {
        return Err(Fault::not_found(format!("there is no HAT {hat} that you may see")));
    }
    Ok(etag::answer(&request, &gateway.link.ask("hat.show", &json!({ "hat": hat })).await?))
}
