//! The call: one answer, or a stream of events when the caller accepts `text/event-stream`.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::ACCEPT;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures_util::stream::unfold;
use serde_json::json;
use tokio::sync::{Notify, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use zeroize::Zeroizing;

use super::frame::Frame;
use super::seat::{Seat, Stay};
use crate::client::ids;
use crate::gateway::caller::{Caller, brought, network};
use crate::gateway::endpoint::{Access, Endpoint};
use crate::gateway::fault::Fault;
use crate::gateway::role::Role;
use crate::gateway::{Gateway, routes};

/// A stream ends after this; the page opens the next one.
const LIFE_MAX: Duration = Duration::from_secs(3600);
/// A stream that is not asked for its next event for so long ends, too: there is one a second. It is asked as long as there is
/// room in the buffers towards its client, so who reads nothing has them filled first.
const UNREAD_MAX: Duration = Duration::from_secs(60);
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
    let token = match brought(request.headers())? {
        Some(token) if full => Some(Zeroizing::new(token.to_owned())),
        _ => None,
    };
    let (seat, stay) = gateway.live.seats.take(network(gateway.from(&request)))?;
    let (ended, taken) = (CancellationToken::new(), Arc::new(Notify::new()));
    tokio::spawn(keep(seat, ended.clone(), Arc::clone(&taken), UNREAD_MAX, LIFE_MAX));
    let watcher = Watcher {
        newest: gateway.live.newest.subscribe(),
        first: Some(past),
        gateway: gateway.into_inner(),
        token,
        taken,
        ended: ended.clone(),
        _gone: ended.drop_guard(),
        _stay: stay,
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

/// Keeps a stream's seat until the stream is gone, has lived for `life`, or was not asked for an event for `unread`; then ends
/// the stream. Nobody asks one that stands before full buffers, so it cannot see to that by itself. Its connection stays until
/// its client reads again or hangs up, and counts for its address until then.
async fn keep(seat: Seat, ended: CancellationToken, taken: Arc<Notify>, unread: Duration, life: Duration) {
    let over = tokio::time::sleep(life);
    tokio::pin!(over);
    loop {
        tokio::select! {
            // Who has just read is not taken for one who does not, however late this is looked at.
            biased;
            () = ended.cancelled() => break,
            () = &mut over => break,
            () = taken.notified() => {}
            () = tokio::time::sleep(unread) => break,
        }
    }
    ended.cancel();
    drop(seat);
}

/// One page that listens.
struct Watcher {
    gateway: Arc<Gateway>,
    newest: watch::Receiver<Option<Arc<Frame>>>,
    /// What it may see more for; looked at again with each frame.
    token: Option<Zeroizing<String>>,
    first: Option<Bytes>,
    /// Told each time that an event is asked for: there is room for it towards the client.
    taken: Arc<Notify>,
    /// Its seat is given back: the stream is over.
    ended: CancellationToken,
    /// Gives the seat back when the stream is gone.
    _gone: DropGuard,
    /// Counts for its address as long as the stream is there, seat or not.
    _stay: Stay,
}

impl Watcher {
    /// The next event; none when the stream is over.
    async fn next(&mut self) -> Option<Bytes> {
        self.taken.notify_one();
        if self.ended.is_cancelled() {
            return None;
        }
        if let Some(past) = self.first.take() {
            self.newest.mark_unchanged();
            return Some(event("past", None, &past));
        }
        let closing = self.gateway.live.closing.clone();
        tokio::select! {
            changed = self.newest.changed() => changed.ok()?,
            () = closing.cancelled() => return None,
            () = self.ended.cancelled() => return None,
        }
        if !self.may_go_on() {
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
    use std::net::IpAddr;
    use std::time::Instant;

    use serde_json::Value;

    use super::super::seat::Seats;
    use super::*;

    const SHORT: Duration = Duration::from_millis(200);
    const LONG: Duration = Duration::from_secs(600);

    /// A seat that is kept; how it is ended, and how its keeper is told that an event was asked for.
    fn kept(seats: &Seats, unread: Duration, life: Duration) -> (CancellationToken, Arc<Notify>) {
        let (seat, _) = seats.take(IpAddr::from([127, 0, 0, 1])).expect("room");
        let (ended, taken) = (CancellationToken::new(), Arc::new(Notify::new()));
        tokio::spawn(keep(seat, ended.clone(), Arc::clone(&taken), unread, life));
        (ended, taken)
    }

    async fn until_free(seats: &Seats) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while seats.taken() > 0 {
            assert!(Instant::now() < deadline, "the seat is kept");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test]
    async fn a_client_that_reads_nothing_gives_its_seat_back() {
        let seats = Seats::default();
        let (ended, _taken) = kept(&seats, SHORT, LONG);
        until_free(&seats).await;
        assert!(ended.is_cancelled(), "its stream is over, should it read again");
    }

    #[tokio::test]
    async fn a_client_that_reads_keeps_its_seat_for_the_life_of_a_stream() {
        let seats = Seats::default();
        let began = Instant::now();
        let (ended, taken) = kept(&seats, SHORT * 5, SHORT * 10);
        while seats.taken() > 0 {
            assert!(began.elapsed() < Duration::from_secs(20), "the seat is kept");
            taken.notify_one();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(ended.is_cancelled() && began.elapsed() >= SHORT * 10);
    }

    #[tokio::test]
    async fn a_stream_that_is_gone_gives_its_seat_back_at_once() {
        let seats = Seats::default();
        let (ended, _taken) = kept(&seats, LONG, LONG);
        drop(ended.drop_guard());
        until_free(&seats).await;
    }

    #[test]
    fn events_are_of_the_form_that_browsers_read() {
        let text = event("frame", Some(7), &Bytes::from_static(b"{\"open\":1}"));
        assert_eq!(text, "event: frame\nid: 7\ndata: {\"open\":1}\n\n");
        let empty: Value = serde_json::from_slice(&past(&[], false)).expect("JSON");
        assert_eq!(empty["frames"], json!([]));
        assert_eq!(event("past", None, &Bytes::from_static(b"{}")), "event: past\nretry: 2000\ndata: {}\n\n");
    }
}
