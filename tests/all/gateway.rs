//! The REST gateway before a real exchange: callers, accounts, tokens, own REST, and its description.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use dex::domain::Key;
use dex::gateway::{openapi, routes};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::cast::id;
use crate::support::gateway::{Gateway, PASSWORD, hat_token};

#[tokio::test]
async fn accounts_log_in_by_both_ways_and_tokens_end() {
    let mut gateway = Gateway::start();
    let token = gateway.account("ann", &["Developer"]).await;
    let (status, me) = gateway.get("/api/v1/me", Some(&token)).await;
    assert_eq!((status, &me["account"]), (200, &json!("ann")), "{me}");
    assert_eq!(me["roles"], json!([{ "role": "Developer", "approved": true }]));

    // As the original does it: by headers; the answer has its two fields.
    let request = gateway.request(Method::GET, "/api/users/access_token");
    let answer = request.header("username", "ann").header("password", PASSWORD).send().await.expect("answers");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let answer: Value = answer.json().await.expect("JSON");
    assert!(answer["accessToken"].is_string() && answer["userId"] == me["userId"], "{answer}");
    let bearer = gateway.request(Method::GET, "/api/v1/me").bearer_auth(answer["accessToken"].as_str().expect("text"));
    assert_eq!(bearer.send().await.expect("answers").status(), 200);

    // Wrong ones, and ones that are not there, are told alike, in the original's shape.
    let mut told = BTreeSet::new();
    for (name, password) in [("ann", "wrong horse battery"), ("nobody", PASSWORD), ("A B", PASSWORD)] {
        let body = json!({ "username": name, "password": password });
        let (status, answer) = gateway.call(Method::POST, "/api/users/access_token", None, Some(body)).await;
        assert_eq!((status, &answer["message"]), (401, &json!("Unauthorized")), "{answer}");
        told.insert(answer.to_string());
    }
    assert_eq!(told.len(), 1, "it does not tell which names there are: {told:?}");

    gateway.restart();
    assert_eq!(gateway.get("/api/v1/me", Some(&token)).await.0, 200, "tokens survive a restart");
    assert_eq!(gateway.call(Method::POST, "/api/v1/logout", Some(&token), None).await.0, 204);
    assert_eq!(gateway.get("/api/v1/me", Some(&token)).await.0, 401);
    let token = gateway.login("ann").await;
    let (status, _) = gateway.admin(Method::POST, "/accounts/ann/disable", json!({ "disabled": true })).await;
    assert_eq!(status, 200);
    assert_eq!(gateway.get("/api/v1/me", Some(&token)).await.0, 401, "disabling ends tokens");
    let body = json!({ "username": "ann", "password": PASSWORD });
    assert_eq!(gateway.call(Method::POST, "/api/users/access_token", None, Some(body)).await.0, 401);

    let log = gateway.exchange.log().join("\n");
    assert!(!log.contains(PASSWORD) && !log.contains(&token), "no secret is logged");
    for file in ["gateway.redb", "gateway.seed", "bridge.key", "gateway.sock"] {
        use std::os::unix::fs::PermissionsExt;
        let path = gateway.exchange.path("state").join(file);
        let mode = std::fs::metadata(&path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{file}");
    }
}

#[tokio::test]
async fn who_guesses_is_locked_out_and_told_for_how_long() {
    let gateway = Gateway::start();
    gateway.account("ann", &[]).await;
    let guess = || async {
        let body = json!({ "username": "ann", "password": "wrong horse battery" });
        gateway.request(Method::POST, "/api/users/access_token").json(&body).send().await.expect("answers")
    };
    for _ in 0..5 {
        assert_eq!(guess().await.status(), 401);
    }
    let locked = guess().await;
    assert_eq!(locked.status(), 429);
    let wait: u64 = locked.headers()["retry-after"].to_str().expect("text").parse().expect("seconds");
    assert!((1..=31).contains(&wait), "{wait}");
    let body = json!({ "username": "ann", "password": PASSWORD });
    let right = gateway.call(Method::POST, "/api/users/access_token", None, Some(body)).await;
    assert_eq!(right.0, 429, "the right password does not help either");
}

#[tokio::test]
async fn roles_are_ledgered_and_the_command_line_gives_them() {
    let gateway = Gateway::start();
    let token = gateway.account("ann", &[]).await;
    assert_eq!(gateway.get("/api/v1/stats", Some(&token)).await.0, 403);
    assert_eq!(gateway.get("/api/v1/stats", None).await.0, 401);
    let state = gateway.exchange.path("state");
    let dex = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dex"));
        command.args(args).arg("--state").arg(&state).output().expect("runs")
    };
    let done = dex(&["account", "grant", "ann", "ViewDataStats", "--unapproved"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(gateway.get("/api/v1/stats", Some(&token)).await.0, 403, "not approved");
    assert!(dex(&["account", "grant", "ann", "ViewDataStats"]).status.success());
    assert_eq!(gateway.get("/api/v1/stats", Some(&token)).await.0, 200);
    let listed = dex(&["account", "list", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    assert_eq!(listed["account"], "ann");
    assert!(listed.get("password").is_none(), "{listed}");
    assert!(dex(&["account", "revoke", "ann", "ViewDataStats"]).status.success());
    assert_eq!(gateway.get("/api/v1/stats", Some(&token)).await.0, 403);
    let unknown = dex(&["account", "grant", "nobody", "Master"]);
    assert_eq!(unknown.status.code(), Some(1), "{unknown:?}");
    let entries = gateway.exchange.metrics().await;
    assert!(entries.contains("dex_registry_events_total"), "{entries}");
}

fn terms() -> Value {
    json!({
        "client": "org:acme", "purpose": "a test", "periodSeconds": 3600, "cancelAtPeriodEnd": false,
        "bundle": { "name": "feed", "bundle": { "feed": { "endpoints": [{ "endpoint": "facebook/feed" }] } } },
    })
}

#[tokio::test]
async fn a_debit_goes_its_way_and_each_sees_its_own() {
    let mut gateway = Gateway::start();
    let admin = gateway.account("root", &["Master"]).await;
    let ann = gateway.account("ann", &[]).await;
    let ben = gateway.account("ben", &[]).await;
    for hat in ["bob.example.net", "eve.example.net"] {
        gateway.hat(hat).await;
    }
    let (bob, eve) = (hat_token("bob.example.net"), hat_token("eve.example.net"));
    let post = |path: &'static str, token: String, key: &'static str, body: Value| {
        let request = gateway.request(Method::POST, path).header("X-Auth-Token", token);
        request.header("Idempotency-Key", key).json(&body).send()
    };
    let org = json!({ "id": "acme", "name": "Acme" });
    let first = post("/api/v1/orgs", ann.clone(), "k1", org.clone()).await.expect("answers");
    assert_eq!(first.status(), 201);
    let first: Value = first.json().await.expect("JSON");
    let again = post("/api/v1/orgs", ann.clone(), "k1", org.clone()).await.expect("answers");
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    assert_eq!((again.status().as_u16(), again.json::<Value>().await.expect("JSON")), (201, first.clone()));
    let other = json!({ "id": "acme", "name": "Another" });
    assert_eq!(post("/api/v1/orgs", ann.clone(), "k1", other).await.expect("answers").status(), 422);
    assert_eq!(post("/api/v1/orgs", ben.clone(), "k1", org.clone()).await.expect("answers").status(), 403);
    let (status, approved) = gateway.call(Method::POST, "/api/v1/orgs/acme/approve", Some(&ann), None).await;
    assert_eq!(status, 403, "{approved}");
    let (status, approved) = gateway.call(Method::POST, "/api/v1/orgs/acme/approve", Some(&admin), None).await;
    assert_eq!(status, 200, "{approved}");

    let debit = "/api/v1/hats/bob.example.net/debits/d1";
    let call = |verb: &'static str, token: &str, body: Value| {
        let (path, token) = (format!("{debit}/{verb}"), token.to_owned());
        let gateway = &gateway;
        async move { gateway.call(Method::POST, &path, Some(&token), Some(body)).await }
    };
    assert_eq!(call("propose", &ben, terms()).await.0, 403, "acme is not Ben's");
    assert_eq!(call("propose", &bob, terms()).await.0, 403, "a HAT proposes nothing");
    let (status, proposed) = call("propose", &ann, terms()).await;
    assert_eq!(status, 200, "{proposed}");
    assert_eq!(call("enable", &ann, Value::Null).await.0, 403, "only the HAT enables");
    assert_eq!(call("enable", &eve, Value::Null).await.0, 403, "and only its own");
    let (status, enabled) = call("enable", &bob, Value::Null).await;
    assert_eq!(status, 200, "{enabled}");

    // Who sees it.
    for (who, token, expected) in
        [("Bob", &bob, 200), ("Ann", &ann, 200), ("admin", &admin, 200), ("Eve", &eve, 404), ("Ben", &ben, 404)]
    {
        assert_eq!(gateway.get(debit, Some(token)).await.0, expected, "{who}");
    }
    let seen = |answer: (u16, Value)| answer.1["items"].as_array().map_or(usize::MAX, Vec::len);
    let list = "/api/v1/hats/bob.example.net/debits";
    assert_eq!(seen(gateway.get(list, Some(&bob)).await), 1);
    assert_eq!(seen(gateway.get(list, Some(&ann)).await), 1);
    assert_eq!(seen(gateway.get(list, Some(&ben)).await), 0);
    assert_eq!(gateway.get(list, Some(&eve)).await.0, 403);
    assert_eq!(gateway.get(list, None).await.0, 401);
    let trace = format!("/api/v1/exchanges/{}", proposed["exchange"].as_str().expect("an id"));
    for (who, token, expected) in
        [("Bob", &bob, 200), ("Ann", &ann, 200), ("admin", &admin, 200), ("Eve", &eve, 404), ("Ben", &ben, 404)]
    {
        assert_eq!(gateway.get(&trace, Some(token)).await.0, expected, "{who}");
    }

    // The ledger names the bridge, never the HAT, for what the HAT said over HTTP.
    let trace = format!("/api/v1/exchanges/{}", enabled["exchange"].as_str().expect("an id"));
    let (_, told) = gateway.get(&trace, Some(&bob)).await;
    assert_eq!(told["steps"][0]["from"], "bridge:dex.test", "{told}");

    // A restart does not act twice: the same key is the same message.
    gateway.restart();
    let request = gateway.request(Method::POST, "/api/v1/orgs").header("X-Auth-Token", &ann);
    let again = request.header("Idempotency-Key", "k1").json(&org).send().await.expect("answers");
    assert_eq!((again.status().as_u16(), again.json::<Value>().await.expect("JSON")), (201, first));
}

#[tokio::test]
async fn lists_are_paged_kept_and_refuse_nonsense() {
    let gateway = Gateway::start();
    let operator = gateway.exchange.client().await;
    for n in 0..5 {
        let key: Key = dex::client::keys::generate().public();
        operator.certify(&id(&format!("p{n}.net")), "P", &key).await.expect("certified");
    }
    let mut path = "/api/v1/platforms?limit=2".to_owned();
    let mut seen = Vec::new();
    loop {
        let (status, page) = gateway.get(&path, None).await;
        assert_eq!(status, 200, "{page}");
        let items = page["items"].as_array().expect("items");
        assert!(items.len() <= 2);
        seen.extend(items.iter().map(|item| item["party"].as_str().expect("a party").to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/platforms?limit=2&cursor={next}");
    }
    assert_eq!(seen.len(), 5, "{seen:?}");
    for bad in ["limit=0", "limit=201", "limit=x", "cursor=x", "cursor=%00", "color=red"] {
        let (status, problem) = gateway.get(&format!("/api/v1/platforms?{bad}"), None).await;
        assert_eq!((status, &problem["reason"]), (400, &json!("malformed")), "{bad}: {problem}");
    }
    let answer = gateway.request(Method::GET, "/api/v1/platforms").send().await.expect("answers");
    let tag = answer.headers()["etag"].clone();
    let again = gateway.request(Method::GET, "/api/v1/platforms").header("If-None-Match", &tag);
    let again = again.send().await.expect("answers");
    assert_eq!(again.status(), 304);
    let (status, problem) = gateway.get("/api/v1/hats", None).await;
    assert_eq!((status, &problem["type"]), (401, &json!("urn:dex:reason:not-permitted")));
}

#[tokio::test]
async fn limits_hold_and_errors_have_one_shape() {
    let gateway = Gateway::tuned(
        "requests_per_second = 1\nrequests_burst = 100\naddress_per_second = 1\naddress_burst = 20\nbody_bytes = 2048\n",
    );
    let problem = |answer: reqwest::Response, status: u16| async move {
        assert_eq!(answer.status().as_u16(), status);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        answer.json::<Value>().await.expect("JSON")
    };
    let get = |path: &'static str| gateway.request(Method::GET, path).send();
    problem(get("/nowhere").await.expect("answers"), 404).await;
    let wrong = gateway.request(Method::DELETE, "/api/v1/me").send().await.expect("answers");
    problem(wrong, 405).await;
    let long = gateway.request(Method::GET, "/api/v1/me").header("x-long", "x".repeat(20_000));
    problem(long.send().await.expect("answers"), 431).await;
    // In the original's shape where the original is spoken.
    let big = gateway.request(Method::POST, "/api/users/access_token").body("x".repeat(5000)).send().await;
    let big = big.expect("answers");
    assert_eq!(big.status().as_u16(), 400);
    assert_eq!(big.json::<Value>().await.expect("JSON")["message"], "Bad Request");
    let mut limited = None;
    for _ in 0..40 {
        let answer = get("/api/v1/ledger/checkpoint").await.expect("answers");
        if answer.status() == 429 {
            limited = Some(answer);
            break;
        }
    }
    let limited = limited.expect("the address is limited");
    assert!(limited.headers().contains_key("retry-after"));
    assert_eq!(problem(limited, 429).await["reason"], "over-quota");
    let page = gateway.exchange.metrics().await;
    assert!(
        page.contains("dex_rest_requests_total{status=\"4xx\",method=\"read\",route=\"/api/v1/ledger/checkpoint\"}")
    );
}

#[tokio::test]
async fn other_origins_may_call_only_when_named() {
    let gateway = Gateway::tuned("cors_origins = [\"https://app.example.org\"]\n");
    let ask = |origin: &'static str| {
        let request = gateway.request(Method::OPTIONS, "/api/v1/me").header("Origin", origin);
        request.header("Access-Control-Request-Method", "GET").send()
    };
    let allowed = ask("https://app.example.org").await.expect("answers");
    assert_eq!(allowed.status(), 204);
    assert_eq!(allowed.headers()["access-control-allow-origin"], "https://app.example.org");
    for other in ["https://evil.example", "https://app.example.org.evil.example", "null"] {
        let refused = ask(other).await.expect("answers");
        assert!(!refused.headers().contains_key("access-control-allow-origin"), "{other}");
    }
}

/// Router and document are made from one list; this holds the document's side against a running gateway.
#[tokio::test]
async fn every_call_is_described_and_every_description_is_served() {
    let gateway = Gateway::start();
    let (status, document) = gateway.get("/api/openapi.json", None).await;
    assert_eq!(status, 200);
    assert_eq!(document, openapi::describe("dex.test", true));
    assert_eq!(document["openapi"], "3.1.0");
    let mut described = BTreeSet::new();
    let mut names = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            described.insert((method.to_uppercase(), path.clone()));
            assert!(names.insert(operation["operationId"].to_string()), "{path}: an operationId stands twice");
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{path}");
            let params = operation["parameters"].as_array().expect("parameters");
            let told: BTreeSet<&str> =
                params.iter().filter(|it| it["in"] == "path").filter_map(|it| it["name"].as_str()).collect();
            let held: BTreeSet<&str> = path.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
            assert_eq!(told, held, "{path}");
        }
    }
    let listed = routes::all(true);
    assert_eq!(listed.len(), described.len(), "a call stands twice");
    for (method, path) in described {
        let concrete: String =
            path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect::<Vec<_>>().join("/");
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let (status, answer) = gateway.call(method.clone(), &concrete, None, None).await;
        assert_ne!(status, 405, "{method} {path}");
        assert_ne!(answer["detail"], "there is nothing at this path", "{method} {path}");
    }
}

#[tokio::test]
async fn trust_is_told_to_anybody() {
    let gateway = Gateway::start();
    let deadline = Instant::now() + Duration::from_secs(10);
    while gateway.get("/api/v1/ledger/checkpoint", None).await.0 != 200 {
        assert!(Instant::now() < deadline, "it answers");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (status, answer) = gateway.get("/api/v1/trust/plug:nobody", None).await;
    assert_eq!((status, &answer["standing"]), (200, &json!("unknown")), "{answer}");
    assert_eq!(gateway.get("/api/v1/trust/dragon:x", None).await.0, 400);
    // A HAT's past is for those who may see the HAT.
    gateway.hat("bob.hubat.net").await;
    gateway.hat("ann.hubat.net").await;
    let past = format!("/api/v1/trust/hat:bob.hubat.net?at={}", dex::client::ids::now());
    let (admin, user) = (gateway.account("root", &["Master"]).await, gateway.account("eve", &["Developer"]).await);
    assert_eq!(gateway.get("/api/v1/trust/hat:bob.hubat.net", None).await.0, 200, "now");
    assert_eq!(gateway.get(&past, None).await.0, 401);
    assert_eq!(gateway.get(&past, Some(&user)).await.0, 403);
    assert_eq!(gateway.get(&past, Some(&hat_token("ann.hubat.net"))).await.0, 403);
    for token in [hat_token("bob.hubat.net"), admin] {
        assert_eq!(gateway.get(&past, Some(&token)).await.0, 200);
    }
}
