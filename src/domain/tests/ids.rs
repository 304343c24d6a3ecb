//! Ids that the exchange derives.

use std::collections::BTreeSet;

use super::world::*;
use crate::domain::exchange::delivery_id::{delivery_id, part_id};
use crate::domain::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn deliveries_of_different_recipients_senders_debits_or_keys_differ(bits: u128, key: [u8; 32]) {
        let id = MessageId(uuid::Uuid::from_u128(bits));
        let parties = [a("org:a"), a("org:ab"), a("app:a"), a("hat:b.a")];
        let debits = [None, Some(super::world::id("d")), Some(super::world::id("e"))];
        let mut seen = BTreeSet::new();
        for to in &parties {
            for from in &parties {
                for debit in &debits {
                    let delivery = delivery_id(&key, to, from, id, debit.as_ref());
                    prop_assert_eq!(delivery.get_version_num(), 8);
                    prop_assert_eq!(MessageId(delivery).unix_ms(), id.unix_ms());
                    prop_assert!(seen.insert(delivery));
                    let mut other = key;
                    other[0] ^= 1;
                    prop_assert_ne!(delivery, delivery_id(&other, to, from, id, debit.as_ref()));
                }
            }
        }
        let parts: BTreeSet<_> = debits.iter().flatten().map(|d| part_id(id, d)).collect();
        prop_assert_eq!(parts.len(), 2);
    }

    #[test]
    fn the_tally_counts_every_record_once(picks in proptest::collection::vec(0u32..100, 1..300)) {
        use crate::domain::exchange::tally::{ENDPOINTS_MAX, tally};
        let names: Vec<String> = picks.iter().map(|p| format!("ns/e{p:03}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let records = records(&names);
        let counts = tally(records.items.iter());
        prop_assert_eq!(counts.iter().map(|(_, n)| n).sum::<u32>(), records.count());
        let distinct: BTreeSet<_> = names.iter().copied().collect();
        let named = counts.iter().filter(|(name, _)| !name.is_empty());
        prop_assert!(named.clone().map(|(n, _)| n.as_str()).eq(distinct.iter().take(ENDPOINTS_MAX).copied()));
        for (name, count) in named {
            prop_assert_eq!(*count as usize, names.iter().filter(|n| *n == name).count());
        }
    }
}
