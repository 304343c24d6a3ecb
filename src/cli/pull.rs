//! `dex pull`: asks a HAT for values under a debit, and takes what comes with a receipt.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{BufWriter, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::client::{Client, ClientError, Delivery, Inbox, InboxOptions, Item, Order};
use crate::domain::command::PullAsk;
use crate::domain::{Digest, Id, MessageId, Reason, Records, Status, Timestamp};

use super::args::Globals;
use super::collect::download::{self, Came};
use super::collect::journal::sync_folder;
use super::collect::piece::{Batches, Content, ContentError};
use super::collect::spool;
use super::collect::standing::standing;
use super::fail::{FINDING, Failure};
use super::{link, out, parse};

/// Examples, shown by `dex pull --help`.
pub const EXAMPLES: &str = "Examples:
  dex pull acme.steps bob.hubat.net --as org:acme --key acme.key
  dex pull acme.steps bob.hubat.net --as org:acme --key acme.key --since 2026-01-01T00:00:00Z --limit 100 --out bob.jsonl

Records are printed one a line, or written to --out, before the receipt leaves; --out is then replaced as a whole. The
receipt's outcome goes to stderr; with --json all is one object. A `dex collect` for the same debit gets the answer too.
An answer above 512 KiB goes by the folder of temporary files (TMPDIR) and is checked there; with --json it needs --out.
Who takes such an answer first has it: its content is removed then.

Exit code 0: the records came and the exchange is settled. 1: the pull was refused, nothing is selected, or somebody else
has taken a large answer first. 3: the HAT did not answer within --wait; the pull expires then.";

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

/// Where the records are.
enum Held {
    /// Here, a body as it came.
    Body(Bytes),
    /// In a file that is open.
    File(Batches),
}

/// Records that are here and as they were delivered.
struct Answer {
    held: Held,
    digest: Digest,
    count: u32,
}

/// Why there is no answer to write.
enum Unfit {
    /// It is not what was delivered: it is refused for that.
    Wrong(String),
    /// It is not answered, and comes again until its deadline, to whoever collects.
    Left(Failure),
}

/// The records of a body, or of a large content, which is downloaded.
async fn read(client: &Client, delivery: &Delivery) -> Result<Answer, Unfit> {
    if delivery.object().is_none() {
        let records = Records::parse(delivery.records().clone(), usize::MAX);
        let records = records.map_err(|error| Unfit::Wrong(error.to_string()))?;
        let count = records.count();
        if count != delivery.count {
            return Err(Unfit::Wrong(format!("{count} records came")));
        }
        return Ok(Answer { held: Held::Body(records.body), digest: delivery.digest, count });
    }
    let cannot = |error: std::io::Error| {
        Unfit::Left(Failure::Unavailable(format!("a temporary file for large content: {error}; it comes again")))
    };
    let mut file = spool::nameless().map_err(cannot)?;
    match download::fetch_into(client, delivery, &file).await {
        Came::Whole(digest, count) => {
            file.rewind().map_err(cannot)?;
            Ok(Answer { held: Held::File(Batches::of(file, std::env::temp_dir())), digest, count })
        }
        Came::Wrong(why) => Err(Unfit::Wrong(why)),
        Came::Later(why) => {
            Err(Unfit::Left(Failure::Unavailable(format!("the answer cannot be downloaded: {why}; it comes again"))))
        }
        Came::Over(status) => Err(Unfit::Left(Failure::Finding(over(&status)))),
    }
}

/// What is said of a large content that has gone with the end of its exchange.
fn over(status: &str) -> String {
    if status == "settled" {
        return "the answer is settled and its content removed: somebody else who collects for this party was faster"
            .to_owned();
    }
    format!("the exchange has ended before the answer was downloaded: it is {status}")
}

