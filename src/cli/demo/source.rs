//! The demo's own source: walks of everybody who has a HAT, page by page, over HTTP on loopback.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpResponse, HttpServer, web};
use serde_json::{Value, json};

/// Walks on one page.
const PAGE: u64 = 5;
/// Everybody has walked so often when the demo begins, and walks again in so many seconds.
const WALKED: u64 = 12;
const AGAIN: u64 = 10;

/// A running source. Dropping it ends it.
pub struct Source {
    /// Where it listens.
    pub address: SocketAddr,
    handle: ServerHandle,
}

impl Source {
    /// Starts one on a port of the system's choice.
    ///
    /// # Errors
    /// When no port can be bound.
    pub fn start() -> std::io::Result<Source> {
        let begun = web::Data::new(Instant::now());
        let server = HttpServer::new(move || {
            App::new().app_data(web::Data::clone(&begun)).route("/{hat}/walks", web::get().to(walks))
        });
        let server =
            server.workers(1).disable_signals().shutdown_timeout(1).bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        tokio::spawn(server);
        Ok(Source { address, handle })
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        // It stops without being waited for.
        drop(self.handle.stop(false));
    }
}

async fn walks(
    hat: web::Path<String>,
    query: web::Query<BTreeMap<String, String>>,
    begun: web::Data<Instant>,
) -> HttpResponse {
    let after = query.get("after").and_then(|after| after.parse().ok()).unwrap_or(0);
    HttpResponse::Ok().json(page(&hat, after, WALKED + begun.elapsed().as_secs() / AGAIN))
}

/// The walks after number `after`, of `all` that there are.
fn page(hat: &str, after: u64, all: u64) -> Value {
    let last = after.saturating_add(PAGE).min(all);
    let steps = |n: u64| 2000 + hat.bytes().fold(n, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % 9000;
    let items: Vec<Value> = (after + 1..=last).map(|n| json!({ "id": n, "walk": n, "steps": steps(n) })).collect();
    let mut page = json!({ "items": items });
    if last < all {
        page["next"] = json!(last.to_string());
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_and_stay_the_same() {
        let first = page("bob.hubat.net", 0, 7);
        assert_eq!((first["items"].as_array().map(Vec::len), first["next"].as_str()), (Some(5), Some("5")));
        let second = page("bob.hubat.net", 5, 7);
        assert_eq!((second["items"].as_array().map(Vec::len), second.get("next")), (Some(2), None));
        assert_eq!(page("bob.hubat.net", 0, 9)["items"], first["items"]);
        assert_ne!(page("alice.hubat.net", 0, 9)["items"], first["items"]);
    }
}
