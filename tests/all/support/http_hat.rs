//! HATs that speak only HTTP, as the original does: one server for any number of host names, each with
//! its own key, records, applications and data debits, and ways to misbehave.

mod debits;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{LOCATION, RETRY_AFTER};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use debits::{Debit, debit, disable, enable};

pub const PUBLIC: &str = include_str!("../../data/hat-rsa.pub.pem");
pub const OTHER_PUBLIC: &str = include_str!("../../data/hat-rsa-other.pub.pem");
const PRIVATE: &str = include_str!("../../data/hat-rsa.key.pem");
const OTHER_PRIVATE: &str = include_str!("../../data/hat-rsa-other.key.pem");
/// Name and password of the platform's account on every HAT.
pub const PLATFORM: (&str, &str) = ("platform", "a-platform-s-password");
const OWNER: (&str, &str) = ("owner", "an-owner-s-password");

/// How a HAT behaves.
#[derive(Debug, Clone, PartialEq)]
#[allow(dead_code)]
pub enum Mode {
    /// As it should.
    Well,
    /// As it should, after so long.
    Slow(Duration),
    /// Answers this status and nothing else.
    Fail(u16),
    /// The same, and asks for so many seconds of peace.
    Busy(u16, u64),
    /// Never answers.
    Hang,
    /// Answers with bytes that never end.
    Endless,
    /// Announces more bytes than anybody reads.
    Huge,
    /// Answers 200 with something that is not JSON.
    Garbage,
    /// Redirects there.
    Redirect(String),
    /// Stores what is sent, then fails.
    StoreThenFail,
    /// Says it has stored everything and more, and has stored nothing.
    ClaimAll,
    /// Stores every second record and says nothing of it.
    DropHalf,
}

struct Record {
    id: String,
    endpoint: String,
    data: Box<RawValue>,
}

/// One HAT.
pub struct Hat {
    mode: Mode,
    /// The mode holds for paths that begin so.
    only: String,
    other_key: bool,
    records: Vec<Record>,
    hashes: HashSet<[u8; 32]>,
    /// Set up, and enabled.
    applications: BTreeMap<String, bool>,
    debits: BTreeMap<String, Debit>,
    conditions: BTreeMap<String, bool>,
    /// Method and path of every request.
    log: Vec<String>,
}

impl Default for Hat {
    fn default() -> Self {
        Hat {
            mode: Mode::Well,
            only: String::new(),
            other_key: false,
            records: Vec::new(),
            hashes: HashSet::new(),
            applications: BTreeMap::new(),
            debits: BTreeMap::new(),
            conditions: BTreeMap::new(),
            log: Vec::new(),
        }
    }
}

/// A server of HATs. Dropping it ends it.
pub struct HttpHats {
    hats: Arc<Mutex<HashMap<String, Hat>>>,
    pub address: SocketAddr,
    handle: actix_web::dev::ServerHandle,
    thread: Option<std::thread::JoinHandle<()>>,
}

type Hats = web::Data<Arc<Mutex<HashMap<String, Hat>>>>;

#[allow(dead_code)]
impl HttpHats {
    /// Starts one on a port of the system's choice.
    pub fn start() -> Self {
        Self::on("127.0.0.1:0".parse().expect("an address"), Arc::default())
    }

