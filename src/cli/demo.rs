//! `dex demo`: a real exchange with a simulated ecosystem around it, and books that must balance.

mod acquire;
pub(super) mod child;
pub(super) mod page;
mod source;
mod table;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::client::{Client, ClientOptions, keys};
use crate::domain::{Address, Id, Kind};
use crate::simulation::{Acquirer, Cast, Drive, Settings, Stage, Summary};
use crate::wire::Signer;

use super::args::Globals;
use super::fail::{FINDING, Failure};
use super::{link, out};
use acquire::Acquiring;
use child::Exchange;
use source::Source;
use table::{Show, Sight};

/// Examples, shown by `dex demo --help`.
pub const EXAMPLES: &str = "Examples:
  dex demo                                until Ctrl-C
  dex demo --seconds 20 --rate 1000 --hats 200
  dex demo --state-dir demo-state         keeps what the exchange wrote, to look at it afterwards

Everything is real: `dex serve` as a child process with its own nats-server, ledger and state.
Exit code 1: the sums do not balance.";

/// Operator of the demo's exchange.
const OPERATOR: &str = "demo";
/// Origin of the demo's exchange.
const ORIGIN: &str = "demo.localhost";
/// How long the daemon's counters may lag behind its ledger.
const COUNTERS_LAG: Duration = Duration::from_secs(5);

/// What the demo does.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// End after so many seconds; until Ctrl-C when not given
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// Same seed, same parties and messages
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// HATs, 2 to 10000
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u16).range(2..=10_000))]
    hats: u16,
    /// Messages a second; 0: as fast as the exchange answers
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// Share of messages that are mistakes, percent
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(0..=100))]
    mistakes: u8,
    /// Keep the exchange's state here; a temporary folder when not given
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

/// A folder for one demo, removed at its end unless it was named.
pub(super) struct Folder {
    pub(super) path: PathBuf,
    keep: bool,
}

impl Folder {
    pub(super) fn new(named: Option<&Path>) -> Result<Self, Failure> {
        let path = match named {
            Some(path) => path.to_owned(),
            None => {
                let name = format!("dex-demo-{}-{:08x}", std::process::id(), rand::random::<u32>());
                std::env::temp_dir().join(name)
            }
        };
        std::fs::create_dir_all(&path)
            .and_then(|()| path.canonicalize())
            .map(|path| Folder { path, keep: named.is_some() })
            .map_err(|error| Failure::Usage(format!("the folder {} cannot be made: {error}", path.display())))
    }

