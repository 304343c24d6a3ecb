//! Tokens of a worker's accounts: renewed once by many, kept before they are used, and seen by nobody.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dex::client::ids;
use dex::connectors::{FetchLimits, Fetcher};
use dex::domain::job::JobError;
use dex::http::secret::Secret;
use dex::worker::oauth::{Grant, Tokens};
use futures_util::StreamExt;
use serde_json::json;

use crate::support::cast::{Cast, id};
use crate::support::exchange::Exchange;
use crate::support::nats_server::TestServer;
use crate::support::source::{Knobs, Source};
use crate::support::worker::{Ground, Worker};

/// The refresh token that the account's owner has granted.
const GRANTED: &str = "refresh-canary-0";

struct Bench {
    source: Source,
    http: Fetcher,
    grant: Grant,
    folder: tempfile::TempDir,
}

fn bench(life: i64) -> Bench {
    let source = Source::start(Knobs::default());
    *source.tokens() = crate::support::source::Tokens {
        refresh: GRANTED.into(),
        life,
        pause: Duration::from_millis(30),
        ..Default::default()
    };
    let folder = tempfile::tempdir().expect("folder");
    std::fs::write(folder.path().join("granted"), format!("{GRANTED}\n")).expect("written");
    let place = source.address.to_string();
    let http =
        Fetcher::new(FetchLimits { allow_private: vec![place.parse().expect("a place")], ..FetchLimits::default() });
    let grant = Grant {
        token_url: Some(format!("http://{place}/token")),
        client_id: Some("dex".into()),
        refresh_token: Some(format!("file:{}", folder.path().join("granted").display())),
        ..Grant::default()
    };
    Bench { source, http: http.expect("made"), grant, folder }
}

impl Bench {
    async fn token(&self, tokens: &Tokens, refused: Option<&Secret>) -> Result<String, JobError> {
        let (plug, hat) = (id("fitbit"), id("bob.hubat.net"));
        let token = tokens.token(&self.http, &plug, &hat, &self.grant, refused, ids::now).await;
        token.map(|token| token.reveal().to_owned()).map_err(|fault| fault.word)
    }

    fn tokens(&self) -> Tokens {
        Tokens::new(self.folder.path().join("state"))
    }
}

#[tokio::test]
async fn a_token_is_renewed_once_by_many_and_again_when_it_is_refused() {
    let bench = bench(3600);
    // Two workers of one machine share the folder.
    let (one, two) = (bench.tokens(), bench.tokens());
    let asked = (0..20).map(|n| bench.token(if n % 2 == 0 { &one } else { &two }, None));
    let got: HashSet<_> = futures_util::future::join_all(asked).await.into_iter().collect();
    assert_eq!(got, HashSet::from([Ok("access-canary-1".to_owned())]));
    let told = {
        let tokens = bench.source.tokens();
        (tokens.given, tokens.refused)
    };
    assert_eq!(told, (1, 0));
    // A source that refuses it is heard once, whoever tells it.
    let refused = Secret::new("access-canary-1");
    let asked = (0..6).map(|n| bench.token(if n % 2 == 0 { &one } else { &two }, Some(&refused)));
    let got: HashSet<_> = futures_util::future::join_all(asked).await.into_iter().collect();
    assert_eq!(got, HashSet::from([Ok("access-canary-2".to_owned())]));
    // After a restart it is still there.
    assert_eq!(bench.token(&bench.tokens(), None).await, Ok("access-canary-2".into()));
    assert_eq!(bench.source.tokens().given, 2);
}

#[tokio::test]
async fn a_rotated_token_survives_a_crash_and_another_grant_begins_anew() {
    // It is to be renewed at once, each time.
    let bench = bench(0);
    assert_eq!(bench.token(&bench.tokens(), None).await, Ok("access-canary-1".into()));
    assert_eq!(bench.token(&bench.tokens(), None).await, Ok("access-canary-2".into()));
    assert_eq!(bench.source.tokens().refused, 0, "the rotated token was used");
    // The server has lost the newest: the one before gets a token.
    bench.source.tokens().refresh = "refresh-canary-1".into();
    assert_eq!(bench.token(&bench.tokens(), None).await, Ok("access-canary-3".into()));
    // None of ours is good any more.
    bench.source.tokens().refresh = "another".into();
    assert_eq!(bench.token(&bench.tokens(), None).await, Err(JobError::Unauthorized));
    // Its owner grants anew.
    std::fs::write(bench.folder.path().join("granted"), "another\n").expect("written");
    assert_eq!(bench.token(&bench.tokens(), None).await, Ok("access-canary-4".into()));
}

