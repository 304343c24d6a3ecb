//! Data debits of a HAT: seen by the HAT and by their client, proposed by the client, enabled and disabled by the HAT.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::login::read;
use crate::domain::{Address, Id, Kind};
use crate::gateway::caller::Caller;
use crate::gateway::endpoint::{Access, Endpoint};
use crate::gateway::fault::Fault;
use crate::gateway::link::Speaker;
use crate::gateway::once::{self, Request};
use crate::gateway::page::{self, Page};
use crate::gateway::{Gateway, etag};

const TAG: &str = "Data debits";
const ONE: &str = "/api/v1/hats/{hat}/debits/{debit}";

/// Its calls.
pub fn endpoints() -> Vec<Endpoint> {
    let object = json!({ "type": "object" });
    let ids =
        |endpoint: Endpoint| endpoint.path_param("hat", "The HAT's address").path_param("debit", "The debit's id");
    let key = json!({ "type": "string", "maxLength": 128 });
    let acts = |endpoint: Endpoint, access: Access| {
        let endpoint = endpoint.access(access).header(once::HEADER, false, "Makes a repeat harmless", key.clone());
        endpoint.answer(200, "The outcome, ledgered", json!({ "type": "object" }))
    };
    let post = |verb: &str| format!("{ONE}/{verb}");
    let list = Endpoint::get("/api/v1/hats/{hat}/debits", list)
        .about(TAG, "The debits of a HAT: to the HAT all, to an account those of its parties")
        .access(Access::Token)
        .path_param("hat", "The HAT's address");
    let propose = ids(Endpoint::post(post("propose"), propose)).about(TAG, "Proposes a debit, as its client");
    let amend = ids(Endpoint::post(post("amend"), amend)).about(TAG, "Proposes another revision, as its client");
    let enable = ids(Endpoint::post(post("enable"), enable)).about(TAG, "Enables a debit, as the HAT");
    let disable = ids(Endpoint::post(post("disable"), disable)).about(TAG, "Disables a debit, as the HAT");
    vec![
        page::described(list).empty(304, "Unchanged"),
        ids(Endpoint::get(ONE, show))
            .about(TAG, "One debit with its revisions")
            .access(Access::Token)
            .answer(200, "The debit", object.clone())
            .empty(304, "Unchanged"),
        acts(propose, Access::Account).body(object.clone()),
        acts(amend, Access::Account).body(object.clone()),
        acts(enable, Access::Hat).body(json!({
            "type": "object", "additionalProperties": false,
            "properties": { "revision": {
                "type": "integer", "minimum": 0, "description": "The newest one, as the owner saw it: 409 when it was amended since",
            } },
        })),
        acts(disable, Access::Hat).body(json!({
            "type": "object", "additionalProperties": false,
            "properties": { "atPeriodEnd": { "type": "boolean" } },
        })),
    ]
}

fn client(debit: &Value) -> Option<Address> {
    debit["client"].as_str()?.parse().ok()
}

async fn list(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    caller: Caller,
    hat: web::Path<Id>,
    page: web::Query<Page>,
) -> Result<HttpResponse, Fault> {
    let owner = Address::new(Kind::Hat, hat.clone());
    if let Caller::Hat(_) = &caller
        && !caller.sees(&owner)
    {
        return Err(Fault::forbidden("these are another HAT's"));
    }
    let question = json!({ "hat": *hat });
    let page = if caller.sees(&owner) {
        page.ask(&gateway.link, "debit.list", question).await?
    } else {
        let seen = |debit: &Value| client(debit).is_some_and(|it| caller.sees(&it));
        match page.ask_seen(&gateway.link, "debit.list", question, "debit", seen).await {
            // An account does not learn which HATs there are.
            Err(fault) if fault.problem.status == 404 => json!({ "items": [] }),
            other => other?,
        }
    };
    Ok(etag::answer(&request, &page))
}

async fn show(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    caller: Caller,
    ids: web::Path<(Id, Id)>,
) -> Result<HttpResponse, Fault> {
    let (hat, debit) = ids.into_inner();
    let owner = Address::new(Kind::Hat, hat.clone());
    let hidden = || Fault::not_found(format!("{owner} has no debit {debit} that you may see"));
    let found = match gateway.link.ask("debit.show", &json!({ "hat": hat, "debit": debit })).await {
        Err(fault) if fault.problem.status == 404 => return Err(hidden()),
        other => other?,
    };
    if caller.sees(&owner) || client(&found).is_some_and(|client| caller.sees(&client)) {
        Ok(etag::answer(&request, &found))
    } else {
        Err(hidden())
    }
}

/// Says an action about something of a HAT (a debit, a plug) in the name of `speaker`; without one as the HAT's bridge.
///
/// # Errors
/// Why the exchange refuses it.
pub async fn say(
    gateway: web::Data<Gateway>,
    request: &HttpRequest,
    caller: &Caller,
    (hat, of): (Id, Id),
    action: &'static str,
    speaker: Option<Address>,
    body: web::Bytes,
) -> Result<HttpResponse, Fault> {
    let gateway = gateway.into_inner();
    let key = caller.key(gateway.from(request));
    let call = format!("POST {action} {hat} {of}");
    let what = Request { caller: &key, call: &call, body: &body };
    let work = gateway.clone();
    let said = body.clone();
    gateway
        .once(request.headers(), what, |message| async move {
            let to = Address::new(Kind::Hat, hat);
            let speaker = speaker.as_ref().map_or(Speaker::Bridge, Speaker::Party);
            let done = work.link.act(speaker, &to, &[action, of.as_str()], said, Some(message)).await?;
            Ok((200, json!(done)))
        })
        .await
}

/// The client that the terms name, when the caller speaks for it.
fn own_client(caller: &Caller, body: &[u8]) -> Result<Address, Fault> {
    let terms: Value = read(body)?;
    let client = client(&terms).ok_or_else(|| Fault::malformed("the body: client is no address like org:acme"))?;
    caller.owning(&client)?;
    Ok(client)
}

async fn propose(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    caller: Caller,
    ids: web::Path<(Id, Id)>,
    body: web::Bytes,
) -> Result<HttpResponse, Fault> {
    let client = own_client(&caller, &body)?;
    say(gateway, &request, &caller, ids.into_inner(), "debit-propose", Some(client), body).await
}

async fn amend(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    caller: Caller,
    ids: web::Path<(Id, Id)>,
    body: web::Bytes,
) -> Result<HttpResponse, Fault> {
    let client = own_client(&caller, &body)?;
    say(gateway, &request, &caller, ids.into_inner(), "debit-amend", Some(client), body).await
}

/// A HAT says something about what is its own and nothing else.
///
/// # Errors
/// 401 or 403.
pub fn own_hat(caller: &Caller, hat: &Id) -> Result<(), Fault> {
    if caller.hat()?.hat == *hat { Ok(()) } else { Err(Fault::forbidden("this is another HAT's")) }
}

async fn enable(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    caller: Caller,
    ids: web::Path<(Id, Id)>,
    body: web::Bytes,
) -> Result<HttpResponse, Fault> {
    own_hat(&caller, &ids.0)?;
    // Clients that have nothing to say send nothing, or say so.
    let body = if body.as_ref() == b"null" { web::Bytes::new() } else { body };
    say(gateway, &request, &caller, ids.into_inner(), "debit-enable", None, body).await
}

async fn disable(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    caller: Caller,
    ids: web::Path<(Id, Id)>,
    body: web::Bytes,
) -> Result<HttpResponse, Fault> {
    own_hat(&caller, &ids.0)?;
    say(gateway, &request, &caller, ids.into_inner(), "debit-disable", None, body).await
}
