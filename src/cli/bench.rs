//! `dex bench`: settled exchanges a second, end to end, beside what the broker alone can do.

mod clocks;
mod figures;
mod round;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::simulation::load::{Mode, crowd, forward};

use super::args::Globals;
use super::fail::{FINDING, Failure};
use super::progress::Progress;
use super::{link, out};
use figures::Figures;

/// Examples, shown by `dex bench --help`.
pub const EXAMPLES: &str = "Examples:
  dex bench                                three rounds, a table
  dex bench --json --seconds 10 --rounds 5
  dex bench --only signed --set exchange.partitions=2 --set actors.linger=5ms
  dex bench --only signed --hats 10000 --registered 100000 --seconds 1200 --rounds 1

Each round runs, one after the other on fresh state: raw (the broker and a forwarder that moves the messages of
an exchange without looking at them), unsigned (an exchange with signatures = \"trusted-broker\") and signed.
Load, broker and exchange share this machine. Closed loop for the rates, then an open loop at half of the rate
for the latencies of the signed exchange. Exit code 1: something sent did not settle, or a ledger is not sound.";

/// Origin of the exchanges that are measured.
pub(super) const ORIGIN: &str = "bench.localhost";

/// What is measured.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Rounds; every figure is the median over them, with its range
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// Seconds of load before each measurement
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(0..=3600))]
    warm_up: u64,
    /// HATs that are credited, round and round
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=i64::from(crowd::HATS_MAX)))]
    hats: u32,
    /// HATs that are registered in all
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=i64::from(crowd::HATS_MAX)))]
    registered: u32,
    /// Bytes of each content
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u32).range(100..=65_536))]
    content: u32,
    /// Exchanges under way at a time in the closed loop
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    window: u32,
    /// Exchanges a second of the open loop; half of the closed loop's rate when not given
    #[arg(long)]
    rate: Option<u32>,
    /// Another setting of the exchange, like actors.linger=5ms; any number of them
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    set: Vec<(String, String)>,
    /// Measure only these
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<What>,
    /// Keep the folders of the runs here; temporary folders when not given
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// The forwarder of the raw measurement, as a process of its own
    #[arg(long, hide = true, value_name = "URL")]
    forward: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    Raw,
    Unsigned,
    Signed,
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write a key of the configuration and its value, KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

impl What {
    fn mode(self) -> Mode {
        match self {
            What::Raw => Mode::Raw,
            What::Unsigned => Mode::Unsigned,
            What::Signed => Mode::Signed,
        }
    }

    fn name(self) -> &'static str {
        match self {
            What::Raw => "raw",
            What::Unsigned => "unsigned",
            What::Signed => "signed",
        }
    }
}

/// Partitions of the streams, for the forwarder as for an exchange.
pub(super) const PARTITIONS: u32 = 1;

/// Runs the bench.
///
/// # Errors
/// [`Failure`] when broker, exchange or load cannot be started. What does not settle is no error but exit
/// code 1.
pub fn run(globals: &Globals, args: &BenchArgs) -> Result<ExitCode, Failure> {
    if let Some(url) = &args.forward {
        let threads = std::thread::available_parallelism().map_or(2, |n| u32::try_from(n.get()).unwrap_or(2));
        let stop = CancellationToken::new();
        return forward::run(url, ORIGIN, PARTITIONS, threads, &stop)
            .map(|()| ExitCode::SUCCESS)
            .map_err(|error| Failure::Unavailable(error.to_string()));
    }
    link::wait(bench(globals, args))
}

async fn bench(globals: &Globals, args: &BenchArgs) -> Result<ExitCode, Failure> {
    let as_json = globals.json;
    let all = [What::Raw, What::Unsigned, What::Signed];
    let wanted: Vec<What> = all.into_iter().filter(|what| args.only.is_empty() || args.only.contains(what)).collect();
    let mut figures = Figures::default();
    let progress = Progress::new(globals, "measurements", u64::from(args.rounds) * wanted.len() as u64);
    for number in 1..=args.rounds {
        for what in &wanted {
            let name = format!("{}-{number}", what.name());
            let folder = super::demo::Folder::new(args.state_dir.as_ref().map(|dir| dir.join(&name)).as_deref())?;
            progress.suspend(|| out::note(format!("round {number} of {}: {}", args.rounds, what.name())));
            let measured = round::measure(what.mode(), args, &folder.path).await?;
            progress.suspend(|| out::note(format!("  {measured}")));
            progress.step();
            figures.add(what.mode(), &measured);
        }
    }
    drop(progress);
    if as_json {
        out::json(&figures.json())?;
    } else {
        out::line(figures.table())?;
    }
    Ok(if figures.balanced() { ExitCode::SUCCESS } else { ExitCode::from(FINDING) })
}

impl BenchArgs {
    fn span(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    fn warm(&self) -> Duration {
        Duration::from_secs(self.warm_up)
    }
}
