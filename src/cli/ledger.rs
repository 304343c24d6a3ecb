//! `dex ledger`: the ledger's files, looked at from outside; the daemon may be running.

use std::process::ExitCode;

use clap::Subcommand;
use data_encoding::{BASE64, HEXLOWER};
use serde_json::json;

use crate::domain::{Entry, Timestamp};
use crate::ledger::{self, LedgerError, LedgerReader, Stored, offline};

use super::args::Globals;
use super::fail::{FINDING, Failure};
use super::folder::Folder;
use super::out;
use super::progress::Progress;

/// What can be done with a ledger.
#[derive(Debug, Subcommand)]
pub enum LedgerVerb {
    /// Audit every frame, leaf and checkpoint; exit code 1 when anything is not as it must be
    #[command(
        after_help = "Examples:\n  dex ledger check /var/lib/dex\n  dex ledger check backup --verifier dex.example+1a2b3c4d+AQ… --json"
    )]
    Check(Folder),
    /// Print entries as JSON, one a line
    #[command(
        after_help = "Example:\n  dex ledger show /var/lib/dex --from 100 --count 10 | jq .entry.event\n\nEntries hold digests, counts and parties, never content."
    )]
    Show {
        #[command(flatten)]
        folder: Folder,
        /// First leaf
        #[arg(long, value_name = "LEAF", default_value_t = 0)]
        from: u64,
        /// At most so many entries
        #[arg(long, value_name = "N", default_value_t = 100)]
        count: u64,
    },
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when the folder cannot be read, or entries in it are damaged.
pub fn run(globals: &Globals, verb: &LedgerVerb) -> Result<ExitCode, Failure> {
    match verb {
        LedgerVerb::Check(folder) => check(globals, folder),
        LedgerVerb::Show { folder, from, count } => show(&open(globals, folder)?, *from, *count),
    }
}

/// Opens the folder's ledger to read.
///
/// # Errors
/// [`Failure`] when there is none, or no checkpoint in it is by the exchange's key.
pub fn open(globals: &Globals, folder: &Folder) -> Result<LedgerReader, Failure> {
    let path = folder.path()?;
    let verifier = folder.verifier(globals, &path)?;
    offline::read(&path, &verifier).map_err(failure)
}

fn failure(error: LedgerError) -> Failure {
    match error {
        LedgerError::Io { .. } => Failure::Usage(error.to_string()),
        other => Failure::Finding(other.to_string()),
    }
}

/// A stored record's entry.
///
/// # Errors
/// [`Failure::Finding`] when its bytes are no entry of a version that this build reads.
pub fn entry(stored: &Stored) -> Result<Entry, Failure> {
    rmp_serde::from_slice(&stored.entry).map_err(|error| {
        Failure::Finding(format!("leaf {} holds no entry that this version reads: {error}", stored.leaf))
    })
}

fn show(reader: &LedgerReader, from: u64, count: u64) -> Result<ExitCode, Failure> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    for stored in reader.scan(from).take(count) {
        let stored = stored.map_err(failure)?;
        out::json(&json!({
            "leaf": stored.leaf,
            "committedAt": Timestamp(stored.time_ns),
            "salt": HEXLOWER.encode(&stored.salt),
            "entry": entry(&stored)?,
        }))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn check(globals: &Globals, folder: &Folder) -> Result<ExitCode, Failure> {
    let path = folder.path()?;
    let verifier = folder.verifier(globals, &path)?;
    let progress = Progress::new(globals, "checking entries", 0);
    let report = ledger::check_with(&path, &verifier, &mut |done, all| progress.of(done, all)).map_err(failure)?;
    drop(progress);
    if globals.json {
        let finding = |it: &ledger::Finding| json!({ "file": it.path, "offset": it.offset, "what": it.what });
        out::json(&json!({
            "origin": verifier.name(),
            "sound": report.is_sound(),
            "treeSize": report.tree_size,
            "root": report.root.map(|root| BASE64.encode(&root)),
            "segments": report.segments,
            "frames": report.frames,
            "checkpoints": report.checkpoints,
            "tornBytes": report.torn_bytes,
            "wrong": report.wrong,
            "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
        }))?;
    } else {
        out::line(format_args!(
            "{}: {} entries in {} frames of {} segments, {} checkpoints right, {} wrong",
            verifier.name(),
            report.tree_size,
            report.frames,
            report.segments,
            report.checkpoints,
            report.wrong
        ))?;
        if report.torn_bytes > 0 {
            out::line(format_args!(
                "{} bytes of a torn tail above every checkpoint: nothing of it was promised, the next start cuts it",
                report.torn_bytes
            ))?;
        }
        for it in &report.findings {
            out::line(format_args!("{} at byte {}: {}", it.path.display(), it.offset, it.what))?;
        }
    }
    if report.is_sound() {
        return Ok(ExitCode::SUCCESS);
    }
    out::note(format_args!("the ledger is not sound: {} findings; restore it from a backup or replica", report.wrong));
    Ok(ExitCode::from(FINDING))
}