    /// An exchange that was here before has counted more than this demo.
    fn is_used(&self) -> bool {
        self.path.join("state").exists()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep {
            // What is left in a temporary folder is the system's to clean.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// Runs the demo.
///
/// # Errors
/// [`Failure`] when exchange or simulation cannot be started. Sums that do not balance are no error
/// but exit code 1.
pub fn run(globals: &Globals, args: &DemoArgs) -> Result<ExitCode, Failure> {
    link::wait(demo(globals.json, args))
}

async fn demo(as_json: bool, args: &DemoArgs) -> Result<ExitCode, Failure> {
    let stop = CancellationToken::new();
    let signals = tokio::spawn(stop_on_signals(stop.clone()));
    let folder = Folder::new(args.state_dir.as_deref())?;
    let used = folder.is_used();
    let operator =
        keys::load_or_make(&folder.path.join("operator.key")).map_err(|error| Failure::Usage(error.to_string()))?;
    let show = Show::new(as_json);

    show.say("starting the exchange: dex serve with its own nats-server");
    // A demo reserves no more of the disk than it may need.
    let settings = [
        ("gateway.enabled", "true"),
        ("gateway.admin", "true"),
        ("gateway.listen", "127.0.0.1:0"),
        ("streams.in_max_bytes", "536870912"),
        ("streams.out_max_bytes", "1073741824"),
        ("large.store_bytes", "1073741824"),
    ];
    let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let mut exchange = Exchange::start_with(&folder.path, ORIGIN, OPERATOR, &operator.public(), &settings).await?;
    show.say(&format!(
        "{ORIGIN} is ready: broker {}, metrics http://{}/metrics, state {}",
        exchange.nats,
        exchange.http,
        folder.path.display()
    ));
    if let Some(gateway) = &exchange.gateway {
        show.say(&format!("the console is at http://{gateway}/console, REST at http://{gateway}/api/docs"));
    }
    let nats = exchange.nats.clone();
    let played = tokio::select! {
        played = play(&show, &nats, operator, args, &stop, &folder.path) => played,
        ended = exchange.ended() => Err(Failure::Finding(format!("the exchange ended by itself: {ended}"))),
    };
    // Whatever happened, the exchange is stopped in order.
    let (summary, mut faults) = match played {
        Ok((drive, faults)) => {
            let mut faults = faults;
            // A used folder may hold exchanges of an earlier demo, which end in this one.
            if !used {
                faults.extend(counters(&drive, &exchange.http).await);
            }
            (drive.tally.summary(), faults)
        }
        Err(failure) => {
            let _ = exchange.stop().await;
            return Err(failure);
        }
    };
    faults.extend(exchange.stop().await.err());
    faults.extend(child::check_ledger(&folder.path.join("state")).await.err());
    signals.abort();
    close(as_json, &show, &summary, &faults)
}

/// Sets the stage, sends until the end, waits for what is open.
async fn play(
    show: &Show,
    nats: &str,
    operator: Signer,
    args: &DemoArgs,
    stop: &CancellationToken,
    folder: &Path,
) -> Result<(std::sync::Arc<Drive>, Vec<String>), Failure> {
    let settings = Settings {
        seed: args.seed,
        hats: usize::from(args.hats),
        rate: args.rate,
        mistakes: f64::from(args.mistakes) / 100.0,
        ..Settings::default()
    };
    let begun = Instant::now();
    let cast = Cast::new(settings.seed, settings.hats);
    let id = Id::new(OPERATOR).expect("the name of the operator is an id");
    let address = Address::new(Kind::Operator, id);
    let again = keys::load(&folder.join("operator.key")).map_err(|error| Failure::Usage(error.to_string()))?;
    let voice = Client::connect(ClientOptions::new(nats, address.clone()).signer(again)).await?;
    let stage = Stage::set(cast, nats, (address, operator)).await?;
    let settle_within = settings.settle_within;
    let drive = Drive::new(stage, settings);
    let readers = drive.listen().await?;
    let source = Source::start().map_err(|error| Failure::Unavailable(format!("the demo's source: {error}")))?;
    let acquirer = Acquirer::new(args.seed, &voice);
    acquirer.set(&drive, &voice, &source.address.to_string()).await?;
    let reader = acquirer.listen(&drive).await?;
    let acquiring = Acquiring::start(folder, nats, &acquirer.person.signer(), source)?;
    acquirer.want(&drive).await;
    show.say(&format!(
        "{} HATs, {} plugs and apps, {} organisations registered, connected and listening after {:.1} s",
        drive.stage.cast.hats.len(),
        drive.stage.cast.writers.len(),
        drive.stage.cast.orgs.len(),
        begun.elapsed().as_secs_f64()
    ));
    let clock = stop.clone();
    if let Some(seconds) = args.seconds {
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            clock.cancel();
        });
    }
    // A connection of its own: what is looked at does not wait behind the load.
    let options = ClientOptions::new(nats, drive.stage.platform().party().clone());
    let watcher = Client::connect(options).await?;
    let state = folder.join("state");
    let mut sight = Sight::new(&watcher, state);
    watched(show, &mut sight, &drive, drive.run(stop)).await;
    show.say("no more is sent; waiting for what is open to end");
    let stopped = acquiring.stop().await;
    // Silent recipients let theirs expire; everything else was given `settle_within` at the latest.
    let ended = watched(show, &mut sight, &drive, drive.settle(settle_within + Duration::from_secs(15))).await;
    let all_acquired = drive.settle_acquired(settle_within).await;
    sight.last(show, &drive.tally.summary()).await;
    drop(readers);
    reader.abort();
    let mut faults = Vec::new();
    faults.extend(stopped.err());
    if !ended || !all_acquired {
        faults.push("some exchanges did not end in time".to_owned());
    }
    Ok((drive, faults))
}

/// Shows how things stand, once a second, while `work` goes on.
async fn watched<T>(show: &Show, sight: &mut Sight, drive: &Drive, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = tick.tick() => sight.look(show, &drive.tally.summary()).await,
        }
    }
}

/// What the exchange counted, compared with what the simulation did.
async fn counters(drive: &Drive, http: &str) -> Vec<String> {
    let deadline = Instant::now() + COUNTERS_LAG;
    loop {
        let faults = match page::get(http, "/metrics").await {
            Ok(metrics) => drive.tally.summary().compare(&metrics),
            Err(error) => vec![format!("http://{http}/metrics: {error}")],
        };
        if faults.is_empty() || Instant::now() >= deadline {
            return faults;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn close(as_json: bool, show: &Show, summary: &Summary, more: &[String]) -> Result<ExitCode, Failure> {
    let mut faults = summary.faults();
    faults.extend_from_slice(more);
    let balanced = faults.is_empty();
    show.end();
    if as_json {
        let mut value = summary.json();
        value["balanced"] = json!(balanced);
        value["faults"] = json!(faults);
        out::json(&value)?;
        out::note(summary.line(balanced));
    } else {
        out::line(summary)?;
        for fault in &faults {
            out::line(format!("not balanced: {fault}"))?;
        }
        if balanced {
            out::line("the ledger is sound and its sums are those of both sides")?;
        }
        out::line(summary.line(balanced))?;
    }
    Ok(if balanced { ExitCode::SUCCESS } else { ExitCode::from(FINDING) })
}

/// Ctrl-C and SIGTERM end the load; the rest of the demo goes on as if its time were over.
pub(super) async fn stop_on_signals(stop: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        out::note("signals cannot be caught: Ctrl-C will end the demo without a summary");
        return;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    stop.cancel();
}
