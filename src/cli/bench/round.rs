//! One run: something in the middle, load on both sides, clocks around it.

use std::fmt;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::process::Child;
use tokio_util::sync::CancellationToken;

use super::clocks::{Clocks, Cpu};
use super::{BenchArgs, ORIGIN, PARTITIONS};
use crate::cli::demo::child::{self, Exchange};
use crate::cli::fail::Failure;
use crate::client::keys;
use crate::domain::{Address, Id, Key, Kind};
use crate::nats::streams::{self, InLimits, OutLimits};
use crate::nats::{Connect, EmbeddedOptions, EmbeddedServer};
use crate::simulation::load::{self, Books, Crowd, Load, Mode, Pace, outcomes, recipients, sender};
use crate::store::bytes_free;
use crate::telemetry::process::memory_mib;
use crate::wire::Signer;

const OPERATOR: &str = "bench";
/// How long readers may take to be in place.
const LISTEN_WITHIN: Duration = Duration::from_secs(10);
/// How long what is under way may take to end once nothing more is sent.
const END_WITHIN: Duration = Duration::from_secs(30);

/// Room that the broker keeps for everything but `DEX_OUT`: `DEX_IN` and `DEX_JOBS`.
const BESIDE_OUT_BYTES: u64 = 5 << 30;
/// Room of `DEX_OUT` that an exchange has without being told.
const OUT_BYTES_USUAL: u64 = 8 << 30;
/// Most that a bench gives it.
const OUT_BYTES_MAX: u64 = 64 << 30;

/// What an open loop came to.
pub struct Open {
    pub per_second: f64,
    pub cpu: Cpu,
    pub outcome_p50_ms: f64,
    pub outcome_p99_ms: f64,
    pub settlement_p50_ms: f64,
    pub settlement_p99_ms: f64,
}

/// A start over the state that the load left.
pub struct Again {
    pub entries: f64,
    pub ready_ms: f64,
}

/// What one run came to.
pub struct Measured {
    pub per_second: f64,
    pub cpu: Cpu,
    pub rss_mib: f64,
    pub peak_rss_mib: f64,
    pub open: Option<Open>,
    pub again: Option<Again>,
    pub faults: Vec<String>,
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0}/s, CPU µs each: {}", self.per_second, self.cpu)?;
        if let Some(open) = &self.open {
            write!(f, "; at {:.0}/s outcome p50 {:.1} ms", open.per_second, open.outcome_p50_ms)?;
            write!(f, ", p99 {:.1} ms, CPU µs each: {}", open.outcome_p99_ms, open.cpu)?;
        }
        if let Some(again) = &self.again {
            write!(f, "; ready after {:.0} ms with {} entries", again.ready_ms, again.entries)?;
        }
        Ok(())
    }
}

fn failed(what: &str, error: &dyn fmt::Display) -> Failure {
    Failure::Unavailable(format!("{what}: {error}"))
}

/// The processes in the middle.
enum Middle {
    Exchange(Box<Exchange>, u32),
    Forwarder(Box<Child>, Box<EmbeddedServer>),
}

impl Middle {
    /// Itself and its broker.
    fn pids(&self) -> (u32, u32) {
        match self {
            Middle::Exchange(exchange, nats) => (exchange.pid().unwrap_or(0), *nats),
            Middle::Forwarder(child, server) => (child.id().unwrap_or(0), server.pid()),
        }
    }

    fn url(&self) -> String {
        match self {
            Middle::Exchange(exchange, _) => exchange.nats.clone(),
            Middle::Forwarder(_, server) => server.url(),
        }
    }
}

