//! A stopped exchange looked at from outside: its ledger sound, its entries those that were told, its state what
//! the ledger alone makes.

use std::path::Path;

use crate::cli::fail::Failure;
use crate::cli::{ledger, snapshot};
use crate::client::keys;
use crate::ledger::{CheckpointVerifier, check, offline};
use crate::simulation::soak::{self, Testimony, Verdict};
use crate::store::{StateDb, StoreError};

use super::ground::PARTITIONS;
use super::leg::ORIGIN;

fn finding(error: impl std::fmt::Display) -> Failure {
    Failure::Finding(error.to_string())
}

/// The sums, and what else is wrong.
///
/// # Errors
/// [`Failure`] when the folder cannot be read.
pub fn audit(state: &Path, seen: &Testimony) -> Result<(Verdict, Vec<String>), Failure> {
    let key = keys::load(&state.join("dex.seed")).map_err(finding)?.public();
    let verifier = CheckpointVerifier::new(ORIGIN, key.0).map_err(finding)?;
    let report = check(state, &verifier).map_err(finding)?;
    let mut faults: Vec<String> =
        report.findings.iter().map(|it| format!("{} at byte {}: {}", it.path.display(), it.offset, it.what)).collect();
    let reader = offline::read(state, &verifier).map_err(finding)?;
    let mut entries = Vec::new();
    for stored in reader.scan(0) {
        let stored = stored.map_err(finding)?;
        entries.push((stored.leaf, ledger::entry(&stored)?));
    }
    let verdict = soak::check(seen, entries);
    let rebuilt = state.join("rebuilt.redb");
    let (fresh, _) = snapshot::rebuild_to(&reader, &rebuilt, ORIGIN, PARTITIONS, |_| {})?;
    let live = StateDb::open(state.join("state.redb"), ORIGIN).map_err(finding)?;
    faults.extend(differences(&live, &fresh).map_err(finding)?);
    Ok((verdict, faults))
}

/// Where the rows of the two are not the same.
fn differences(live: &StateDb, fresh: &StateDb) -> Result<Vec<String>, StoreError> {
    let mut faults = Vec::new();
    let rows = |db: &StateDb| db.rows(None)?.collect::<Result<Vec<_>, _>>();
    let (one, other) = (rows(live)?, rows(fresh)?);
    if one.len() != other.len() {
        faults.push(format!("state.redb has {} rows, a rebuild {}", one.len(), other.len()));
    }
    let unlike = one.iter().zip(&other).find(|(one, other)| one != other);
    faults.extend(unlike.map(|(one, _)| format!("the row of {} is not that of a rebuild", one.0)));
    if live.registrations()? != fresh.registrations()? {
        faults.push("the registrations are not those of a rebuild".into());
    }
    if live.open_rows()? != fresh.open_rows()? {
        faults.push("the open exchanges are not those of a rebuild".into());
    }
    if live.wakes()?.unwrap_or_default() != fresh.wakes()?.unwrap_or_default() {
        faults.push("what is to be done by the clock is not that of a rebuild".into());
    }
    Ok(faults)
}
