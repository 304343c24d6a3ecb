//! Applications of the original: listed, with their versions, registered and moved on by their developers.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::shape::{all, once, repeatable};
use crate::domain::app::{Developer, Manifest};
use crate::domain::{Address, Id, Kind, MessageId, Reason};
use crate::gateway::caller::Caller;
use crate::gateway::endpoint::{Access, Endpoint};
use crate::gateway::fault::{Fault, Original};
use crate::gateway::link::Speaker;
use crate::gateway::role::Role;
use crate::gateway::{Gateway, etag};

const TAG: &str = "Original: applications";
/// Most applications in one answer of the paged list, and when it does not say.
const PAGE_MAX: usize = 500;
const PAGE: usize = 50;
/// Most old versions told of one application.
const HISTORY_MAX: usize = 20;

/// Its calls.
pub fn endpoints() -> Vec<Endpoint> {
    let object = json!({ "type": "object" });
    let array = json!({ "type": "array", "items": object });
    let (text, flag) = (json!({ "type": "string" }), json!({ "type": "boolean" }));
    let many = |endpoint: Endpoint| {
        endpoint.query("unpublished", false, "Those that are not published, too", flag.clone()).access(Access::Optional)
    };
    let about = |endpoint: Endpoint, what: &'static str| endpoint.about(TAG, what).original();
    let mut calls = vec![
        about(many(Endpoint::get("/api/v2/applications", list)), "Manifests of the published applications")
            .answer(200, "Applications", array.clone())
            .empty(304, "Unchanged"),
        about(many(Endpoint::get("/api/v3/applications", paged)), "Manifests of the published applications, paged")
            .query("kind", false, "Of this kind only", text.clone())
            .query("startId", false, "From this id on", text.clone())
            .query("limit", false, "At most so many", json!({ "type": "integer", "minimum": 1, "maximum": PAGE_MAX }))
            .answer(200, "A page", object.clone())
            .empty(304, "Unchanged"),
    ];
    for version in ["v2", "v3"] {
        let path = |rest: &str| format!("/api/{version}/applications{rest}");
        // Before the calls that name an application: no application is called that.
        let developer = about(Endpoint::put(path("/developer"), developer), "Who made one's applications");
        calls.push(developer.access(Access::Account).body(object.clone()).answer(200, "The developer", object.clone()));
        let of = |endpoint: Endpoint, what| {
            about(endpoint, what).path_param("id", "The application").answer(200, "The application", object.clone())
        };
        let lang = "Taken and not looked at: manifests have one language";
        calls.push(
            of(Endpoint::get(path("/{id}"), show), "One manifest")
                .query("lang", false, lang, text.clone())
                .access(Access::Optional)
                .empty(304, "Unchanged"),
        );
        let history = format!("/api/{version}/applications-history");
        calls.push(
            about(many(Endpoint::get(history, histories)), "Each with its former versions, newest first")
                .answer(200, "Applications", array.clone())
                .empty(304, "Unchanged"),
        );
        let made = about(Endpoint::post(path(""), register), "Registers an application").body(object.clone());
        calls.push(repeatable(made.access(Access::Account)).answer(201, "The application", object.clone()));
        let edit = of(Endpoint::put(path("/{id}"), edit), "Changes what is not published yet").body(object.clone());
        calls.push(edit.access(Access::Account));
        let next = about(Endpoint::post(path("/{id}/versions"), version_of), "A further version").body(object.clone());
        let next = next.path_param("id", "The application").access(Access::Account);
        calls.push(repeatable(next).answer(201, "The application", object.clone()));
        for call in
            [Endpoint::get(path("/{id}/publish"), publish), repeatable(Endpoint::post(path("/{id}/publish"), publish))]
        {
            calls.push(of(call, "Publishes what waits, as the operator").access(Access::Account));
        }
        for call in
            [Endpoint::get(path("/{id}/suspend"), suspend), repeatable(Endpoint::post(path("/{id}/suspend"), suspend))]
        {
            calls.push(of(call, "Takes it out of force for now").access(Access::Account));
        }
    }
    calls
}

/// What a list is asked for.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    unpublished: Option<bool>,
    kind: Option<String>,
    start_id: Option<String>,
    limit: Option<usize>,
}

/// The manifest of a registration as the exchange tells it: the published one, else one that waits.
fn manifest(app: &Value) -> Option<Value> {
    let waiting = || app["pending"].as_array()?.iter().find_map(|it| it["profile"].get("manifest"));
    let mut manifest = app["profile"].get("manifest").or_else(waiting)?.clone();
    // The registry says whether it is published, whatever its maker wrote.
    manifest["info"]["published"] = json!(app["approved"] == true);
    Some(manifest)
}

