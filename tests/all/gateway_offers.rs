//! The original's calls about offers over a real exchange: register, approve, claim, read what is delivered by the offer's
//! token, and what that token does not open.

use dex::client::{Order, ids, keys};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::cast::{RECORD, address, id};
use crate::support::gateway::{Gateway, HAT_PUBLIC, hat_token};

const DAY_MS: u64 = 86_400_000;

fn registration(offer: &str, max: u32) -> Value {
    let now = ids::now().unix_ms();
    json!({
        "offerId": offer, "title": "Feeds", "description": "Your feed for a voucher",
        "starts": now - DAY_MS, "expires": ids::now().plus(86_400_000_000_000).to_string(),
        "collectionDuration": DAY_MS, "requiredMinUser": 1, "requiredMaxUser": max,
        "requiredData": { "name": "feed", "bundle": { "feed": { "endpoints": [{ "endpoint": "facebook/feed" }] } } },
    })
}

/// That an answer is an error in the original's shape.
fn refused(answer: &(u16, Value), status: u16, what: &str) {
    assert_eq!(answer.0, status, "{what}: {answer:?}");
    let told = &answer.1;
    assert!(told["message"].is_string() && told["cause"].is_string(), "{what}: {told}");
    assert!(told.as_object().is_some_and(|it| it.keys().all(|key| ["message", "cause", "details"].contains(&&**key))));
}

/// Registers a HAT that signs for itself and lets the gateway's bridge speak, too; a client with its voice.
async fn hat(gateway: &Gateway, name: &str) -> dex::client::Client {
    let operator = gateway.exchange.client().await;
    let key = keys::generate();
    let body = json!({ "key": key.public(), "publicKey": HAT_PUBLIC, "bridge": "dex.test" });
    let to = address(&format!("hat:{name}"));
    operator.send(Order::new(&to, &["register"], body.to_string())).await.expect("registered");
    operator.speaking(to, key)
}

async fn offered(gateway: &Gateway, admin: &str, ann: &str, offer: &str, max: u32) {
    let (status, told) = gateway.call(Method::POST, "/api/v2/offer", Some(ann), Some(registration(offer, max))).await;
    assert_eq!(status, 201, "{told}");
    let path = format!("/api/v2/offer/{offer}?status=approved");
    let (status, told) = gateway.call(Method::PUT, &path, Some(admin), None).await;
    assert_eq!((status, &told["status"]), (200, &json!("approved")), "{told}");
}

