//! Ids that the exchange makes: of deliveries, so that two recipients cannot link theirs, and of the
//! parts of a fan-out.

use hmac::{Hmac, Mac};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::domain::{Address, Id, MessageId};

/// UUIDv8 with the 48-bit time of `from` in front and `hash` behind.
fn v8(from: MessageId, hash: &[u8]) -> Uuid {
    let mut bytes = [0u8; 16];
    bytes[..6].copy_from_slice(&from.0.as_bytes()[..6]);
    bytes[6..].copy_from_slice(&hash[..10]);
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    Uuid::from_bytes(bytes)
}

/// The id of a delivery: HMAC-SHA-256 of recipient, sender, the sender's id and the debit.
pub fn delivery_id(key: &[u8; 32], to: &Address, from: &Address, id: MessageId, debit: Option<&Id>) -> Uuid {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("an HMAC key has any length");
    for party in [to, from] {
        mac.update(party.kind.as_str().as_bytes());
        mac.update(b":");
        mac.update(party.id.as_str().as_bytes());
        mac.update(b"\n");
    }
    mac.update(id.0.as_bytes());
    mac.update(debit.map_or("", Id::as_str).as_bytes());
    v8(id, &mac.finalize().into_bytes())
}

/// The id of a part: SHA-256 of the parent's id and the debit.
pub fn part_id(parent: MessageId, debit: &Id) -> MessageId {
    let mut hash = Sha256::new();
    hash.update(parent.0.as_bytes());
    hash.update(debit.as_str().as_bytes());
    MessageId(v8(parent, &hash.finalize()))
}
