//! `dex collect`: an organisation's deliveries into files or a table, each record once, with receipts.

mod answer;
mod counts;
pub(super) mod download;
mod engine;
mod fault;
mod files;
pub(super) mod journal;
mod known;
mod output;
pub(super) mod piece;
mod postgres;
mod rows;
mod sink;
pub(super) mod spool;
mod sql;
pub(super) mod standing;
mod tls;
mod told;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use futures_util::stream::select_all;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::client::{Client, InboxOptions, Topic, ids};
use crate::domain::Id;

use super::args::Globals;
use super::fail::{FINDING, Failure};
use super::{link, out, parse};
use counts::Counts;
use engine::{Engine, Until};
use files::{Files, FilesOptions};
use output::{Form, Place};
use postgres::{Postgres, PostgresOptions};
use rows::Column;
use sink::Sink;
use tls::Way;

/// Examples, shown by `dex collect --help`.
pub const EXAMPLES: &str = "Examples:
  dex collect --as org:acme --key acme.key --out steps.jsonl
  dex collect --as org:acme --key acme.key --debit acme.steps --out steps.csv --column steps=data.steps --column source
  DEX_POSTGRES=postgres://acme@db.example/study dex collect --as org:acme --key acme.key --table steps --create
  dex collect --as org:acme --key acme.key --out steps.jsonl --until-idle 10s --json

A delivery is verified, kept on disk, and then receipted. Files get the records of settled exchanges alone, each once,
also through a kill at any moment; a table has its rows from before the receipt, and loses them when the exchange ends
otherwise. docs/acquirer.md has the rules.

Exit code 0: ended in order. 1: something was refused or did not verify, receipts were not taken for their key, it is not
known how something ended, or the sink cannot be written. 3: nobody answers.";

/// A consumer of a collector that is away is kept for as long as `DEX_OUT` keeps what it did not read.
const KEEP: Duration = Duration::from_secs(8 * 24 * 3600);

/// How `dex collect` collects.
#[derive(Debug, Args)]
pub struct CollectArgs {
    /// Write the records to this file, JSON Lines or, by its name, CSV
    #[arg(long, value_name = "FILE", required_unless_present = "postgres", conflicts_with = "postgres")]
    out: Option<PathBuf>,
    /// What to write, where the file's name does not say: jsonl or csv
    #[arg(long, value_name = "FORM", requires = "out", value_parser = form)]
    form: Option<Form>,
    /// A column of a CSV file, NAME=PATH or PATH, like steps=data.steps; those of the first delivery when none is named
    #[arg(long, value_name = "COLUMN", requires = "out")]
    column: Vec<Column>,
    /// Begin another file once one has so many bytes: 100MB, 1GiB
    #[arg(long, value_name = "SIZE", requires = "out", value_parser = size)]
    rotate_size: Option<u64>,
    /// Begin another file once one is so old: 1h, 1d
    #[arg(long, value_name = "SPAN", requires = "out", value_parser = parse::span)]
    rotate_every: Option<Duration>,
    /// Folder of the journal of the files; FILE.collect when not given
    #[arg(long, value_name = "FOLDER", requires = "out")]
    state: Option<PathBuf>,
    /// Write the records into PostgreSQL: postgres://user@host/database
    #[arg(long, value_name = "URL", env = "DEX_POSTGRES", hide_env_values = true, requires = "table")]
    postgres: Option<String>,
    /// The table, name or schema.name; beside it goes one of the deliveries, name_deliveries
    #[arg(long, value_name = "TABLE", requires = "postgres")]
    table: Option<String>,
    /// Make the tables where they are not there
    #[arg(long, requires = "postgres")]
    create: bool,
    /// Root certificates of the database's TLS, in PEM; the system's when not given
    #[arg(long, value_name = "FILE", requires = "postgres")]
    postgres_ca: Option<PathBuf>,
    /// Only what comes under this debit; may be given several times
    #[arg(long, value_name = "DEBIT")]
    debit: Vec<Id>,
    /// Only what comes under this offer; may be given several times
    #[arg(long, value_name = "OFFER")]
    offer: Vec<Id>,
    /// End after at least so many settled exchanges
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// End when nothing has come for so long
    #[arg(long, value_name = "SPAN", value_parser = parse::span)]
    until_idle: Option<Duration>,
    /// Most deliveries in hand at a time, 1 to 4096
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..=4096))]
    in_hand: u16,
    /// The broker brings a delivery again that was not answered for so long, 1s to 1h; of a consumer that is made now
    #[arg(long, value_name = "SPAN", default_value = "60s", value_parser = parse::span)]
    again_after: Duration,
}

fn form(text: &str) -> Result<Form, String> {
    match text {
        "jsonl" => Ok(Form::Jsonl),
        "csv" => Ok(Form::Csv),
        _ => Err(format!("{text:?} is neither jsonl nor csv")),
    }
}

/// Reads a size: a number, and one of `kB`, `MB`, `GB`, `KiB`, `MiB`, `GiB`, or nothing for bytes.
fn size(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = match text[digits..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => 0,
    };
    let bytes = text[..digits].parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    bytes
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| "a size is a number and a unit, like 500kB, 100MB or 1GiB".to_owned())
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when it is called wrongly, nobody answers, or the sink cannot go on.
pub fn run(globals: &Globals, args: &CollectArgs) -> Result<ExitCode, Failure> {
    link::wait(Box::pin(collect(globals, args)))
}

