//! The partition function: FNV-1a 32 of a subject token, modulo the number of partitions; the same as the server's `partition()`.

const OFFSET_BASIS: u32 = 0x811c_9dc5;
const PRIME: u32 = 0x0100_0193;

/// FNV-1a, 32 bits (draft-eastlake-fnv), of `token`.
pub fn fnv1a_32(token: &[u8]) -> u32 {
    token.iter().fold(OFFSET_BASIS, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(PRIME))
}

/// The partition (0 ≤ n < `partitions`) in which the server stores a message whose partitioned subject token is `token`.
///
/// `token` is the id as it stands in the subject (dots already written `_`).
///
/// # Panics
/// When `partitions` is 0: an exchange without partitions does not exist.
pub fn partition_of(token: &str, partitions: u32) -> u32 {
    assert!(partitions > 0, "the number of partitions must be at least 1");
    fnv1a_32(token.as_bytes()) % partitions
}

/// One short token per partition, whose hash is that partition: element n is the lane of partition n.
///
/// The search (`a0`, `a1`, …) is deterministic, so every start and every node finds the same lanes. With n tokens tried, the
/// chance that a partition is still without one falls as (1 − 1/P)^n, so the search ends after about P·ln P steps.
pub fn lane_tokens(partitions: u32) -> Vec<String> {
    let mut lanes: Vec<Option<String>> = vec![None; partitions as usize];
    let mut missing = partitions;
    let mut candidate = 0u64;
    while missing > 0 {
        let token = format!("a{candidate}");
        let lane = &mut lanes[partition_of(&token, partitions) as usize];
        if lane.is_none() {
            *lane = Some(token);
            missing -= 1;
        }
        candidate += 1;
    }
    lanes.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn published_fnv_vectors_hold() {
        assert_eq!(fnv1a_32(b""), 0x811c_9dc5);
        assert_eq!(fnv1a_32(b"a"), 0xe40c_292c);
        assert_eq!(fnv1a_32(b"foobar"), 0xbf9c_f968);
    }

    #[test]
    fn lanes_are_stable() {
        assert_eq!(lane_tokens(4), lane_tokens(4));
        assert_eq!(lane_tokens(1), vec!["a0".to_string()]);
    }

    proptest! {
        #[test]
        fn every_lane_hashes_to_its_partition(partitions in 1u32..257) {
            let lanes = lane_tokens(partitions);
            prop_assert_eq!(lanes.len(), partitions as usize);
            for (n, lane) in lanes.iter().enumerate() {
                prop_assert_eq!(partition_of(lane, partitions) as usize, n);
                prop_assert!(lane.len() <= 8);
            }
        }

        #[test]
        fn a_partition_is_below_the_count(token in "[a-z0-9_-]{1,128}", partitions in 1u32..1025) {
            prop_assert!(partition_of(&token, partitions) < partitions);
        }
    }
}
