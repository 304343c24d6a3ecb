//! Sources that are slow, endless, wrong or a bomb: each ends within its bound, and what is told holds no content.

use std::io::Write;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::server::{Asked, Reader, Reply, Server, json as answer, json_with, limits, whole};
use crate::connectors::{FetchError, FetchLimits};

const JSON: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";

async fn told(reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> FetchError {
    let server = Server::start(reply).await;
    let began = Instant::now();
    let error = Reader::json(&server.url("/p?secret=hunter2"), &json!({})).page().await.expect_err("a fault");
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    error
}

#[tokio::test]
async fn slow_sources_meet_the_limits_of_time() {
    assert_eq!(told(|_| Reply::Hang(Vec::new())).await, FetchError::Timeout);
    // A header, a byte at a time; a body, a byte at a time; a body that stops.
    let drip = |text: String| move |_: &Asked| Reply::Drip(text.clone().into_bytes(), Duration::from_millis(200));
    assert_eq!(told(drip(format!("{JSON}x: {}\r\n\r\n[]", "y".repeat(400)))).await, FetchError::Timeout);
    let body = |_: &Asked| {
        let head = format!("{JSON}content-length: 1000\r\n\r\n");
        Reply::Drip([head.as_bytes(), &[b' '; 1000]].concat(), Duration::from_millis(20))
    };
    assert_eq!(told(body).await, FetchError::Timeout);
    let began = Instant::now();
    let stopped = Server::start(|_| Reply::Hang(format!("{JSON}content-length: 10\r\n\r\n[").into_bytes())).await;
    let error = Reader::json(&stopped.url("/"), &json!({})).page().await.expect_err("a fault");
    assert_eq!(error, FetchError::Timeout);
    assert!(began.elapsed() < Duration::from_secs(2), "the pause is bounded, not the whole only");
}

#[tokio::test]
async fn endless_and_large_answers_meet_the_limits_of_bytes() {
    let large = |error: FetchError| assert!(matches!(error, FetchError::TooLarge(_)), "{error:?}");
    large(told(|_| Reply::Endless(format!("{JSON}\r\n").into_bytes(), vec![b' '; 8192])).await);
    let chunks = format!("{JSON}transfer-encoding: chunked\r\n\r\n").into_bytes();
    large(
        told(move |_| Reply::Endless(chunks.clone(), [b"2000\r\n".as_slice(), &[b' '; 8192], b"\r\n"].concat())).await,
    );
    large(told(|_| whole("200 OK", "content-type: application/json\r\n", &vec![b' '; 3 << 20])).await);
    large(told(|_| Reply::Raw(format!("{JSON}content-length: 999999999999\r\n\r\n[]").into_bytes())).await);
    let many = serde_json::Value::Array(vec![json!(1); 10_001]);
    large(told(move |_| answer(&many)).await);
    // A head without end is the library's to bound: it stops at some 400 KiB.
    let head =
        told(|_| Reply::Endless(JSON.as_bytes().to_vec(), b"x-filler: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n".to_vec()))
            .await;
    assert!(matches!(head, FetchError::Network(_)), "{head:?}");
}

#[tokio::test]
async fn bombs_are_met_while_they_open() {
    let gzip = |bytes: usize| {
        let mut to = GzEncoder::new(Vec::new(), Compression::best());
        to.write_all(&vec![b' '; bytes]).expect("written");
        to.finish().expect("ended")
    };
    let lines = "content-type: application/json\r\ncontent-encoding: gzip\r\n";
    let bomb = gzip(200 << 20);
    let steep = gzip(1 << 20);
    assert!(bomb.len() < 1 << 20, "small enough to be taken from the wire");
    assert!(matches!(told(move |_| whole("200 OK", lines, &bomb)).await, FetchError::TooLarge(_)));
    assert!(matches!(told(move |_| whole("200 OK", lines, &steep)).await, FetchError::TooLarge(_)), "by its ratio");
    let mut cut = gzip(10_000);
    cut.truncate(20);
    assert!(matches!(told(move |_| whole("200 OK", lines, &cut)).await, FetchError::Malformed(_)));
    let twice = "content-type: application/json\r\ncontent-encoding: gzip\r\ncontent-encoding: gzip\r\n";
    for lines in [twice, "content-type: application/json\r\ncontent-encoding: br\r\n"] {
        assert!(matches!(told(move |_| whole("200 OK", lines, b"[]")).await, FetchError::Malformed(_)));
    }
    let server = Server::start(move |asked| {
        assert_eq!(asked.header("accept-encoding"), Some("gzip, deflate"));
        let mut to = GzEncoder::new(Vec::new(), Compression::best());
        to.write_all(br#"[{"fine": true}]"#).expect("written");
        whole("200 OK", lines, &to.finish().expect("ended"))
    })
    .await;
    assert_eq!(Reader::json(&server.url("/"), &json!({})).round().await.expect("a round")[0].data["fine"], true);
}

#[tokio::test]
async fn what_is_not_what_was_asked_for_is_malformed() {
    let json_of = |body: &'static [u8]| move |_: &Asked| whole("200 OK", "content-type: application/json\r\n", body);
    let malformed = |error: FetchError| assert!(matches!(error, FetchError::Malformed(_)), "{error:?}");
    malformed(told(|_| whole("200 OK", "content-type: text/html\r\n", b"<p>hunter2</p>")).await);
    malformed(told(|_| whole("200 OK", "", b"[]")).await);
    malformed(told(json_of(b"hunter2")).await);
    malformed(told(json_of(b"[\"hunter2")).await);
    malformed(told(json_of(b"[\"\xff\xfe hunter2\"]")).await);
    malformed(told(json_of(b"\"hunter2\"")).await);
    malformed(told(|_| whole("200 OK", "content-type: application/json\r\n", "[".repeat(500_000).as_bytes())).await);
    let nested = format!("{}{}", "{\"a\":".repeat(200), "1");
    malformed(told(move |_| whole("200 OK", "content-type: application/json\r\n", nested.as_bytes())).await);
    assert!(matches!(told(|_| Reply::Raw(b"hunter2\r\n\r\n".to_vec())).await, FetchError::Network(_)));
    assert!(matches!(told(|_| Reply::Raw(Vec::new())).await, FetchError::Network(_)));
    let half = |_: &Asked| Reply::Raw(format!("{JSON}content-length: 100\r\n\r\n[1").into_bytes());
    assert!(matches!(told(half).await, FetchError::Network(_)));
    let server = Server::start(|_| answer(&json!({"a": 1}))).await;
    for records in ["list", "a"] {
        let error = Reader::json(&server.url("/"), &json!({"records": records})).page().await.expect_err(records);
        malformed(error);
    }
    let lax = json!({"records": "list", "absentIsEmpty": true});
    assert!(Reader::json(&server.url("/"), &lax).round().await.expect("a round").is_empty());
    for kind in ["feed", "ical"] {
        let server = Server::start(|_| whole("200 OK", "content-type: text/plain\r\n", b"hunter2 <\xff>")).await;
        let error = Reader::new(&json!({"kind": kind, "url": server.url("/")})).page().await.expect_err(kind);
        assert!(!error.to_string().contains("hunter2"));
        malformed(error);
    }
}

#[tokio::test]
async fn a_storm_of_refusals_is_told_by_its_kind() {
    let status = |line: &'static str, lines: &'static str| move |_: &Asked| whole(line, lines, b"hunter2");
    let secs = |n| Some(Duration::from_secs(n));
    let limited = |retry_after| FetchError::RateLimited { retry_after };
    for (line, lines, expected) in [
        ("429 Too Many", "retry-after: 30\r\n", limited(secs(30))),
        ("429 Too Many", "retry-after: Sun, 15 Mar 2026 12:02:00 GMT\r\n", limited(secs(120))),
        ("429 Too Many", "retry-after: whenever\r\n", limited(None)),
        ("503 Busy", "retry-after: 5\r\n", limited(secs(5))),
        ("503 Busy", "", FetchError::Network("the source answers status 503".into())),
        ("403 No", "x-ratelimit-remaining: 0\r\nx-ratelimit-reset: 1773576060\r\n", limited(secs(60))),
        ("403 No", "", FetchError::Unauthorized),
        ("401 No", "", FetchError::Unauthorized),
        ("404 No", "", FetchError::NotFound),
        ("410 No", "", FetchError::Gone),
        ("500 Oh", "", FetchError::Network("the source answers status 500".into())),
        ("400 Bad", "", FetchError::Rejected { status: 400 }),
        ("422 What", "", FetchError::Rejected { status: 422 }),
        ("405 Not So", "", FetchError::Refused("the source answers status 405".into())),
        ("304 Same", "", FetchError::Refused(String::new())),
    ] {
        if line.starts_with("304") {
            continue;
        }
        assert_eq!(told(status(line, lines)).await, expected, "{line} {lines}");
    }
    let server = Server::start(status("429 Too Many", "retry-after: 1\r\n")).await;
    let mut reader = Reader::json(&server.url("/"), &json!({}));
    for _ in 0..100 {
        assert_eq!(reader.page().await, Err(limited(secs(1))));
    }
    assert_eq!(server.asked().len(), 100, "nothing is asked again by the connector itself");
}

#[tokio::test]
async fn pages_that_go_in_a_circle_end() {
    let server = Server::start(|asked| match asked.path.split('?').next().expect("a path") {
        "/same" => answer(&json!({"items": [1], "next": "c"})),
        "/ring" => {
            let at: u32 = asked.param("c").map_or(0, |text| text.parse().expect("a cursor"));
            answer(&json!({"items": [at], "next": ((at + 1) % 7).to_string()}))
        }
        "/deaf" => answer(&json!({"items": [1, 2, 3]})),
        _ => json_with(&json!({"items": [1]}), "link: </link>; rel=next\r\n"),
    })
    .await;
    let cursor = json!({"kind": "cursor", "path": "next", "param": "c"});
    for (path, paging) in [
        ("/same", cursor.clone()),
        ("/ring", cursor),
        ("/deaf", json!({"kind": "page", "param": "page"})),
        ("/link", json!({"kind": "link"})),
    ] {
        let before = server.asked().len();
        let mut reader = Reader::json(&server.url(path), &json!({"records": "items", "paging": paging}));
        let error = reader.round().await.expect_err(path);
        assert!(matches!(&error, FetchError::Malformed(told) if told.contains("circle")), "{path}: {error:?}");
        assert!(server.asked().len() - before <= 25, "{path}: {}", server.asked().len() - before);
    }
}

#[tokio::test]
async fn nobody_there_is_told_soon() {
    let gone = Server::start(|_| Reply::Hang(Vec::new())).await.at;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let free = listener.local_addr().expect("an address");
    drop(listener);
    let error = Reader::json(&format!("http://{free}/"), &json!({})).page().await.expect_err("nobody");
    assert!(matches!(error, FetchError::Network(_)), "{error:?}");
    let limits = FetchLimits { timeout: Duration::from_millis(300), ..limits() };
    let error = Reader::json(&format!("http://{gone}/"), &json!({})).limited(limits).page().await.expect_err("silent");
    assert_eq!(error, FetchError::Timeout);
}