#[tokio::test]
async fn offers_are_registered_listed_and_moved_on_as_by_the_original() {
    let mut gateway = Gateway::start();
    let admin = gateway.account("root", &["Master"]).await;
    let ann = gateway.account("ann", &["MarketPlace"]).await;
    let ben = gateway.account("ben", &[]).await;
    let post = |token: Option<&str>, body: Value| {
        let token = token.map(str::to_owned);
        let gateway = &gateway;
        async move { gateway.call(Method::POST, "/api/v3/offer", token.as_deref(), Some(body)).await }
    };
    refused(&post(None, registration("feeds", 2)).await, 401, "no token");
    refused(&post(Some(&ben), registration("feeds", 2)).await, 403, "without the role");
    // What a HAT would pass over, and so give away more than is asked for.
    let find = json!([{ "field": "x", "operator": { "operator": "find", "search": "london" } }]);
    let find = json!({ "name": "feed", "bundle": { "feed": { "endpoints": [{ "endpoint": "facebook/feed", "filters": find }] } } });
    for (field, bad) in [
        ("requiredData", find.clone()),
        ("dataConditions", find),
        ("dataConditions", json!({ "name": "feed", "bundle": {} })),
        ("starts", json!("soon")),
        ("expires", json!(0)),
        ("requiredMaxUser", json!(-1)),
        ("requiredMinUser", json!(3)),
        ("requiredData", json!({ "name": "feed" })),
        ("collectionDuration", json!(1)),
        ("offerId", json!("Feeds 1")),
        ("title", Value::Null),
    ] {
        let mut body = registration("feeds", 2);
        body[field] = bad;
        refused(&post(Some(&ann), body).await, 400, field);
    }
    let (status, told) = post(Some(&ann), registration("feeds", 2)).await;
    assert_eq!(status, 201, "{told}");
    let mut names: Vec<&str> = told.as_object().expect("an object").keys().map(String::as_str).collect();
    names.sort_unstable();
    let expected = [
        "collectionDuration",
        "created",
        "description",
        "expires",
        "offerId",
        "provider",
        "requiredData",
        "requiredMaxUser",
        "requiredMinUser",
        "starts",
        "status",
        "title",
    ];
    assert_eq!(names, expected, "exactly the original's fields; without conditions there is no dataConditions");
    let me = gateway.get("/api/v1/me", Some(&ann)).await.1;
    assert_eq!((&told["provider"], &told["status"]), (&me["userId"], &json!("draft")));
    assert_eq!((&told["collectionDuration"], &told["requiredMinUser"]), (&json!(DAY_MS), &json!(1)));
    assert_eq!(told["requiredData"], registration("feeds", 2)["requiredData"]);
    refused(&post(Some(&ann), registration("feeds", 2)).await, 400, "taken");

    let count = |answer: (u16, Value)| answer.1.as_array().map(Vec::len);
    assert_eq!(count(gateway.get("/api/v2/offers", None).await), Some(0), "drafts are not for everybody");
    assert_eq!(count(gateway.get("/api/v2/offers", Some(&ben)).await), Some(0));
    assert_eq!(count(gateway.get("/api/v2/offers", Some(&ann)).await), Some(1));
    let put = |path: &'static str, token: Option<&str>| {
        let token = token.map(str::to_owned);
        let gateway = &gateway;
        async move { gateway.call(Method::PUT, path, token.as_deref(), None).await }
    };
    refused(&put("/api/v2/offer/feeds?status=approved", None).await, 401, "no token");
    refused(&put("/api/v2/offer/feeds?status=approved", Some(&ann)).await, 403, "its owner does not approve");
    refused(&put("/api/v2/offer/feeds?status=satisfied", Some(&admin)).await, 400, "no status to be set");
    refused(&put("/api/v2/offer/none?status=approved", Some(&admin)).await, 404, "unknown");
    refused(&put("/api/v2/offer/feeds", Some(&admin)).await, 400, "no status");
    assert_eq!(put("/api/v2/offer/feeds?status=paid", Some(&admin)).await.1["status"], "paid");
    assert_eq!(put("/api/v3/offer/feeds?status=approved", Some(&admin)).await.1["status"], "approved");
    refused(&put("/api/v3/offer/feeds?status=rejected", Some(&admin)).await, 400, "not after approval");
    let (status, listed) = gateway.get("/api/v3/offers", None).await;
    assert_eq!((status, &listed[0]["offerId"], &listed[0]["status"]), (200, &json!("feeds"), &json!("approved")));
    gateway.restart();
    assert_eq!(gateway.get("/api/v3/offers", None).await.1, listed, "the same after a restart");
    let closed = gateway.call(Method::PUT, "/api/v2/offer/feeds?status=closed", Some(&ann), None).await;
    assert_eq!((closed.0, &closed.1["status"]), (200, &json!("closed")), "{closed:?}");
}

