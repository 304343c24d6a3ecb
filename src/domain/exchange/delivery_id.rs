//! Ids that the exchange derives: of deliveries and of the parts of a fan-out.

use hmac::{Hmac, Mac};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::domain::id::{Address, Id, MessageId};

/// A UUIDv8 of the first bytes of `hash` with the time of `id` in front (RFC 9562 §5.8).
fn version_8(id: MessageId, hash: &[u8; 32]) -> Uuid {
    let mut bytes = [0u8; 16];
    bytes[..6].copy_from_slice(&id.0.as_bytes()[..6]);
    bytes[6..].copy_from_slice(&hash[..10]);
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    Uuid::from_bytes(bytes)
}

/// The id of a delivery: HMAC-SHA-256 under the exchange's key over recipient LF sender LF the
/// sender's id (16 bytes) and the debit's id where there is one. Nobody without the key can link the
/// deliveries that two recipients got.
pub fn delivery_id(key: &[u8; 32], recipient: &Address, sender: &Address, id: MessageId, debit: Option<&Id>) -> Uuid {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for address in [recipient, sender] {
        mac.update(address.kind.as_str().as_bytes());
        mac.update(b":");
        mac.update(address.id.as_str().as_bytes());
        mac.update(b"\n");
    }
    mac.update(id.0.as_bytes());
    if let Some(debit) = debit {
        mac.update(debit.as_str().as_bytes());
    }
    version_8(id, &mac.finalize().into_bytes().into())
}

/// The id of the part of a fan-out that goes under `debit`: SHA-256 of the parent's id (16 bytes) and
/// the debit's id. Its sender can work it out too.
pub fn part_id(parent: MessageId, debit: &Id) -> MessageId {
    let mut hash = Sha256::new();
    hash.update(parent.0.as_bytes());
    hash.update(debit.as_str().as_bytes());
    MessageId(version_8(parent, &hash.finalize().into()))
}
