//! `dex watch`: the exchange's pulse, a line a second, or its exchanges one by one.

mod exchanges;
mod filter;

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use futures_util::StreamExt;
use serde_json::Value;

use crate::nats::{Connect, Credentials};
use crate::wire::subject;

use super::args::Globals;
use super::fail::Failure;
use super::folder::Folder;
use super::{link, out};
use exchanges::Follow;
use filter::Filter;

/// Examples, shown by `dex watch --help`.
pub const EXAMPLES: &str = "Examples:
  dex watch
  dex watch --count 10 --json | jq .settled
  dex watch /var/lib/dex --hat bob.hubat.net
  dex watch /var/lib/dex --status disputed --status expired --from 0 --json

With the state folder, or a filter, it follows exchanges one by one: each step that the ledger gets, as it is committed.
That needs the folder to be readable here; the daemon may be running. Nobody is told single exchanges over NATS but
their own parties.

Counters tell of the daemon's life since its start. Ends at Ctrl-C, after --count lines, or with exit code 3 when the
exchange has been silent for as long as --timeout says.";

/// How `dex watch` watches.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// Stop after so many lines
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    #[command(flatten)]
    folder: Folder,
    #[command(flatten)]
    filter: Filter,
    /// Follow exchanges from this leaf on; those that come from now on when not given
    #[arg(long, value_name = "LEAF")]
    from: Option<u64>,
}

/// Runs the verb.
///
/// # Errors
/// [`Failure::Unavailable`] when there is no broker, or nothing is broadcast.
pub fn run(globals: &Globals, args: &WatchArgs) -> Result<ExitCode, Failure> {
    if args.folder.is_named() || !args.filter.is_open() || args.from.is_some() {
        let follow = Follow { folder: &args.folder, filter: &args.filter, from: args.from, count: args.count };
        return exchanges::follow(globals, &follow);
    }
    link::wait(watch(globals, args))
}

async fn watch(globals: &Globals, args: &WatchArgs) -> Result<ExitCode, Failure> {
    let mut connect = Connect::new(&globals.url, "dex-watch");
    connect.give_up_after = globals.timeout;
    if let Some(path) = &globals.creds {
        connect.credentials = Credentials::CredsFile(path.clone());
    }
    let unavailable = |error: &dyn std::fmt::Display| Failure::Unavailable(error.to_string());
    let link = connect.open().await.map_err(|error| unavailable(&error))?;
    let topic = subject::broadcast("pulse");
    let mut stats = link.client.subscribe(topic.clone()).await.map_err(|error| unavailable(&error))?;
    let silence = globals.timeout.max(Duration::from_secs(3));
    let mut last: Option<Value> = None;
    let mut left = args.count.unwrap_or(u64::MAX);
    while left > 0 {
        let Ok(message) = tokio::time::timeout(silence, stats.next()).await else {
            return Err(Failure::Unavailable(format!(
                "nothing on {topic} for {silence:?}: is the daemon running at {}?",
                globals.url
            )));
        };
        let Some(message) = message else {
            return Err(Failure::Unavailable("the connection was closed".into()));
        };
        let Ok(now) = serde_json::from_slice::<Value>(&message.payload) else {
            out::note(format_args!("a message on {topic} is no JSON and was passed over"));
            continue;
        };
        if globals.json {
            out::json(&now)?;
        } else {
            out::line(pulse(&now, last.as_ref()))?;
        }
        last = Some(now);
        left -= 1;
    }
    Ok(ExitCode::SUCCESS)
}

/// The line of one second.
fn pulse(now: &Value, last: Option<&Value>) -> String {
    let of = |name: &str| now[name].as_u64().unwrap_or(0);
    let before = |name: &str| last.and_then(|last| last[name].as_u64()).unwrap_or_else(|| of(name));
    let rate = |name: &str| of(name).saturating_sub(before(name));
    let mut line = format!(
        "{}  settled {} (+{}/s)  open {}  disputed {}  expired {}  recalled {}  rejected {} (+{}/s)  tree {}",
        now["at"].as_str().unwrap_or("-"),
        of("settled"),
        rate("settled"),
        of("open"),
        of("disputed"),
        of("expired"),
        of("recalled"),
        of("rejected"),
        rate("rejected"),
        of("treeSize"),
    );
    for (reason, count) in now["reasons"].as_object().into_iter().flatten() {
        line.push_str(&format!("  {reason} {count}"));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pulse_has_rates_and_reasons() {
        let last = serde_json::json!({"settled": 5, "rejected": 1});
        let now = serde_json::json!({
            "at": "2026-01-01T00:00:00Z", "settled": 12, "open": 3, "rejected": 1, "reasons": {"stale": 1}, "treeSize": 40
        });
        let line = pulse(&now, Some(&last));
        assert!(line.contains("settled 12 (+7/s)  open 3"), "{line}");
        assert!(line.ends_with("tree 40  stale 1"), "{line}");
        assert!(pulse(&now, None).contains("settled 12 (+0/s)"));
    }
}
