//! Keys of the exchange index: which leaves belong to a message, an exchange or a delivery.

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::domain::{Address, Entry, Event, Id, Kind, MessageId};

/// Most index keys of one entry: its message, its exchange, its delivery.
pub const INDEX_KEYS_MAX: usize = 3;

/// A key of the exchange index: the UUID (16 bytes, so that everything about one UUID lies together and
/// UUIDv7 keys come nearly in order), then the first 16 bytes of SHA-256 over its scope text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IndexKey(pub [u8; 32]);

/// Scope text of delivery ids; never that of a message, whose text holds a line feed.
const DELIVERY: &[u8] = b"delivery";

impl IndexKey {
    fn scoped(id: Uuid, scope: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in scope {
            hash.update(part);
        }
        let mut key = [0u8; 32];
        key[..16].copy_from_slice(id.as_bytes());
        key[16..].copy_from_slice(&hash.finalize()[..16]);
        IndexKey(key)
    }

    /// The message `id` that `from` sent to `addressed`.
    pub fn message(addressed: &Address, from: &Address, id: MessageId) -> Self {
        Self::scoped(
            id.0,
            &[
                addressed.kind.as_str().as_bytes(),
                b":",
                addressed.id.as_str().as_bytes(),
                b"\n",
                from.kind.as_str().as_bytes(),
                b":",
                from.id.as_str().as_bytes(),
            ],
        )
    }

    /// The exchange `id` that `from` opened at `entity`: the same key as that of a message addressed to
    /// the entity itself, so such a message has one key only.
    pub fn exchange(entity: &Address, from: &Address, id: MessageId) -> Self {
        Self::message(entity, from, id)
    }

    /// The delivery `id`.
    pub fn delivery(id: Uuid) -> Self {
        Self::scoped(id, &[DELIVERY])
    }

    /// The UUID in front.
    pub fn uuid(&self) -> Uuid {
        let mut bytes = [0u8; 16];
        bytes.copy_from_slice(&self.0[..16]);
        Uuid::from_bytes(bytes)
    }
}

/// Up to [`INDEX_KEYS_MAX`] different index keys, without an allocation. Reads as a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexKeys {
    keys: [IndexKey; INDEX_KEYS_MAX],
    len: usize,
}

impl IndexKeys {
    const fn empty() -> Self {
        IndexKeys { keys: [IndexKey([0; 32]); INDEX_KEYS_MAX], len: 0 }
    }

    fn add(&mut self, key: IndexKey) {
        if !self.contains(&key) {
            self.keys[self.len] = key;
            self.len += 1;
        }
    }
}

impl std::ops::Deref for IndexKeys {
    type Target = [IndexKey];

    fn deref(&self) -> &[IndexKey] {
        &self.keys[..self.len]
    }
}

impl IntoIterator for IndexKeys {
    type Item = IndexKey;
    type IntoIter = std::iter::Take<std::array::IntoIter<IndexKey, INDEX_KEYS_MAX>>;

    fn into_iter(self) -> Self::IntoIter {
        self.keys.into_iter().take(self.len)
    }
}

/// The address in a published subject, `dex.v1.in.<kind>.<id>.<action…>`.
fn addressed(subject: &str) -> Option<Address> {
    let mut tokens = subject.strip_prefix("dex.v1.in.")?.split('.');
    let kind: Kind = tokens.next()?.parse().ok()?;
    let id = Id::from_token(tokens.next()?).ok()?;
    Some(Address::new(kind, id))
}

