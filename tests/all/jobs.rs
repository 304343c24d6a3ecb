//! Jobs of plugs against a real exchange and broker, with a small worker: how they end, what survives kills and losses.

use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use async_nats::jetstream::{self, AckKind, consumer::PullConsumer};
use dex::actors::clock::{Clock, SystemClock};
use dex::client::{Client, ClientError, Item, Order, keys};
use dex::daemon::Extras;
use dex::domain::job::{JobBody, JobError, JobWord, PlugSchedule, ids};
use dex::domain::{Reason, Status, Timestamp};
use dex::nats::HeaderView;
use dex::nats::streams::DEX_JOBS;
use dex::wire::{Signer, subject};
use futures_util::StreamExt;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::cast::{Cast, address, id};
use crate::support::exchange::Exchange;
use crate::support::inside::{Ground, Inside};
use crate::support::nats_server::TestServer;

const PATIENCE: Duration = Duration::from_secs(30);

/// `plug:fitbit`, with this manifest's endpoints and jobs, approved.
async fn fitbit(operator: &Client, signer: Signer, endpoints: Value, jobs: Value) -> Client {
    let key = signer.public();
    let plug = operator.speaking(address("plug:fitbit"), signer);
    let manifest = json!({
        "description": "Reads what a wristband counts.", "url": "https://fitbit.plug.example",
        "endpoints": endpoints, "jobs": jobs,
    });
    let body = json!({ "key": key, "name": "Fitbit", "namespace": "fitbit", "manifest": manifest });
    plug.send(Order::new(plug.party(), &["register"], body.to_string())).await.expect("registered");
    operator.approve(plug.party(), &key).await.expect("approved");
    plug
}

/// A job with the message that it came by.
struct Given {
    body: JobBody,
    message: jetstream::Message,
}

/// A worker that takes jobs one by one.
struct Worker {
    plug: Client,
    js: jetstream::Context,
}

impl Worker {
    async fn new(plug: &Client, nats: &str) -> Worker {
        let client = async_nats::connect(nats).await.expect("connects");
        Worker { plug: plug.clone(), js: jetstream::new(client) }
    }

    /// The next job, verified; none when nothing comes within `within`.
    async fn next(&self, within: Duration) -> Option<Given> {
        let until = Instant::now() + within;
        while Instant::now() < until {
            let name = subject::job_consumer(&self.plug.party().id);
            let consumer: Result<PullConsumer, _> = self.js.get_consumer_from_stream(name, DEX_JOBS).await;
            let Ok(consumer) = consumer else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let mut batch = consumer.fetch().max_messages(1).messages().await.expect("asks");
            let Some(Ok(message)) = batch.next().await else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let headers = message.headers.clone().unwrap_or_default();
            let keys = self.plug.dex_keys();
            let body = dex::wire::job::read(
                &message.subject,
                &HeaderView::of(Some(&headers)),
                &message.payload,
                self.plug.origin(),
                keys,
            );
            return Some(Given { body: body.expect("the exchange's"), message });
        }
        None
    }

    async fn must(&self) -> Given {
        self.next(PATIENCE).await.expect("a job comes")
    }

    /// The next job of this endpoint; what comes of others is done at once.
    async fn of(&self, endpoint: &str) -> Given {
        loop {
            let given = self.must().await;
            if given.body.endpoint == endpoint {
                return given;
            }
            self.done(given, "done").await;
        }
    }

    /// Brings records of a job, as whoever fetched them would.
    async fn credit(&self, job: &JobBody, endpoint: &str) -> Result<Status, Reason> {
        let data = json!({ "steps": 1042 });
        let record = ids::record_id(&job.plug, &job.hat, endpoint, "day-1", &ids::content_digest(&data));
        let records = json!([{ "endpoint": format!("fitbit/{endpoint}"), "recordId": record, "data": data }]);
        let order = Order::credit(&job.hat, &job.plug, records.to_string()).of_job(job.job);
        let page = ids::page_id(job.planned_at, &job.plug, &job.hat, endpoint, &[record]);
        status(self.plug.send(order.id(page)).await)
    }

    async fn say(&self, job: &JobBody, word: &JobWord) -> Result<Status, Reason> {
        status(self.plug.job(&job.hat, word).await)
    }

    async fn done(&self, given: Given, continuation: &str) {
        let word = JobWord::done(given.body.job, Some(Some(continuation.into())));
        assert_eq!(self.say(&given.body, &word).await, Ok(Status::Settled));
        given.message.ack_with(AckKind::Ack).await.expect("acknowledged");
    }
}

