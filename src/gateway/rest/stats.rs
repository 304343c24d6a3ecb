//! Rolling windows, the catalogue of available data, and how many HATs a bundle could find.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::statistics::Window;
use crate::gateway::endpoint::{Access, Endpoint};
use crate::gateway::fault::Fault;
use crate::gateway::rest::login::read;
use crate::gateway::role::Role;
use crate::gateway::{Gateway, etag};

const TAG: &str = "Statistics";

/// Its calls.
pub fn endpoints() -> Vec<Endpoint> {
    let object = || json!({ "type": "object" });
    let window = || json!({ "type": "string", "enum": Window::ALL, "default": "5m" });
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": 1000 });
    vec![
        Endpoint::get("/api/stats/summary", summary)
            .about(TAG, "What this exchange counted: since it started, and since its ledger began")
            .access(Access::Role(Role::ViewDataStats))
            .answer(200, "Counts by status, reason and direction", object()),
        Endpoint::get("/api/stats/window", of_window)
            .about(TAG, "What happened within a rolling window")
            .access(Access::Role(Role::ViewDataStats))
            .query("window", false, "Which one", window())
            .answer(
                200,
                "Counts, rates, uniques, quantiles, top endpoints, and the checkpoint they stand on",
                object(),
            ),
        Endpoint::get("/api/stats/series", series)
            .about(TAG, "A rolling window, slot by slot")
            .access(Access::Role(Role::ViewDataStats))
            .query("window", false, "Which one", window())
            .answer(200, "Slots in which anything happened", object()),
        Endpoint::get("/api/stats/catalogue", catalogue)
            .about(TAG, "Which data HATs hold, in figures that show no single HAT")
            .query("after", false, "The `next` of the page before", json!({ "type": "string" }))
            .query("limit", false, "Most endpoints", limit)
            .answer(200, "A page of endpoints with their fields", object())
            .empty(304, "Unchanged"),
        Endpoint::post("/api/stats/estimate", estimate)
            .about(TAG, "How many HATs hold data for every property of a bundle, as a range")
            .body(json!({ "type": "object", "required": ["bundle"], "properties": { "bundle": object() } }))
            .answer(200, "The range, and that of each property", object()),
    ]
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Which {
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<Window>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Page {
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<usize>,
}

async fn summary(gateway: web::Data<Gateway>) -> Result<web::Json<Value>, Fault> {
    Ok(web::Json(gateway.link.ask("stats.summary", &Value::Null).await?))
}

async fn of_window(gateway: web::Data<Gateway>, which: web::Query<Which>) -> Result<web::Json<Value>, Fault> {
    Ok(web::Json(gateway.link.ask("stats.window", &json!(which.into_inner())).await?))
}

async fn series(gateway: web::Data<Gateway>, which: web::Query<Which>) -> Result<web::Json<Value>, Fault> {
    Ok(web::Json(gateway.link.ask("stats.series", &json!(which.into_inner())).await?))
}

async fn catalogue(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    page: web::Query<Page>,
) -> Result<HttpResponse, Fault> {
    Ok(etag::answer(&request, &gateway.link.ask("stats.catalogue", &json!(page.into_inner())).await?))
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Could {
    bundle: Value,
}

async fn estimate(gateway: web::Data<Gateway>, body: web::Bytes) -> Result<web::Json<Value>, Fault> {
    let could: Could = read(&body)?;
    Ok(web::Json(gateway.link.ask("catalogue.estimate", &json!(could)).await?))
}
