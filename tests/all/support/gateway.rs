//! A real exchange with its REST gateway on, accounts and HAT tokens for tests.

use std::time::Duration;

use dex::domain::Id;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::exchange::Exchange;

/// The key pair of HATs in tests.
pub const HAT_PEM: &str = include_str!("../../data/hat.pem");
pub const HAT_PUBLIC: &str = include_str!("../../data/hat.pub.pem");
/// Another key pair.
pub const OTHER_PEM: &str = include_str!("../../data/other-hat.pem");
/// The password of every account in tests.
pub const PASSWORD: &str = "correct horse battery";

/// An exchange whose gateway is on, with rates that no test reaches by itself.
pub struct Gateway {
    pub exchange: Exchange,
    /// `http://127.0.0.1:port`.
    pub url: String,
    pub http: reqwest::Client,
}

const FAST: &str = "requests_per_second = 100000\nrequests_burst = 100000\naddress_per_second = 100000\n\
                    address_burst = 100000\n";

#[allow(dead_code)]
impl Gateway {
    pub fn start() -> Gateway {
        Gateway::tuned(FAST)
    }

    /// With further keys of `[gateway]`.
    pub fn tuned(more: &str) -> Gateway {
        let exchange =
            Exchange::start_with(&format!("[gateway]\nenabled = true\nadmin = true\nlisten = \"127.0.0.1:0\"\n{more}"));
        let mut gateway = Gateway {
            exchange,
            url: String::new(),
            http: dex::http::outward::client(Duration::from_secs(30)).expect("a client"),
        };
        gateway.find();
        gateway
    }

    /// Reads off the log where it listens.
    fn find(&mut self) {
        let log = self.exchange.log();
        let ready = log.iter().rev().find_map(|line| {
            let event: Value = serde_json::from_str(line).ok()?;
            (event["fields"]["message"] == "ready").then(|| event["fields"]["gateway"].as_str().map(str::to_owned))?
        });
        self.url = format!("http://{}", ready.expect("ready names the gateway"));
    }

    /// Starts the daemon again on the same state.
    pub fn restart(&mut self) {
        self.exchange.restart();
        self.find();
    }

    /// A request to a path.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    /// A `GET` with a token, if any: status and JSON.
    pub async fn get(&self, path: &str, token: Option<&str>) -> (u16, Value) {
        self.call(Method::GET, path, token, None).await
    }

    /// A request with a token and a body, if any: status and JSON (null when there is none).
    pub async fn call(&self, method: Method, path: &str, token: Option<&str>, body: Option<Value>) -> (u16, Value) {
        let mut request = self.request(method, path);
        if let Some(token) = token {
            request = request.header("X-Auth-Token", token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Asks the daemon's socket, as `dex account` does.
    pub async fn admin(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let socket = self.exchange.path("state").join(dex::gateway::admin::SOCKET);
        let client = dex::http::outward::over_socket(&socket, Duration::from_secs(30)).expect("a client");
        let mut request = client.request(method, format!("http://dex{path}"));
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("the socket answers");
        (answer.status().as_u16(), answer.json().await.expect("JSON"))
    }

    /// Makes an account with these roles, approved; its token.
    pub async fn account(&self, name: &str, roles: &[&str]) -> String {
        let (status, answer) =
            self.admin(Method::POST, "/accounts", json!({ "account": name, "password": PASSWORD })).await;
        assert_eq!(status, 201, "{answer}");
        for role in roles {
            let (status, answer) =
                self.admin(Method::POST, &format!("/accounts/{name}/grant"), json!({ "role": role })).await;
            assert_eq!(status, 200, "{answer}");
        }
        self.login(name).await
    }

    /// A fresh token of an account.
    pub async fn login(&self, name: &str) -> String {
        let body = json!({ "username": name, "password": PASSWORD });
        let (status, answer) = self.call(Method::POST, "/api/users/access_token", None, Some(body)).await;
        assert_eq!(status, 200, "{answer}");
        answer["accessToken"].as_str().expect("a token").to_owned()
    }

    /// Registers a HAT whose key for tokens is [`HAT_PUBLIC`], entrusted to the exchange's own bridge.
    pub async fn hat(&self, name: &str) {
        let operator = self.exchange.client().await;
        let hat = format!("hat:{name}").parse().expect("an address");
        let body = json!({ "publicKey": HAT_PUBLIC, "transport": "http", "bridge": "dex.test" });
        let order = dex::client::Order::new(&hat, &["register"], body.to_string());
        operator.send(order).await.expect("registered");
    }
}

/// The claims of a good token of a HAT for the exchange `dex.test`.
pub fn claims(hat: &str) -> Value {
    Id::new(hat).expect("an address of a HAT");
    let now = dex::client::ids::now().unix_ms() / 1000;
    json!({
        "iss": hat, "sub": "eyJwcm92aWRlcklEIjoiY3JlZGVudGlhbHMifQ==", "iat": now, "exp": now + 3 * 86_400,
        "jti": format!("{:032x}", rand::random::<u128>()), "resource": "https://dex.test", "accessScope": "validate",
    })
}

/// Signs claims by RS256.
pub fn sign(claims: &Value, pem: &str) -> String {
    let key = EncodingKey::from_rsa_pem(pem.as_bytes()).expect("a private key");
    jsonwebtoken::encode(&Header::new(Algorithm::RS256), claims, &key).expect("signed")
}

/// A good token.
pub fn hat_token(hat: &str) -> String {
    sign(&claims(hat), HAT_PEM)
}
