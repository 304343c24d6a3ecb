//! Further calls of the original over a real exchange: onboarding by address, plugs, consent, descriptions.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::cast::{Cast, id};
use crate::support::gateway::{Gateway, hat_token};
use crate::support::http_hat::{HttpHats, Mode};

fn refused(answer: &(u16, Value), status: u16, what: &str) {
    assert_eq!(answer.0, status, "{what}: {answer:?}");
    assert!(answer.1["message"].is_string() && answer.1["cause"].is_string(), "{what}: {answer:?}");
}

#[tokio::test]
async fn hats_register_by_their_address_as_with_the_original() {
    let hats = HttpHats::start();
    let bridge = format!(
        "[bridge]\nplain_http = true\nprivate_addresses = true\nresolve = [{:?}]\ntimeout = \"1s\"\n",
        hats.resolve("only-http.net")
    );
    let gateway = Gateway::tuned(&bridge);
    let cast = Cast::new(gateway.exchange.client().await, 0).await;
    let _ = &cast;
    for path in ["/api/users/registerHat", "/api/v3/users/registerHat"] {
        let post = |body: Value| gateway.call(Method::POST, path, None, Some(body));
        for again in 0..2 {
            let (status, told) = post(json!({ "hatAddress": "bob.only-http.net", "applicationId": "notables" })).await;
            assert_eq!((status, told["message"].is_string()), (200, true), "{path} {again}: {told}");
        }
        for (what, body) in [
            ("no name", json!({ "hatAddress": "127.0.0.1" })),
            ("of one part", json!({ "hatAddress": "localhost" })),
            ("no id", json!({ "hatAddress": "Bob Smith" })),
            ("nothing", json!({})),
            ("rubbish", json!([1])),
            ("nowhere", json!({ "hatAddress": "nobody.invalid" })),
        ] {
            refused(&post(body).await, 400, what);
        }
    }
    hats.behave("eve.only-http.net", Mode::Fail(503), "");
    let body = json!({ "hatAddress": "eve.only-http.net" });
    refused(&gateway.call(Method::POST, "/api/users/registerHat", None, Some(body)).await, 400, "down");
}

#[tokio::test]
async fn plugs_consent_and_descriptions_are_as_with_the_original() {
    let mut gateway = Gateway::start();
    let cast = Cast::new(gateway.exchange.client().await, 0).await;
    gateway.hat("bob.example.net").await;
    gateway.hat("eve.example.net").await;
    let bob = hat_token("bob.example.net");
    let admin = gateway.account("root", &["Master"]).await;
    let ann = gateway.account("ann", &["OwnsDataPlug(facebook)"]).await;

    let (status, plugs) = gateway.get("/api/dataplugs", None).await;
    assert_eq!((status, plugs.as_array().map(Vec::len)), (200, Some(1)), "{plugs}");
    let plug = &plugs[0];
    let mut names: Vec<&str> = plug.as_object().expect("an object").keys().map(String::as_str).collect();
    names.sort_unstable();
    let expected =
        ["approved", "created", "description", "illustrationUrl", "name", "passwordHash", "providerId", "url", "uuid"];
    assert_eq!((names.as_slice(), &plug["approved"], &plug["passwordHash"]), (&expected[..], &json!(true), &json!("")));
    refused(&gateway.get("/api/dataplugs", Some("x.y.z")).await, 401, "a bad token");
    let uuid = plug["uuid"].as_str().expect("text").to_owned();
    let connect = |plug: &str, hat: &str| format!("/api/dataplugs/{plug}/connect?hat={hat}");
    refused(&gateway.get(&connect(&uuid, "bob.example.net"), None).await, 401, "no token");
    refused(&gateway.get(&connect(&uuid, "eve.example.net"), Some(&bob)).await, 403, "another HAT");
    refused(&gateway.get(&connect("none", "bob.example.net"), Some(&bob)).await, 404, "no such plug");
    refused(&gateway.get(&connect(&uuid, "B%20B"), Some(&bob)).await, 400, "no address");
    refused(&gateway.get(&format!("/api/dataplugs/{uuid}/connect"), Some(&bob)).await, 400, "no HAT");
    // Its key is not here, so this gateway cannot speak for it.
    refused(&gateway.get(&connect(&uuid, "bob.example.net"), Some(&ann)).await, 403, "a plug of elsewhere");
    for (method, named) in [(Method::GET, uuid.as_str()), (Method::POST, "facebook"), (Method::GET, "facebook")] {
        let (status, told) = gateway.call(method, &connect(named, "bob.example.net"), Some(&bob), None).await;
        assert_eq!((status, told["message"].is_string()), (200, true), "{told}");
    }
    cast.plug.credit(&id("bob.example.net"), crate::support::cast::RECORD).await.expect("connected");

    let consent = "/api/users/register-consent/notables";
    refused(&gateway.get(consent, None).await, 401, "no token");
    refused(&gateway.get(consent, Some(&ann)).await, 403, "no HAT");
    refused(&gateway.get(consent, Some(&bob)).await, 404, "no such application");
    refused(&gateway.get("/api/v3/users/register-consent/No%20App", Some(&bob)).await, 404, "no id");

    let path = "/stats/available-data/descriptions";
    let body = json!([{ "namespace": "fitbit", "description": "Steps", "endpoints": [
        { "endpoint": "steps", "description": "By day", "fields": [{ "name": "n", "description": "How many" }] } ] }]);
    let post = |token: Option<&str>, body: Value| {
        let token = token.map(str::to_owned);
        let gateway = &gateway;
        async move { gateway.call(Method::POST, path, token.as_deref(), Some(body)).await }
    };
    refused(&post(None, body.clone()).await, 401, "no token");
    refused(&post(Some(&ann), body.clone()).await, 403, "no admin");
    refused(&post(Some(&admin), json!({})).await, 400, "rubbish");
    let (status, told) = post(Some(&admin), body.clone()).await;
    assert_eq!((status, told), (200, json!([])), "what fewer than five HATs report stays unseen");
    let report = json!([{
        "statsType": "inbound", "time": "2026-01-31T12:00:00+0000", "logEntry": "saved",
        "user": { "userId": "u", "email": "b@example.net", "name": "b", "role": "owner", "roles": [] },
        "stats": [{ "endpoint": "fitbit/steps", "propertyStats": { "n": 1 } }],
    }]);
    for number in 0..5 {
        let name = format!("h{number}.example.net");
        gateway.hat(&name).await;
        let done = gateway.call(Method::POST, "/stats/report", Some(&hat_token(&name)), Some(report.clone())).await;
        assert_eq!(done.0, 200, "{done:?}");
    }
    gateway.restart();
    let (status, told) = gateway.get("/stats/available-data", None).await;
    let expected = json!([{ "namespace": "fitbit", "description": "Steps", "endpoints": [
        { "endpoint": "steps", "description": "By day", "fields": [{ "name": "n", "count": 5, "description": "How many" }] },
    ] }]);
    assert_eq!((status, told), (200, expected), "kept over a restart");
}