/// Measures one mode on the fresh state in `folder`.
///
/// # Errors
/// [`Failure`] when something cannot be started or the load cannot go on.
pub async fn measure(mode: Mode, args: &BenchArgs, folder: &Path) -> Result<Measured, Failure> {
    let operator = keys::load_or_make(&folder.join("operator.key")).map_err(|e| failed("the operator's key", &e))?;
    let operator_key = operator.public();
    let crowd = Crowd::new(1, args.hats);
    let (middle, key) = match mode {
        Mode::Raw => (raw(folder).await?, None),
        Mode::Unsigned | Mode::Signed => exchange(mode, folder, &crowd, args, operator).await?,
    };
    let load = Arc::new(Load {
        crowd,
        url: middle.url(),
        origin: ORIGIN.into(),
        key,
        mode,
        content: args.content as usize,
        books: Books::new(args.window),
        listening: Default::default(),
    });
    let readers = CancellationToken::new();
    let threads = [
        load::thread("recipients", &load, &readers, recipients::run),
        load::thread("outcomes", &load, &readers, outcomes::run),
    ];
    let began = Instant::now();
    while !load.is_listening() && began.elapsed() < LISTEN_WITHIN && !readers.is_cancelled() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut measured = closed(&load, &middle, args, &readers).await?;
    if mode == Mode::Signed {
        ended(&load, &readers).await;
        let rate = args.rate.map_or(measured.per_second / 2.0, f64::from).max(1.0);
        measured.open = Some(open(&load, &middle, rate, args, &readers, &mut measured.faults).await?);
    }
    ended(&load, &readers).await;
    readers.cancel();
    for thread in threads {
        let ended = thread.map_err(|e| failed("a thread of the load", &e))?.join();
        if let Ok(Err(error)) = ended {
            measured.faults.push(error.to_string());
        }
    }
    let counts = load.books.counts();
    if counts.settled != counts.sent {
        measured.faults.push(format!(
            "{} sent, {} settled, {} ended otherwise, {} open",
            counts.sent, counts.settled, counts.failed, counts.open
        ));
    }
    stop(middle, mode, folder, args, &operator_key, &mut measured).await?;
    Ok(measured)
}

/// Broker, streams and forwarder.
async fn raw(folder: &Path) -> Result<Middle, Failure> {
    let server =
        EmbeddedServer::start(EmbeddedOptions::new(folder.join("nats"))).await.map_err(|e| failed("the broker", &e))?;
    let link = Connect::new(server.url(), "dex-bench").open().await.map_err(|e| failed("the broker", &e))?;
    let day = Duration::from_secs(86_400);
    let input = InLimits { partitions: PARTITIONS, max_bytes: 4 << 30, max_age: 7 * day, replicas: 1 };
    let output = OutLimits { max_bytes: 8 << 30, max_age: 8 * day, max_consumers: 1000, replicas: 1 };
    streams::prepare_in(&link.jetstream, &input).await.map_err(|e| failed("DEX_IN", &e))?;
    streams::prepare_out(&link.jetstream, &output).await.map_err(|e| failed("DEX_OUT", &e))?;
    let forwarder = child::command(&child::this()?)
        .args(["bench", "--forward", &server.url()])
        .stdout(Stdio::null())
        .spawn()
        .map_err(|e| failed("the forwarder", &e))?;
    Ok(Middle::Forwarder(Box::new(forwarder), Box::new(server)))
}

/// An exchange with its crowd registered.
async fn exchange(
    mode: Mode,
    folder: &Path,
    crowd: &Crowd,
    args: &BenchArgs,
    operator: Signer,
) -> Result<(Middle, Option<Key>), Failure> {
    let exchange = start(mode, folder, args, &operator.public()).await?;
    let pid = std::fs::read_to_string(folder.join("state").join("nats").join("nats.pid"))
        .map_err(|e| failed("the broker's pid", &e))?;
    let pid = pid.trim().parse().map_err(|e| failed("the broker's pid", &e))?;
    let id = Id::new(OPERATOR).expect("the name of the operator is an id");
    let operator = (Address::new(Kind::Operator, id), operator);
    let keys = crowd.register(&exchange.nats, operator, args.registered).await?;
    Ok((Middle::Exchange(Box::new(exchange), pid), keys.first().copied()))
}

async fn start(mode: Mode, folder: &Path, args: &BenchArgs, operator: &Key) -> Result<Exchange, Failure> {
    let signatures = if mode == Mode::Unsigned { "trusted-broker" } else { "required" };
    let mut settings = vec![("exchange.signatures".to_owned(), signatures.to_owned())];
    // Nothing large is sent, and the broker keeps much room for it.
    settings.push(("large.enabled".to_owned(), "false".to_owned()));
    // What left stays in DEX_OUT by its age: a long run needs the room that is there.
    // The broker grants three quarters of the disk in all, and the ledger lies on it too.
    let room = (bytes_free(folder).unwrap_or(0) / 2).saturating_sub(BESIDE_OUT_BYTES);
    if room > OUT_BYTES_USUAL {
        settings.push(("streams.out_max_bytes".to_owned(), room.min(OUT_BYTES_MAX).to_string()));
    }
    settings.extend(args.set.iter().cloned());
    Exchange::start_with(folder, ORIGIN, OPERATOR, operator, &settings).await
}

