//! `dex stats`: the rolling windows, and whether published figures are those of the ledger.

mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::domain::Key;
use crate::domain::statistics::Window;

use super::args::Globals;
use super::fail::Failure;
use super::{link, out};

/// Examples, shown by `dex stats --help`.
pub const EXAMPLES: &str = "Examples:
  dex stats                    every window, a line each
  dex stats 1h                 all that is known of the last hour
  dex stats 24h --series       the same day, slot by slot
  dex stats 5m --json > answer.json && dex stats verify answer.json --state /var/lib/dex

Windows are 1m, 5m, 1h, 24h and 30d, by the time of messages. Each answer names the checkpoint that it stands on.";

/// What is asked.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct StatsArgs {
    #[command(subcommand)]
    verb: Option<StatsVerb>,
    /// One window: 1m, 5m, 1h, 24h or 30d; all when not given
    window: Option<Window>,
    /// Slot by slot
    #[arg(long, requires = "window")]
    series: bool,
}

#[derive(Debug, Subcommand)]
enum StatsVerb {
    /// Make the figures of a saved answer again from the ledger, and compare; exit code 1 when they differ
    #[command(after_help = "Examples:
  dex stats 1h --json > hour.json && dex stats verify hour.json --state /var/lib/dex
  nats sub dex.v1.pub.stats --count 1 --raw | dex stats verify - --state /var/lib/dex

Takes answers of stats.window, stats.series, stats.catalogue and stats.summary (its total), and the broadcast. The
daemon may be running. What classes and descriptions say is not compared: it is no figure.")]
    Verify(VerifyArgs),
}

/// Which answer, and whose ledger.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The saved answer; - for stdin
    #[arg(value_name = "FILE")]
    answer: String,
    /// State folder of the daemon; exchange.state_dir of the configuration when not given
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Configuration file that names the folder
    #[arg(long, env = "DEX_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The exchange's public key; that of the folder's dex.seed when not given
    #[arg(long, value_name = "KEY")]
    dex_key: Option<Key>,
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when the exchange does not answer, or figures cannot be made again or differ.
pub fn run(globals: &Globals, args: &StatsArgs) -> Result<ExitCode, Failure> {
    if let Some(StatsVerb::Verify(args)) = &args.verb {
        return verify::run(globals, args);
    }
    link::wait(async {
        let client = link::reader(globals).await?;
        let asked = match args.window {
            Some(window) => vec![window],
            None => Window::ALL.to_vec(),
        };
        let call = if args.series { "stats.series" } else { "stats.window" };
        let whole = args.window.is_some();
        if !globals.json && !whole {
            out::line(HEADER)?;
        }
        for window in asked {
            let answer = client.query(call, json!({ "window": window }).to_string().into_bytes()).await?;
            match (globals.json, args.series, whole) {
                (true, _, _) => out::json(&answer)?,
                (false, true, _) => slots(&answer)?,
                (false, false, true) => out::tree(&readable(answer))?,
                (false, false, false) => out::line(line(&answer))?,
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

const HEADER: &str =
    "window   accepted    settled   rejected   disputed    expired   settled/s       hats  settle p50     p99";

fn seconds(value: &Value) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), |seconds| format!("{:.1} ms", seconds * 1000.0))
}

/// Exchanges of all directions that reached a status.
fn reached(answer: &Value, status: &str) -> u64 {
    let ways = answer["figures"]["exchanges"].as_object();
    ways.map_or(0, |ways| ways.values().filter_map(|way| way[status].as_u64()).sum())
}

fn line(answer: &Value) -> String {
    format!(
        "{:<6} {:>10} {:>10} {:>10} {:>10} {:>10} {:>11.2} {:>10} {:>11} {:>7}",
        answer["window"].as_str().unwrap_or("-"),
        reached(answer, "accepted"),
        reached(answer, "settled"),
        reached(answer, "rejected"),
        reached(answer, "disputed"),
        reached(answer, "expired"),
        answer["perSecond"]["settled"].as_f64().unwrap_or(0.0),
        answer["uniques"]["hats"].as_u64().unwrap_or(0),
        seconds(&answer["settleSeconds"]["p50"]),
        seconds(&answer["settleSeconds"]["p99"]),
    )
}

/// Without what is zero, and with the size of the tree in the place of the note.
fn readable(mut answer: Value) -> Value {
    fn thin(value: &mut Value) {
        if let Value::Object(members) = value {
            members.values_mut().for_each(thin);
            members.retain(|_, member| {
                *member != json!(0)
                    && *member != json!(0.0)
                    && !member.as_object().is_some_and(serde_json::Map::is_empty)
            });
        }
    }
    answer["asOf"] = answer["asOf"]["treeSize"].take();
    thin(&mut answer);
    answer
}

fn slots(answer: &Value) -> Result<(), Failure> {
    out::line("begins                  accepted    settled   rejected    records       hats  settle p99")?;
    for item in answer["items"].as_array().into_iter().flatten() {
        let of = |name: &str| item[name].as_u64().unwrap_or(0);
        out::line(format_args!(
            "{:<22} {:>9} {:>10} {:>10} {:>10} {:>10} {:>11}",
            item["begins"].as_str().unwrap_or("-"),
            of("accepted"),
            of("settled"),
            of("rejected"),
            of("records"),
            of("hats"),
            seconds(&item["settleSeconds"]["p99"]),
        ))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_one_line_and_what_is_zero_is_not_shown() {
        let answer = json!({
            "window": "5m", "figures": { "exchanges": { "credit": { "settled": 2 }, "release": { "settled": 1 } } },
            "perSecond": { "settled": 0.01 }, "uniques": { "hats": 2 }, "settleSeconds": { "count": 3, "p50": 0.0125 },
            "asOf": { "treeSize": 9, "checkpoint": "note" },
        });
        let line = line(&answer);
        assert!(line.starts_with("5m ") && line.contains(" 3 ") && line.contains("12.5 ms"), "{line}");
        let shown = readable(json!({ "a": { "b": 0 }, "c": 1, "asOf": { "treeSize": 9, "checkpoint": "note" } }));
        assert_eq!(shown, json!({ "c": 1, "asOf": 9 }));
    }
}