#[tokio::test]
async fn a_token_endpoint_that_must_not_be_asked_is_not() {
    let mut bench = bench(3600);
    bench.http = Fetcher::new(FetchLimits::default()).expect("made");
    assert_eq!(bench.token(&bench.tokens(), None).await, Err(JobError::Refused), "a private address");
    assert_eq!(bench.source.tokens().given, 0);
    bench.grant.client_id = None;
    assert_eq!(bench.token(&bench.tokens(), None).await, Err(JobError::Unauthorized), "no client");
}

/// Files below a folder that hold the mark.
fn holding(folder: &Path, mark: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holding(&path, mark));
        } else if std::fs::read(&path).unwrap_or_default().windows(mark.len()).any(|window| window == mark) {
            found.push(path.display().to_string());
        }
    }
    found
}

/// Secrets of an account go to its source, and nowhere else: not over the bus, not into the exchange's files, not into a log.
#[tokio::test]
async fn no_secret_is_where_it_may_not_be() {
    let broker = TestServer::start();
    let exchange = Exchange::on_with_env(&broker, &[("DEX__LOG__LEVEL", "info,dex=trace")]);
    let source = Source::start(Knobs { access: Some("nobody's".into()), ..Knobs::default() });
    *source.tokens() = crate::support::source::Tokens { refresh: GRANTED.into(), life: 3600, ..Default::default() };
    let cast = Cast::new(exchange.client().await, 1).await;
    let nats = async_nats::connect(broker.url()).await.expect("connected");
    let mut bus = nats.subscribe(">").await.expect("subscribed");
    let heard = Arc::new(Mutex::new(Vec::<String>::new()));
    let kept = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Some(message) = bus.next().await {
            let body = String::from_utf8_lossy(&message.payload).into_owned();
            kept.lock().expect("no panic").push(format!("{} {:?} {body}", message.subject, message.headers));
        }
    });
    let auth = json!({ "kind": "oauth2", "tokenUrl": format!("http://{}/token", source.address), "clientId": "dex" });
    let more = json!({ "auth": auth, "walks": { "auth": { "kind": "bearer" } } });
    let ground = Ground::new(&cast, &source, &exchange.path(""), 30, more).await;
    let accounts = tempfile::tempdir().expect("folder");
    let granted = accounts.path().join("granted");
    std::fs::write(&granted, format!("{GRANTED}\n")).expect("written");
    let account = format!("[oauth2]\nrefresh_token = \"file:{}\"\n", granted.display());
    std::fs::write(accounts.path().join("h0.hubat.net.toml"), account).expect("written");
    let state = tempfile::tempdir().expect("folder");
    let (folder, keep) = (accounts.path().display().to_string(), state.path().display().to_string());
    let worker = Worker::start(&ground.folder, &exchange.nats, &source, &["--accounts", &folder, "--state-dir", &keep]);
    ground.want(&cast).await;
    ground.until(&cast, 6, Duration::from_secs(40)).await;
    assert!(source.seen().contains(&"Bearer access-canary-1".to_owned()), "{:?}", source.seen());
    let (_, page) = worker.page("/metrics").await;
    assert!(page.contains("dex_worker_tokens_total{result=\"refreshed\"} 1"), "{page}");

    for mark in ["access-canary", "refresh-canary"] {
        let bus = heard.lock().expect("no panic").clone();
        assert!(bus.len() > 10, "the bus was heard");
        assert_eq!(bus.iter().find(|text| text.contains(mark)), None, "on the bus");
        let log = worker.log();
        assert_eq!(log.iter().find(|line| line.contains(mark)), None, "in the worker's log");
        assert_eq!(exchange.log().iter().find(|line| line.contains(mark)), None, "in the exchange's log");
        assert!(!page.contains(mark), "in metrics");
        assert_eq!(holding(&exchange.path("state"), mark.as_bytes()), Vec::<String>::new(), "in the exchange's files");
        assert_eq!(holding(state.path(), mark.as_bytes()).len(), 1, "kept for the worker alone");
    }
}
