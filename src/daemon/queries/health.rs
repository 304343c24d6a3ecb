//! `health`: who this exchange is, and how it is.

use std::time::Instant;

use serde::Deserialize;
use serde_json::json;

use crate::actors::shared::Shared;
use crate::ledger::CheckpointVerifier;

use super::ask::{Answer, question};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {}

/// Origin, keys, version, partitions with their lanes, readiness.
pub fn health(shared: &Shared, started: Instant, body: &[u8]) -> Answer {
    let Question {} = question(body)?;
    let key = shared.signer.public();
    let verifier = CheckpointVerifier::new(&shared.origin, key.0).map(|verifier| verifier.to_string());
    Ok(json!({
        "origin": shared.origin,
        "key": key,
        "keys": [key],
        "checkpointKey": verifier.ok(),
        "version": env!("CARGO_PKG_VERSION"),
        "ready": shared.health.ready(Instant::now()),
        "at": shared.clock.now(),
        "uptimeSeconds": started.elapsed().as_secs(),
        "treeSize": shared.reader.tree_size(),
        "partitions": shared.lanes.len(),
        "lanes": shared.lanes,
        "signatures": if shared.trusted_broker { "trusted-broker" } else { "required" },
    }))
}
