//! Attacks on tokens, over HTTP against a running gateway: what is not a HAT's own token for this exchange opens nothing,
//! and what has ended does not come back.

use std::time::{Duration, Instant};

use data_encoding::BASE64URL_NOPAD;
use dex::client::Order;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::cast::address;
use crate::support::gateway::{self, Gateway, HAT_PUBLIC, PASSWORD, claims, hat_token, sign};

const BOB: &str = "bob.example.net";

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims(BOB);
    claims[name] = value;
    claims
}

fn part(value: &Value) -> String {
    BASE64URL_NOPAD.encode(value.to_string().as_bytes())
}

/// Tokens that are no good, each with what is wrong with it.
fn attacks() -> Vec<(&'static str, String)> {
    let now = dex::client::ids::now().unix_ms() / 1000;
    let good = hat_token(BOB);
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let mine = |claims: &Value| sign(claims, gateway::HAT_PEM);
    let head = |value: Value| format!("{}.{payload}.{signature}", part(&value));
    let hmac = |secret: &[u8]| {
        let token =
            jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims(BOB), &EncodingKey::from_secret(secret));
        token.expect("signed")
    };
    let confused = hmac(HAT_PUBLIC.as_bytes());
    let forged = confused.rsplit('.').next().expect("a signature").to_owned();
    let longer = |algorithm| {
        let key = EncodingKey::from_rsa_pem(gateway::HAT_PEM.as_bytes()).expect("a key");
        jsonwebtoken::encode(&Header::new(algorithm), &claims(BOB), &key).expect("signed")
    };
    vec![
        ("signed with another key", sign(&claims(BOB), gateway::OTHER_PEM)),
        ("signed by another HAT in its name", sign(&with("iss", json!("eve.example.net")), gateway::HAT_PEM)),
        ("of a HAT that is not registered", hat_token("nobody.example.net")),
        ("alg none", format!("{}.{payload}.", part(&json!({ "alg": "none", "typ": "JWT" })))),
        ("alg None with a signature", head(json!({ "alg": "None", "typ": "JWT" }))),
        ("HS256 with the public key as secret", confused),
        ("HS256 with nothing as secret", hmac(b"")),
        ("RS256 said of an HMAC", format!("{header}.{payload}.{forged}")),
        ("RS512 with the right key", longer(Algorithm::RS512)),
        ("PS256 with the right key", longer(Algorithm::PS256)),
        (
            "a key of its own in the header",
            head(json!({ "alg": "RS256", "jwk": { "kty": "RSA", "n": "AQAB", "e": "AQAB" } })),
        ),
        ("a key from elsewhere", head(json!({ "alg": "RS256", "jku": "https://evil.test/keys", "kid": "../../etc" }))),
        ("expired", mine(&with("exp", json!(now - 60)))),
        ("issued too long ago", mine(&with("iat", json!(now - 4 * 86_400)))),
        ("issued in the future", mine(&with("iat", json!(now + 3600)))),
        ("not yet in force", mine(&with("nbf", json!(now + 3600)))),
        ("without an end", mine(&with("exp", Value::Null))),
        ("for another exchange", mine(&with("resource", json!("https://other.test")))),
        ("for a host that begins like this one", mine(&with("resource", json!("https://dex.test.evil.test")))),
        ("for a user of that name elsewhere", mine(&with("resource", json!("https://dex.test@evil.test")))),
        ("for the HAT itself", mine(&with("resource", json!(BOB)))),
        ("without a resource", mine(&with("resource", Value::Null))),
        ("the owner's", mine(&with("accessScope", json!("owner")))),
        ("an application's", mine(&with("application", json!("notables")))),
        (
            "with another payload under the signature",
            format!("{header}.{}.{signature}", part(&with("jti", json!("2")))),
        ),
        ("without its signature", format!("{header}.{payload}.")),
        ("cut short", good[..good.len() - 4].to_owned()),
        ("of four parts", format!("{good}.x")),
        ("no token", "x.y.z".to_owned()),
        ("oversized", mine(&with("sub", json!("x".repeat(5000))))),
        ("an account's that was guessed", format!("dexa_{}", "A".repeat(43))),
        ("an offer's that was guessed", format!("dexo_{}feeds", "A".repeat(43))),
    ]
}