#[tokio::test]
async fn an_offer_without_personal_data_names_no_hat_over_rest() {
    let gateway = Gateway::start();
    let admin = gateway.account("root", &["Master"]).await;
    let ann = gateway.account("ann", &["MarketPlace"]).await;
    let operator = gateway.exchange.client().await;
    let word = serde_json::from_value(json!({ "class": "none", "fields": { "message": { "class": "direct" } } }));
    operator.classify("facebook/feed", &word.expect("a word")).await.expect("classified");
    let mut body = registration("feeds", 2);
    body["withoutPii"] = json!(true);
    let (status, told) = gateway.call(Method::POST, "/api/v2/offer", Some(&ann), Some(body)).await;
    assert_eq!((status, &told["withoutPii"]), (201, &json!(true)), "{told}");
    let path = "/api/v2/offer/feeds?status=approved";
    assert_eq!(gateway.call(Method::PUT, path, Some(&admin), None).await.0, 200);
    let bob = hat(&gateway, "quokka.hidden.net").await;
    let claim = "/api/v2/offer/feeds/registerClaim?hat=quokka.hidden.net";
    let refused_to_owner = gateway.call(Method::PUT, claim, Some(&ann), None).await;
    refused(&refused_to_owner, 403, "its owner names no HAT");
    let token = hat_token("quokka.hidden.net");
    let own = gateway.call(Method::POST, "/api/v2/offer/feeds/claim", Some(&token), None).await;
    assert_eq!(own.0, 200, "{own:?}");
    let enable = "/api/v1/hats/quokka.hidden.net/debits/feeds/enable";
    assert_eq!(gateway.call(Method::POST, enable, Some(&token), None).await.0, 200);
    let record = r#"[{"endpoint":"facebook/feed","recordId":"own-id","data":{"message":"quokka","likes":3}}]"#;
    bob.release(&id("feeds"), record).await.expect("released");
    let began = std::time::Instant::now();
    let info = loop {
        let info = gateway.get("/api/v2/offer/feeds/claims", Some(&ann)).await.1;
        if info["claims"].as_array().is_some_and(|claims| claims.len() == 1) {
            break info;
        }
        assert!(began.elapsed().as_secs() < 20, "{info}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    let reads = info["credentials"]["passwordPlain"].as_str().expect("a token").to_owned();
    let page = gateway.get("/api/v1/offers/feeds/deliveries?wait=10", Some(&reads)).await.1;
    let item = &page["items"][0];
    assert_eq!(item["records"][0]["data"], json!({ "likes": 3 }), "{page}");
    assert!(item["source"].as_str().is_some_and(|source| source.starts_with("pseudonym:")), "{page}");
    let body = json!({ "receipts": [{ "delivery": item["delivery"] }] });
    let done = gateway.call(Method::POST, "/api/v1/offers/feeds/receipts", Some(&reads), Some(body)).await.1;
    assert_eq!(done["items"][0]["outcome"]["status"], "settled", "{done}");
    for told in [&info, &page, &done] {
        assert!(!told.to_string().contains("quokka") && !told.to_string().contains("own-id"), "{told}");
    }
}

#[tokio::test]
async fn claims_are_confirmed_by_owners_and_what_they_deliver_is_read_by_the_offers_token() {
    let mut gateway = Gateway::start();
    let admin = gateway.account("root", &["Master"]).await;
    let ann = gateway.account("ann", &["MarketPlace"]).await;
    let ben = gateway.account("ben", &["MarketPlace"]).await;
    offered(&gateway, &admin, &ann, "feeds", 2).await;
    offered(&gateway, &admin, &ben, "other", 2).await;
    let bob = hat(&gateway, "bob.example.net").await;
    hat(&gateway, "eve.example.net").await;
    hat(&gateway, "joe.example.net").await;
    let call = |method: Method, path: String, token: Option<&str>| {
        let token = token.map(str::to_owned);
        let gateway = &gateway;
        async move { gateway.call(method, &path, token.as_deref(), None).await }
    };
    let claim = |hat: &str| format!("/api/v2/offer/feeds/registerClaim?hat={hat}");
    refused(&call(Method::PUT, claim("bob.example.net"), None).await, 401, "no token");
    refused(&call(Method::PUT, claim("bob.example.net"), Some(&ben)).await, 403, "another's offer");
    refused(&call(Method::PUT, claim("nobody.example.net"), Some(&ann)).await, 404, "no such HAT");
    refused(&call(Method::PUT, claim("B%20B"), Some(&ann)).await, 400, "no address");
    let none = "/api/v2/offer/none/registerClaim?hat=bob.example.net".to_owned();
    refused(&call(Method::PUT, none, Some(&ann)).await, 404, "no such offer");
    let (status, told) = call(Method::PUT, claim("bob.example.net"), Some(&ann)).await;
    assert_eq!(status, 200, "{told}");
    assert_eq!((&told["offerId"], &told["dataDebitId"]), (&json!("feeds"), &json!("feeds")));
    assert_eq!((&told["confirmed"], &told["relationship"]), (&json!(false), &json!("claim")));
    assert_eq!(told["user"], json!({ "address": "bob.example.net", "publicKey": HAT_PUBLIC }), "{told}");
    let again = call(Method::PUT, claim("bob.example.net"), Some(&ann)).await;
    assert_eq!(again, (200, told.clone()), "claimed again it is the same claim");

    // A HAT by itself; the third finds no place.
    let own = "/api/v2/offer/feeds/claim".to_owned();
    refused(&call(Method::GET, own.clone(), None).await, 401, "no token");
    refused(&call(Method::GET, own.clone(), Some(&ann)).await, 403, "no HAT");
    let (status, eve) = call(Method::GET, own.clone(), Some(&hat_token("eve.example.net"))).await;
    assert_eq!((status, &eve["user"]["address"]), (200, &json!("eve.example.net")), "{eve}");
    refused(&call(Method::GET, own.clone(), Some(&hat_token("joe.example.net"))).await, 400, "full");
    let listed = "/api/v2/offer/feeds/claims".to_owned();
    refused(&call(Method::GET, listed.clone(), Some(&ben)).await, 403, "another's");
    let (status, info) = call(Method::GET, listed.clone(), Some(&ann)).await;
    assert_eq!((status, &info["claims"]), (200, &json!([])), "nobody has confirmed: {info}");

    // Bob's owner confirms; what his HAT releases is read and receipted by the token alone.
    let enable = "/api/v1/hats/bob.example.net/debits/feeds/enable".to_owned();
    assert_eq!(call(Method::POST, enable, Some(&hat_token("bob.example.net"))).await.0, 200);
    let began = std::time::Instant::now();
    let info = loop {
        let info = call(Method::GET, listed.clone(), Some(&ann)).await.1;
        if info["claims"].as_array().is_some_and(|claims| claims.len() == 1) {
            break info;
        }
        assert!(began.elapsed().as_secs() < 20, "{info}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert_eq!(info["claims"][0]["confirmed"], true);
    assert_eq!(call(Method::GET, "/api/offer/feeds/claims".into(), Some(&ann)).await.1, info, "the old path");
    let mut names: Vec<&str> = info["credentials"].as_object().expect("there").keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["dateCreated", "login", "offerId", "passwordHash", "passwordPlain"]);
    let token = info["credentials"]["passwordPlain"].as_str().expect("a token").to_owned();
    let other = call(Method::GET, "/api/v2/offer/other/claims".into(), Some(&ben)).await.1;
    let other = other["credentials"]["passwordPlain"].as_str().expect("a token").to_owned();
    bob.release(&id("feeds"), RECORD).await.expect("released");
    let path = "/api/v1/offers/feeds/deliveries?wait=10".to_owned();
    let (status, page) = call(Method::GET, path.clone(), Some(&token)).await;
    assert_eq!((status, page["items"].as_array().map(Vec::len)), (200, Some(1)), "{page}");
    let item = &page["items"][0];
    assert_eq!(item["count"], 1);
    assert_eq!(item["records"], serde_json::from_str::<Value>(RECORD).expect("JSON"));
    let body = json!({ "receipts": [{ "delivery": item["delivery"] }] });
    let receipts = "/api/v1/offers/feeds/receipts";
    let foreign = gateway.call(Method::POST, receipts, Some(&other), Some(body.clone())).await;
    assert_eq!(foreign.0, 403, "{foreign:?}");
    let (status, done) = gateway.call(Method::POST, receipts, Some(&token), Some(body.clone())).await;
    assert_eq!((status, &done["items"][0]["outcome"]["status"]), (200, &json!("settled")), "{done}");
    let (_, twice) = gateway.call(Method::POST, receipts, Some(&token), Some(body)).await;
    assert_eq!(twice["items"][0]["problem"]["status"], 404, "{twice}");

    // What the token does not open.
    let last = |text: &str| format!("{}x{}", &text[..20], &text[21..]);
    let renamed = token.replace("feeds", "other");
    for (what, path, token, expected) in [
        ("another offer", "/api/v1/offers/other/deliveries", token.clone(), 403),
        ("another offer's token", "/api/v1/offers/feeds/deliveries", other, 403),
        ("another offer's name in it", "/api/v1/offers/other/deliveries", renamed, 401),
        ("one letter guessed", "/api/v1/offers/feeds/deliveries", last(&token), 401),
        ("only the prefix", "/api/v1/offers/feeds/deliveries", "dexo_".into(), 401),
        ("who calls", "/api/v1/me", token.clone(), 403),
        ("debits", "/api/v1/hats/bob.example.net/debits", token.clone(), 403),
        ("claims", "/api/v2/offer/feeds/claims", token.clone(), 403),
        ("a HAT", "/api/v1/offers/feeds/deliveries", hat_token("bob.example.net"), 403),
        ("another account", "/api/v1/offers/feeds/deliveries", ben.clone(), 404),
    ] {
        let answer = gateway.get(path, Some(&token)).await;
        assert_eq!(answer.0, expected, "{what}: {answer:?}");
    }
    assert_eq!(gateway.get("/api/v1/offers/feeds/deliveries", None).await.0, 401);
    let renew = "/api/v1/offers/feeds/token/renew";
    assert_eq!(gateway.call(Method::POST, renew, Some(&token), None).await.0, 403, "the token does not renew itself");
    let (status, fresh) = gateway.call(Method::POST, renew, Some(&ann), None).await;
    assert_eq!(status, 200, "{fresh}");
    gateway.restart();
    let read = "/api/v1/offers/feeds/deliveries?wait=0";
    assert_eq!(gateway.get(read, Some(&token)).await.0, 401, "ended, also after a restart");
    let fresh = fresh["token"].as_str().expect("a token").to_owned();
    assert_eq!(gateway.get(read, Some(&fresh)).await.0, 200);

    // An offer that is closed before it reached its minimum reads no more; one that reached it goes on.
    let close = |offer: &str| format!("/api/v2/offer/{offer}?status=closed");
    let other = gateway.get("/api/v2/offer/other/claims", Some(&ben)).await.1;
    let other = other["credentials"]["passwordPlain"].as_str().expect("a token").to_owned();
    let read_other = "/api/v1/offers/other/deliveries?wait=0";
    assert_eq!(gateway.get(read_other, Some(&other)).await.0, 200);
    for (offer, owner) in [("feeds", &ann), ("other", &ben)] {
        assert_eq!(gateway.call(Method::PUT, &close(offer), Some(owner), None).await.0, 200);
    }
    assert_eq!(gateway.get(read_other, Some(&other)).await.0, 401, "after its close");
    assert_eq!(gateway.get(read, Some(&fresh)).await.0, 200, "it reached its minimum");

    // While its owner is suspended nobody reads what was delivered before, by the token or by the account.
    let operator = gateway.exchange.client().await;
    let shown = operator.query("offer.show", json!({ "offer": "feeds" }).to_string()).await.expect("told");
    let owner = address(shown["owner"].as_str().expect("an address"));
    operator.suspend(&owner).await.expect("suspended");
    assert_eq!(gateway.get(read, Some(&fresh)).await.0, 401);
    let answer = gateway.get(read, Some(&ann)).await;
    assert!(answer.0 == 403 && answer.1["detail"].as_str().is_some_and(|it| it.contains("suspended")), "{answer:?}");
    operator.resume(&owner).await.expect("resumed");
    assert_eq!(gateway.get(read, Some(&fresh)).await.0, 200);
    assert_eq!(gateway.get(read, Some(&ann)).await.0, 200);
    let log = gateway.exchange.log().join("\n");
    assert!(!log.contains(&fresh) && !log.contains(&token), "no token is logged");
}
