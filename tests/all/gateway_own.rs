//! The gateway's own REST: its calls as cases (`tests/rest/own/*.json`), and what docs/rest.md says of all calls alike, held
//! against every call of the description.

use std::collections::BTreeSet;

use dex::gateway::openapi;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::contract::{NO_KEY, Stage, cases, is_of};
use crate::support::gateway::{Gateway, hat_token};
use crate::support::shape::fits;

/// Every call of the description: method, path, operation.
fn described() -> Vec<(Method, String, Value)> {
    let document = openapi::describe("dex.test", true);
    let paths = document["paths"].as_object().expect("paths").clone();
    let operations = paths.into_iter().flat_map(|(path, operations)| {
        let operations = operations.as_object().expect("operations").clone();
        operations.into_iter().map(move |(method, operation)| {
            (Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method"), path.clone(), operation)
        })
    });
    operations.collect()
}

/// A path with `*` in place of its names.
fn form(path: &str) -> String {
    path.split('/').map(|part| if part.starts_with('{') { "*" } else { part }).collect::<Vec<_>>().join("/")
}

fn has_param(operation: &Value, name: &str) -> bool {
    operation["parameters"].as_array().into_iter().flatten().any(|param| param["name"] == name)
}

/// Every `POST` takes a key, and every one of our own is shown to act once under it (`Stage` sends each twice). Those of
/// the original are in `gateway_contract`.
#[test]
fn every_post_takes_an_idempotency_key_and_is_among_the_cases() {
    let shown: Vec<String> = ["own", "calls"]
        .iter()
        .flat_map(|folder| cases(folder))
        .filter(|(_, case)| case.status < 300)
        .flat_map(|(_, case)| {
            let paths = case.variants.iter().map(|variant| {
                let (method, path) = case.asked(variant);
                format!("{method} {}", path.replace("{v}", variant.split('-').next().unwrap_or(variant)))
            });
            paths.collect::<Vec<_>>()
        })
        .collect();
    for (method, path, operation) in described() {
        if method != Method::POST || NO_KEY.contains(&path.as_str()) {
            continue;
        }
        assert!(has_param(&operation, "idempotency-key"), "{path} takes no key");
        let of = format!("POST {}", form(&path));
        // Of a part with a name in it only its own place counts, so the whole line is compared.
        assert!(shown.iter().any(|shown| is_of(&of, shown)), "no case shows POST {path}");
    }
}

#[tokio::test]
async fn own_calls_hold_and_so_do_keys_etags_and_cursors() {
    let mut stage = Stage::new().await;
    stage.run(&cases("own")).await;

    // What is said to answer 304 has an ETag, which `Stage` has brought back.
    for (method, path, operation) in described() {
        let original = operation["responses"]["default"]["$ref"] == "#/components/responses/Original";
        if operation["responses"].get("304").is_some() && !original {
            let seen = stage.tagged.iter().any(|tagged| is_of(&form(&path), tagged));
            assert!(seen, "{method} {path} was not answered with an ETag");
        }
    }

    // Lists come whole by pages of one, each thing once, in the order of the whole.
    let root = stage.token("v1", "root");
    let mut lists = 0;
    for (_, path, operation) in described().into_iter().filter(|it| has_param(&it.2, "cursor")) {
        let path = path.replace("{hat}", "v1.example.net");
        let token = if path == "/api/v1/notices" { hat_token("v1.example.net") } else { root.clone() };
        assert!(has_param(&operation, "limit"), "{path}");
        let (status, whole) = stage.gateway.get(&format!("{path}?limit=200"), Some(&token)).await;
        assert_eq!((status, whole.get("next")), (200, None), "{path}: {whole}");
        let (mut items, mut next) = (Vec::new(), None::<String>);
        loop {
            let cursor = next.map(|next| format!("&cursor={next}")).unwrap_or_default();
            let (status, mut page) = stage.gateway.get(&format!("{path}?limit=1{cursor}"), Some(&token)).await;
            assert_eq!(status, 200, "{path}: {page}");
            let one = page["items"].as_array_mut().expect("items");
            assert!(one.len() <= 1 && items.len() < 100, "{path}");
            items.append(one);
            match page["next"].as_str() {
                Some(cursor) => next = Some(cursor.to_owned()),
                None => break,
            }
        }
        assert_eq!(json!(items), whole["items"], "{path}");
        assert!(!items.is_empty(), "{path}: nothing was there to be paged");
        for bad in ["limit=0", "limit=201", "limit=x", "cursor=x"] {
            let (status, problem) = stage.gateway.get(&format!("{path}?{bad}"), Some(&token)).await;
            assert_eq!((status, &problem["reason"]), (400, &json!("malformed")), "{path}?{bad}: {problem}");
        }
        lists += 1;
    }
    assert!(lists >= 8, "{lists} lists");
}

/// Whoever asks and whatever for: a refusal has the shape of its side.
#[tokio::test]
async fn refusals_are_problems_outside_of_the_original_s_paths() {
    let gateway = Gateway::start();
    let shapes: Value = serde_json::from_str(include_str!("../rest/shapes.json")).expect("JSON");
    let shapes = shapes.as_object().expect("an object");
    let mut refused = BTreeSet::new();
    for (method, path, operation) in described() {
        let concrete: Vec<&str> =
            path.split('/').map(|part| if part.starts_with('{') { "No%20id" } else { part }).collect();
        let original = operation["responses"]["default"]["$ref"] == "#/components/responses/Original";
        for (token, body) in [(None, "{"), (Some("x.y.z"), "{"), (None, "")] {
            let mut request = gateway.request(method.clone(), &concrete.join("/")).body(body);
            if let Some(token) = token {
                request = request.header("X-Auth-Token", token);
            }
            let answer = request.send().await.expect("answers");
            let status = answer.status().as_u16();
            if status < 400 {
                continue;
            }
            assert!(status < 500, "{method} {path}: {status}");
            let kind = answer.headers()["content-type"].to_str().expect("text").to_owned();
            let told: Value = answer.json().await.expect("JSON");
            let (name, expected) =
                if original { ("#error", "application/json") } else { ("#problem", "application/problem+json") };
            assert_eq!(kind, expected, "{method} {path}: {told}");
            assert_eq!(fits(shapes, &json!(name), &told), Ok(()), "{method} {path}");
            assert!(original || told["status"] == status, "{method} {path}: {told}");
            refused.insert((path.clone(), method.to_string()));
        }
    }
    assert!(refused.len() > 50, "{}", refused.len());
}

/// Each account, each HAT and each address has its own count; who is over it is told when to come again, in the shape of
/// the call.
#[tokio::test]
async fn callers_are_limited_one_by_one_and_told_for_how_long() {
    let gateway = Gateway::tuned(
        "requests_per_second = 1\nrequests_burst = 6\naddress_per_second = 100000\naddress_burst = 100000\n",
    );
    gateway.hat("bob.example.net").await;
    let (ann, bob) = (gateway.account("ann", &[]).await, hat_token("bob.example.net"));
    for token in [&ann, &bob] {
        let mut statuses = Vec::new();
        for _ in 0..12 {
            let answer = gateway.request(Method::GET, "/api/v1/me").header("X-Auth-Token", token);
            let answer = answer.send().await.expect("answers");
            statuses.push(answer.status().as_u16());
            if answer.status() == 429 {
                let wait: u64 = answer.headers()["retry-after"].to_str().expect("text").parse().expect("seconds");
                assert!((1..=10).contains(&wait), "{wait}");
                assert_eq!(answer.headers()["content-type"], "application/problem+json");
                assert_eq!(answer.json::<Value>().await.expect("JSON")["reason"], "over-quota");
                break;
            }
        }
        assert_eq!((statuses[0], statuses.last()), (200, Some(&429)), "{statuses:?}");
    }
    let original = gateway.request(Method::GET, "/api/v2/offers").header("X-Auth-Token", &ann);
    let original = original.send().await.expect("answers");
    assert_eq!(original.status(), 429);
    assert!(original.headers().contains_key("retry-after"));
    assert_eq!(original.json::<Value>().await.expect("JSON")["message"], "Too Many Requests");
    assert_eq!(gateway.get("/api/v2/offers", None).await.0, 200, "who brings no token has the address's count");
}
