//! The daemon's HTTP side: metrics and health.

pub mod address;
pub mod outward;
pub mod resolve;
pub mod retry;
pub mod secret;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::dev::Server;
use actix_web::{App, HttpResponse, HttpServer, web};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;

use crate::telemetry::health::STUCK_AFTER;
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
    crate::telemetry::health_gauges(&state.health, Instant::now());
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(state.prometheus.render())
}

/// 200 while no part is stuck, else 503 with the names of those that only a restart helps.
async fn live(state: web::Data<HttpState>) -> HttpResponse {
    let stuck = state.health.stuck(Instant::now(), STUCK_AFTER);
    let report = serde_json::json!({ "live": stuck.is_empty(), "stuck": stuck });
    if stuck.is_empty() { HttpResponse::Ok().json(report) } else { HttpResponse::ServiceUnavailable().json(report) }
}

/// 200 when every check is well, else 503; both name each check.
async fn ready(state: web::Data<HttpState>) -> HttpResponse {
    let now = Instant::now();
    let report = Report { ready: state.health.ready(now), checks: state.health.checks(now) };
    if report.ready { HttpResponse::Ok().json(report) } else { HttpResponse::ServiceUnavailable().json(report) }
}

/// Most connections at a time; further ones wait in the backlog of the socket.
const CONNECTIONS_MAX: usize = 256;
/// A request whose header takes longer is dropped.
const REQUEST_WITHIN: Duration = Duration::from_secs(5);

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
    .max_connections(CONNECTIONS_MAX)
    .client_request_timeout(REQUEST_WITHIN)
    .disable_signals()
    .shutdown_timeout(2)
    .bind(listen)?;
    let address = server.addrs().first().copied().unwrap_or(listen);
    Ok((server.run(), address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::recorder;

    async fn get(address: SocketAddr, path: &str) -> (u16, String, String) {
        let answer = outward::get(&format!("http://{address}{path}")).await.expect("an answer");
        let status = answer.status().as_u16();
        let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or("").to_owned();
        (status, kind, answer.text().await.expect("a body"))
    }

    #[actix_web::test]
    async fn pages_tell_metrics_life_and_readiness() {
        let health = Arc::new(Health::default());
        let state = HttpState { prometheus: recorder(), health: Arc::clone(&health) };
        let (server, address) = serve(SocketAddr::from(([127, 0, 0, 1], 0)), state.clone()).expect("bound");
        assert_ne!(address.port(), 0, "the real port is told");
        let handle = server.handle();
        actix_web::rt::spawn(server);

        let (status, kind, page) = get(address, "/metrics").await;
        assert_eq!((status, kind.as_str()), (200, "text/plain; version=0.0.4; charset=utf-8"));
        assert!(page.contains(concat!("dex_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1")), "{page}");
        assert!(page.contains("# TYPE dex_commit_seconds histogram"), "{page}");
        assert_eq!(get(address, "/health/live").await.0, 200);

        // Before anything is known the daemon is not ready; it is when every check is well.
        assert_eq!(get(address, "/health/ready").await.0, 503);
        health.set("nats", true, "connected");
        health.heartbeat("partition-0");
        let (status, kind, page) = get(address, "/health/ready").await;
        assert_eq!((status, kind.as_str()), (200, "application/json"));
        let report: serde_json::Value = serde_json::from_str(&page).expect("JSON");
        assert_eq!(
            report,
            serde_json::json!({ "ready": true, "checks": [
                { "name": "nats", "ok": true, "detail": "connected" },
                { "name": "partition-0", "ok": true, "detail": "alive" },
            ]})
        );
        health.set("nats", false, "the broker cannot be reached");
        let (status, _, page) = get(address, "/health/ready").await;
        assert_eq!(status, 503);
        assert!(page.contains("the broker cannot be reached"), "{page}");
        assert_eq!(get(address, "/health/live").await.0, 200, "alive all the same");

        assert_eq!(get(address, "/").await.0, 404);
        let posted = outward::client(Duration::from_secs(30))
            .expect("a client")
            .post(format!("http://{address}/metrics"))
            .send()
            .await
            .expect("an answer");
        assert_eq!(posted.status().as_u16(), 404);

        // The address is taken: the error says so instead of sharing it.
        assert!(serve(address, state).is_err());
        handle.stop(true).await;
        assert!(outward::get(&format!("http://{address}/health/live")).await.is_err(), "stopped");
    }
}
