//! The web server: binds, and serves the list of calls.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Server, ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, Error, HttpServer};

use super::console;
use super::cors;
use super::endpoint::Style;
use super::fault::Fault;
use super::guard::{answer, guard, of_status};
use super::{Gateway, routes};
use crate::telemetry::rest;

/// Most connections at a time; further ones wait in the backlog of the socket.
const CONNECTIONS_MAX: usize = 4096;
/// A request whose header takes longer is dropped.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// A connection without requests is closed after this.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Threads that serve requests.
const WORKERS: usize = 2;

/// Sent with every answer that does not say otherwise.
const SECURITY: [(&str, &str); 6] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// Binds and prepares the server; the caller runs it. Port 0 takes any free port.
///
/// # Errors
/// When the address cannot be bound.
pub fn serve(gateway: &Arc<Gateway>) -> std::io::Result<(Server, SocketAddr)> {
    let listen = gateway.settings.listen;
    let shared = Arc::clone(gateway);
    let server = HttpServer::new(move || {
        let gateway = Arc::clone(&shared);
        let outer = Arc::clone(&shared);
        App::new()
            .wrap(from_fn(move |request: ServiceRequest, next: Next<BoxBody>| {
                around(Arc::clone(&outer), request, next)
            }))
            .configure(move |config| configure(config, &gateway))
    })
    .workers(WORKERS)
    .max_connections(CONNECTIONS_MAX)
    .client_request_timeout(HEAD_WITHIN)
    .keep_alive(KEEP_ALIVE)
    .disable_signals()
    .shutdown_timeout(2)
    .bind(listen)?;
    let address = server.addrs().first().copied().unwrap_or(listen);
    Ok((server.run(), address))
}

/// Puts every call of the list into the router, each behind its guard.
pub fn configure(config: &mut ServiceConfig, gateway: &Arc<Gateway>) {
    config.app_data(web::Data::from(Arc::clone(gateway)));
    config.app_data(web::PayloadConfig::new(gateway.settings.body_bytes));
    let query = web::QueryConfig::default();
    config.app_data(query.error_handler(|error, _| Fault::malformed(format!("the query: {error}")).into()));
    let path = web::PathConfig::default();
    config.app_data(path.error_handler(|error, _| Fault::malformed(format!("the path: {error}")).into()));
    // One resource a path, in the order of the list, so that another method is answered 405.
    let mut paths: Vec<String> = Vec::new();
    let mut resources = BTreeMap::new();
    for endpoint in routes::all(gateway.settings.console) {
        let doc = Arc::new(endpoint.doc);
        if !resources.contains_key(&doc.path) {
            paths.push(doc.path.clone());
        }
        let style = doc.style;
        let resource = resources.remove(&doc.path).unwrap_or_else(|| {
            let nobody =
                move || async move { answer(of_status(actix_web::http::StatusCode::METHOD_NOT_ALLOWED), style) };
            web::resource(doc.path.clone()).default_service(web::to(nobody))
        });
        let (gateway, path) = (Arc::clone(gateway), doc.path.clone());
        let route = endpoint.route.wrap(from_fn(move |request: ServiceRequest, next: Next<BoxBody>| {
            let (gateway, doc) = (Arc::clone(&gateway), Arc::clone(&doc));
            async move { Ok::<_, Error>(guard(gateway, doc, request, next).await) }
        }));
        resources.insert(path, resource.route(route));
    }
    for path in paths {
        if let Some(resource) = resources.remove(&path) {
            config.service(resource);
        }
    }
    if gateway.settings.console {
        config.service(web::redirect("/console/", console::PATH));
    }
    config.default_service(web::to(|| async {
        answer(of_status(actix_web::http::StatusCode::NOT_FOUND), Style::Problem)
    }));
}

/// Around everything, unknown paths too: pages of other origins, headers of every answer.
async fn around(
    gateway: Arc<Gateway>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let origin = cors::allowed(&gateway.settings.cors_origins, request.headers());
    let mut response = if let Some(preflight) = cors::preflight(&request, origin.is_some()) {
        request.into_response(preflight).map_into_boxed_body()
    } else {
        next.call(request).await?.map_into_boxed_body()
    };
    if response.request().match_pattern().is_none() {
        rest::answered(response.request().method().as_str(), "other", response.status().as_u16(), Duration::ZERO);
    }
    let headers = response.headers_mut();
    for (name, value) in SECURITY {
        let name = HeaderName::from_static(name);
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    if let Some(origin) = origin {
        cors::allow(headers, &origin);
    }
    Ok(response)
}
