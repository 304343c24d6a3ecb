//! Ids that follow from what they name, so that whoever does a thing twice names it the same.

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::{Builder, Uuid};

use crate::domain::bytes::Digest;
use crate::domain::canonical;
use crate::domain::id::{Id, MessageId};
use crate::domain::time::Timestamp;

/// Hashes parts with a zero byte between two of them, which none of the texts can hold.
fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for (n, part) in parts.iter().enumerate() {
        if n > 0 {
            hash.update([0]);
        }
        hash.update(part);
    }
    hash.finalize().into()
}

/// The milliseconds of `at` in the first 48 bits, the beginning of `hash` after them.
fn timed(at: Timestamp, hash: &[u8; 32]) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&at.unix_ms().to_be_bytes()[2..]);
    bytes[6..].copy_from_slice(&hash[..10]);
    bytes
}

/// The id of a job: version 8, with the time at which it was planned. `n`: the number of the HAT's entry that plans it.
pub fn job_id(origin: &str, hat: &Id, plug: &Id, endpoint: &str, planned: Timestamp, n: u64) -> Uuid {
    let texts = [origin, hat.as_str(), plug.as_str(), endpoint].map(str::as_bytes);
    let [origin, hat, plug, endpoint] = texts;
    let hash = hash(&[b"dex-v1-job", origin, hat, plug, endpoint, &n.to_be_bytes()]);
    Builder::from_custom_bytes(timed(planned, &hash)).into_uuid()
}

/// SHA-256 of a record's content in the canonical form of RFC 8785.
pub fn content_digest(data: &Value) -> Digest {
    Digest::of(&canonical::canonical(data))
}

/// The id of a record that a job brings: version 8, out of the first bytes of
/// SHA-256(`plug ‖ 0 ‖ hat ‖ 0 ‖ endpoint ‖ 0 ‖ source id ‖ 0 ‖ content digest`), the digest as its 32 bytes. The same
/// record of the source is applied once, whoever fetched it and how often; one that has changed is another.
pub fn record_id(plug: &Id, hat: &Id, endpoint: &str, source_id: &str, content: &Digest) -> Uuid {
    let hash = hash(&[
        plug.as_str().as_bytes(),
        hat.as_str().as_bytes(),
        endpoint.as_bytes(),
        source_id.as_bytes(),
        &content.0,
    ]);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    Builder::from_custom_bytes(bytes).into_uuid()
}

/// The `Dex-Id` of a page's credit: version 7 by its layout, with the time `at` (the job's `plannedAt`, while that lies in
/// the id horizon) and bits of SHA-256(`dex-v1-page ‖ 0 ‖ plug ‖ 0 ‖ hat ‖ 0 ‖ endpoint ‖ 0 ‖ record ids`), 16 bytes
/// each. Who sends the same page again sends the same exchange.
pub fn page_id(at: Timestamp, plug: &Id, hat: &Id, endpoint: &str, records: &[Uuid]) -> MessageId {
    let ids: Vec<u8> = records.iter().flat_map(|id| *id.as_bytes()).collect();
    let hash = hash(&[b"dex-v1-page", plug.as_str().as_bytes(), hat.as_str().as_bytes(), endpoint.as_bytes(), &ids]);
    let mut random = [0; 10];
    random.copy_from_slice(&hash[..10]);
    MessageId(Builder::from_unix_timestamp_millis(at.unix_ms(), &random).into_uuid())
}
