//! `dex snapshot`: the state database, looked at and made anew. The daemon must be stopped.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use crate::actors::kinds;
use crate::domain::{Event, Kind, Registration, Timestamp};
use crate::ledger::{LedgerError, LedgerReader, Stored};
use crate::nats::partition_of;
use crate::store::{REBUILD_BATCH, Rebuilt, RegistryFold, Sealed, StateDb, StoreError, rebuild};

use super::args::Globals;
use super::fail::{Failure, USAGE};
use super::folder::Folder;
use super::progress::Progress;
use super::{ledger, out};

/// Name of the database in the state folder.
const FILE: &str = "state.redb";

/// What can be done with snapshots.
#[derive(Debug, Subcommand)]
pub enum SnapshotVerb {
    /// Show what the state database holds
    #[command(after_help = "Example:\n  dex snapshot inspect /var/lib/dex")]
    Inspect(Folder),
    /// Make a state database from the ledger alone
    #[command(
        after_help = "Example:\n  mv /var/lib/dex/state.redb /var/lib/dex/state.redb.old\n  dex snapshot rebuild /var/lib/dex --partitions 1\n\nA database that is there already is never written over."
    )]
    Rebuild {
        #[command(flatten)]
        folder: Folder,
        /// File to make; state.redb in the state folder when not given
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
        /// Partitions of the exchange: exchange.partitions of its configuration
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
        partitions: u16,
    },
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when folder or database cannot be read, the daemon has it open, or entries are damaged.
pub fn run(globals: &Globals, verb: &SnapshotVerb) -> Result<ExitCode, Failure> {
    match verb {
        SnapshotVerb::Inspect(folder) => inspect(globals, folder),
        SnapshotVerb::Rebuild { folder, to, partitions } => make(globals, folder, to.as_deref(), *partitions),
    }
}

fn failure(error: StoreError) -> Failure {
    match error {
        StoreError::InUse { .. } => Failure::Unavailable(format!("{error}; stop the daemon first")),
        other => Failure::Finding(other.to_string()),
    }
}

fn inspect(globals: &Globals, folder: &Folder) -> Result<ExitCode, Failure> {
    let path = folder.path()?;
    let verifier = folder.verifier(globals, &path)?;
    let file = path.join(FILE);
    if !file.exists() {
        return Err(Failure::Usage(format!("{} is not there: `dex snapshot rebuild` makes it", file.display())));
    }
    let db = StateDb::open(&file, verifier.name()).map_err(failure)?;
    let header = db.header().map_err(failure)?;
    let mut rows: BTreeMap<Kind, u64> = BTreeMap::new();
    for row in db.rows(None).map_err(failure)? {
        let (entity, _) = row.map_err(failure)?;
        *rows.entry(entity.kind).or_default() += 1;
    }
    let rows: BTreeMap<&str, u64> = rows.into_iter().map(|(kind, count)| (kind.as_str(), count)).collect();
    let value = json!({
        "file": file,
        "origin": header.origin,
        "format": header.format,
        "through": header.through,
        "madeAt": header.made_at,
        "rows": rows,
        "registrations": db.registrations().map_err(failure)?.len(),
        "openExchanges": db.open_rows().map_err(failure)?.len(),
        "statisticsRows": db.statistics_rows().map_err(failure)?,
    });
    if globals.json {
        out::json(&value)?;
    } else {
        out::tree(&value)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn make(globals: &Globals, folder: &Folder, to: Option<&Path>, partitions: u16) -> Result<ExitCode, Failure> {
    let path = folder.path()?;
    let verifier = folder.verifier(globals, &path)?;
    let reader = ledger::open(globals, folder)?;
    let file = to.map_or_else(|| path.join(FILE), Path::to_owned);
    if file.exists() {
        out::note(format_args!("{} is there already: move it away first, or name another by --to", file.display()));
        return Ok(ExitCode::from(USAGE));
    }
    let progress = Progress::new(globals, "reading entries", reader.tree_size());
    let (_, rebuilt) = rebuild_to(&reader, &file, verifier.name(), partitions, |done| progress.at(done))?;
    drop(progress);
    if globals.json {
        out::json(&json!({ "file": file, "entries": rebuilt.entries, "through": rebuilt.through }))?;
    } else {
        out::line(format_args!("{}: {} entries, through leaf {}", file.display(), rebuilt.entries, rebuilt.through))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes the database `file` of what `reader` reads, for an exchange of this name and so many partitions; `read` is told
/// each leaf.
///
/// # Errors
/// [`Failure`] when entries are damaged or the database cannot be written.
pub(super) fn rebuild_to(
    reader: &LedgerReader,
    file: &Path,
    origin: &str,
    partitions: u16,
    read: impl Fn(u64),
) -> Result<(StateDb, Rebuilt), Failure> {
    let db = StateDb::open(file, origin).map_err(failure)?;
    let entries = reader.scan(0).map(|stored| {
        read(stored.as_ref().map_or(0, |stored| stored.leaf));
        sealed(stored, partitions)
    });
    let registry = RegistryFold { touches: Event::touches_registry, apply: Registration::apply };
    let now = crate::client::ids::now();
    let rebuilt = rebuild(&db, entries, registry, kinds::fold, REBUILD_BATCH, now).map_err(failure)?;
    Ok((db, rebuilt))
}

type Unread = Box<dyn std::error::Error + Send + Sync>;

fn sealed(stored: Result<Stored, LedgerError>, partitions: u16) -> Result<Sealed, Unread> {
    let stored = stored?;
    let entry = ledger::entry(&stored)?;
    let partition = partition_of(&entry.entity.id.to_token(), u32::from(partitions));
    Ok(Sealed {
        leaf: stored.leaf,
        committed: Timestamp(stored.time_ns),
        partition: u16::try_from(partition)?,
        entry,
        spool: stored.spool.map(|spool| (spool.segment, spool.offset, spool.len)),
    })
}