impl Gateway {
    /// All applications, in the order of their ids.
    async fn applications(&self, unpublished: bool) -> Result<Vec<Value>, Fault> {
        let apps = all(&self.link, "app.list", json!({ "manifests": true })).await?;
        Ok(apps.into_iter().filter(|app| unpublished || app["approved"] == true).collect())
    }

    /// One registered application.
    async fn application(&self, id: &str) -> Result<(Address, Value), Fault> {
        let unknown = || Fault::not_found("there is no such application");
        let app = Address::new(Kind::App, Id::new(id).map_err(|_| unknown())?);
        let known = self.link.ask("trust.verify", &json!({ "party": app })).await?;
        if manifest(&known).is_none() { Err(unknown()) } else { Ok((app, known)) }
    }

    /// An application of the caller's own.
    async fn own_application(&self, caller: &Caller, id: &str) -> Result<(Address, Value), Fault> {
        let account = caller.account()?;
        let (app, known) = self.application(id).await?;
        if self.accounts.owner(&app).as_ref() != Some(&account.name) {
            return Err(Fault::forbidden(format!("{app} is not yours")));
        }
        Ok((app, known))
    }

    /// Brings a manifest as the application itself. One that is there already is no fault.
    async fn bring(&self, app: &Address, verb: &str, manifest: &Value, id: Option<MessageId>) -> Result<Value, Fault> {
        Manifest::read(&app.id, manifest).map_err(|fault| Fault::malformed(fault.to_string()))?;
        let body = json!({ "key": self.link.key_of(app), "manifest": manifest }).to_string();
        match self.link.act(Speaker::Party(app), app, &[verb], body, id).await {
            Ok(_) => {}
            Err(fault) if fault.problem.reason == Reason::AlreadyExists => {}
            Err(fault) => return Err(fault),
        }
        let mut told = manifest.clone();
        told["info"]["published"] = json!(false);
        Ok(told)
    }
}

async fn list(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    wanted: web::Query<Wanted>,
) -> Result<HttpResponse, Original> {
    let apps = gateway.applications(wanted.unpublished == Some(true)).await?;
    Ok(etag::answer(&request, &apps.iter().filter_map(manifest).collect()))
}

async fn paged(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    wanted: web::Query<Wanted>,
) -> Result<HttpResponse, Original> {
    let Wanted { unpublished, kind, start_id, limit } = wanted.into_inner();
    let most = limit.unwrap_or(PAGE);
    if !(1..=PAGE_MAX).contains(&most) {
        return Err(Fault::malformed(format!("limit is not 1 to {PAGE_MAX}")).into());
    }
    let apps = gateway.applications(unpublished == Some(true)).await?;
    let of_kind = |it: &Value| kind.as_deref().is_none_or(|kind| it["kind"]["kind"] == kind);
    let from = |it: &Value| start_id.as_deref().is_none_or(|start| it["id"].as_str().is_some_and(|id| id >= start));
    let mut data: Vec<Value> = apps.iter().filter_map(manifest).filter(|it| of_kind(it) && from(it)).collect();
    let next = data.get(most).map(|it| it["id"].clone());
    data.truncate(most);
    let mut page = json!({ "data": data, "paginationParameters": {}, "filters": {} });
    let given = [
        ("/paginationParameters", "startId", start_id.map(Value::from)),
        ("/paginationParameters", "limit", limit.map(Value::from)),
        ("/filters", "unpublished", unpublished.map(Value::from)),
        ("/filters", "kind", kind.map(Value::from)),
    ];
    for (place, name, value) in given {
        if let (Some(object), Some(value)) = (page.pointer_mut(place), value) {
            object[name] = value;
        }
    }
    if let Some(next) = next {
        page["next"] = next;
    }
    Ok(etag::answer(&request, &page))
}

