//! `dex pull`: asks a HAT for values under a debit, and takes what comes with a receipt.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::client::{Client, ClientError, Delivery, Inbox, InboxOptions, Item, Order};
use crate::domain::command::PullAsk;
use crate::domain::{Id, MessageId, Reason, Records, Status, Timestamp};

use super::args::Globals;
use super::fail::{FINDING, Failure};
use super::{link, out, parse};

/// Examples, shown by `dex pull --help`.
pub const EXAMPLES: &str = "Examples:
  dex pull acme.steps bob.hubat.net --as org:acme --key acme.key
  dex pull acme.steps bob.hubat.net --as org:acme --key acme.key --since 2026-01-01T00:00:00Z --limit 100 --out bob.jsonl

Records are printed one a line, or written to --out, before the receipt leaves; --out is then replaced as a whole. The
receipt's outcome goes to stderr; with --json all is one object. A `dex collect` for the same debit gets the answer too.

Exit code 0: the records came and the exchange is settled. 1: the pull was refused, or nothing is selected. 3: the HAT
did not answer within --wait; the pull expires then.";

/// What `dex pull` asks for.
#[derive(Debug, Args)]
pub struct PullArgs {
    /// The debit
    debit: Id,
    /// Whose records
    hat: Id,
    /// Only records whose sourceTimestamp is later (RFC 3339)
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// At most so many records, 1 to 10000
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: Option<u32>,
    /// Without the first so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    skip: Option<u32>,
    /// How long the HAT has to answer, 1s to 1d
    #[arg(long, value_name = "SPAN", default_value = "60s", value_parser = parse::span)]
    wait: Duration,
    /// Write the records to this file, not to stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when the pull is refused or not answered, or the records cannot be written.
pub fn run(globals: &Globals, args: &PullArgs) -> Result<ExitCode, Failure> {
    if args.wait < Duration::from_secs(1) || args.wait > Duration::from_secs(86_400) {
        return Err(Failure::Usage("--wait is 1s to 1d".into()));
    }
    link::wait(Box::pin(pull(globals, args)))
}

async fn pull(globals: &Globals, args: &PullArgs) -> Result<ExitCode, Failure> {
    let party = link::speaker(globals, None, "the debit's client")?;
    let client = link::connect(globals, party).await?;
    // Listening begins before the message leaves.
    let options = InboxOptions { durable: false, only_new: true, ..InboxOptions::default() };
    let mut inbox = client.inbox_with(options).await?;
    let ask = PullAsk { since: args.since, skip: args.skip, limit: args.limit };
    let id = client.message_id();
    let order = Order::pull(&args.hat, &args.debit, &ask).id(id).settle_within(args.wait);
    let deadline = Instant::now() + args.wait;
    client.send(order).await?;
    let silent = || {
        Failure::Unavailable(format!(
            "{} has not answered within {:?}; the pull {id} expires by then",
            args.hat, args.wait
        ))
    };
    let delivery = tokio::time::timeout_at(deadline, answer(&mut inbox, id)).await.map_err(|_| silent())??;
    take(globals, args, &client, delivery).await
}

/// The delivery that answers a pull, or why there will be none.
async fn answer(inbox: &mut Inbox, pull: MessageId) -> Result<Delivery, Failure> {
    while let Some(item) = inbox.next().await {
        match item {
            Ok(Item::Delivery(delivery)) if delivery.pull == Some(pull) => return Ok(*delivery),
            Ok(Item::Outcomes(outcomes)) => {
                let own = outcomes.iter().map(|it| &it.outcome);
                if let Some(ended) = own.into_iter().find(|it| it.exchange == pull && it.status.is_final()) {
                    match (ended.status, ended.reason) {
                        // The answer is on its way.
                        (Status::Settled, _) => {}
                        (Status::Expired, _) => {
                            return Err(Failure::Unavailable(format!("the pull {pull} has expired without an answer")));
                        }
                        (status, reason) => {
                            let why = reason.map_or_else(String::new, |it| format!(": {it}: {}", it.explanation()));
                            return Err(Failure::Finding(format!("the pull {pull} is {status}{why}")));
                        }
                    }
                }
            }
            Ok(_) => {}
            Err(error @ ClientError::Unverified { .. }) => out::note(format_args!("{error}; tell the operator")),
            Err(error) => tracing::debug!(%error, "the inbox"),
        }
    }
    Err(Failure::Unavailable("the inbox has ended".into()))
}

/// Writes the records, then gives the receipt.
async fn take(globals: &Globals, args: &PullArgs, client: &Client, delivery: Delivery) -> Result<ExitCode, Failure> {
    if let Some(object) = delivery.object() {
        // Not answered: it comes again, to whoever collects.
        return Err(Failure::Finding(format!(
            "the answer has {} bytes, too many to be printed: `dex collect` takes it, or name a --limit",
            object.size
        )));
    }
    let records = match Records::parse(delivery.records().clone(), usize::MAX) {
        Ok(records) if records.count() == delivery.count => records,
        Ok(records) => return refuse(delivery, &format!("{} records came", records.count())).await,
        Err(error) => return refuse(delivery, &error.to_string()).await,
    };
    let text = records.text();
    let rows: Vec<String> =
        records.items.iter().map(|record| record.whole.of(text).replace(['\n', '\r'], " ")).collect();
    match &args.out {
        Some(path) => write(path, &rows)
            .map_err(|error| Failure::Finding(format!("{} cannot be written: {error}", path.display())))?,
        None if !globals.json => rows.iter().try_for_each(out::line)?,
        None => {}
    }
    let (id, source, count, digest) = (delivery.id, delivery.source.clone(), records.count(), delivery.digest);
    let (status, leaf) = match delivery.accept().await {
        Ok(outcome) => (outcome.outcome.status.to_string(), Some(outcome.leaf.index)),
        // Somebody else who collects for this party was faster, or the deadline has passed.
        Err(ClientError::Refused(refusal)) if refusal.reason == Reason::WrongState => (traced(client, id).await, None),
        Err(error) => return Err(error.into()),
    };
    if globals.json {
        let mut told = json!({ "delivery": id, "source": source, "count": count, "digest": digest, "status": status });
        if let Some(leaf) = leaf {
            told["leaf"] = json!(leaf);
        }
        if args.out.is_none() {
            let raw = format!("[{}]", rows.join(","));
            told["records"] = serde_json::from_str(&raw).unwrap_or(Value::Null);
        }
        out::json(&told)?;
    } else {
        let leaf = leaf.map(|leaf| format!("  leaf {leaf}")).unwrap_or_default();
        out::note(format_args!("{count} records from {source}  {status}{leaf}"));
    }
    Ok(if status == "settled" { ExitCode::SUCCESS } else { ExitCode::from(FINDING) })
}

async fn refuse(delivery: Delivery, why: &str) -> Result<ExitCode, Failure> {
    let short: String = why.chars().take(80).collect();
    let id = delivery.id;
    delivery.refuse(&short).await?;
    Err(Failure::Finding(format!("delivery {id} was refused: {why}")))
}

/// How the ledger says that a delivery stands.
async fn traced(client: &Client, delivery: uuid::Uuid) -> String {
    let told = client.query("exchange.trace", json!({ "id": delivery }).to_string()).await;
    told.ok().and_then(|told| told["status"].as_str().map(str::to_owned)).unwrap_or_else(|| "late".to_owned())
}

/// Puts the file there, whole and on disk, or not at all.
fn write(path: &Path, rows: &[String]) -> std::io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    let part = PathBuf::from(name);
    let mut file = std::fs::File::create(&part)?;
    for row in rows {
        writeln!(file, "{row}")?;
    }
    file.sync_all()?;
    std::fs::rename(&part, path)
}
