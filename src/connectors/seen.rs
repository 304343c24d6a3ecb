//! What was there the last time, in few bytes: a source that gives all it has each time is not stored anew each time.
//!
//! Up to [`LIST_MAX`] records are kept as one hash each; more share [`BUCKETS`] sums. A change brings the records of
//! its bucket again, which are applied once by their ids. Nothing that is new is ever left out but for a collision of
//! 48 bits.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::shape::SourceRecord;

/// Most records that are kept one by one.
const LIST_MAX: usize = 384;
/// Sums kept for more.
const BUCKETS: usize = 384;
/// Bytes of a hash.
const HASH_BYTES: usize = 6;

/// Hashes in base64, eight characters each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Seen {
    /// One of each record.
    #[serde(rename = "l")]
    List(String),
    /// A sum of each bucket.
    #[serde(rename = "b")]
    Buckets(String),
}

struct Hashed {
    bucket: usize,
    hash: u64,
}

fn hashed(record: &SourceRecord) -> Hashed {
    let short = |bytes: &[u8]| bytes[..HASH_BYTES].iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
    let id = Sha256::digest(record.id.as_bytes());
    let whole = Sha256::new().chain_update(id).chain_update(record.data.to_string()).finalize();
    // BUCKETS is small: the remainder is one place of it.
    let bucket = usize::try_from(short(&id) % BUCKETS as u64).unwrap_or(0);
    Hashed { bucket, hash: short(&whole) }
}

fn encode(hashes: &[u64]) -> String {
    let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.to_be_bytes()[8 - HASH_BYTES..].to_vec()).collect();
    data_encoding::BASE64URL_NOPAD.encode(&bytes)
}

fn decode(text: &str) -> Vec<u64> {
    let bytes = data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).unwrap_or_default();
    bytes.chunks_exact(HASH_BYTES).map(|six| six.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte))).collect()
}

fn sums(all: &[Hashed]) -> Vec<u64> {
    let mut sums = vec![0_u64; BUCKETS];
    for one in all {
        sums[one.bucket] = sums[one.bucket].wrapping_add(one.hash) & ((1 << (8 * HASH_BYTES)) - 1);
    }
    sums
}

/// Leaves out the records that were there the last time and have not changed; what is there now, for the next time.
pub(super) fn fresh(records: Vec<SourceRecord>, before: Option<&Seen>) -> (Vec<SourceRecord>, Seen) {
    let all: Vec<Hashed> = records.iter().map(hashed).collect();
    let now_sums = sums(&all);
    let is_known: Box<dyn Fn(&Hashed) -> bool> = match before {
        None => Box::new(|_| false),
        Some(Seen::List(text)) => {
            let mut known = decode(text);
            known.sort_unstable();
            Box::new(move |one| known.binary_search(&one.hash).is_ok())
        }
        Some(Seen::Buckets(text)) => {
            let known = decode(text);
            let now = now_sums.clone();
            Box::new(move |one| known.get(one.bucket) == now.get(one.bucket))
        }
    };
    let fresh = records.into_iter().zip(&all).filter(|(_, one)| !is_known(one)).map(|(record, _)| record).collect();
    let seen = if all.len() <= LIST_MAX {
        Seen::List(encode(&all.iter().map(|one| one.hash).collect::<Vec<_>>()))
    } else {
        Seen::Buckets(encode(&now_sums))
    };
    (fresh, seen)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn record(id: u32, version: u32) -> SourceRecord {
        SourceRecord { id: id.to_string(), at: None, data: json!({ "v": version }) }
    }

    proptest! {
        /// What is new or changed always comes; what is kept stays small.
        #[test]
        fn nothing_new_is_left_out(
            before in proptest::collection::btree_map(0_u32..900, 0_u32..3, 0..600),
            after in proptest::collection::btree_map(0_u32..900, 0_u32..3, 0..600),
        ) {
            let list = |of: &std::collections::BTreeMap<u32, u32>| of.iter().map(|(id, v)| record(*id, *v)).collect::<Vec<_>>();
            let (all, seen) = fresh(list(&before), None);
            prop_assert_eq!(all.len(), before.len());
            prop_assert!(serde_json::to_string(&seen).expect("JSON").len() < 3100);
            let (new, _) = fresh(list(&after), Some(&seen));
            for (id, version) in &after {
                if before.get(id) != Some(version) {
                    prop_assert!(new.contains(&record(*id, *version)), "{id} is missing");
                }
            }
            let (again, same) = fresh(list(&before), Some(&seen));
            prop_assert!(again.is_empty());
            prop_assert_eq!(same, seen);
        }
    }

    #[test]
    fn what_is_damaged_counts_as_nothing_seen() {
        for seen in [Seen::List("***".into()), Seen::Buckets("AAAA".into())] {
            assert_eq!(fresh(vec![record(1, 1)], Some(&seen)).0.len(), 1);
        }
    }
}