    fn on(address: SocketAddr, hats: Arc<Mutex<HashMap<String, Hat>>>) -> Self {
        let (told, heard) = std::sync::mpsc::channel();
        let kept = Arc::clone(&hats);
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let state = web::Data::new(kept);
                let app = move || {
                    let json = web::PayloadConfig::new(8 << 20);
                    App::new().app_data(state.clone()).app_data(json).default_service(web::to(handle))
                };
                let server = HttpServer::new(app).workers(1).disable_signals().shutdown_timeout(0);
                let server = server.bind(address).expect("a port");
                let bound = server.addrs()[0];
                let server = server.run();
                told.send((bound, server.handle())).expect("the test waits");
                server.await.expect("it serves");
            });
        });
        let (address, handle) = heard.recv().expect("it starts");
        HttpHats { hats, address, handle, thread: Some(thread) }
    }

    fn end(&mut self) {
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    /// Goes away and comes back on the same port with the same HATs.
    pub fn down(mut self) -> Down {
        self.end();
        Down { hats: Arc::clone(&self.hats), address: self.address }
    }

    /// `name=address` for all names of a domain.
    pub fn resolve(&self, domain: &str) -> String {
        format!("*.{domain}={}", self.address)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Hat>> {
        self.hats.lock().expect("no test panics with it")
    }

    fn hat<T>(&self, host: &str, with: impl FnOnce(&mut Hat) -> T) -> T {
        with(self.lock().entry(host.to_owned()).or_default())
    }

    /// From now on this HAT behaves so, on paths that begin with `only`.
    pub fn behave(&self, host: &str, mode: Mode, only: &str) {
        self.hat(host, |hat| (hat.mode, hat.only) = (mode, only.to_owned()));
    }

    /// From now on it has another key.
    pub fn change_key(&self, host: &str) {
        self.hat(host, |hat| hat.other_key = true);
    }

    /// The records at an endpoint, oldest first.
    pub fn records(&self, host: &str, endpoint: &str) -> Vec<Value> {
        self.hat(host, |hat| {
            let at = hat.records.iter().filter(|record| record.endpoint == endpoint);
            at.map(|record| serde_json::from_str(record.data.get()).expect("was read")).collect()
        })
    }

    /// Puts a record there, as the owner's own.
    pub fn keep(&self, host: &str, endpoint: &str, data: &Value) {
        let raw = serde_json::value::to_raw_value(data).expect("JSON");
        self.hat(host, |hat| store(hat, endpoint, &raw)).expect("no duplicate");
    }

    /// Whether an application is set up, and enabled.
    pub fn application(&self, host: &str, id: &str) -> Option<bool> {
        self.hat(host, |hat| hat.applications.get(id).copied())
    }

    /// The owner disables an application.
    pub fn disable_application(&self, host: &str, id: &str) {
        self.hat(host, |hat| hat.applications.insert(id.to_owned(), false));
    }

    /// The newest revision of a debit, as it was asked for.
    pub fn debit(&self, host: &str, id: &str) -> Option<Value> {
        self.hat(host, |hat| Some(hat.debits.get(id)?.permissions.last()?.body.clone()))
    }

    /// The owner enables the newest revision.
    pub fn enable(&self, host: &str, id: &str) {
        self.hat(host, |hat| enable(hat, id)).expect("there");
    }

    /// The owner ends it at once.
    pub fn disable(&self, host: &str, id: &str) {
        self.hat(host, |hat| disable(hat, id)).expect("there");
    }

    /// What the conditions of all debits say.
    pub fn condition(&self, host: &str, name: &str, holds: bool) {
        self.hat(host, |hat| hat.conditions.insert(name.to_owned(), holds));
    }

    /// Requests whose method and path begin so.
    pub fn asked(&self, host: &str, what: &str) -> usize {
        self.hat(host, |hat| hat.log.iter().filter(|line| line.starts_with(what)).count())
    }
}

impl Drop for HttpHats {
    fn drop(&mut self) {
        self.end();
    }
}

/// A server that went away.
pub struct Down {
    hats: Arc<Mutex<HashMap<String, Hat>>>,
    address: SocketAddr,
}

#[allow(dead_code)]
impl Down {
    /// It comes back.
    pub fn up(self) -> HttpHats {
        HttpHats::on(self.address, self.hats)
    }
}

fn problem(status: u16, message: &str, cause: &str) -> HttpResponse {
    let status = StatusCode::from_u16(status).expect("a status");
    HttpResponse::build(status).json(json!({"message": message, "cause": cause}))
}

/// The reference's rule: the hash covers the text of the data alone, and is unique over the whole HAT.
fn store(hat: &mut Hat, endpoint: &str, data: &RawValue) -> Result<Value, Box<HttpResponse>> {
    let compact: Box<RawValue> = {
        let mut text = String::new();
        let (mut inside, mut escaped) = (false, false);
        for c in data.get().chars() {
            if inside || !c.is_ascii_whitespace() {
                text.push(c);
            }
            (inside, escaped) = match c {
                '"' if !escaped => (!inside, false),
                '\\' if inside && !escaped => (true, true),
                _ => (inside, false),
            };
        }
        RawValue::from_string(text).expect("JSON without spaces is JSON")
    };
    if compact.get().contains("\"unwelcome\"") {
        return Err(Box::new(problem(400, "Bad Request", "Data could not be stored")));
    }
    let hash: [u8; 32] = Sha256::digest(compact.get().as_bytes()).into();
    if !hat.hashes.insert(hash) {
        return Err(Box::new(problem(400, "Bad Request", "Duplicate data")));
    }
    let id = uuid::Builder::from_random_bytes(rand::random()).into_uuid().to_string();
    let shown = json!({"endpoint": endpoint, "recordId": id, "data": compact});
    hat.records.push(Record { id, endpoint: endpoint.to_owned(), data: compact });
    Ok(shown)
}

fn token(hat: &Hat, host: &str, user: &str, application: Option<&str>) -> String {
    let now = jsonwebtoken::get_current_timestamp();
    let mut claims = json!({"iss": host, "sub": user, "iat": now, "exp": now + 259_200});
    if let Some(application) = application {
        claims["application"] = json!(application);
    }
    let pem = if hat.other_key { OTHER_PRIVATE } else { PRIVATE };
    let key = EncodingKey::from_rsa_pem(pem.as_bytes()).expect("a key");
    jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &key).expect("signed")
}

