//! `/stats`: what HATs report, and what is public of it.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use crate::domain::report::EVENTS_MAX;
use crate::domain::{Address, Kind};
use crate::gateway::caller::Caller;
use crate::gateway::endpoint::{Access, Endpoint};
use crate::gateway::fault::Original;
use crate::gateway::link::Speaker;
use crate::gateway::{Gateway, etag};

const TAG: &str = "Original: statistics";

/// Its calls.
pub fn endpoints() -> Vec<Endpoint> {
    let objects = json!({ "type": "array", "items": { "type": "object" } });
    let events = json!({
        "type": "array", "maxItems": EVENTS_MAX, "items": { "type": "object", "required": ["statsType"] },
    });
    vec![
        Endpoint::post("/stats/report", report)
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
            .answer(200, "Namespaces with endpoints and fields", objects)
            .empty(304, "Unchanged"),
    ]
}

async fn report(
    gateway: web::Data<Gateway>,
    caller: Caller,
    body: web::Bytes,
) -> Result<web::Json<serde_json::Value>, Original> {
    let hat = Address::new(Kind::Hat, caller.hat()?.hat.clone());
    let done = gateway.link.act(Speaker::Bridge, &hat, &["report"], body, None).await?;
    Ok(web::Json(json!({ "message": "Statistics registered", "exchange": done.outcome.exchange })))
}

async fn counters(gateway: web::Data<Gateway>, request: HttpRequest) -> Result<HttpResponse, Original> {
    Ok(etag::answer(&request, &gateway.public.figures(&gateway.link).await?.counters))
}

async fn available(gateway: web::Data<Gateway>, request: HttpRequest) -> Result<HttpResponse, Original> {
    Ok(etag::answer(&request, &gateway.public.figures(&gateway.link).await?.structure))
}
