//! Names under which a HAT is known to one client and to nobody else: HMAC-SHA-256 under a key that is derived from the
//! exchange's. Who has not that key can neither find the HAT behind one nor link the names that two clients know.

use data_encoding::{BASE32_NOPAD, Encoding};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use uuid::Uuid;

use super::pass::Mask;
use crate::domain::id::{Address, Id, Kind, MessageId};

fn hmac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length")
}

/// HMAC over `what` and these parts, each with its length before it.
fn derive(key: &[u8; 32], what: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut own = hmac(key);
    own.update(b"dex-v1 pseudonyms");
    let mut mac = hmac(&own.finalize().into_bytes());
    for part in std::iter::once(what.as_bytes()).chain(parts.iter().copied()) {
        mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn id(hash: &[u8]) -> Id {
    let text: Encoding = BASE32_NOPAD;
    Id::new(&text.encode(hash).to_ascii_lowercase()).expect("base 32 is made of letters and digits")
}

/// A UUIDv8 that tells no time.
fn uuid(hash: &[u8; 32]) -> Uuid {
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// The sender that a client sees: the same one each time, and another for each client. 256 bits, so that no two HATs
/// share one.
pub fn source(key: &[u8; 32], hat: &Address, client: &Address) -> Address {
    let hash = derive(key, "source", &[hat.id.as_str().as_bytes(), client.to_string().as_bytes()]);
    Address::new(Kind::Pseudonym, id(&hash))
}

/// The id under which a client knows the debit that a HAT's claim on an offer became. On the HAT it has the offer's id.
pub fn debit(key: &[u8; 32], hat: &Id, offer: &Id) -> Id {
    id(&derive(key, "debit", &[hat.as_str().as_bytes(), offer.as_str().as_bytes()])[..20])
}

/// The id of a delivery, which tells neither whose it is nor when it was sent.
pub fn delivery(key: &[u8; 32], recipient: &Address, sender: &Address, id: MessageId, debit: &Id) -> Uuid {
    let (recipient, sender) = (recipient.to_string(), sender.to_string());
    uuid(&derive(
        key,
        "delivery",
        &[recipient.as_bytes(), sender.as_bytes(), id.0.as_bytes(), debit.as_str().as_bytes()],
    ))
}

/// The id of the request that wants a delivery back.
pub fn recall(key: &[u8; 32], delivery: Uuid) -> MessageId {
    MessageId(uuid(&derive(key, "recall", &[delivery.as_bytes()])))
}

/// What stands for an id of a record, given as JSON text: the same one each time that this client is given the record.
pub fn record(mask: &Mask<'_>, raw: &str) -> Uuid {
    let client = mask.client.to_string();
    uuid(&derive(mask.key, "record", &[mask.hat.id.as_str().as_bytes(), client.as_bytes(), raw.as_bytes()]))
}
