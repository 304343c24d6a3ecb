//! `dex verify`: what a file proves, checked without asking anybody. The file tells by its content what it is.

mod checkpoint;
mod message;
mod outcome;
mod roots;
mod standing;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;
use serde_json::Value;

use crate::client::ids;
use crate::domain::{Key, Timestamp};
use crate::wire::trust_bundle;

use super::args::Globals;
use super::fail::Failure;
use super::out;

pub use roots::Roots;
pub use standing::check as check_standing;

/// Examples, shown by `dex verify --help`.
pub const EXAMPLES: &str = "Examples:
  dex verify outcome.json --dex-key UDX…
  dex verify bundle.json --dex-key UDX… --json
  dex verify message.json --trust-bundle bundle.json

It reads: a trust bundle (`dex trust bundle --out`), an outcome with its proof (`dex send --want-proof --json`), an answer
of `dex trust verify --proof --json`, a checkpoint, and a message (`dex sign`, with --json or without). Nothing is asked of
anybody: the exchange's key must be named, from a source that you trust, or a trust bundle that you trust already.

Exit codes: 0 all that is listed as proved holds; 1 the file is wrong, or by another key; 2 it is none of these, or cannot
be read.";

/// Largest file that is read, bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// What is verified, and on whose word.
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// The file; - for stdin
    file: PathBuf,
    /// The exchange's public key
    #[arg(long, value_name = "KEY", required_unless_present = "trust_bundle")]
    dex_key: Option<Key>,
    /// A trust bundle: without --dex-key it is the root of trust itself; messages are checked against its parties
    #[arg(long, value_name = "FILE")]
    trust_bundle: Option<PathBuf>,
}

/// What a file proves.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// What it is.
    pub kind: &'static str,
    /// What it proves.
    pub proved: Vec<String>,
    /// What it says without proof.
    pub not_proved: Vec<String>,
    /// The exchange.
    pub origin: String,
}

/// Why a file proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// It is of none of the known kinds.
    #[error(
        "this is no trust bundle, outcome with proof, answer of trust.verify with proof, checkpoint or signed message{0}"
    )]
    Unknown(String),
    /// It is of a known kind and something in it is wrong.
    #[error("the {kind} is wrong: {what}")]
    Found {
        /// What it is.
        kind: &'static str,
        /// What is wrong.
        what: String,
    },
}

/// Runs the verb.
///
/// # Errors
/// [`Failure::Finding`] when the file is wrong, [`Failure::Usage`] when it is of no known kind or cannot be read.
pub fn run(globals: &Globals, args: &VerifyArgs) -> Result<ExitCode, Failure> {
    let now = ids::now();
    let bytes = read(&args.file)?;
    let bundle = args.trust_bundle.as_deref().map(read).transpose()?;
    let roots = Roots::new(globals.origin.clone(), args.dex_key, bundle.as_deref(), now)
        .map_err(|error| Failure::Finding(format!("--trust-bundle: {error}")))?;
    let report = match check(&bytes, &roots, now) {
        Ok(report) => report,
        Err(Wrong::Unknown(why)) => return Err(Failure::Usage(Wrong::Unknown(why).to_string())),
        Err(wrong) => {
            if globals.json {
                out::json(&serde_json::json!({ "good": false, "wrong": wrong.to_string() }))?;
            }
            return Err(Failure::Finding(wrong.to_string()));
        }
    };
    if globals.json {
        let mut value = serde_json::to_value(&report)
            .map_err(|error| Failure::Finding(format!("the report cannot be written: {error}")))?;
        value["good"] = true.into();
        out::json(&value)?;
        return Ok(ExitCode::SUCCESS);
    }
    out::line(format_args!("good: {} of {}", report.kind, report.origin))?;
    for it in &report.proved {
        out::line(format_args!("  proved      {it}"))?;
    }
    for it in &report.not_proved {
        out::line(format_args!("  not proved  {it}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads a file, or stdin for `-`.
///
/// # Errors
/// [`Failure::Usage`] when it cannot be read or is too long.
pub fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let wrong = |error: std::io::Error| Failure::Usage(format!("{} cannot be read: {error}", path.display()));
    let reader: Box<dyn Read> = match path.to_str() {
        Some("-") => Box::new(std::io::stdin()),
        _ => Box::new(std::fs::File::open(path).map_err(wrong)?),
    };
    let mut bytes = Vec::new();
    reader.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(wrong)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Failure::Usage(format!("{} has more than {FILE_BYTES_MAX} bytes", path.display())));
    }
    Ok(bytes)
}

/// What a file with these bytes proves at `now` to whoever trusts `roots`.
///
/// # Errors
/// [`Wrong`].
pub fn check(bytes: &[u8], roots: &Roots, now: Timestamp) -> Result<Report, Wrong> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(Wrong::Unknown(": it is no text".into()));
    };
    match serde_json::from_str::<Value>(text) {
        Ok(value) => json(bytes, &value, roots, now),
        Err(_) if text.contains("\n\n— ") => checkpoint::check(text, roots),
        Err(_) if text.starts_with("dex.v1.") => message::text(text, roots),
        Err(error) => Err(Wrong::Unknown(format!(": as JSON, {error}"))),
    }
}

