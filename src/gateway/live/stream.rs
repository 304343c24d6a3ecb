//! The call: one answer, or a stream of events when the caller accepts `text/event-stream`.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::header::ACCEPT;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures_util::stream::unfold;
use serde_json::json;
use tokio::sync::watch;
use zeroize::Zeroizing;

use super::frame::Frame;
use crate::client::ids;
use crate::gateway::caller::{Caller, brought, network};
use crate::gateway::endpoint::{Access, Endpoint};
use crate::gateway::fault::Fault;
use crate::gateway::role::Role;
use crate::gateway::{Gateway, routes};

/// A stream ends after this; the page opens the next one.
const LIFE_MAX: Duration = Duration::from_secs(3600);
/// After how many milliseconds a page opens the stream again, unless it knows better.
const RETRY_MS: u64 = 2000;
const STREAM: &str = "text/event-stream";
/// The windows of statistics, where this build has them.
const WINDOWS: &str = "/api/stats/window";

/// Its calls.
pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/api/live", live)
            .about("Statistics", "Figures as they change: a stream of events to who accepts text/event-stream")
            .access(Access::Optional)
            .answer(
                200,
                "The newest seconds: rates by status, latencies, open exchanges, entries of the ledger; with the role \
                 ViewDataStats also by reason and partition. As a stream: an event past with an array of them, then an \
                 event frame a second",
                json!({
                    "type": "object", "required": ["full", "frames"],
                    "properties": { "full": { "type": "boolean" }, "frames": { "type": "array", "items": { "type": "object" } } },
                }),
            ),
    ]
}

async fn live(gateway: web::Data<Gateway>, request: HttpRequest, caller: Caller) -> Result<HttpResponse, Fault> {
    let full = matches!(&caller, Caller::Account(account) if account.has(&Role::ViewDataStats));
    let accepts = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
    let past = past(&gateway.live.past(), full);
    if !accepts.is_some_and(|accepts| accepts.contains(STREAM)) {
        return Ok(HttpResponse::Ok().content_type("application/json").body(past));
    }
    let address = network(gateway.from(&request));
    gateway.live.sit(address)?;
    let token = match brought(request.headers())? {
        Some(token) if full => Some(Zeroizing::new(token.to_owned())),
        _ => None,
    };
    let watcher = Watcher {
        newest: gateway.live.newest.subscribe(),
        ends: Instant::now() + LIFE_MAX,
        first: Some(past),
        gateway: gateway.into_inner(),
        address,
        token,
    };
    let events = unfold(watcher, |mut watcher| async move {
        let event = watcher.next().await?;
        Some((Ok::<Bytes, Infallible>(event), watcher))
    });
    // Proxies that gather answers would make seconds of it.
    Ok(HttpResponse::Ok().content_type(STREAM).insert_header(("x-accel-buffering", "no")).streaming(events))
}

/// The frames that are kept, as one object.
fn past(frames: &[Arc<Frame>], full: bool) -> Bytes {
    let mut text = format!("{{\"full\":{full},\"windows\":{},\"frames\":[", windows());
    for (number, frame) in frames.iter().enumerate() {
        let frame = if full { &frame.full } else { &frame.open };
        let comma = if number == 0 { "" } else { "," };
        // A frame is JSON that was made here.
        let _ = write!(text, "{comma}{}", String::from_utf8_lossy(frame));
    }
    text.push_str("]}");
    Bytes::from(text)
}

/// Whether this build tells windows of statistics.
fn windows() -> bool {
    static KNOWN: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *KNOWN.get_or_init(|| routes::all(false).iter().any(|endpoint| endpoint.doc.path == WINDOWS))
}

/// One page that listens.
struct Watcher {
    gateway: Arc<Gateway>,
    newest: watch::Receiver<Option<Arc<Frame>>>,
    address: IpAddr,
    /// What it may see more for; looked at again with each frame.
    token: Option<Zeroizing<String>>,
    first: Option<Bytes>,
    ends: Instant,
}

impl Watcher {
    /// The next event; none when the stream is over.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(past) = self.first.take() {
            self.newest.mark_unchanged();
            return Some(event("past", None, &past));
        }
        let closing = self.gateway.live.closing.clone();
        tokio::select! {
            changed = self.newest.changed() => changed.ok()?,
            () = closing.cancelled() => return None,
        }
        if Instant::now() >= self.ends || !self.may_go_on() {
            return None;
        }
        let frame = self.newest.borrow_and_update().clone()?;
        let told = if self.token.is_some() { &frame.full } else { &frame.open };
        Some(event("frame", Some(frame.number), told))
    }

    /// Whether the token that opened it is still in force, with its role.
    fn may_go_on(&self) -> bool {
        self.token.as_ref().is_none_or(|token| {
            let account = self.gateway.accounts.bearer(token, ids::now());
            account.is_some_and(|account| account.has(&Role::ViewDataStats))
        })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.gateway.live.rise(self.address);
    }
}

fn event(name: &str, number: Option<u64>, data: &Bytes) -> Bytes {
    let mut head = format!("event: {name}\n");
    match number {
        Some(number) => head.push_str(&format!("id: {number}\n")),
        None => head.push_str(&format!("retry: {RETRY_MS}\n")),
    }
    let mut event = Vec::with_capacity(head.len() + data.len() + 8);
    event.extend_from_slice(head.as_bytes());
    event.extend_from_slice(b"data: ");
    event.extend_from_slice(data);
    event.extend_from_slice(b"\n\n");
    Bytes::from(event)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn events_are_of_the_form_that_browsers_read() {
        let text = event("frame", Some(7), &Bytes::from_static(b"{\"open\":1}"));
        assert_eq!(text, "event: frame\nid: 7\ndata: {\"open\":1}\n\n");
        let empty: Value = serde_json::from_slice(&past(&[], false)).expect("JSON");
        assert_eq!(empty["frames"], json!([]));
        assert_eq!(event("past", None, &Bytes::from_static(b"{}")), "event: past\nretry: 2000\ndata: {}\n\n");
    }
}
