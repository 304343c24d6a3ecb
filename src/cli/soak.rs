//! `dex soak`: an exchange under load whose processes are killed again and again; nothing told may be lost.

mod audit;
mod ground;
mod leg;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::simulation::soak::{Leg, Verdict};

use super::args::Globals;
use super::demo::{Folder, stop_on_signals};
use super::fail::{FINDING, Failure};
use super::progress::Progress;
use super::{link, out};

/// Examples, shown by `dex soak --help`.
pub const EXAMPLES: &str = "Examples:
  dex soak                                20 rounds
  dex soak --rounds 200 --seed 7          other moments, other messages
  dex soak --rounds 3 --state-dir soaked  keeps logs, ledger and state, to look at them afterwards

Each round kills the daemon, its nats-server or both by SIGKILL at a random moment under load and waits until
the exchange takes messages again. Two of three rounds are with a nats-server of its own, the others with the
daemon's embedded one. The last line of the output is
  soak: rounds=N receipted=N lost=0 doubled=0 unfinished=0
Exit code 1: something was lost, doubled or not finished, the ledger is not sound, or a start took 5 s or more.";

/// An exchange that was killed takes messages again in less than this.
const READY_WITHIN: Duration = Duration::from_secs(5);
/// Findings shown of each leg.
const FAULTS_MAX: usize = 20;

/// What the soak does.
#[derive(Debug, Args)]
pub struct SoakArgs {
    /// Kills, 1 to 100000
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rounds: u32,
    /// Same seed, same parties, messages and kills
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Messages a second, 1 to 5000
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=5000))]
    rate: u32,
    /// HATs, 2 to 1000
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u16).range(2..=1000))]
    hats: u16,
    /// Keep logs, ledger and state here, which must be a new folder; a temporary folder when not given
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

/// What one leg, or all, came to.
#[derive(Debug, Default)]
struct Report {
    rounds: u32,
    verdict: Verdict,
    /// Times from the start of what was killed to the first answer.
    ready: Vec<Duration>,
    /// Whatever else must not be.
    faults: Vec<String>,
}

impl Report {
    fn add(&mut self, other: Report) {
        self.rounds += other.rounds;
        self.verdict.add(other.verdict);
        self.ready.extend(other.ready);
        self.faults.extend(other.faults);
    }

    fn fault(&mut self, what: String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(what);
        }
    }

    fn holds(&self) -> bool {
        self.rounds > 0 && self.verdict.is_clean() && self.faults.is_empty()
    }

    /// Median and longest time to be ready again, milliseconds.
    fn ready_ms(&self) -> (u128, u128) {
        let mut times = self.ready.clone();
        times.sort();
        let at = |place: usize| times.get(place).map_or(0, Duration::as_millis);
        (at(times.len() / 2), at(times.len().saturating_sub(1)))
    }

    fn line(&self) -> String {
        let Verdict { receipted, lost, doubled, unfinished, .. } = self.verdict;
        let rounds = self.rounds;
        format!("soak: rounds={rounds} receipted={receipted} lost={lost} doubled={doubled} unfinished={unfinished}")
    }
}

/// Runs the soak.
///
/// # Errors
/// [`Failure`] when exchange or load cannot be started. What does not hold is no error but exit code 1.
pub fn run(globals: &Globals, args: &SoakArgs) -> Result<ExitCode, Failure> {
    link::wait(soak(globals, args))
}

async fn soak(globals: &Globals, args: &SoakArgs) -> Result<ExitCode, Failure> {
    let as_json = globals.json;
    if let Some(folder) = args.state_dir.as_ref().filter(|folder| folder.exists()) {
        return Err(Failure::Usage(format!("--state-dir {} is there already: name a new folder", folder.display())));
    }
    let stop = CancellationToken::new();
    let signals = tokio::spawn(stop_on_signals(stop.clone()));
    let folder = Folder::new(args.state_dir.as_deref())?;
    let mut report = Report::default();
    let progress = Progress::new(globals, "kills", u64::from(args.rounds));
    for leg in Leg::ALL {
        let rounds = leg.share(args.rounds);
        if rounds > 0 && !stop.is_cancelled() {
            report.add(leg::run(as_json, args, leg, &folder.path.join(leg.as_str()), &stop, &progress).await?);
        }
    }
    drop(progress);
    signals.abort();
    let faults = report.verdict.findings.iter().chain(&report.faults);
    let (median, longest) = report.ready_ms();
    if as_json {
        let Verdict { receipted, lost, doubled, unfinished, .. } = report.verdict;
        out::json(&json!({
            "rounds": report.rounds, "receipted": receipted, "lost": lost, "doubled": doubled,
            "unfinished": unfinished, "readyMs": { "median": median, "longest": longest },
            "holds": report.holds(), "faults": faults.collect::<Vec<_>>(),
        }))?;
        out::note(report.line());
    } else {
        for fault in faults {
            out::line(format_args!("fault: {fault}"))?;
        }
        out::line(format_args!("ready again after {median} ms in the median, {longest} ms at the longest"))?;
        out::line(report.line())?;
    }
    Ok(if report.holds() { ExitCode::SUCCESS } else { ExitCode::from(FINDING) })
}
