//! Plugs: registered by accounts as parties of their own, looked at and moved on by those who manage plugs.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::login::read;
use crate::domain::plug::Manifest;
use crate::domain::{Address, Id, Kind};
use crate::gateway::caller::Caller;
use crate::gateway::endpoint::{Access, Endpoint};
use crate::gateway::fault::Fault;
use crate::gateway::link::Speaker;
use crate::gateway::once::Request;
use crate::gateway::role::Role;
use crate::gateway::{Gateway, etag};
use crate::wire::form;

const TAG: &str = "Parties";
/// Longest text that says why a plug is declined, bytes; the exchange has the last word.
const WHY_BYTES_MAX: usize = 1024;

/// Its calls.
pub fn endpoints() -> Vec<Endpoint> {
    let text = json!({ "type": "string", "minLength": 1, "maxLength": 128 });
    let acts = |endpoint: Endpoint, access| endpoint.access(access).repeatable();
    let register = Endpoint::post("/api/v1/plugs", register)
        .about(TAG, "Registers a plug of the account, or a changed one of its own; it waits for approval")
        .body(json!({
            "type": "object", "required": ["id", "name", "namespace"], "additionalProperties": false,
            "properties": { "id": text, "name": text, "namespace": text, "manifest": { "type": "object" } },
        }))
        .answer(201, "The outcome, ledgered", json!({ "type": "object" }));
    let managed = |verb: &str, endpoint: fn(String) -> Endpoint, summary: &'static str| {
        let endpoint = endpoint(format!("/api/v1/plugs/{{plug}}/{verb}")).about(TAG, summary);
        acts(endpoint.path_param("plug", "Its id"), Access::Role(Role::ManageDataPlugs)).answer(
            200,
            "The outcome, ledgered",
            json!({ "type": "object" }),
        )
    };
    let why = json!({ "type": "string", "minLength": 1, "maxLength": WHY_BYTES_MAX });
    vec![
        Endpoint::get("/api/v1/plugs/{plug}", show)
            .about(
                TAG,
                "One plug: standing, manifest, keys; to its owner and who sees plugs also its history and how it does",
            )
            .access(Access::Optional)
            .path_param("plug", "Its id")
            .answer(200, "The plug", json!({ "type": "object" }))
            .empty(304, "Unchanged"),
        acts(register, Access::Role(Role::CreateDataPlugs)),
        managed("approve", |path| Endpoint::post(path, approve), "Approves what waits of a plug"),
        managed("decline", |path| Endpoint::post(path, decline), "Declines what waits of a plug").body(json!({
            "type": "object", "required": ["why"], "additionalProperties": false, "properties": { "why": why },
        })),
        managed("suspend", |path| Endpoint::post(path, suspend), "Takes a plug out of force for now"),
        managed("resume", |path| Endpoint::post(path, resume), "Puts a plug back in force"),
    ]
}

/// What everybody is told of a plug: as in the trust bundle and the list of plugs, and its manifest.
const PUBLIC: [&str; 8] = ["party", "standing", "approved", "profile", "keys", "basis", "versions", "at"];

async fn show(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    caller: Caller,
    plug: web::Path<Id>,
) -> Result<HttpResponse, Fault> {
    let party = Address::new(Kind::Plug, plug.into_inner());
    let mut told = gateway.link.ask("plug.show", &json!({ "plug": party.id })).await?;
    let sees_all = match &caller {
        Caller::Account(account) => {
            account.sees(&party) || [Role::ViewDataPlugs, Role::ManageDataPlugs].iter().any(|role| account.has(role))
        }
        _ => false,
    };
    if !sees_all && let Value::Object(fields) = &mut told {
        fields.retain(|name, _| PUBLIC.contains(&name.as_str()));
    }
    Ok(etag::answer(&request, &told))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    id: Id,
    name: String,
    namespace: String,
    manifest: Option<Value>,
}