fn status(answer: Result<dex::wire::OutcomeOut, ClientError>) -> Result<Status, Reason> {
    match answer {
        Ok(outcome) => Ok(outcome.outcome.status),
        Err(ClientError::Refused(refusal)) => Err(refusal.reason),
        Err(error) => panic!("{error}"),
    }
}

async fn want(hat: &Client, endpoint: &str) -> Result<Status, Reason> {
    let word = JobWord::wanted(Some(endpoint.into()));
    status(hat.send(Order::job(&hat.party().id, &id("fitbit"), &word)).await)
}

async fn shown(client: &Client, hat: &Client, endpoint: &str) -> Value {
    let question = json!({ "plug": "fitbit", "hat": hat.party().id });
    let answer = client.query("plug.jobs", question.to_string()).await.expect("told");
    let items = answer["items"].as_array().expect("a list");
    items.iter().find(|item| item["endpoint"] == endpoint).cloned().unwrap_or_default()
}

fn dex(exchange: &Exchange, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dex")).args(arguments).args(["--url", &exchange.nats]).output().expect("runs")
}

/// Jobs of `plug:fitbit` for three HATs: one that is done, one that failed, one that is open; then the plug is held. The
/// ids of the messages that it took.
pub async fn of_each_kind(plug: &Client, hats: &[Client]) -> Vec<Value> {
    let mut told = Vec::new();
    let mut jobs: Vec<Uuid> = Vec::new();
    for hat in hats {
        hat.plug_connect(&id("fitbit")).await.expect("connected");
        let wanted = Order::job(&hat.party().id, &id("fitbit"), &JobWord::wanted(Some("feed".into())));
        told.push(hat.send(wanted).await.expect("wanted"));
        let job = shown(plug, hat, "feed").await["job"].clone();
        jobs.push(job.as_str().expect("a job").parse().expect("a UUID"));
    }
    let later = JobWord { retry_after_seconds: Some(3600), ..JobWord::failed(jobs[1], JobError::RateLimited) };
    for (hat, word) in hats.iter().zip([JobWord::done(jobs[0], Some(Some("day 1".into()))), later]) {
        told.push(plug.job(&hat.party().id, &word).await.expect("taken"));
    }
    let hold = PlugSchedule { hold_seconds: Some(3600), ..PlugSchedule::default() };
    told.push(plug.send(Order::schedule(&id("fitbit"), &hold)).await.expect("held"));
    told.into_iter().map(|told| json!(told.outcome.exchange)).collect()
}

