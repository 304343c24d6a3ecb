//! What has not changed is not read again: ETag, Last-Modified, and sources that know neither.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::server::{Reader, Server, json as answer, json_with, whole};
use crate::domain::time::SECOND;

static VERSION: AtomicU32 = AtomicU32::new(1);

fn feed(version: u32) -> String {
    let items: String = (0..version).map(|n| format!("<item><title>T{n}</title><guid>g{n}</guid></item>")).collect();
    format!("<rss version=\"2.0\"><channel><title>N</title>{items}</channel></rss>")
}

#[tokio::test]
async fn what_a_source_says_is_unchanged_is_not_sent_again() {
    let server = Server::start(|asked| {
        let version = VERSION.load(Ordering::SeqCst);
        let tag = format!("\"v{version}\"");
        let date = format!("Sun, 15 Mar 2026 12:00:0{version} GMT");
        let known = asked.header("if-none-match") == Some(&tag) || asked.header("if-modified-since") == Some(&date);
        match asked.path.as_str() {
            _ if known => whole("304 Not Modified", "", b""),
            "/list" => json_with(&json!([{"id": version}]), &format!("etag: {tag}\r\n")),
            "/paged" => json_with(&json!([{"id": version}]), &format!("etag: {tag}\r\nlink: </end>; rel=next\r\n")),
            "/end" => answer(&json!([])),
            _ => whole(
                "200 OK",
                &format!("content-type: text/xml\r\nlast-modified: {date}\r\n"),
                feed(version).as_bytes(),
            ),
        }
    })
    .await;
    let mut list = Reader::json(&server.url("/list"), &json!({"id": "id"}));
    let mut news = Reader::new(&json!({"kind": "feed", "url": server.url("/feed")}));
    let mut paged = Reader::json(&server.url("/paged"), &json!({"id": "id", "paging": {"kind": "link"}}));
    let mut found = Vec::new();
    for version in [1, 1, 2] {
        VERSION.store(version, Ordering::SeqCst);
        let (list, news) = (list.round().await.expect("a round"), news.round().await.expect("a round"));
        found.push((list.len(), news.len(), paged.round().await.expect("a round").len()));
    }
    // Of a list on several pages the first may be unchanged and the others not.
    assert_eq!(found, [(1, 1, 1), (0, 0, 1), (1, 1, 1)], "of the feed only the new entry comes");
    let conditional = server.asked().iter().filter(|asked| asked.header("if-none-match").is_some()).count();
    assert_eq!(conditional, 2);
}

#[tokio::test]
async fn a_source_that_gives_all_each_time_is_not_stored_anew_each_time() {
    static ROUND: AtomicU32 = AtomicU32::new(0);
    let server = Server::start(|_| {
        let round = ROUND.fetch_add(1, Ordering::SeqCst);
        let item = |n: u32| json!({"id": n, "v": if n == 7 { round } else { 0 }});
        answer(&(0..20 + round).map(item).collect::<Value>())
    })
    .await;
    let mut reader = Reader::json(&server.url("/"), &json!({"id": "id"}));
    assert_eq!(reader.round().await.expect("a round").len(), 20);
    let second = reader.round().await.expect("a round");
    assert_eq!(second.iter().map(|record| record.id.as_str()).collect::<Vec<_>>(), ["7", "20"]);
}

#[tokio::test]
async fn a_calendar_that_is_unchanged_is_read_again_when_the_day_has_passed() {
    let server = Server::start(|asked| {
        if asked.header("if-none-match").is_some() {
            return whole("304 Not Modified", "", b"");
        }
        let calendar = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:d\r\nDTSTART:20260101T080000Z\r\nRRULE:FREQ=DAILY\r\n\
                        END:VEVENT\r\nEND:VCALENDAR\r\n";
        whole("200 OK", "content-type: text/calendar\r\netag: \"1\"\r\n", calendar.as_bytes())
    })
    .await;
    let settings = json!({"kind": "ical", "url": server.url("/c.ics"), "pastDays": 1, "futureDays": 5});
    let mut reader = Reader::new(&settings);
    assert_eq!(reader.round().await.expect("a round").len(), 7);
    assert!(reader.round().await.expect("a round").is_empty());
    reader.now = reader.now.plus(86_400 * SECOND);
    let next = reader.round().await.expect("a round");
    assert_eq!(next.iter().map(|record| record.id.as_str()).collect::<Vec<_>>(), ["d/2026-03-21T08:00:00Z"]);
}
