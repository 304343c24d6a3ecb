//! `dex send`: any message of the protocol, from the command line.

use std::process::ExitCode;

use super::args::Globals;
use super::fail::Failure;
use super::message::MessageArgs;
use super::{act, link};

/// Examples, shown by `dex send --help`.
pub const EXAMPLES: &str = "Examples:
  dex send --as plug:facebook --key facebook.key --to hat:bob.hubat.net --action credit.facebook --body @posts.json
  echo '[{\"endpoint\":\"rumpel/notes\",\"data\":{}}]' | dex send --as hat:bob.hubat.net --key bob.key --to hat:bob.hubat.net --action data --body - --deadline 10m
  dex send --as operator:main --key operator.key --to plug:facebook --action suspend

Exit code 0: accepted or settled. 1: refused; the reason is on stderr. 3: no outcome in time: the message may still be
worked on; send it again under the --id that the error names, it will not be done twice.";

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when the message cannot be made or sent, is refused, or gets no outcome in time.
pub fn run(globals: &Globals, message: &MessageArgs) -> Result<ExitCode, Failure> {
    let party = link::speaker(globals, None, "the party that the message is from")?;
    let order = message.order()?;
    let answer = link::wait(link::send(globals, party, order))?;
    act::show(globals, answer)
}