#[tokio::test]
async fn a_job_is_given_to_a_worker_and_ends_as_it_says_also_over_kills() {
    let broker = TestServer::start();
    let mut exchange = Exchange::on(&broker);
    let cast = Cast::new(exchange.client().await, 2).await;
    let endpoints = json!([{ "name": "steps" }, { "name": "sleep", "refreshSeconds": 86400 }]);
    let (signer, _) = exchange.key("fitbit");
    let plug = fitbit(&cast.operator, signer, endpoints, json!({ "leaseSeconds": 60, "perMinute": 6000 })).await;
    for hat in &cast.hats {
        hat.plug_connect(&id("fitbit")).await.expect("connected");
    }
    let worker = Worker::new(&plug, &exchange.nats).await;

    // Killed at once after it was planned, the job is given all the same.
    assert_eq!(want(&cast.hats[0], "steps").await, Ok(Status::Settled));
    exchange.kill();
    exchange.restart();
    // The first round of the other endpoint comes within a minute.
    let given = worker.of("steps").await;
    assert_eq!((&given.body.hat, given.body.attempt), (&cast.hat(0), 1));
    assert_eq!(want(&cast.hats[0], "steps").await, Err(Reason::AlreadyExists));
    assert_eq!(worker.credit(&given.body, "steps").await, Ok(Status::Accepted));
    assert_eq!(worker.credit(&given.body, "steps").await, Ok(Status::Accepted), "the same exchange again");
    assert_eq!(worker.credit(&given.body, "sleep").await, Err(Reason::OutsideNamespace));
    let mut inbox = cast.hats[0].inbox().await.expect("a consumer");
    let delivered = tokio::time::timeout(PATIENCE, async {
        loop {
            if let Item::Delivery(it) = inbox.next().await.expect("open").expect("verified") {
                let body = it.body.clone();
                it.accept().await.expect("taken");
                return body;
            }
        }
    });
    let delivered: Value = serde_json::from_slice(&delivered.await.expect("it comes")).expect("JSON");
    assert_eq!(delivered[0]["recordId"].as_str().map(str::len), Some(36));

    // What was reached is known to a successor, over a kill.
    assert_eq!(worker.say(&given.body, &JobWord::progress(given.body.job, "page 2")).await, Ok(Status::Settled));
    exchange.kill();
    exchange.restart();
    assert_eq!(shown(&plug, &cast.hats[0], "steps").await["continuation"], "page 2");
    let (job, body) = (given.body.job, given.body.clone());
    worker.done(given, "day 1").await;
    assert_eq!(worker.say(&body, &JobWord::done(job, None)).await, Err(Reason::WrongState));
    assert_eq!(worker.credit(&body, "weight").await, Err(Reason::WrongState), "its job has ended");
    assert_eq!(want(&cast.hats[0], "steps").await, Err(Reason::OverQuota));
    let told = shown(&plug, &cast.hats[0], "steps").await;
    assert_eq!((&told["continuation"], &told["job"]), (&json!("day 1"), &Value::Null));
    assert!(told["lastDoneAt"].is_string(), "{told}");

    // By the command line: how jobs stand, a pause, a hold and a wish.
    let key = exchange.path("fitbit.key").display().to_string();
    let hat = cast.hat(1).to_string();
    let jobs = || {
        let said = dex(&exchange, &["plug", "jobs", "fitbit", &hat, "--json"]);
        serde_json::from_slice::<Value>(&said.stdout).expect("JSON")
    };
    let said = jobs();
    assert_eq!((&said["paused"], &said["perMinute"], &said["connected"]), (&json!(false), &json!(6000), &json!(true)));
    let does = |arguments: &[&str]| {
        let said = dex(&exchange, &[arguments, &["--key", &key]].concat());
        assert!(said.status.success(), "{arguments:?}: {said:?}");
    };
    does(&["plug", "pause-jobs", "fitbit"]);
    assert_eq!(jobs()["paused"], true);
    let refused = dex(&exchange, &["hat", "refresh", &hat, "fitbit", "steps", "--as", "plug:fitbit", "--key", &key]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    does(&["plug", "resume-jobs", "fitbit"]);
    does(&["plug", "hold-jobs", "fitbit", "30m"]);
    assert_eq!((&jobs()["paused"], &jobs()["why"]), (&json!(false), &json!("asked")));
    does(&["plug", "hold-jobs", "fitbit", "0s"]);
    does(&["hat", "refresh", &hat, "fitbit", "steps", "--as", "plug:fitbit"]);
    let given = worker.of("steps").await;
    assert_eq!(given.body.hat.as_str(), hat);
    worker.done(given, "day 1").await;
}

#[tokio::test]
async fn a_worker_that_dies_leaves_its_job_to_another_and_a_lost_stream_is_made_whole() {
    let exchange = Exchange::start();
    let cast = Cast::new(exchange.client().await, 3).await;
    let jobs = json!({ "leaseSeconds": 10, "perMinute": 6000 });
    let plug = fitbit(&cast.operator, keys::generate(), json!([{ "name": "steps" }]), jobs).await;
    for hat in &cast.hats {
        hat.plug_connect(&id("fitbit")).await.expect("connected");
    }
    let (first, second) = (Worker::new(&plug, &exchange.nats).await, Worker::new(&plug, &exchange.nats).await);
    assert_eq!(want(&cast.hats[0], "steps").await, Ok(Status::Settled));
    let lost = first.must().await;
    let taken = Instant::now();
    assert!(second.next(Duration::from_secs(4)).await.is_none(), "another has it");
    let again = second.must().await;
    let after = taken.elapsed();
    assert!((Duration::from_secs(8)..Duration::from_secs(15)).contains(&after), "{after:?}");
    assert_eq!(again.body, lost.body);
    second.done(again, "day 1").await;
    // The dead one comes back: its word counts no more.
    assert_eq!(first.say(&lost.body, &JobWord::done(lost.body.job, None)).await, Err(Reason::WrongState));

    // Two jobs that nobody has taken go with their stream, and come again with it.
    let mut wanted = Vec::new();
    for hat in &cast.hats[1..] {
        assert_eq!(want(hat, "steps").await, Ok(Status::Settled));
        let told = shown(&plug, hat, "steps").await;
        wanted.push(told["job"].as_str().expect("a job").parse::<Uuid>().expect("a UUID"));
    }
    // They are in the stream by then.
    tokio::time::sleep(Duration::from_secs(1)).await;
    first.js.delete_stream(DEX_JOBS).await.expect("deleted");
    let mut given = Vec::new();
    while given.len() < 2 {
        let job = first.must().await;
        if !given.contains(&job.body.job) {
            given.push(job.body.job);
        }
        first.done(job, "day 1").await;
    }
    given.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(given, wanted);
    let begun = Instant::now();
    let metrics = loop {
        let metrics = exchange.metrics().await;
        if metrics.lines().any(|line| line == "dex_jobs_open 0") {
            break metrics;
        }
        assert!(begun.elapsed() < PATIENCE, "none is open any more");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let healed = metrics.lines().find(|line| line.starts_with("dex_healed_total{what=\"job\"}"));
    assert!(healed.is_some_and(|line| !line.ends_with(" 0")), "{healed:?}");
    assert!(metrics.contains("dex_jobs_total{what=\"done\"} 3"), "three were done");
}

/// The system's clock, moved on by so many nanoseconds.
struct Ahead(AtomicI64);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(self.0.load(Ordering::Relaxed))
    }
}

