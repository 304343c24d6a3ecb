//! Applications over the original's calls: shapes, statuses, who may.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::cast::Cast;
use crate::support::gateway::{Gateway, hat_token};

fn manifest(id: &str, version: &str) -> Value {
    let mut manifest: Value =
        serde_json::from_str(include_str!("../../src/domain/app/notables.json")).expect("a manifest");
    manifest["id"] = json!(id);
    manifest["info"]["version"] = json!(version);
    manifest["info"]["published"] = json!(false);
    manifest
}

fn published(id: &str, version: &str) -> Value {
    let mut manifest = manifest(id, version);
    manifest["info"]["published"] = json!(true);
    manifest
}

/// The original's shape of an error.
fn refused(answer: &(u16, Value), status: u16, what: &str) {
    let (got, body) = answer;
    assert_eq!(*got, status, "{what}: {body}");
    assert!(body["message"].is_string() && body["cause"].is_string() && body.get("type").is_none(), "{what}: {body}");
}

#[tokio::test]
async fn applications_are_registered_published_and_told_as_by_the_original() {
    let gateway = Gateway::start();
    Cast::new(gateway.exchange.client().await, 0).await;
    gateway.hat("bob.example.net").await;
    let admin = gateway.account("root", &["Master"]).await;
    let dev = gateway.account("dev", &["Developer"]).await;
    let other = gateway.account("other", &["Developer"]).await;
    let ann = gateway.account("ann", &["ViewDataPlugs"]).await;
    let path = |version: &str, rest: &str| format!("/api/{version}/applications{rest}");
    let call = |method: Method, path: String, token: Option<&str>, body: Option<Value>| {
        let token = token.map(str::to_owned);
        let gateway = &gateway;
        async move { gateway.call(method, &path, token.as_deref(), body).await }
    };

    assert_eq!(gateway.get("/api/v2/applications", None).await, (200, json!([])));
    refused(&gateway.get("/api/v2/applications/none", None).await, 404, "unknown");
    refused(&gateway.get("/api/v3/applications/No%20App", None).await, 404, "no id");
    let one = manifest("notes", "1.0.0");
    refused(&call(Method::POST, path("v2", ""), None, Some(one.clone())).await, 401, "no token");
    refused(&call(Method::POST, path("v2", ""), Some(&ann), Some(one.clone())).await, 403, "no developer");
    refused(&call(Method::POST, path("v2", ""), Some(&dev), Some(json!({ "id": "notes" }))).await, 400, "no manifest");
    refused(&call(Method::POST, path("v2", ""), Some(&dev), Some(json!([1]))).await, 400, "rubbish");
    assert_eq!(call(Method::POST, path("v2", ""), Some(&dev), Some(one.clone())).await, (201, one.clone()));
    refused(&call(Method::POST, path("v3", ""), Some(&other), Some(one.clone())).await, 403, "somebody else's");
    assert_eq!(gateway.get("/api/v2/applications", None).await, (200, json!([])), "it waits");
    assert_eq!(gateway.get("/api/v2/applications?unpublished=true", None).await, (200, json!([one.clone()])));

    // Changed while it waits; published by the operator, never by its developer.
    let mut better = one.clone();
    better["info"]["headline"] = json!("Better notes");
    assert_eq!(call(Method::PUT, path("v2", "/notes"), Some(&dev), Some(better.clone())).await, (200, better.clone()));
    refused(&call(Method::PUT, path("v2", "/notes"), Some(&other), Some(better.clone())).await, 403, "not yours");
    refused(&call(Method::GET, path("v2", "/notes/publish"), None, None).await, 401, "no token");
    refused(&call(Method::GET, path("v2", "/notes/publish"), Some(&dev), None).await, 403, "an operator looks first");
    refused(&call(Method::GET, path("v2", "/none/publish"), Some(&admin), None).await, 404, "unknown");
    better["info"]["published"] = json!(true);
    assert_eq!(call(Method::GET, path("v2", "/notes/publish"), Some(&admin), None).await, (200, better.clone()));
    assert_eq!(gateway.get("/api/v3/applications/notes?lang=en", None).await, (200, better.clone()));

    // The owner of a HAT accepts it; a further version waits beside the published one.
    let bob = hat_token("bob.example.net");
    let consent = gateway.get("/api/v3/users/register-consent/notes", Some(&bob)).await;
    assert_eq!(consent.0, 200, "{consent:?}");
    let two = manifest("notes", "2.0.0");
    let made = call(Method::POST, path("v3", "/notes/versions"), Some(&dev), Some(two.clone())).await;
    assert_eq!(made, (201, two.clone()));
    refused(
        &call(Method::POST, path("v3", "/notes/versions"), Some(&dev), Some(manifest("notes", "0.5.0"))).await,
        400,
        "a lower version",
    );
    assert_eq!(gateway.get("/api/v2/applications/notes", None).await.1["info"]["version"], "1.0.0");
    let (status, told) = call(Method::POST, path("v3", "/notes/publish"), Some(&admin), None).await;
    assert_eq!((status, told), (200, published("notes", "2.0.0")));
    let (status, history) = gateway.get("/api/v3/applications-history", None).await;
    assert_eq!(status, 200, "{history}");
    assert_eq!(history, json!([{ "current": published("notes", "2.0.0"), "history": [better] }]).with_published(false));

    // The paged list.
    let tool = {
        let mut tool = manifest("a-tool", "1.0.0");
        tool["kind"] = json!({ "kind": "Tool", "url": "https://tool.example" });
        tool
    };
    assert_eq!(call(Method::POST, path("v3", ""), Some(&other), Some(tool)).await.0, 201);
    assert_eq!(call(Method::POST, path("v3", "/a-tool/publish"), Some(&admin), None).await.0, 200);
    let (_, page) = gateway.get("/api/v3/applications?limit=1", None).await;
    assert_eq!((&page["data"][0]["id"], &page["next"]), (&json!("a-tool"), &json!("notes")));
    assert_eq!(page["paginationParameters"], json!({ "limit": 1 }));
    let (_, page) = gateway.get("/api/v3/applications?startId=notes&limit=1", None).await;
    assert_eq!((&page["data"][0]["id"], page.get("next")), (&json!("notes"), None));
    let (_, page) = gateway.get("/api/v3/applications?kind=Tool", None).await;
    assert_eq!((page["data"].as_array().map(Vec::len), &page["filters"]), (Some(1), &json!({ "kind": "Tool" })));
    refused(&gateway.get("/api/v3/applications?limit=0", None).await, 400, "no limit");

    // Who made it, and out of force.
    let maker = json!({ "id": "hatdex", "name": "Makers Ltd", "url": "https://makers.example" });
    assert_eq!(
        call(Method::PUT, path("v2", "/developer"), Some(&dev), Some(maker.clone())).await,
        (200, maker.clone())
    );
    let stranger = json!({ "id": "nobody", "name": "N", "url": "https://n.example" });
    refused(&call(Method::PUT, path("v2", "/developer"), Some(&dev), Some(stranger)).await, 404, "no such developer");
    refused(&call(Method::PUT, path("v2", "/developer"), Some(&dev), Some(json!({ "id": 1 }))).await, 400, "rubbish");
    let (_, told) = call(Method::POST, path("v2", "/notes/publish"), Some(&admin), None).await;
    assert_eq!(told["developer"], maker);
    refused(&call(Method::GET, path("v2", "/notes/suspend"), Some(&other), None).await, 403, "not yours");
    assert_eq!(call(Method::GET, path("v2", "/notes/suspend"), Some(&dev), None).await.0, 200);
    let (_, left) = gateway.get("/api/v2/applications", None).await;
    assert_eq!(left.as_array().map(Vec::len), Some(1), "{left}");
    let (_, all) = gateway.get("/api/v2/applications?unpublished=true", None).await;
    assert_eq!(all.as_array().map(Vec::len), Some(2), "{all}");
}