/// Who asks: user and application.
fn who(hat: &Hat, host: &str, request: &HttpRequest) -> Option<(String, Option<String>)> {
    let token = request.headers().get("x-auth-token")?.to_str().ok()?;
    let pem = if hat.other_key { OTHER_PUBLIC } else { PUBLIC };
    let key = DecodingKey::from_rsa_pem(pem.as_bytes()).ok()?;
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_issuer(&[host]);
    let claims = jsonwebtoken::decode::<Value>(token, &key, &validation).ok()?.claims;
    let application = claims["application"].as_str().map(str::to_owned);
    Some((claims["sub"].as_str()?.to_owned(), application))
}

async fn handle(request: HttpRequest, body: web::Bytes, hats: Hats) -> HttpResponse {
    let host = request.connection_info().host().split(':').next().unwrap_or_default().to_owned();
    let mode = {
        let mut hats = hats.lock().expect("no test panics with it");
        let hat = hats.entry(host.clone()).or_default();
        hat.log.push(format!("{} {}", request.method(), request.path()));
        if request.path().starts_with(&hat.only) { hat.mode.clone() } else { Mode::Well }
    };
    match &mode {
        Mode::Slow(by) => tokio::time::sleep(*by).await,
        Mode::Hang => tokio::time::sleep(Duration::from_secs(3600)).await,
        Mode::Fail(status) => return problem(*status, "No", "told to fail"),
        Mode::Busy(status, seconds) => {
            let status = StatusCode::from_u16(*status).expect("a status");
            return HttpResponse::build(status).insert_header((RETRY_AFTER, *seconds)).finish();
        }
        Mode::Endless => {
            let chunk = web::Bytes::from(vec![b' '; 65_536]);
            let chunks = futures_util::stream::repeat_with(move || Ok::<_, std::io::Error>(chunk.clone()));
            return HttpResponse::Ok().streaming(chunks);
        }
        Mode::Huge => return HttpResponse::Ok().body(vec![b' '; 64 << 20]),
        Mode::Garbage => return HttpResponse::Ok().body("<html>Welcome to nginx!</html>"),
        Mode::Redirect(to) => return HttpResponse::TemporaryRedirect().insert_header((LOCATION, to.as_str())).finish(),
        _ => {}
    }
    let mut hats = hats.lock().expect("no test panics with it");
    let hat = hats.entry(host.clone()).or_default();
    let path = request.path().to_owned();
    match path.as_str() {
        "/publickey" => {
            return HttpResponse::Ok().content_type("text/plain").body(if hat.other_key {
                OTHER_PUBLIC
            } else {
                PUBLIC
            });
        }
        "/users/access_token" => return login(hat, &host, &request),
        "/users/access_token/validate" if who(hat, &host, &request).is_some() => {
            return HttpResponse::Ok().json(json!({"message": "Authenticated"}));
        }
        _ => {}
    }
    let Some((user, application)) = who(hat, &host, &request) else {
        return problem(401, "Unauthorized", "No valid token");
    };
    let parts: Vec<&str> = path.trim_start_matches("/api/v2.6/").split('/').collect();
    let application = application.as_deref();
    match (request.method().as_str(), parts.as_slice()) {
        ("POST", ["data", namespace, rest @ ..]) if !rest.is_empty() => {
            // A plug writes where its name is, while the owner lets it.
            let writes = application.is_some_and(|app| app == *namespace && hat.applications.get(app) == Some(&true));
            if !writes {
                return problem(403, "Forbidden", "NamespaceWrite is missing");
            }
            let endpoint = format!("{namespace}/{}", rest.join("/"));
            post(hat, &endpoint, &body, request.query_string().contains("skipErrors=true"), &mode)
        }
        ("GET", ["data", rest @ ..]) => {
            let endpoint = rest.join("/");
            let at = hat.records.iter().filter(|record| record.endpoint == endpoint);
            let shown: Vec<Value> = at.map(show).collect();
            HttpResponse::Ok().json(shown)
        }
        ("GET", ["applications", id]) => HttpResponse::Ok().json(standing(hat, id)),
        ("GET", ["applications", id, "setup"]) => {
            hat.applications.insert((*id).to_owned(), true);
            HttpResponse::Ok().json(standing(hat, id))
        }
        ("GET", ["applications", id, "disable"]) => {
            hat.applications.insert((*id).to_owned(), false);
            HttpResponse::Ok().json(standing(hat, id))
        }
        ("GET", ["applications", id, "access-token"]) => {
            HttpResponse::Ok().json(json!({"accessToken": token(hat, &host, &user, Some(id))}))
        }
        (method, ["data-debit", id, rest @ ..]) => debit(hat, method, id, rest, &user, &request, &body),
        _ => problem(404, "Not Found", "no such call"),
    }
}