#[tokio::test]
async fn a_hat_is_known_by_its_own_token_for_this_exchange_and_by_nothing_else() {
    let gateway = Gateway::start();
    gateway.hat(BOB).await;
    let (status, me) = gateway.get("/api/v1/me", Some(&hat_token(BOB))).await;
    assert_eq!((status, &me["hat"]), (200, &json!(BOB)), "{me}");
    let consent = "/api/users/register-consent/notables";
    for (what, token) in attacks() {
        let (status, answer) = gateway.get("/api/v1/me", Some(&token)).await;
        assert_eq!((status, &answer["status"]), (401, &json!(401)), "{what}: {answer}");
        let bearer = gateway.request(Method::GET, "/api/v1/me").bearer_auth(&token).send().await.expect("answers");
        assert_eq!(bearer.status(), 401, "{what}, as a bearer");
        // Where it would change something, and where no token is needed, in the original's shape.
        for (method, path) in [(Method::GET, consent), (Method::POST, consent), (Method::GET, "/api/v2/applications")] {
            let (status, answer) = gateway.call(method, path, Some(&token), None).await;
            assert_eq!((status, &answer["message"]), (401, &json!("Unauthorized")), "{what}, {path}: {answer}");
        }
    }
    // A good token beside a bad one does not save it: the first header is the one that counts.
    let both = gateway.request(Method::GET, "/api/v1/me").header("X-Auth-Token", "x.y.z").bearer_auth(hat_token(BOB));
    assert_eq!(both.send().await.expect("answers").status(), 401);
    let log = gateway.exchange.log().join("\n");
    assert!(!log.contains(&hat_token(BOB)[..60]), "no token is logged");
}

/// Asks until it is answered so; the registry is seen within 2 s.
async fn becomes(gateway: &Gateway, token: &str, expected: u16) {
    let began = Instant::now();
    while gateway.get("/api/v1/me", Some(token)).await.0 != expected {
        assert!(began.elapsed() < Duration::from_secs(2), "{expected} within 2 s");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_was_recorded_is_worth_nothing_after_its_time() {
    let mut gateway = Gateway::tuned(
        "token_life = \"4s\"\nrequests_per_second = 100000\nrequests_burst = 100000\naddress_per_second = 100000\n\
         address_burst = 100000\n",
    );
    gateway.hat(BOB).await;
    let operator = gateway.exchange.client().await;
    let bob = address(&format!("hat:{BOB}"));

    // A HAT's token that was overheard: as long as the HAT's key stands, and not over its suspension.
    let token = hat_token(BOB);
    becomes(&gateway, &token, 200).await;
    operator.suspend(&bob).await.expect("suspended");
    becomes(&gateway, &token, 401).await;
    operator.resume(&bob).await.expect("resumed");
    becomes(&gateway, &token, 200).await;
    // Another key ends every token of the one before, over a restart, too.
    let other = include_str!("../data/other-hat.pub.pem");
    let pin = Order::new(&bob, &["pin-key"], json!({ "publicKey": other }).to_string());
    operator.send(pin).await.expect("pinned");
    becomes(&gateway, &token, 401).await;
    assert_eq!(gateway.get("/api/v1/me", Some(&sign(&claims(BOB), gateway::OTHER_PEM))).await.0, 200);
    gateway.restart();
    assert_eq!(gateway.get("/api/v1/me", Some(&token)).await.0, 401);

    // A request that was overheard, sent again with its idempotency key by somebody else, is another's request; by the
    // same it does nothing twice.
    let ann = gateway.account("ann", &["Developer"]).await;
    let post = |token: String| {
        let request = gateway.request(Method::POST, "/api/v1/orgs").header("X-Auth-Token", token);
        request.header("Idempotency-Key", "k1").json(&json!({ "id": "acme", "name": "Acme" })).send()
    };
    let first = post(ann.clone()).await.expect("answers");
    assert_eq!(first.status(), 201);
    let again = post(ann.clone()).await.expect("answers");
    assert_eq!((again.status().as_u16(), again.headers().contains_key("idempotent-replayed")), (201, true));
    // An account's token ends by itself, and a request with it is refused whatever key it brings.
    tokio::time::sleep(Duration::from_millis(4100)).await;
    assert_eq!(post(ann.clone()).await.expect("answers").status(), 401, "after its life");
    let ann = gateway.login("ann").await;
    assert_eq!(gateway.call(Method::POST, "/api/v1/logout", Some(&ann), None).await.0, 204);
    assert_eq!(post(ann).await.expect("answers").status(), 401, "after the logout");
    let ben = gateway.account("ben", &[]).await;
    assert_eq!(post(ben).await.expect("answers").status(), 403, "the key is not another's");
    // Another password ends what the old one opened.
    let ann = gateway.login("ann").await;
    let changed = json!({ "password": format!("{PASSWORD} 2") });
    assert_eq!(gateway.admin(Method::POST, "/accounts/ann/password", changed).await.0, 200);
    assert_eq!(gateway.get("/api/v1/me", Some(&ann)).await.0, 401, "after another password");
}
