//! Merkle tree hashing of RFC 6962 §2.1, its right edge, and the order in which hashes are stored.

use std::io;

use sha2::{Digest, Sha256};

pub(super) use crate::domain::tree::split;
pub use crate::domain::tree::{Hash, leaf_hash, node_hash};

/// The leaf data of an entry: `SHA-256(salt ‖ entry)`.
#[must_use]
pub fn commitment(salt: &[u8; 32], entry: &[u8]) -> Hash {
    Sha256::new().chain_update(salt).chain_update(entry).finalize().into()
}

/// Root of the tree without leaves: `SHA-256("")`.
#[must_use]
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// Where hashes of complete subtrees come from: `index` counts subtrees of `2^level` leaves from the left.
pub trait HashSource {
    /// The hash of one complete subtree.
    ///
    /// # Errors
    /// If it cannot be read.
    fn hash(&self, level: u32, index: u64) -> io::Result<Hash>;
}

/// The complete subtrees along the right edge of a growing tree, largest first: at most 64 hashes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    stack: Vec<Hash>,
}

impl Edge {
    /// The edge of the tree with `size` leaves, read from its stored hashes.
    ///
    /// # Errors
    /// If a hash cannot be read.
    pub fn load(size: u64, hashes: &impl HashSource) -> io::Result<Self> {
        let mut stack = Vec::with_capacity(size.count_ones() as usize);
        let mut start = 0;
        for level in (0..u64::BITS).rev().filter(|l| size >> l & 1 == 1) {
            stack.push(hashes.hash(level, start >> level)?);
            start += 1 << level;
        }
        Ok(Self { size, stack })
    }

    /// Leaves in the tree.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf; appends its hash and those of the subtrees it completes to `out`, in stored order.
    pub fn push(&mut self, leaf: Hash, out: &mut Vec<u8>) {
        let mut hash = leaf;
        out.extend_from_slice(&hash);
        for _ in 0..self.size.trailing_ones() {
            let left = self.stack.pop().expect("one complete subtree per set bit of the size");
            hash = node_hash(&left, &hash);
            out.extend_from_slice(&hash);
        }
        self.stack.push(hash);
        self.size += 1;
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut edge = self.stack.iter().rev();
        let Some(last) = edge.next() else {
            return empty_root();
        };
        edge.fold(*last, |right, left| node_hash(left, &right))
    }
}

/// Place of a subtree's hash in the append-only order of hashes (that of Go's `sumdb/tlog`):
/// each leaf's hash is followed by those of the subtrees it completes.
#[must_use]
pub fn stored_index(level: u32, index: u64) -> u64 {
    // The last leaf below the subtree, whose arrival completed it.
    let leaf = ((index + 1) << level) - 1;
    stored_before(leaf) + u64::from(level)
}

/// How many hashes are stored for a tree of `size` leaves.
#[must_use]
pub fn stored_count(size: u64) -> u64 {
    stored_before(size)
}

/// Hashes stored before leaf `n`: one per leaf and one per complete subtree = 2n − (set bits of n).
fn stored_before(n: u64) -> u64 {
    2 * n - u64::from(n.count_ones())
}

/// Root over the leaves `start..end`, where `start` is a multiple of the power of two that holds the range
/// (every range in RFC 6962's recursion is such a one).
///
/// # Errors
/// If a hash cannot be read.
pub fn range_root(hashes: &impl HashSource, start: u64, end: u64) -> io::Result<Hash> {
    let n = end - start;
    if n == 0 {
        return Ok(empty_root());
    }
    if n.is_power_of_two() {
        let level = n.trailing_zeros();
        return hashes.hash(level, start >> level);
    }
    let k = split(n);
    Ok(node_hash(&range_root(hashes, start, start + k)?, &range_root(hashes, start + k, end)?))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use data_encoding::HEXLOWER;

    /// Stored hashes in memory.
    pub struct Stored(pub Vec<u8>);

    impl HashSource for Stored {
        fn hash(&self, level: u32, index: u64) -> io::Result<Hash> {
            let at = stored_index(level, index) as usize * 32;
            Ok(self.0[at..at + 32].try_into().unwrap())
        }
    }

    /// The leaf inputs of the Certificate Transparency reference tests.
    pub const LEAVES: [&str; 8] =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    pub const ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    #[test]
    fn roots_of_the_reference_leaves() {
        let (mut edge, mut stored) = (Edge::default(), Stored(Vec::new()));
        assert_eq!(HEXLOWER.encode(&edge.root()), ROOTS[0]);
        for (i, leaf) in LEAVES.iter().enumerate() {
            edge.push(leaf_hash(&HEXLOWER.decode(leaf.as_bytes()).unwrap()), &mut stored.0);
            assert_eq!(HEXLOWER.encode(&edge.root()), ROOTS[i + 1]);
        }
        for (size, root) in ROOTS.iter().enumerate() {
            assert_eq!(HEXLOWER.encode(&range_root(&stored, 0, size as u64).unwrap()), *root);
            assert_eq!(HEXLOWER.encode(&Edge::load(size as u64, &stored).unwrap().root()), *root);
        }
    }

    #[test]
    fn stored_order_is_that_of_sumdb_tlog() {
        // From the comment on StoredHashIndex in golang.org/x/mod/sumdb/tlog: L0 L0 L1 L0 L0 L1 L2 …
        let order = [
            (0, 0),
            (0, 1),
            (1, 0),
            (0, 2),
            (0, 3),
            (1, 1),
            (2, 0),
            (0, 4),
            (0, 5),
            (1, 2),
            (0, 6),
            (0, 7),
            (1, 3),
            (2, 1),
            (3, 0),
        ];
        for (i, (level, index)) in order.into_iter().enumerate() {
            assert_eq!(stored_index(level, index), i as u64, "level {level} index {index}");
        }
        let (mut edge, mut out) = (Edge::default(), Vec::new());
        for size in 0..300u64 {
            assert_eq!(stored_count(size) * 32, out.len() as u64);
            edge.push(leaf_hash(&size.to_be_bytes()), &mut out);
        }
    }
}