async fn register(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    caller: Caller,
    body: web::Bytes,
) -> Result<HttpResponse, Fault> {
    let gateway = gateway.into_inner();
    let account = caller.require(&Role::CreateDataPlugs)?.name.clone();
    let New { id, name, namespace, manifest } = read(&body)?;
    // Here, so that what is wrong is told with its place, and nobody comes to own what is never registered.
    let wrong = |why: String| Fault::malformed(format!("the body: {why}"));
    form::name("name", &name).map_err(wrong)?;
    form::namespace("namespace", &namespace).map_err(wrong)?;
    if let Some(manifest) = &manifest {
        Manifest::read(manifest).map_err(|fault| wrong(fault.to_string()))?;
    }
    let party = Address::new(Kind::Plug, id);
    let key = caller.key(gateway.from(&request));
    let what = Request { caller: &key, call: "POST /api/v1/plugs", body: &body };
    let work = gateway.clone();
    gateway
        .once(request.headers(), what, |message| async move {
            work.found(&account, &party).await?;
            let mut said = json!({ "key": work.link.key_of(&party), "name": name, "namespace": namespace });
            if let Some(manifest) = manifest {
                said["manifest"] = manifest;
            }
            let said = said.to_string();
            let done = work.link.act(Speaker::Party(&party), &party, &["register"], said, Some(message)).await?;
            Ok((201, json!(done)))
        })
        .await
}

/// Makes a body from the key of what waits and the body that was sent.
type OfWaiting = fn(&Value, &[u8]) -> Result<Value, Fault>;

/// Says something about a plug as the operator; `waits` makes the body from the key of what waits.
async fn manage(
    gateway: web::Data<Gateway>,
    request: &HttpRequest,
    caller: &Caller,
    (plug, verb): (Id, &'static str),
    body: &[u8],
    waits: Option<OfWaiting>,
) -> Result<HttpResponse, Fault> {
    let gateway = gateway.into_inner();
    let party = Address::new(Kind::Plug, plug);
    let key = caller.key(gateway.from(request));
    let call = format!("POST {verb} {party}");
    let what = Request { caller: &key, call: &call, body };
    let work = gateway.clone();
    gateway
        .once(request.headers(), what, |message| async move {
            let said = match waits {
                None => String::new(),
                Some(of) => {
                    let known = work.link.ask("trust.verify", &json!({ "party": party })).await?;
                    // Where nothing waits the exchange says what came of it.
                    let key = known["pending"].get(0).or_else(|| known["keys"].as_array()?.last());
                    let key = key.ok_or_else(|| Fault::not_found(format!("nothing of {party} waits")))?;
                    of(&key["key"], body)?.to_string()
                }
            };
            Ok((200, json!(work.link.act(Speaker::Operator, &party, &[verb], said, Some(message)).await?)))
        })
        .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Why {
    why: String,
}

async fn approve(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    caller: Caller,
    plug: web::Path<Id>,
) -> Result<HttpResponse, Fault> {
    let of = (plug.into_inner(), "approve");
    manage(gateway, &request, &caller, of, b"", Some(|key, _| Ok(json!({ "key": key })))).await
}

async fn decline(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    caller: Caller,
    plug: web::Path<Id>,
    body: web::Bytes,
) -> Result<HttpResponse, Fault> {
    let says = |key: &Value, body: &[u8]| {
        let Why { why } = read(body)?;
        Ok(json!({ "key": key, "why": why }))
    };
    manage(gateway, &request, &caller, (plug.into_inner(), "decline"), &body, Some(says)).await
}

async fn suspend(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    caller: Caller,
    plug: web::Path<Id>,
) -> Result<HttpResponse, Fault> {
    manage(gateway, &request, &caller, (plug.into_inner(), "suspend"), b"", None).await
}

async fn resume(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    caller: Caller,
    plug: web::Path<Id>,
) -> Result<HttpResponse, Fault> {
    manage(gateway, &request, &caller, (plug.into_inner(), "resume"), b"", None).await
}
