//! `trust.bundle`: the signed list of who may take part, byte for byte as it was signed.

use serde::Deserialize;
use serde_json::json;

use crate::actors::shared::Shared;
use crate::daemon::bundles::Bundles;
use crate::domain::{Digest, Reason};
use crate::wire::Problem;

use super::ask::question;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Question {
    /// The digest of the bundle that the asker has.
    if_none_match: Option<Digest>,
}

/// The bundle's bytes, or that the asker has them already.
pub fn bundle(shared: &Shared, bundles: &Bundles, body: &[u8]) -> Result<Vec<u8>, Problem> {
    let Question { if_none_match } = question(body)?;
    let made = bundles.current(shared).map_err(|error| {
        tracing::error!(%error, "no trust bundle can be made");
        Problem::new(Reason::Internal, "no trust bundle can be made; the daemon's log says why".to_owned(), None)
    })?;
    if if_none_match == Some(made.digest) {
        let (generation, expires) = (made.bundle.generation, made.bundle.expires);
        let answer = json!({ "unchanged": true, "digest": made.digest, "generation": generation, "expires": expires });
        return Ok(answer.to_string().into_bytes());
    }
    Ok(made.bytes.clone())
}