fn json(bytes: &[u8], value: &Value, roots: &Roots, now: Timestamp) -> Result<Report, Wrong> {
    // As it comes in DEX_OUT, one outcome is a list, too.
    let one = match value {
        Value::Array(items) if items.len() == 1 => &items[0],
        other => other,
    };
    let has = |names: &[&str]| names.iter().all(|name| one.get(name).is_some());
    if has(&["bundle", "signature"]) {
        return bundle(bytes, roots, now);
    }
    if has(&["exchange", "proof"]) {
        return outcome::check(one, roots);
    }
    if has(&["party", "statements"]) {
        return standing::report(one, roots);
    }
    if has(&["signedText", "headers"]) {
        return message::json(one, roots);
    }
    if has(&["checkpoint", "treeSize"]) {
        return checkpoint::answer(one, roots);
    }
    let proof = has(&["exchange", "leaf"]) || has(&["party", "standing"]);
    let why =
        if proof { "; an answer proves something only with its proof: ask with --want-proof or --proof" } else { "" };
    Err(Wrong::Unknown(why.into()))
}

fn bundle(bytes: &[u8], roots: &Roots, now: Timestamp) -> Result<Report, Wrong> {
    let kind = "trust bundle";
    let wrong = |what: String| Wrong::Found { kind, what };
    let (origin, _) = trust_bundle::named(bytes).map_err(|error| wrong(error.to_string()))?;
    let origin = roots.origin(&origin).map_err(wrong)?;
    let root = trust_bundle::Root { origin, keys: &roots.keys };
    let bundle = trust_bundle::check(bytes, root, now).map_err(|error| wrong(error.to_string()))?;
    let stand = roots.checkpoint(&bundle.checkpoint.note).map_err(wrong)?;
    if (stand.size, stand.root) != (bundle.checkpoint.tree_size, bundle.checkpoint.root.0) {
        return Err(wrong("its checkpoint is of another tree than it says".into()));
    }
    let mut not_proved = vec!["that nothing has changed since it was issued".to_owned()];
    if !bundle.complete {
        not_proved.push(format!("anything about the {} parties that had no room in it", bundle.omitted));
    }
    Ok(Report {
        kind,
        proved: vec![
            format!("the exchange signed that {} parties stand as it lists them", bundle.parties.len()),
            format!("generation {}, issued {}, in force until {}", bundle.generation, bundle.issued, bundle.expires),
            format!("it stands on the tree of {} entries that the exchange signed", stand.size),
        ],
        not_proved,
        origin: bundle.origin.to_string(),
    })
}