#[tokio::test]
async fn notices_are_posted_as_with_the_original() {
    let gateway = Gateway::start();
    Cast::new(gateway.exchange.client().await, 0).await;
    gateway.hat("bob.example.net").await;
    let admin = gateway.account("root", &["Master"]).await;
    let ann = gateway.account("ann", &["ViewDataPlugs"]).await;
    let target = json!({ "withHatAddress": ["bob.example.net"] });
    let notice = json!({ "message": "Closed on Sunday", "dateCreated": 1, "target": target });
    let post = |token: Option<&str>, body: Value| {
        let (gateway, token) = (&gateway, token.map(str::to_owned));
        async move { gateway.call(Method::POST, "/api/notices", token.as_deref(), Some(body)).await }
    };
    refused(&post(None, notice.clone()).await, 401, "no token");
    refused(&post(Some(&ann), notice.clone()).await, 403, "speaks for nobody");
    refused(&post(Some(&admin), json!({ "message": 1 })).await, 400, "rubbish");
    refused(&post(Some(&admin), json!({ "message": "x", "target": { "withFriends": [] } })).await, 400, "no target");
    let (status, told) = post(Some(&admin), notice).await;
    assert_eq!((status, &told["message"], &told["target"]), (200, &json!("Closed on Sunday"), &target), "{told}");
    assert!(told["id"].as_i64().is_some_and(|id| id > 0) && told["dateCreated"].is_string(), "{told}");
    let (_, listed) = gateway.get("/api/v1/notices", Some(&hat_token("bob.example.net"))).await;
    assert_eq!(listed["items"][0]["message"], "Closed on Sunday", "{listed}");
}

/// Former versions are told as their makers wrote them.
trait AsWritten {
    fn with_published(self, published: bool) -> Value;
}

impl AsWritten for Value {
    fn with_published(mut self, published: bool) -> Value {
        for former in self[0]["history"].as_array_mut().into_iter().flatten() {
            former["info"]["published"] = json!(published);
        }
        self
    }
}
