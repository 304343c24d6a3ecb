//! Data plugs of the original: listed, and connected to one HAT.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::shape::{all, once, repeatable, uuid_of};
use crate::domain::{Address, Id, Kind, Reason};
use crate::gateway::caller::Caller;
use crate::gateway::endpoint::{Access, Endpoint};
use crate::gateway::fault::{Fault, Original};
use crate::gateway::link::Speaker;
use crate::gateway::role::Role;
use crate::gateway::{Gateway, etag};

const TAG: &str = "Original: data plugs";

/// Its calls.
pub fn endpoints() -> Vec<Endpoint> {
    let object = json!({ "type": "object" });
    let text = json!({ "type": "string" });
    let path = "/api/dataplugs/{uuid}/connect";
    let mut calls = vec![
        Endpoint::get("/api/dataplugs", list)
            .about(TAG, "Approved plugs; with ViewDataPlugs those that wait, too")
            .access(Access::Optional)
            .original()
            .answer(200, "Plugs", json!({ "type": "array", "items": object }))
            .empty(304, "Unchanged"),
    ];
    for call in [Endpoint::get(path, connect), repeatable(Endpoint::post(path, connect))] {
        let call = call.about(TAG, "Connects a plug to a HAT").access(Access::Token).original();
        let call = call.path_param("uuid", "The plug: its uuid or its id").query("hat", true, "The HAT", text.clone());
        calls.push(call.answer(200, "Done, or asked of the HAT's owner", object.clone()));
    }
    calls
}

fn party(plug: &Value) -> Option<Address> {
    plug["party"].as_str()?.parse().ok()
}

/// A plug in the original's shape; its password's hash is told to nobody.
fn told(gateway: &Gateway, plug: &Value) -> Option<Value> {
    let party = party(plug)?;
    let waits = plug["pending"].get(0);
    let profile =
        if plug["profile"].is_null() { waits.map_or(&Value::Null, |it| &it["profile"]) } else { &plug["profile"] };
    let owner = gateway.accounts.owner(&party).and_then(|name| gateway.accounts.get(&name));
    let provider = owner.map_or_else(|| uuid_of(&party), |account| account.user);
    let text = |name: &str| profile["manifest"][name].as_str().unwrap_or_default();
    let created = plug["keys"].get(0).map(|key| &key["from"]).or_else(|| waits.map(|it| &it["at"]));
    Some(json!({
        "uuid": uuid_of(&party), "providerId": provider, "created": created, "name": profile["name"].as_str().unwrap_or_default(),
        "description": text("description"), "url": text("url"), "illustrationUrl": text("illustrationUrl"),
        "passwordHash": "", "approved": plug["approved"] == true,
    }))
}

async fn list(gateway: web::Data<Gateway>, request: HttpRequest, caller: Caller) -> Result<HttpResponse, Original> {
    let plugs = all(&gateway.link, "plug.list", json!({ "manifests": true })).await?;
    let every = matches!(&caller, Caller::Account(account)
        if account.has(&Role::ViewDataPlugs) || account.has(&Role::ManageDataPlugs));
    let seen = |plug: &&Value| plug["approved"] == true || every || party(plug).is_some_and(|it| caller.sees(&it));
    let told: Vec<Value> = plugs.iter().filter(seen).filter_map(|plug| told(&gateway, plug)).collect();
    Ok(etag::answer(&request, &Value::Array(told)))
}

/// The plug that a path names, by its id or by the UUID that the list tells.
async fn named(gateway: &Gateway, text: &str) -> Result<Address, Fault> {
    let unknown = || Fault::not_found("there is no such plug");
    if let Ok(uuid) = text.parse::<Uuid>() {
        let plugs = all(&gateway.link, "plug.list", json!({})).await?;
        return plugs.iter().filter_map(party).find(|it| uuid_of(it) == uuid).ok_or_else(unknown);
    }
    let plug = Address::new(Kind::Plug, Id::new(text).map_err(|_| unknown())?);
    let known = gateway.link.ask("trust.verify", &json!({ "party": plug })).await?;
    if known["standing"] == "unknown" { Err(unknown()) } else { Ok(plug) }
}

/// Whether the caller's word makes this gateway speak as the plug.
fn speaks(gateway: &Gateway, caller: &Caller, plug: &Address) -> Result<(), Fault> {
    let account = caller.account()?;
    if account.owns(plug) {
        return Ok(());
    }
    // Tied to the account by a role, and its key is not here: what it says it signs itself.
    if account.has(&Role::OwnsDataPlug(plug.id.clone())) && gateway.accounts.owner(plug).is_none() {
        let detail = format!("{plug} has a key of its own and asks the HAT itself (plug-connect, over NATS)");
        return Err(Fault::forbidden(detail));
    }
    Err(Fault::forbidden(format!("{plug} is not yours")))
}

#[derive(Deserialize)]
struct To {
    hat: String,
}

async fn connect(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    caller: Caller,
    plug: web::Path<String>,
    to: web::Query<To>,
) -> Result<HttpResponse, Original> {
    caller.known()?;
    let hat = Id::new(&to.hat).map_err(|error| Fault::malformed(format!("hat: {error}")))?;
    let plug = named(&gateway, &plug).await?;
    let by_owner = match &caller {
        Caller::Hat(token) if token.hat == hat => true,
        Caller::Hat(_) => return Err(Fault::forbidden("this is another HAT").into()),
        _ => {
            speaks(&gateway, &caller, &plug)?;
            false
        }
    };
    let work = gateway.clone().into_inner();
    once(&gateway, &request, &caller, b"", |message| async move {
        let to = Address::new(Kind::Hat, hat);
        let speaker = if by_owner { Speaker::Bridge } else { Speaker::Party(&plug) };
        let message = match work.link.act(speaker, &to, &["plug-connect", plug.id.as_str()], "", Some(message)).await {
            Err(fault) if matches!(fault.problem.reason, Reason::AlreadyExists) => "the plug is connected already",
            Err(fault) => return Err(fault),
            Ok(_) if by_owner => "the plug is connected",
            Ok(_) => "the HAT is asked: the plug is connected when its owner has said yes",
        };
        Ok((200, json!({ "message": message })))
    })
    .await
}
