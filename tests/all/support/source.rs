//! A source of people's data over HTTP, with a token endpoint, knobs, and what it was asked.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, RETRY_AFTER};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::{Value, json};

/// How it behaves; changed while it runs.
#[derive(Debug, Clone)]
pub struct Knobs {
    /// Pages of everybody, each of `per_page` records.
    pub pages: u64,
    pub per_page: u64,
    /// After so many records they come again.
    pub distinct: u64,
    /// Each page takes so long.
    pub pause: Duration,
    /// Pages are only for who has this access token.
    pub access: Option<String>,
    /// Answers so many pages with this status and `Retry-After` first.
    pub fail: Option<(u16, u64, u64)>,
    /// Answers this page, by its number from 0, with this status.
    pub refuse: Option<(u16, u64)>,
}

impl Default for Knobs {
    fn default() -> Self {
        Knobs {
            pages: 2,
            per_page: 3,
            distinct: u64::MAX,
            pause: Duration::ZERO,
            access: None,
            fail: None,
            refuse: None,
        }
    }
}

/// The token endpoint: the refresh token in force, which rotates with each use.
#[derive(Debug, Default)]
pub struct Tokens {
    pub refresh: String,
    pub given: u64,
    pub refused: u64,
    /// Seconds for which an access token is said to be good.
    pub life: i64,
    /// Each answer takes so long.
    pub pause: Duration,
}

#[derive(Default)]
struct State {
    knobs: Mutex<Knobs>,
    tokens: Mutex<Tokens>,
    asked: AtomicU64,
    /// Pages asked at this moment, and the most there were.
    now: AtomicU64,
    most: AtomicU64,
    seen: Mutex<Vec<String>>,
}

/// A running source. Dropping it ends it.
pub struct Source {
    pub address: SocketAddr,
    state: Arc<State>,
    handle: ServerHandle,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[allow(dead_code)]
impl Source {
    pub fn start(knobs: Knobs) -> Source {
        let state = Arc::new(State { knobs: Mutex::new(knobs), ..State::default() });
        let shared = web::Data::from(Arc::clone(&state));
        let (told, heard) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let app = move || {
                    App::new()
                        .app_data(shared.clone())
                        .route("/{hat}/walks", web::get().to(walks))
                        .route("/token", web::post().to(token))
                };
                let server = HttpServer::new(app).workers(1).disable_signals().shutdown_timeout(0);
                let server = server.bind(("127.0.0.1", 0)).expect("a port");
                let address = server.addrs()[0];
                let server = server.run();
                told.send((address, server.handle())).expect("the test waits");
                server.await.expect("it serves");
            });
        });
        let (address, handle) = heard.recv().expect("it starts");
        Source { address, state, handle, thread: Some(thread) }
    }

    /// The settings of a connector to its walks.
    pub fn connector(&self) -> Value {
        json!({
            "kind": "http-json", "url": format!("http://{}/{{hat}}/walks", self.address), "records": "items", "id": "id",
            "paging": { "kind": "cursor", "path": "next", "param": "after" },
        })
    }

    pub fn knobs(&self) -> MutexGuard<'_, Knobs> {
        self.state.knobs.lock().expect("no test panics with it")
    }

    pub fn tokens(&self) -> MutexGuard<'_, Tokens> {
        self.state.tokens.lock().expect("no test panics with it")
    }

    /// Pages asked so far.
    pub fn asked(&self) -> u64 {
        self.state.asked.load(Ordering::Relaxed)
    }

    /// Most pages asked at one moment.
    pub fn most_at_once(&self) -> u64 {
        self.state.most.load(Ordering::Relaxed)
    }

    /// Every `Authorization` that came.
    pub fn seen(&self) -> Vec<String> {
        self.state.seen.lock().expect("no test panics with it").clone()
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn walks(
    request: HttpRequest,
    hat: web::Path<String>,
    query: web::Query<BTreeMap<String, String>>,
    state: web::Data<State>,
) -> HttpResponse {
    let asked = state.asked.fetch_add(1, Ordering::Relaxed);
    let now = state.now.fetch_add(1, Ordering::Relaxed) + 1;
    state.most.fetch_max(now, Ordering::Relaxed);
    let knobs = state.knobs.lock().expect("no panic").clone();
    if !knobs.pause.is_zero() {
        actix_web::rt::time::sleep(knobs.pause).await;
    }
    state.now.fetch_sub(1, Ordering::Relaxed);
    if let Some((status, after, count)) = knobs.fail
        && asked < count
    {
        let status = StatusCode::from_u16(status).expect("a status");
        return HttpResponse::build(status).insert_header((RETRY_AFTER, after.to_string())).finish();
    }
    let shown = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !shown.is_empty() {
        state.seen.lock().expect("no panic").push(shown.to_owned());
    }
    if knobs.access.as_ref().is_some_and(|access| shown != format!("Bearer {access}")) {
        return HttpResponse::Unauthorized().finish();
    }
    let after: u64 = query.get("after").and_then(|after| after.parse().ok()).unwrap_or(0);
    if let Some((status, page)) = knobs.refuse
        && page == after
    {
        return HttpResponse::build(StatusCode::from_u16(status).expect("a status")).finish();
    }
    let first = after * knobs.per_page;
    let items: Vec<Value> = (first..first + knobs.per_page)
        .map(|n| json!({ "id": n % knobs.distinct, "of": hat.as_str(), "text": "a walk like any other" }))
        .collect();
    let mut page = json!({ "items": items });
    if after + 1 < knobs.pages {
        page["next"] = json!((after + 1).to_string());
    }
    HttpResponse::Ok().json(page)
}

async fn token(form: web::Form<HashMap<String, String>>, state: web::Data<State>) -> HttpResponse {
    let pause = state.tokens.lock().expect("no panic").pause;
    actix_web::rt::time::sleep(pause).await;
    let mut tokens = state.tokens.lock().expect("no panic");
    let fits = form.get("grant_type").is_some_and(|kind| kind == "refresh_token")
        && form.get("refresh_token") == Some(&tokens.refresh);
    if !fits {
        tokens.refused += 1;
        return HttpResponse::BadRequest().json(json!({ "error": "invalid_grant" }));
    }
    tokens.given += 1;
    let (access, refresh) = (format!("access-canary-{}", tokens.given), format!("refresh-canary-{}", tokens.given));
    tokens.refresh.clone_from(&refresh);
    let life = tokens.life;
    drop(tokens);
    state.knobs.lock().expect("no panic").access = Some(access.clone());
    HttpResponse::Ok().json(json!({
        "access_token": access, "token_type": "bearer", "expires_in": life, "refresh_token": refresh,
    }))
}