async fn show(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, Original> {
    let (_, known) = gateway.application(&id).await?;
    Ok(etag::answer(&request, &manifest(&known).unwrap_or_default()))
}

async fn histories(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    wanted: web::Query<Wanted>,
) -> Result<HttpResponse, Original> {
    let mut told = Vec::new();
    for app in gateway.applications(wanted.unpublished == Some(true)).await? {
        let Some(current) = manifest(&app) else { continue };
        let versions = app["versions"].as_array().cloned().unwrap_or_default();
        let mut history = Vec::new();
        // The newest is the current one; what stood at the time of a publication is in the ledger.
        for version in versions.iter().rev().skip(1).take(HISTORY_MAX) {
            let question = json!({ "party": app["party"], "at": version["at"] });
            let then = gateway.link.ask("trust.verify", &question).await?;
            history.extend(then["profile"].get("manifest").cloned());
        }
        let mut one = json!({ "current": current });
        if !history.is_empty() {
            one["history"] = json!(history);
        }
        told.push(one);
    }
    Ok(etag::answer(&request, &Value::Array(told)))
}

fn read(body: &[u8]) -> Result<Value, Fault> {
    serde_json::from_slice(body).map_err(|error| Fault::malformed(format!("the body is no JSON: {error}")))
}

async fn register(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    caller: Caller,
    body: web::Bytes,
) -> Result<HttpResponse, Original> {
    let account = caller.account()?;
    if !account.has(&Role::Developer) {
        return Err(Fault::forbidden("this needs the role Developer").into());
    }
    let manifest = read(&body)?;
    let id = Id::new(manifest["id"].as_str().unwrap_or_default());
    let id = id.map_err(|error| Fault::malformed(format!("id: {error}")))?;
    Manifest::read(&id, &manifest).map_err(|fault| Fault::malformed(fault.to_string()))?;
    let (work, name, app) = (gateway.clone().into_inner(), account.name.clone(), Address::new(Kind::App, id));
    once(&gateway, &request, &caller, &body, |message| async move {
        work.found(&name, &app).await?;
        Ok((201, work.bring(&app, "register", &manifest, Some(message)).await?))
    })
    .await
}

async fn edit(
    gateway: web::Data<Gateway>,
    caller: Caller,
    id: web::Path<String>,
    body: web::Bytes,
) -> Result<HttpResponse, Original> {
    let (app, _) = gateway.own_application(&caller, &id).await?;
    Ok(HttpResponse::Ok().json(gateway.bring(&app, "version", &read(&body)?, None).await?))
}

async fn version_of(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    caller: Caller,
    id: web::Path<String>,
    body: web::Bytes,
) -> Result<HttpResponse, Original> {
    let (app, _) = gateway.own_application(&caller, &id).await?;
    let (work, manifest) = (gateway.clone().into_inner(), read(&body)?);
    once(&gateway, &request, &caller, &body, |message| async move {
        Ok((201, work.bring(&app, "version", &manifest, Some(message)).await?))
    })
    .await
}

async fn developer(gateway: web::Data<Gateway>, caller: Caller, body: web::Bytes) -> Result<HttpResponse, Original> {
    let account = caller.account()?;
    let value = read(&body)?;
    let wanted: Developer =
        serde_json::from_value(value.clone()).map_err(|error| Fault::malformed(format!("the developer: {error}")))?;
    let mut found = false;
    for app in account.parties.iter().filter(|party| party.kind == Kind::App) {
        let known = gateway.link.ask("trust.verify", &json!({ "party": app })).await?;
        let Some(mut manifest) = manifest(&known).filter(|it| it["developer"]["id"] == wanted.id.as_str()) else {
            continue;
        };
        found = true;
        manifest["developer"].clone_from(&value);
        gateway.bring(app, "version", &manifest, None).await?;
    }
    if !found {
        return Err(Fault::not_found("no application of yours names this developer").into());
    }
    Ok(HttpResponse::Ok().json(value))
}

async fn publish(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, Original> {
    let account = caller.account()?;
    let (app, known) = gateway.application(&id).await?;
    if !account.has(&Role::Master) {
        return Err(Fault::forbidden(format!("{app} is published by an operator, who has to look at it first")).into());
    }
    let work = gateway.clone().into_inner();
    once(&gateway, &request, &caller, b"", |message| async move {
        let waits = known["pending"].get(0).ok_or_else(|| Fault::not_found("no version of it waits"))?;
        let body = json!({ "key": waits["key"], "version": waits["profile"]["version"] }).to_string();
        work.link.act(Speaker::Operator, &app, &["publish"], body, Some(message)).await?;
        let known = work.link.ask("trust.verify", &json!({ "party": app })).await?;
        Ok((200, manifest(&known).unwrap_or_default()))
    })
    .await
}

async fn suspend(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, Original> {
    let account = caller.account()?;
    let (app, known) = gateway.application(&id).await?;
    let owns = gateway.accounts.owner(&app).as_ref() == Some(&account.name);
    if !owns && !account.has(&Role::Master) {
        return Err(Fault::forbidden(format!("{app} is not yours")).into());
    }
    let work = gateway.clone().into_inner();
    once(&gateway, &request, &caller, b"", |message| async move {
        let speaker = if owns { Speaker::Party(&app) } else { Speaker::Operator };
        work.link.act(speaker, &app, &["suspend"], "", Some(message)).await?;
        let mut told = manifest(&known).unwrap_or_default();
        told["info"]["published"] = json!(false);
        Ok((200, told))
    })
    .await
}