async fn collect(globals: &Globals, args: &CollectArgs) -> Result<ExitCode, Failure> {
    let party = link::speaker(globals, None, "who receives")?;
    if args.again_after < Duration::from_secs(1) || args.again_after > Duration::from_secs(3600) {
        return Err(Failure::Usage("--again-after is 1s to 1h".into()));
    }
    let sink = sink(args, party.to_string()).await?;
    let client = link::connect(globals, party).await?;
    let stop = CancellationToken::new();
    listen_for_the_end(&stop)?;
    let inboxes = inboxes(&client, args).await?;
    let mut engine = Engine::new(client, sink, usize::from(args.in_hand), stop);
    let until = Until { count: args.count, idle: args.until_idle };
    let bar = bar(globals);
    let ended = engine.run(select_all(inboxes), until, |counts| show(bar.as_ref(), counts)).await;
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    let counts = &engine.counts;
    if globals.json {
        out::json(counts)?;
    } else {
        out::line(counts.line())?;
    }
    ended.map_err(|error| Failure::Finding(format!("{error}. What was receipted is kept; start it again")))?;
    Ok(if counts.is_finding() { ExitCode::from(FINDING) } else { ExitCode::SUCCESS })
}

async fn sink(args: &CollectArgs, party: String) -> Result<Sink, Failure> {
    let usage = |error: &dyn std::fmt::Display| Failure::Usage(error.to_string());
    if let (Some(url), Some(table)) = (&args.postgres, &args.table) {
        let way = Way::read(url, args.postgres_ca.as_ref()).map_err(|error| usage(&error))?;
        let options = PostgresOptions { way, table: table.clone(), create: args.create, party };
        return Ok(Sink::Postgres(Box::new(Postgres::open(options).await?)));
    }
    let Some(path) = args.out.clone() else { return Err(usage(&"name --out or --postgres")) };
    let is_csv = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
    let form = args.form.unwrap_or(if is_csv { Form::Csv } else { Form::Jsonl });
    if form != Form::Csv && !args.column.is_empty() {
        return Err(usage(&"--column is for CSV"));
    }
    if let Some(wrong) = args.column.iter().find(|column| !rows::is_path(&column.path)) {
        return Err(Failure::Usage(format!(
            "no record has {:?}: paths are {}, pull, links, data, and data.… below it",
            wrong.path,
            rows::USUAL.join(", ")
        )));
    }
    let state = args.state.clone().unwrap_or_else(|| beside(&path));
    let place = Place { path, form, rotate_bytes: args.rotate_size, rotate_every: args.rotate_every };
    let columns = Some(args.column.clone()).filter(|columns| !columns.is_empty());
    let files = Files::open(FilesOptions { place, columns, state, party }, ids::now());
    Ok(Sink::Files(Box::new(files.map_err(|error| usage(&error))?)))
}

/// `steps.jsonl.collect` for `steps.jsonl`.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".collect");
    PathBuf::from(name)
}

/// An inbox of recalls, and one of deliveries: for everything, or for each debit that was named.
async fn inboxes(client: &Client, args: &CollectArgs) -> Result<Vec<crate::client::Inbox>, Failure> {
    let mut debits: Vec<Option<Id>> = args.debit.iter().chain(&args.offer).cloned().map(Some).collect();
    debits.sort();
    debits.dedup();
    if debits.is_empty() {
        debits.push(None);
    }
    let in_hand = (usize::from(args.in_hand) / debits.len()).max(1);
    // Each collector hears of all recalls, also when several share the deliveries.
    let recalls = InboxOptions { topic: Topic::Recalls, durable: false, ..InboxOptions::default() };
    let mut inboxes = vec![client.inbox_with(recalls).await?];
    for debit in debits {
        let options = InboxOptions {
            topic: Topic::Released,
            debit,
            keep: KEEP,
            in_hand: i64::try_from(in_hand).unwrap_or(i64::MAX),
            answer_within: args.again_after,
            ..InboxOptions::default()
        };
        inboxes.push(client.inbox_with(options).await?);
    }
    Ok(inboxes)
}

fn listen_for_the_end(stop: &CancellationToken) -> Result<(), Failure> {
    let cannot = |error: std::io::Error| Failure::Unavailable(format!("signals cannot be heard: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    let stop = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        stop.cancel();
    });
    Ok(())
}

/// A line that tells how it goes, where somebody looks on.
fn bar(globals: &Globals) -> Option<ProgressBar> {
    use std::io::IsTerminal;
    let style = ProgressStyle::with_template("{spinner} {msg}").ok()?;
    let looks_on = !globals.json && std::io::stderr().is_terminal();
    looks_on.then(|| ProgressBar::new_spinner().with_style(style))
}

fn show(bar: Option<&ProgressBar>, counts: &Counts) {
    if let Some(bar) = bar {
        bar.set_message(counts.line());
        bar.tick();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_need_a_known_unit() {
        assert_eq!(size("100MB"), Ok(100_000_000));
        assert_eq!(size("1GiB"), Ok(1 << 30));
        assert_eq!(size("512"), Ok(512));
        for bad in ["", "0", "1XB", "-1", "MB", "99999999999999GiB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
        assert_eq!(beside(Path::new("a/steps.jsonl")), Path::new("a/steps.jsonl.collect"));
    }
}
