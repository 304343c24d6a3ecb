//! The OpenAPI 3.1 document, made from the list of calls, and its page.

use actix_web::http::header::CONTENT_SECURITY_POLICY;
use actix_web::{HttpResponse, web};
use serde_json::{Map, Value, json};

use super::endpoint::Endpoint;
use super::routes;
use crate::gateway::Gateway;

/// Where the document is.
pub const PATH: &str = "/api/openapi.json";

/// Its calls.
pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get(PATH, document).about("Description", "This document").answer(
            200,
            "OpenAPI 3.1",
            json!({ "type": "object" }),
        ),
        page("/api/docs", "text/html; charset=utf-8", include_str!("page/docs.html"), "A page to browse it with"),
        page("/api/docs/page.js", "text/javascript; charset=utf-8", include_str!("page/docs.js"), "Its script"),
        page("/api/docs/page.css", "text/css; charset=utf-8", include_str!("page/docs.css"), "Its looks"),
        page("/api/docs/icon.svg", "image/svg+xml", include_str!("page/icon.svg"), "Its icon"),
    ]
}

/// What the page may load: only itself, and nothing that is written into it.
pub const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                           form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

fn page(path: &'static str, media: &'static str, text: &'static str, summary: &'static str) -> Endpoint {
    let serve = move || async move {
        let mut answer = HttpResponse::Ok();
        answer.insert_header((CONTENT_SECURITY_POLICY, PAGE_POLICY));
        answer.content_type(media).body(text)
    };
    let kind = media.split(';').next().unwrap_or(media);
    Endpoint::get(path, serve).about("Description", summary).text(200, summary, kind)
}

async fn document(gateway: web::Data<Gateway>) -> HttpResponse {
    HttpResponse::Ok().json(describe(gateway.link.origin(), gateway.settings.console))
}

/// The whole document; with `console` also of the console.
pub fn describe(origin: &str, console: bool) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for endpoint in routes::all(console) {
        let path = paths.entry(endpoint.doc.path.clone()).or_insert_with(|| json!({}));
        path[endpoint.doc.method.as_str().to_ascii_lowercase()] = endpoint.doc.operation();
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": format!("Data exchange {origin}"),
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The open data exchange of the HAT ecosystem over HTTP.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": { "type": "apiKey", "in": "header", "name": "X-Auth-Token" },
                "bearer": { "type": "http", "scheme": "bearer" },
            },
            "schemas": { "Problem": problem(), "Original": original() },
            "responses": {
                "Problem": {
                    "description": "Why it was refused (RFC 9457)",
                    "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
                },
                "Original": {
                    "description": "Why it was refused",
                    "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Original" } } },
                },
            },
        },
    })
}

fn problem() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "type": "object", "required": ["type", "title", "status", "reason"],
        "properties": {
            "type": text, "title": text, "status": { "type": "integer" }, "detail": text, "reason": text, "instance": text,
        },
    })
}

fn original() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "type": "object", "required": ["message", "cause"],
        "properties": { "message": text, "cause": text, "details": { "type": "array", "items": text } },
    })
}