#[tokio::test]
async fn what_fails_is_tried_again_not_before_its_source_allows_and_then_dead() {
    let ground = Ground::new();
    let clock = Arc::new(Ahead(AtomicI64::new(0)));
    let extras = Extras { clock: Some(Arc::clone(&clock) as Arc<dyn Clock>), ..Extras::default() };
    let daemon = Inside::start(ground.config(""), extras);
    let cast = Cast::new(ground.client().await, 1).await;
    let jobs = json!({ "leaseSeconds": 60, "attempts": 2, "perMinute": 6000 });
    let endpoints = json!([{ "name": "steps" }, { "name": "sleep" }]);
    let plug = fitbit(&cast.operator, keys::generate(), endpoints, jobs).await;
    let hat = &cast.hats[0];
    hat.plug_connect(&id("fitbit")).await.expect("connected");
    let worker = Worker::new(&plug, &ground.broker.url()).await;
    assert_eq!(want(hat, "steps").await, Ok(Status::Settled));
    let first = worker.must().await;
    let word = JobWord { retry_after_seconds: Some(600), ..JobWord::failed(first.body.job, JobError::RateLimited) };
    assert_eq!(worker.say(&first.body, &word).await, Ok(Status::Settled));
    first.message.ack().await.expect("acknowledged");
    let told = shown(&plug, hat, "steps").await;
    let next: Timestamp = told["next"].as_str().expect("planned").parse().expect("a time");
    assert!(next.since(SystemClock.now()) > 590_000_000_000, "{told}");
    assert_eq!(told["error"], "rate-limited");
    assert!(worker.next(Duration::from_secs(2)).await.is_none(), "not before");

    // By its clock that time has just come; what is late for long is spread anew.
    clock.0.store(next.since(SystemClock.now()) + 5_000_000_000, Ordering::Relaxed);
    let Some(second) = worker.next(PATIENCE).await else {
        panic!("no second attempt: {}, then {}", told, shown(&plug, hat, "steps").await);
    };
    assert_eq!((second.body.attempt, &second.body.endpoint), (2, &first.body.endpoint));
    assert_ne!(second.body.job, first.body.job);
    assert!(second.body.planned_at >= next);
    let word = JobWord::failed(second.body.job, JobError::Timeout);
    assert_eq!(worker.say(&second.body, &word).await, Ok(Status::Settled));
    second.message.ack().await.expect("acknowledged");
    let told = shown(&plug, hat, "steps").await;
    assert_eq!((&told["error"], &told["next"], &told["job"]), (&json!("timeout"), &Value::Null, &Value::Null));

    // Paused, nothing is planned, whoever wants it; what is open when its time is over lapses.
    let pause = |pause| PlugSchedule { pause: Some(pause), ..PlugSchedule::default() };
    plug.send(Order::schedule(&id("fitbit"), &pause(true))).await.expect("paused");
    clock.0.store(0, Ordering::Relaxed);
    assert_eq!(want(hat, "sleep").await, Err(Reason::WrongState));
    plug.send(Order::schedule(&id("fitbit"), &pause(false))).await.expect("resumed");
    assert_eq!(want(hat, "sleep").await, Ok(Status::Settled));
    assert!(shown(&plug, hat, "sleep").await["job"].is_string());
    clock.0.store(3_600_000_000_000, Ordering::Relaxed);
    let begun = Instant::now();
    while shown(&plug, hat, "sleep").await["job"].is_string() {
        assert!(begun.elapsed() < PATIENCE, "it lapses");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(daemon.stop());
}
