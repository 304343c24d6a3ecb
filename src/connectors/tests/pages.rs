//! Rounds over several pages, and asking only for what is new.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::server::{Reader, Server, json as answer, json_with};
use crate::connectors::{FetchError, SourceRecord};
use crate::domain::time::SECOND;
use crate::http::secret::Secret;

fn items(from: u64, count: u64) -> Value {
    (from..from + count).map(|n| json!({"id": n, "t": 1_772_000_000 + n})).collect()
}

fn ids(records: &[SourceRecord]) -> Vec<u64> {
    records.iter().map(|record| record.id.parse().expect("a number")).collect()
}

#[tokio::test]
async fn every_way_of_paging_reads_every_record_once() {
    let server = Server::start(|asked| {
        let number = |name: &str| asked.param(name).and_then(|text| text.parse::<u64>().ok());
        match asked.path.split('?').next().expect("a path") {
            "/link" => {
                let at = number("from").unwrap_or(0);
                let link = format!("link: </link?from={}>; rel=\"next\"\r\n", at + 10);
                json_with(&items(at, 10), if at < 20 { &link } else { "" })
            }
            "/cursor" => {
                let at: u64 = asked.param("after").map_or(0, |text| text[1..].parse().expect("a cursor"));
                let next = if at < 20 { json!(format!("c{}", at + 10)) } else { Value::Null };
                answer(&json!({"data": {"items": items(at, 10)}, "meta": {"next": next}}))
            }
            "/page" => {
                let at = (number("page").expect("a page") - 1) * 10;
                answer(&items(at, if at < 30 { 10 } else { 0 }))
            }
            _ => {
                let (at, size) = (number("skip").unwrap_or(0), number("take").expect("a size"));
                answer(&json!({"items": items(at, size.min(30 - at)), "total": 30}))
            }
        }
    })
    .await;
    for (path, more) in [
        ("/link", json!({"paging": {"kind": "link"}})),
        (
            "/cursor",
            json!({"paging": {"kind": "cursor", "path": "meta.next", "param": "after"}, "records": "data.items"}),
        ),
        ("/page", json!({"paging": {"kind": "page", "param": "page"}})),
        (
            "/offset",
            json!({"records": "items",
                   "paging": {"kind": "offset", "param": "skip", "sizeParam": "take", "size": 7, "total": "total"}}),
        ),
    ] {
        let mut more = more;
        more["id"] = json!("id");
        let mut reader = Reader::json(&server.url(path), &more);
        let all = reader.round().await.expect("a round");
        assert_eq!(ids(&all), (0..30).collect::<Vec<_>>(), "{path}");
        // The next round begins at the beginning again.
        assert_eq!(reader.page().await.expect("a page").records[0].id, "0", "{path}");
    }
}

#[tokio::test]
async fn a_round_that_is_bounded_goes_on_in_the_next() {
    let server = Server::start(|asked| {
        let at: u64 = asked.param("p").expect("a page").parse().expect("a number");
        answer(&items(at * 10, if at < 5 { 10 } else { 3 }))
    })
    .await;
    let more = json!({"id": "id", "maxPages": 2, "paging": {"kind": "page", "param": "p", "start": 0, "size": 10}});
    let mut reader = Reader::json(&server.url("/"), &more);
    let mut all = Vec::new();
    for expected in [20, 20, 13] {
        let round = reader.round().await.expect("a round");
        assert_eq!(round.len(), expected);
        all.extend(round);
    }
    assert_eq!(ids(&all), (0..53).collect::<Vec<_>>());
}

#[tokio::test]
async fn only_what_is_newer_is_asked_for() {
    let server = Server::start(|asked| {
        let since: u64 = asked.param("since").map_or(0, |text| text.parse().expect("seconds"));
        let all: Vec<Value> = (0..50).map(|n| json!({"id": n, "t": 1_772_000_000 + n * 10})).collect();
        let newer = all.into_iter().filter(|item| item["t"].as_u64().expect("a time") > since);
        let from: usize = asked.param("page").expect("a page").parse::<usize>().expect("a number") - 1;
        let page: Vec<Value> = newer.skip(from * 20).take(20).collect();
        answer(&Value::Array(page))
    })
    .await;
    let more = json!({
        "id": "id", "timestamp": {"path": "t", "format": "unix"},
        "since": {"param": "since", "format": "unix", "overlapSeconds": 15, "firstSeconds": 86_400},
        "paging": {"kind": "page", "param": "page", "size": 20}
    });
    let mut reader = Reader::json(&server.url("/"), &more);
    reader.now = crate::domain::Timestamp(1_772_086_400 * SECOND);
    assert_eq!(reader.round().await.expect("a round").len(), 49, "a day back is just after the first record");
    assert_eq!(ids(&reader.round().await.expect("a round")), [48, 49], "what overlaps comes again");
    let asked = server.asked();
    assert_eq!(asked[0].param("since").as_deref(), Some("1772000000"));
    assert_eq!(asked.last().expect("one").param("since").as_deref(), Some("1772000475"));
    assert!(
        asked[..3].iter().all(|asked| asked.param("since").as_deref() == Some("1772000000")),
        "one round, one since"
    );
}

