//! `/stats`: what HATs report, and what is public of it.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use crate::domain::report::EVENTS_MAX;
use crate::domain::{Address, Kind};
use crate::gateway::caller::Caller;
use crate::gateway::endpoint::{Access, Endpoint};
use crate::gateway::fault::{Fault, Original};
use crate::gateway::link::Speaker;
use crate::gateway::rest::login::read;
use crate::gateway::role::Role;
use crate::gateway::{Gateway, etag};

use super::describe;
use super::shape::{once, repeatable};
use super::structure::NamespaceStructure;

const TAG: &str = "Original: statistics";

/// Its calls.
pub fn endpoints() -> Vec<Endpoint> {
    let objects = json!({ "type": "array", "items": { "type": "object" } });
    let events = json!({
        "type": "array", "maxItems": EVENTS_MAX, "items": { "type": "object", "required": ["statsType"] },
    });
    vec![
        repeatable(Endpoint::post("/stats/report", report))
            .about(TAG, "Reports a batch of a HAT's events")
            .access(Access::Hat)
            .original()
            .body(events)
            .answer(200, "Ledgered", json!({ "type": "object" })),
        Endpoint::get("/stats", counters)
            .about(TAG, "Public totals of what HATs report")
            .original()
            .answer(200, "Counters", objects.clone())
            .empty(304, "Unchanged"),
        Endpoint::get("/stats/available-data", available)
            .about(TAG, "The data fields that at least five HATs report")
            .original()
            .answer(200, "Namespaces with endpoints and fields", objects.clone())
            .empty(304, "Unchanged"),
        repeatable(Endpoint::post("/stats/available-data/descriptions", describe))
            .about(TAG, "Writes descriptions into the catalogue; an empty one is taken away")
            .access(Access::Role(Role::Master))
            .original()
            .body(objects.clone())
            .answer(200, "The catalogue with its descriptions", objects),
    ]
}

async fn report(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    caller: Caller,
    body: web::Bytes,
) -> Result<HttpResponse, Original> {
    let hat = Address::new(Kind::Hat, caller.hat()?.hat.clone());
    let (work, said) = (gateway.clone().into_inner(), body.clone());
    once(&gateway, &request, &caller, &body, |message| async move {
        let done = work.link.act(Speaker::Bridge, &hat, &["report"], said, Some(message)).await?;
        Ok((200, json!({ "message": "Statistics registered", "exchange": done.outcome.exchange })))
    })
    .await
}

async fn counters(gateway: web::Data<Gateway>, request: HttpRequest) -> Result<HttpResponse, Original> {
    Ok(etag::answer(&request, &gateway.public.figures(&gateway.link).await?.counters))
}

async fn available(gateway: web::Data<Gateway>, request: HttpRequest) -> Result<HttpResponse, Original> {
    let structure = gateway.public.figures(&gateway.link).await?.structure;
    Ok(etag::answer(&request, &json!(gateway.described(structure))))
}

async fn describe(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    caller: Caller,
    body: web::Bytes,
) -> Result<HttpResponse, Original> {
    caller.admin()?;
    let told = describe::of(&read::<Vec<NamespaceStructure>>(&body)?)?;
    let work = gateway.clone().into_inner();
    once(&gateway, &request, &caller, &body, |_| async move {
        let keeps = work.clone();
        let done = tokio::task::spawn_blocking(move || keeps.describe(told)).await;
        done.map_err(|error| Fault::internal("the descriptions", &error))??;
        let structure = work.public.figures(&work.link).await?.structure;
        Ok((200, json!(work.described(structure))))
    })
    .await
}