/// The keys under which an entry is found: the message that caused it, the exchange that it is about,
/// that exchange's delivery; deduplicated, in this order. None for entries about no message.
pub fn index_keys(entry: &Entry) -> IndexKeys {
    let mut keys = IndexKeys::empty();
    let cause = entry.cause.as_ref();
    if let Some(cause) = cause
        && let Some(addressed) = addressed(&cause.subject)
    {
        keys.add(IndexKey::message(&addressed, &cause.from, cause.id));
    }
    let entity = &entry.entity;
    match &entry.event {
        Event::Opened(opened) | Event::Held { opened, .. } | Event::Released(opened) | Event::Fetched(opened) => {
            keys.add(IndexKey::exchange(entity, &opened.from, opened.exchange));
            keys.add(IndexKey::delivery(opened.delivery));
        }
        Event::Fetching(fetching) => {
            keys.add(IndexKey::exchange(entity, &fetching.from, fetching.exchange));
            keys.add(IndexKey::delivery(fetching.delivery));
        }
        Event::Settled(closed)
        | Event::Disputed { closed, .. }
        | Event::Expired(closed)
        | Event::Dropped { closed, .. }
        | Event::Recalled(closed) => {
            keys.add(IndexKey::exchange(entity, &closed.from, closed.exchange));
            keys.add(IndexKey::delivery(closed.delivery));
        }
        Event::RecallRequested { exchange, delivery, .. } => {
            // Only its sender can recall an exchange.
            if let Some(cause) = cause {
                keys.add(IndexKey::exchange(entity, &cause.from, *exchange));
            }
            keys.add(IndexKey::delivery(*delivery));
        }
        Event::Fanned { fetched: Some(fetched), .. } => {
            keys.add(IndexKey::exchange(entity, &fetched.from, fetched.exchange));
            keys.add(IndexKey::delivery(fetched.delivery));
        }
        Event::LateReceipt { delivery, .. } => keys.add(IndexKey::delivery(*delivery)),
        _ => {}
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::toy;

    #[test]
    fn a_message_to_its_entity_and_the_exchange_it_opens_share_one_key() {
        let opened = toy::opened(3, 1);
        let keys = index_keys(&toy::entry(3, 1, toy::event_opened(&opened), Some(toy::hat(3))));
        assert_eq!(keys.len(), 2);
        let exchange = IndexKey::exchange(&toy::hat(3), &opened.from, opened.exchange);
        assert_eq!(keys.to_vec(), vec![exchange, IndexKey::delivery(opened.delivery)]);
        assert_eq!(keys[0].uuid(), opened.exchange.0);
    }

    #[test]
    fn a_message_to_a_lane_has_its_own_key_in_front() {
        let opened = toy::opened(3, 1);
        let lane: Address = "lane:a7".parse().expect("an address");
        let entry = toy::entry(3, 1, toy::event_opened(&opened), Some(lane.clone()));
        let keys = index_keys(&entry);
        let cause = entry.cause.as_ref().expect("given");
        assert_eq!(keys.len(), 3);
        assert_eq!(keys[0], IndexKey::message(&lane, &cause.from, cause.id));
        assert_ne!(keys[0], keys[1]);
        assert_eq!(keys.into_iter().count(), 3);
    }

    #[test]
    fn the_bytes_of_a_key_are_fixed() {
        // They are on disk: SHA-256("hat:bob.hubat.net\norg:acme") and SHA-256("delivery"), 16 bytes each.
        let id = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);
        let key = IndexKey::message(
            &"hat:bob.hubat.net".parse().expect("an address"),
            &"org:acme".parse().expect("an address"),
            MessageId(id),
        );
        let hash = Sha256::digest(b"hat:bob.hubat.net\norg:acme");
        assert_eq!(&key.0[..16], id.as_bytes());
        assert_eq!(&key.0[16..], &hash[..16]);
        let hash = Sha256::digest(b"delivery");
        assert_eq!(&IndexKey::delivery(id).0[16..], &hash[..16]);
    }

    #[test]
    fn a_subject_names_its_address() {
        let hat = addressed("dex.v1.in.hat.bob_hubat_net.release.offer42");
        assert_eq!(hat, "hat:bob.hubat.net".parse().ok());
        assert_eq!(addressed("dex.v1.out.hat.bob.outcome"), None);
        assert_eq!(addressed("dex.v1.in.nobody.bob.outcome"), None);
    }
}
