//! `dex send`: any message of the protocol, from the command line.

use std::path::Path;
use std::pin::Pin;
use std::process::ExitCode;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};

use crate::client::ClientError;
use crate::domain::Address;
use crate::wire::{OutcomeOut, object};

use super::args::Globals;
use super::fail::Failure;
use super::message::MessageArgs;
use super::progress::Progress;
use super::{act, link, out};

/// Bytes of a content that are surely fetched in a second, but for what waits before it.
const FETCHED_PER_SECOND: u64 = 4 << 20;

/// Examples, shown by `dex send --help`.
pub const EXAMPLES: &str = "Examples:
  dex send --as plug:facebook --key facebook.key --to hat:bob.hubat.net --action credit.facebook --body @posts.json
  echo '[{\"endpoint\":\"rumpel/notes\",\"data\":{}}]' | dex send --as hat:bob.hubat.net --key bob.key --to hat:bob.hubat.net --action data --body - --deadline 10m
  dex send --as operator:main --key operator.key --to plug:facebook --action suspend

A --body @FILE of more than 512 KiB for a credit, release or data goes by the object store: a JSON array of records or JSON
Lines, up to 1 GiB.

Exit code 0: accepted or settled. 1: refused; the reason is on stderr. 3: no outcome in time: the message may still be
worked on; send it again under the --id that the error names, it will not be done twice.";

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when the message cannot be made or sent, is refused, or gets no outcome in time.
pub fn run(globals: &Globals, message: &MessageArgs) -> Result<ExitCode, Failure> {
    let party = link::speaker(globals, None, "the party that the message is from")?;
    if let Some(file) = message.large()? {
        return act::show(globals, link::wait(large(globals, party, message, &file))?);
    }
    let order = message.order()?;
    let answer = link::wait(link::send(globals, party, order))?;
    act::show(globals, answer)
}

/// Uploads the file, sends the message that names it, and waits until it is fetched.
async fn large(
    globals: &Globals,
    party: Address,
    message: &MessageArgs,
    file: &Path,
) -> Result<Result<OutcomeOut, ClientError>, Failure> {
    let wrong = |error: std::io::Error| Failure::Usage(format!("the file {}: {error}", file.display()));
    let content = tokio::fs::File::open(file).await.map_err(wrong)?;
    let size = content.metadata().await.map_err(wrong)?.len();
    let client = link::connect(globals, party).await?;
    let progress = Progress::of_bytes(globals, "uploading", size);
    let object = client.upload(Counted { content, done: 0, progress: &progress }).await?;
    drop(progress);
    out::note(format_args!("uploaded {size} bytes as object {}; asking the exchange to fetch it", object.id));
    let order = message.order_of(object::body_of(&object))?;
    // The exchange reads some tens of MiB a second.
    let within = globals.timeout + Duration::from_secs(30 + size / FETCHED_PER_SECOND);
    Ok(client.send_fetched(order, within).await)
}

/// A file that tells how much of it has been read.
struct Counted<'a> {
    content: tokio::fs::File,
    done: u64,
    progress: &'a Progress,
}

impl AsyncRead for Counted<'_> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, room: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let before = room.filled().len();
        let polled = Pin::new(&mut self.content).poll_read(cx, room);
        self.done += (room.filled().len() - before) as u64;
        self.progress.at(self.done);
        polled
    }
}
