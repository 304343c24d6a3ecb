//! The daemon's HTTP side: metrics and health.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use actix_web::dev::Server;
use actix_web::{App, HttpResponse, HttpServer, web};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;

use crate::telemetry::{Check, Health};

/// What the pages read from.
#[derive(Clone)]
pub struct HttpState {
    /// Renders the metrics.
    pub prometheus: PrometheusHandle,
    /// Knows how the daemon is.
    pub health: Arc<Health>,
}

#[derive(Serialize)]
struct Report {
    ready: bool,
    checks: Vec<Check>,
}

async fn metrics(state: web::Data<HttpState>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(state.prometheus.render())
}

/// The process answers: it is alive.
async fn live() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "live": true }))
}

/// 200 when every check is well, else 503; both name each check.
async fn ready(state: web::Data<HttpState>) -> HttpResponse {
    let now = Instant::now();
    let report = Report { ready: state.health.ready(now), checks: state.health.checks(now) };
    if report.ready { HttpResponse::Ok().json(report) } else { HttpResponse::ServiceUnavailable().json(report) }
}

/// Binds and prepares the server; the caller runs it. Port 0 takes any free port.
///
/// # Errors
/// When the address cannot be bound.
pub fn serve(listen: SocketAddr, state: HttpState) -> std::io::Result<(Server, SocketAddr)> {
    let data = web::Data::new(state);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(data.clone())
            .route("/metrics", web::get().to(metrics))
            .route("/health/live", web::get().to(live))
            .route("/health/ready", web::get().to(ready))
    })
    .workers(1)
    .disable_signals()
    .shutdown_timeout(2)
    .bind(listen)?;
    let address = server.addrs().first().copied().unwrap_or(listen);
    Ok((server.run(), address))
}