/// A closed loop, measured after its warm-up.
async fn closed(
    load: &Arc<Load>,
    middle: &Middle,
    args: &BenchArgs,
    readers: &CancellationToken,
) -> Result<Measured, Failure> {
    let stop = readers.child_token();
    let sending = load::thread("sender", load, &stop, |load, stop| sender::run(load, Pace::Closed, stop))
        .map_err(|e| failed("a thread of the load", &e))?;
    tokio::time::sleep(args.warm()).await;
    let clocks = Clocks::start(middle.pids(), load);
    tokio::time::sleep(args.span()).await;
    let (per_second, cpu) = clocks.read(load);
    let (rss_mib, peak_rss_mib) = memory_mib(middle.pids().0);
    stop.cancel();
    let ended = tokio::task::spawn_blocking(move || sending.join()).await;
    let mut faults = Vec::new();
    if let Ok(Ok(Err(error))) = ended {
        faults.push(error.to_string());
    }
    Ok(Measured { per_second, cpu, rss_mib, peak_rss_mib, open: None, again: None, faults })
}

/// An open loop at `rate`, measured after its warm-up.
async fn open(
    load: &Arc<Load>,
    middle: &Middle,
    rate: f64,
    args: &BenchArgs,
    readers: &CancellationToken,
    faults: &mut Vec<String>,
) -> Result<Open, Failure> {
    let stop = readers.child_token();
    let sending = load::thread("sender", load, &stop, move |load, stop| sender::run(load, Pace::Open(rate), stop))
        .map_err(|e| failed("a thread of the load", &e))?;
    tokio::time::sleep(args.warm()).await;
    drop(load.books.take_times());
    let clocks = Clocks::start(middle.pids(), load);
    tokio::time::sleep(args.span()).await;
    let (per_second, cpu) = clocks.read(load);
    let times = load.books.take_times();
    stop.cancel();
    match tokio::task::spawn_blocking(move || sending.join()).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => faults.push(error.to_string()),
        Ok(Err(_)) | Err(_) => faults.push("the sender of the open loop has panicked".to_owned()),
    }
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    Ok(Open {
        per_second,
        cpu,
        outcome_p50_ms: ms(times.outcome.quantile(0.5)),
        outcome_p99_ms: ms(times.outcome.quantile(0.99)),
        settlement_p50_ms: ms(times.settlement.quantile(0.5)),
        settlement_p99_ms: ms(times.settlement.quantile(0.99)),
    })
}

/// Waits until nothing is under way.
async fn ended(load: &Load, readers: &CancellationToken) {
    let began = Instant::now();
    while load.books.counts().open > 0 && began.elapsed() < END_WITHIN && !readers.is_cancelled() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Stops the middle in order; an exchange's ledger is checked, and a signed one is started once more.
async fn stop(
    middle: Middle,
    mode: Mode,
    folder: &Path,
    args: &BenchArgs,
    operator: &Key,
    measured: &mut Measured,
) -> Result<(), Failure> {
    match middle {
        Middle::Forwarder(mut child, server) => {
            let _ = child.kill().await;
            server.stop().await;
        }
        Middle::Exchange(mut exchange, _) => {
            measured.faults.extend(exchange.stop().await.err());
            measured.faults.extend(child::check_ledger(&folder.join("state")).await.err());
            if mode == Mode::Signed {
                let began = Instant::now();
                let mut again = start(mode, folder, args, operator).await?;
                let ready_ms = began.elapsed().as_secs_f64() * 1e3;
                let entries = again.tree_size().map_or(0.0, |size| size as f64);
                measured.again = Some(Again { entries, ready_ms });
                measured.faults.extend(again.stop().await.err());
            }
        }
    }
    Ok(())
}
