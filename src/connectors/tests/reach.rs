//! Where a request may go: private addresses in all their forms, redirects, and whom credentials are shown to.

use serde_json::json;

use super::server::{Asked, Reader, Reply, Server, json as answer, limits, whole};
use crate::connectors::{Allow, FetchError, FetchLimits};
use crate::http::secret::Secret;

fn ok(_: &Asked) -> Reply {
    answer(&json!([1]))
}

fn redirect(to: &str) -> Reply {
    whole("302 Found", &format!("location: {to}\r\n"), b"")
}

async fn refused(url: &str, limits: FetchLimits) {
    let error = Reader::json(url, &json!({})).limited(limits).page().await.expect_err(url);
    assert!(matches!(&error, FetchError::Refused(told) if told.contains("public")), "{url}: {error:?}");
}

#[tokio::test]
async fn private_addresses_are_refused_however_they_are_written() {
    let server = Server::start(ok).await;
    let port = server.at.port();
    for host in [
        "127.0.0.1",
        "localhost",
        "127.1",
        "0x7f.1",
        "2130706433",
        "0177.0.0.1",
        "0.0.0.0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[::7f00:1]",
        "10.0.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.168.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "[fe80::1]",
        "[fd00::1]",
        "[ff02::1]",
    ] {
        refused(&format!("http://{host}:{port}/"), FetchLimits::default()).await;
    }
    assert!(server.asked().is_empty(), "nobody has knocked");
}

#[tokio::test]
async fn what_is_allowed_is_a_network_or_one_place() {
    let server = Server::start(ok).await;
    let other = Server::start(ok).await;
    let only = |allow: String| FetchLimits { allow_private: vec![allow.parse().expect("a place")], ..limits() };
    Reader::json(&server.url("/"), &json!({})).page().await.expect("the network is allowed");
    let place = only(server.at.to_string());
    Reader::json(&server.url("/"), &json!({})).limited(place.clone()).page().await.expect("the place is allowed");
    refused(&other.url("/"), place.clone()).await;
    refused(&format!("http://localhost:{}/", server.at.port()), place).await;
    let named = only(format!("localhost:{}", server.at.port()));
    let url = format!("http://localhost:{}/", server.at.port());
    Reader::json(&url, &json!({})).limited(named.clone()).page().await.expect("the name is allowed");
    refused(&format!("http://localhost:{}/", other.at.port()), named).await;
    for bad in ["", "localhost", "x:y", "10.0.0.0/33", "a/b:1", "http://x:1"] {
        bad.parse::<Allow>().expect_err(bad);
    }
}

#[tokio::test]
async fn a_redirect_is_judged_like_the_first_address() {
    let inside = Server::start(ok).await;
    let port = inside.at.port();
    let targets = [
        format!("http://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("//[::ffff:127.0.0.1]:{port}/"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
    ];
    let again = targets.clone();
    let server = Server::start(move |asked| match asked.path.trim_start_matches('/').parse::<usize>() {
        Ok(n) => redirect(&again[n]),
        Err(_) => match asked.path.as_str() {
            "/file" => redirect("file:///etc/passwd"),
            "/user" => redirect("http://bob:pw@127.0.0.1/"),
            _ => redirect("http://"),
        },
    })
    .await;
    let only = FetchLimits { allow_private: vec![server.at.to_string().parse().expect("a place")], ..limits() };
    for n in 0..targets.len() {
        refused(&server.url(&format!("/{n}")), only.clone()).await;
    }
    for path in ["/file", "/user", "/none"] {
        let error = Reader::json(&server.url(path), &json!({})).page().await.expect_err(path);
        assert!(matches!(error, FetchError::Refused(_)), "{path}: {error:?}");
    }
    assert!(inside.asked().is_empty());
}

#[tokio::test]
async fn redirects_are_counted_and_loops_end() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/loop" => redirect("/loop"),
        "/ping" => redirect("/pong"),
        "/pong" => redirect("/ping"),
        "/5" => answer(&json!([1])),
        path => redirect(&format!("/{}", path[1..].parse::<u32>().expect("a number") + 1)),
    })
    .await;
    assert_eq!(Reader::json(&server.url("/0"), &json!({})).round().await.expect("five are followed").len(), 1);
    for path in ["/loop", "/ping"] {
        let before = server.asked().len();
        let error = Reader::json(&server.url(path), &json!({})).page().await.expect_err(path);
        assert_eq!(error, FetchError::Refused("more than 5 redirects".into()));
        assert_eq!(server.asked().len() - before, 6);
    }
    let post = json!({"method": "POST", "body": {}});
    let error = Reader::json(&server.url("/0"), &post).page().await.expect_err("a POST");
    assert!(matches!(error, FetchError::Refused(_)));
}

#[tokio::test]
async fn credentials_stay_with_the_first_host() {
    for (auth, name) in
        [(json!({"kind": "bearer"}), "authorization"), (json!({"kind": "api-key", "header": "x-key"}), "x-key")]
    {
        let other = Server::start(ok).await;
        let to = other.url("/taken");
        let server = Server::start(move |asked| match asked.path.split('?').next() {
            Some("/away") => redirect(&to),
            Some("/here") => redirect("/end"),
            _ => answer(&json!([1])),
        })
        .await;
        for path in ["/away", "/here"] {
            let mut reader = Reader::json(&server.url(path), &json!({"auth": auth}));
            reader.account.bearer = Some(Secret::new("t0k"));
            reader.page().await.expect("a page");
        }
        assert!(server.asked().iter().all(|asked| asked.header(name).is_some() || asked.path == "/away"));
        server
            .asked()
            .iter()
            .find(|asked| asked.path == "/end" && asked.header(name).is_some())
            .expect("it went along");
        assert!(other.asked().iter().all(|asked| asked.header(name).is_none()));
    }
    // Without TLS they go nowhere that the configuration does not name.
    let mut reader = Reader::json("http://example.com/", &json!({"auth": {"kind": "bearer"}}));
    reader.account.bearer = Some(Secret::new("t0k"));
    assert!(matches!(reader.page().await, Err(FetchError::Refused(told)) if told.contains("https")));
}

#[tokio::test]
async fn a_link_to_the_next_page_leads_nowhere_else() {
    let other = Server::start(ok).await;
    let to = other.url("/");
    let server =
        Server::start(move |_| super::server::json_with(&json!([1]), &format!("link: <{to}>; rel=next\r\n"))).await;
    let mut reader = Reader::json(&server.url("/"), &json!({"paging": {"kind": "link"}, "auth": {"kind": "bearer"}}));
    reader.account.bearer = Some(Secret::new("t0k"));
    assert!(reader.page().await.expect("the first page").more);
    assert!(matches!(reader.page().await, Err(FetchError::Refused(_))));
    assert!(other.asked().is_empty());
}