fn login(hat: &mut Hat, host: &str, request: &HttpRequest) -> HttpResponse {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let given = (header("username"), header("password"));
    if given != PLATFORM && given != OWNER {
        return problem(401, "Unauthorized", "Wrong name or password");
    }
    HttpResponse::Ok().json(json!({"accessToken": token(hat, host, given.0, None), "userId": "x"}))
}

fn show(record: &Record) -> Value {
    json!({"endpoint": record.endpoint, "recordId": record.id, "data": record.data})
}

fn standing(hat: &Hat, id: &str) -> Value {
    let enabled = hat.applications.get(id);
    json!({
        "application": {"id": id}, "setup": enabled.is_some(),
        "enabled": enabled == Some(&true), "active": enabled == Some(&true),
    })
}

fn post(hat: &mut Hat, endpoint: &str, body: &[u8], skip: bool, mode: &Mode) -> HttpResponse {
    let Ok(text) = std::str::from_utf8(body) else { return problem(400, "Bad Request", "not UTF-8") };
    if !text.trim_start().starts_with('[') {
        let Ok(one) = serde_json::from_str::<&RawValue>(text) else { return problem(400, "Bad Request", "not JSON") };
        if *mode == Mode::ClaimAll {
            return HttpResponse::Created().json(json!({"endpoint": endpoint, "data": "nothing of the kind"}));
        }
        return match store(hat, endpoint, one) {
            Ok(shown) => HttpResponse::Created().json(shown),
            Err(refused) => *refused,
        };
    }
    let Ok(many) = serde_json::from_str::<Vec<&RawValue>>(text) else { return problem(400, "Bad Request", "not JSON") };
    if *mode == Mode::ClaimAll {
        let invented = (0..many.len() * 3).map(|n| json!({"endpoint": endpoint, "data": {"invented": n}}));
        return HttpResponse::Created().json(invented.collect::<Vec<_>>());
    }
    let before = (hat.records.len(), hat.hashes.clone());
    let mut shown = Vec::new();
    for (number, data) in many.into_iter().enumerate() {
        if *mode == Mode::DropHalf && number % 2 == 1 {
            continue;
        }
        match store(hat, endpoint, data) {
            Ok(stored) => shown.push(stored),
            Err(_) if skip => {}
            Err(refused) => {
                hat.records.truncate(before.0);
                hat.hashes = before.1;
                return *refused;
            }
        }
    }
    if *mode == Mode::StoreThenFail {
        return problem(500, "Internal Server Error", "after the fact");
    }
    HttpResponse::Created().json(shown)
}
