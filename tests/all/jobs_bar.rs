//! The bar of planning: many HATs with four endpoints each, their jobs planned, handed out and done.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_nats::jetstream::{self, consumer::PullConsumer};
use dex::client::{Client, Order, keys};
use dex::domain::job::{JobBody, JobWord, PlugSchedule};
use dex::nats::streams::DEX_JOBS;
use futures_util::{StreamExt, stream};
use serde_json::json;

use crate::support::cast::{address, id};
use crate::support::exchange::Exchange;

/// Messages under way at a time while the parties are made.
const AT_ONCE: usize = 256;

/// A number of the environment, or what is usual.
fn number(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// CPU seconds that a process has used, and its memory in MiB.
fn process(pid: u32) -> (f64, f64) {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().expect("ticks") + fields[12].parse::<f64>().expect("ticks");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("memory");
    let kib: f64 = rss.split_whitespace().next().expect("a number").parse().expect("a number");
    (ticks / 100.0, kib / 1024.0)
}

/// Takes jobs and says that they are done, for ever.
async fn work(plug: Client, nats: String, done: Arc<AtomicUsize>) {
    let js = jetstream::new(async_nats::connect(nats).await.expect("connects"));
    loop {
        let consumer: Result<PullConsumer, _> = js.get_consumer_from_stream("plug_fitbit", DEX_JOBS).await;
        let Ok(consumer) = consumer else {
            tokio::time::sleep(Duration::from_millis(200)).await;
            continue;
        };
        let mut jobs = consumer.messages().await.expect("a stream of jobs");
        while let Some(Ok(message)) = jobs.next().await {
            let (plug, done) = (plug.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                let job: JobBody = serde_json::from_slice(&message.payload).expect("a job");
                plug.job(&job.hat, &JobWord::done(job.job, Some(Some("day 1".into())))).await.expect("done");
                message.ack().await.expect("acknowledged");
                done.fetch_add(1, Ordering::Relaxed);
            });
        }
    }
}

#[tokio::test]
#[ignore = "a measurement: run it by name, in release, on a quiet machine"]
async fn a_hundred_thousand_hats_are_planned_in_little_room() {
    let hats = number("DEX_BAR_HATS", 100_000);
    let seconds = number("DEX_BAR_SECONDS", 120);
    let exchange = Exchange::start();
    let operator = exchange.client().await;
    let platform_key = keys::generate();
    operator.certify(&id("hubat.net"), "Platform", &platform_key.public()).await.expect("certified");
    let platform = operator.speaking(address("platform:hubat.net"), platform_key);
    let (signer, key) = exchange.key("fitbit");
    let plug = operator.speaking(address("plug:fitbit"), signer);
    let endpoints: Vec<_> =
        ["steps", "sleep", "heart", "weight"].map(|name| json!({"name": name, "refreshSeconds": 3600})).into();
    let manifest = json!({
        "description": "d", "url": "https://fitbit.plug.example", "endpoints": endpoints, "jobs": {"perMinute": 600_000},
    });
    let body = json!({"key": key, "name": "Fitbit", "namespace": "fitbit", "manifest": manifest});
    plug.send(Order::new(plug.party(), &["register"], body.to_string())).await.expect("registered");
    operator.approve(plug.party(), &key).await.expect("approved");
    // Nothing is planned while they connect.
    let hold = |seconds| PlugSchedule { hold_seconds: Some(seconds), ..PlugSchedule::default() };
    plug.send(Order::schedule(&id("fitbit"), &hold(86_400))).await.expect("held");
    let pid = exchange.pid();
    let began = Instant::now();
    let owners: Vec<Client> = stream::iter(0..hats)
        .map(|n| {
            let (platform, operator) = (platform.clone(), operator.clone());
            async move {
                let (name, key) = (id(&format!("h{n}.hubat.net")), keys::generate());
                platform.register_hat(&name, &key.public()).await.expect("registered");
                operator.speaking(address(&format!("hat:{name}")), key)
            }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let (_, bare) = process(pid);
    println!("{hats} HATs registered after {:?}: {bare:.0} MiB", began.elapsed());
    stream::iter(owners)
        .for_each_concurrent(AT_ONCE, |hat| async move {
            hat.plug_connect(&id("fitbit")).await.expect("connected");
        })
        .await;
    // Within a minute each has come to its first jobs and has seen that they are held.
    tokio::time::sleep(Duration::from_secs(90)).await;
    let (before, _) = process(pid);
    tokio::time::sleep(Duration::from_secs(30)).await;
    let (after, rss) = process(pid);
    println!("held, each looking every 5 min: {:.1} % of a core, {rss:.0} MiB", (after - before) / 0.3);

    let done = Arc::new(AtomicUsize::new(0));
    tokio::spawn(work(plug.clone(), exchange.nats.clone(), Arc::clone(&done)));
    plug.send(Order::schedule(&id("fitbit"), &hold(0))).await.expect("goes on");
    // All look within 5 min; what was held is spread over 15 min. The middle of that is measured.
    tokio::time::sleep(Duration::from_secs(number("DEX_BAR_WARM_UP", 330) as u64)).await;
    let ((before, _), from) = (process(pid), done.load(Ordering::Relaxed));
    tokio::time::sleep(Duration::from_secs(seconds as u64)).await;
    let ((after, rss), to) = (process(pid), done.load(Ordering::Relaxed));
    let (cpu, jobs) = (after - before, (to - from) as f64);
    let rate = jobs / seconds as f64;
    let hourly = hats as f64 * 4.0 / 3600.0;
    let share = cpu / jobs * hourly * 100.0;
    println!(
        "{rate:.0} jobs/s planned, handed out and done: {:.1} % of a core, {:.0} µs each, {rss:.0} MiB, {:.0} more than \
         without jobs; at an hourly refresh {hourly:.0} jobs/s, {share:.1} % of a core",
        cpu / seconds as f64 * 100.0,
        cpu / jobs * 1e6,
        rss - bare,
    );
    assert!(jobs > 0.0 && rss <= 200.0 && share <= 5.0, "{share:.1} %, {rss:.0} MiB");
}