#[tokio::test]
async fn since_is_one_for_a_round_and_never_in_the_future() {
    let server = Server::start(|asked| match asked.param("page").as_deref() {
        // One record is dated years ahead.
        Some("1") => answer(&json!([{"id": 1, "t": 1_772_000_000}, {"id": 2, "t": 1_900_000_000}])),
        _ => answer(&json!([])),
    })
    .await;
    let more = json!({
        "id": "id", "timestamp": {"path": "t", "format": "unix"},
        "since": {"param": "since", "format": "unix", "firstSeconds": 100},
        "paging": {"kind": "page", "param": "page"}
    });
    let mut reader = Reader::json(&server.url("/"), &more);
    for (second, expected) in [(1_772_000_100, true), (1_772_000_160, false), (1_772_000_200, true)] {
        reader.now = crate::domain::Timestamp(second * SECOND);
        assert_eq!(reader.page().await.expect("a page").more, expected);
    }
    let since: Vec<_> = server.asked().iter().map(|asked| asked.param("since").expect("a time")).collect();
    assert_eq!(since, ["1772000000", "1772000000", "1772000100"]);
    // A time to come that was kept before is taken for now.
    reader.continuation = Some(json!({"s": "2030-01-01T00:00:00Z"}).to_string());
    reader.page().await.expect("a page");
    assert_eq!(server.asked().last().expect("one").param("since").as_deref(), Some("1772000200"));
}

#[tokio::test]
async fn a_request_is_what_the_settings_say() {
    let server = Server::start(|asked| match asked.method.as_str() {
        "POST" => answer(&json!({"rows": [{"echo": String::from_utf8_lossy(&asked.body)}]})),
        _ => answer(&json!({"one": 1})),
    })
    .await;
    let more = json!({
        "method": "POST", "body": {"query": "user {{x}} {user}", "n": 5}, "records": "rows",
        "headers": {"x-user": "u-{user}"}, "query": {"q": "a {user}"}, "auth": {"kind": "bearer"}
    });
    let mut reader = Reader::json(&server.url("/u/{user}"), &more);
    assert_eq!(reader.connector.vars().into_iter().collect::<Vec<_>>(), ["user"]);
    assert_eq!(
        reader.page().await.err(),
        Some(FetchError::Refused("variable \"user\" is not given for this account".into()))
    );
    reader.account.vars.insert("user".into(), "b&b".into());
    assert_eq!(reader.page().await.err(), Some(FetchError::Unauthorized));
    assert!(server.asked().is_empty());
    reader.account.bearer = Some(Secret::new("t0k"));
    let page = reader.page().await.expect("a page");
    assert_eq!(page.records[0].data["echo"], json!({"query": "user {x}} b&b", "n": 5}).to_string());
    let asked = &server.asked()[0];
    assert_eq!((asked.header("x-user"), asked.header("authorization")), (Some("u-b&b"), Some("Bearer t0k")));
    assert_eq!((asked.path.split('?').next(), asked.param("q").as_deref()), (Some("/u/b%26b"), Some("a b&b")));
    assert!(!reader.continuation.expect("one").contains("t0k"));
    // One object is one record.
    let mut one = Reader::json(&server.url("/"), &json!({}));
    assert_eq!(one.round().await.expect("a round")[0].data, json!({"one": 1}));
}

#[tokio::test]
async fn a_round_whose_place_is_refused_begins_anew_from_since_until_one_is_whole() {
    let open = Arc::new(AtomicBool::new(false));
    let door = Arc::clone(&open);
    let server = Server::start(move |asked| match asked.param("after").as_deref() {
        None => answer(&json!({"items": items(0, 3), "next": "c1"})),
        Some("c1") => answer(&json!({"items": items(3, 3), "next": "c2"})),
        _ if door.load(Ordering::Relaxed) => answer(&json!({"items": items(6, 3)})),
        _ => super::server::whole("422 What", "", b""),
    })
    .await;
    let now = crate::domain::Timestamp(1_790_000_000_000_000_000);
    let more = json!({
        "id": "id", "records": "items", "timestamp": {"path": "t", "format": "unix"},
        "since": {"param": "since", "format": "unix", "firstSeconds": 86_400},
        "paging": {"kind": "cursor", "path": "next", "param": "after"}
    });
    let mut reader = Reader::json(&server.url("/"), &more);
    // Of a round before this one.
    reader.continuation = Some(r#"{"s":"2026-03-01T00:00:00Z"}"#.into());
    assert_eq!(reader.connector.anew(r#"{"s":"2026-03-01T00:00:00Z"}"#, false, now), None, "no round is under way");
    reader.page().await.expect("the first page");
    reader.page().await.expect("the second page");
    assert_eq!(reader.page().await, Err(FetchError::Rejected { status: 422 }));
    let kept = reader.continuation.take().expect("it stands");
    reader.continuation = reader.connector.anew(&kept, false, now).expect("the first time");
    assert_eq!(ids(&reader.page().await.expect("the first page again").records), [0, 1, 2]);
    let asked = server.asked();
    let (first, last) = (&asked[0], asked.last().expect("one"));
    assert_eq!((last.param("after"), last.param("since")), (None, first.param("since")));
    assert!(first.param("since").is_some());

    // It comes no further than before: to begin once more would hide that from who waits for the last page.
    reader.page().await.expect("the second page again");
    assert_eq!(reader.page().await, Err(FetchError::Rejected { status: 422 }));
    let kept = reader.continuation.clone().expect("it stands");
    for gone in [false, true] {
        assert_eq!(reader.connector.anew(&kept, gone, now), None, "gone: {gone}");
    }
    assert!(reader.connector.anew(&kept, false, now.plus(86_400_000_000_000)).is_some(), "a day later once more");

    // A whole round later it may be lost once more.
    open.store(true, Ordering::Relaxed);
    assert_eq!(ids(&reader.page().await.expect("the last page").records), [6, 7, 8]);
    open.store(false, Ordering::Relaxed);
    reader.page().await.expect("the first page");
    let kept = reader.continuation.clone().expect("it stands");
    assert!(reader.connector.anew(&kept, false, now).is_some());
}