/// Writes the records, then gives the receipt.
async fn take(globals: &Globals, args: &PullArgs, client: &Client, delivery: Delivery) -> Result<ExitCode, Failure> {
    if let (Some(object), true, None) = (delivery.object(), globals.json, &args.out) {
        let size = object.size;
        return Err(Failure::Finding(format!(
            "the answer has {size} bytes, too many for one JSON object: name --out FILE; it comes again until its deadline"
        )));
    }
    let Answer { held, digest, count } = match read(client, &delivery).await {
        Ok(answer) => answer,
        Err(Unfit::Wrong(why)) => return refuse(delivery, &why).await,
        Err(Unfit::Left(failure)) => return Err(failure),
    };
    let mut shown: Vec<u8> = Vec::new();
    if globals.json && args.out.is_none() {
        lines(held, &mut shown).map_err(|halt| halt.told(None))?;
    } else {
        // Not on the thread of the connection, which a reader that is slow would keep from answering the broker.
        let out = args.out.clone();
        let written = tokio::task::spawn_blocking(move || write(out.as_deref(), held)).await;
        written
            .map_err(|error| Failure::Finding(format!("the records were not written: {error}")))?
            .map_err(|halt| halt.told(args.out.as_deref()))?;
    }
    let (id, source) = (delivery.id, delivery.source.clone());
    let (status, leaf) = match delivery.accept().await {
        Ok(outcome) => (outcome.outcome.status.to_string(), Some(outcome.leaf.index)),
        // Somebody else who collects for this party was faster, or the deadline has passed.
        Err(ClientError::Refused(refusal)) if refusal.reason == Reason::WrongState => {
            let status = standing(client, id).await.ok().flatten();
            (status.unwrap_or_else(|| "late".to_owned()), None)
        }
        Err(error) => return Err(error.into()),
    };
    if globals.json {
        let mut told = json!({ "delivery": id, "source": source, "count": count, "digest": digest, "status": status });
        if let Some(leaf) = leaf {
            told["leaf"] = json!(leaf);
        }
        if args.out.is_none() {
            let rows = String::from_utf8_lossy(&shown);
            let raw = format!("[{}]", rows.lines().collect::<Vec<_>>().join(","));
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

/// Why not all records were written.
enum Halt {
    /// They cannot be read again.
    Content(ContentError),
    /// Where they go.
    Write(std::io::Error),
}

impl From<ContentError> for Halt {
    fn from(error: ContentError) -> Self {
        Halt::Content(error)
    }
}

impl Halt {
    fn told(self, out: Option<&Path>) -> Failure {
        match (self, out) {
            (Halt::Content(error), _) => Failure::Finding(format!("the answer cannot be read again: {error}")),
            (Halt::Write(error), None) => Failure::from(error),
            (Halt::Write(error), Some(path)) => {
                Failure::Finding(format!("{} cannot be written: {error}", path.display()))
            }
        }
    }
}

/// The records, one a line, a bounded batch of them in memory at a time.
fn lines(held: Held, out: &mut impl Write) -> Result<(), Halt> {
    let each = |records: Records| {
        let text = records.text();
        for record in &records.items {
            let line = record.whole.of(text).replace(['\n', '\r'], " ");
            writeln!(out, "{line}").map_err(Halt::Write)?;
        }
        Ok::<(), Halt>(())
    };
    match held {
        Held::Body(body) => Content::Body(body).batches(each),
        Held::File(batches) => batches.each(each),
    }
}

/// Writes to stdout, or puts the file there, whole and on disk, or not at all.
fn write(path: Option<&Path>, held: Held) -> Result<(), Halt> {
    let Some(path) = path else {
        let mut out = BufWriter::new(std::io::stdout().lock());
        lines(held, &mut out)?;
        return out.flush().map_err(Halt::Write);
    };
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    let part = PathBuf::from(name);
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part);
    let done = put(file.map_err(Halt::Write)?, held).and_then(|()| std::fs::rename(&part, path).map_err(Halt::Write));
    if done.is_err() {
        drop(std::fs::remove_file(&part));
        return done;
    }
    // Its new name too, where a folder can be synced; the file itself is there in any case.
    drop(sync_folder(path));
    Ok(())
}

/// Writes to a file for this user alone; they are on disk when this returns.
fn put(file: File, held: Held) -> Result<(), Halt> {
    // One that a kill has left may be open to others.
    file.set_permissions(Permissions::from_mode(0o600)).map_err(Halt::Write)?;
    let mut out = BufWriter::new(file);
    lines(held, &mut out)?;
    let file = out.into_inner().map_err(|error| Halt::Write(error.into_error()))?;
    file.sync_all().map_err(Halt::Write)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text in a file that has no name any more.
    fn held(text: &str) -> Held {
        let mut file = spool::nameless().expect("made");
        file.write_all(text.as_bytes()).expect("written");
        file.rewind().expect("begun again");
        Held::File(Batches::of(file, PathBuf::from("a file")))
    }

    #[test]
    fn a_large_answer_is_written_like_a_small_one_a_record_a_line_for_this_user_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let text: String = (0..20_000).map(|n| format!("{{\"endpoint\":\"a/b\",\r\n \"data\":{n}}}\n")).collect();
        let out = folder.path().join("rows.jsonl");
        let part = folder.path().join("rows.jsonl.part");
        // Left behind by a kill.
        std::fs::write(&part, "half").expect("written");
        std::fs::set_permissions(&part, Permissions::from_mode(0o644)).expect("as it was");
        assert!(write(Some(&out), held(&text)).is_ok());
        let rows = std::fs::read_to_string(&out).expect("there");
        assert_eq!(rows.lines().count(), 20_000);
        assert_eq!(rows.lines().last(), Some(r#"{"endpoint":"a/b",   "data":19999}"#));
        assert_eq!(std::fs::metadata(&out).expect("there").permissions().mode() & 0o777, 0o600);
        let mut one: Vec<u8> = Vec::new();
        let body = Held::Body(Bytes::from_static(br#"[{"endpoint":"a/b","data":1}]"#));
        assert!(lines(body, &mut one).is_ok());
        assert_eq!(one, b"{\"endpoint\":\"a/b\",\"data\":1}\n");
        // What is not there whole leaves what was there, and nothing beside it.
        let half = held(&text[..text.len() - 9]);
        assert!(write(Some(&out), half).is_err());
        assert_eq!(std::fs::read_to_string(&out).expect("there").len(), rows.len());
        assert!(!part.exists());
    }

    #[test]
    fn a_large_answer_that_somebody_else_has_is_told_from_one_that_nobody_has() {
        assert!(over("settled").contains("somebody else"));
        assert!(over("expired").ends_with("it is expired"));
    }
}
