//! Merkle trees as RFC 6962 §2.1 hashes them: leaves, nodes, and the way from a leaf to the root.

use sha2::{Digest as _, Sha256};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// `SHA-256(0x00 ‖ data)`.
#[must_use]
pub fn leaf_hash(data: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(data).finalize().into()
}

/// `SHA-256(0x01 ‖ left ‖ right)`.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The largest power of two smaller than `n` (`n` ≥ 2): where RFC 6962 parts a tree of `n` leaves.
pub(crate) fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

/// The root that `path` leads to from leaf `index` of a tree of `size` leaves (RFC 9162 §2.1.3.2); `None` when no
/// path of that length belongs there.
#[must_use]
pub fn root_of(leaf: &Hash, index: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    let (mut f, mut s, mut root) = (index, size - 1, *leaf);
    for next in path {
        if s == 0 {
            return None;
        }
        if f & 1 == 1 || f == s {
            root = node_hash(next, &root);
            while f & 1 == 0 && f != 0 {
                f >>= 1;
                s >>= 1;
            }
        } else {
            root = node_hash(&root, next);
        }
        f >>= 1;
        s >>= 1;
    }
    (s == 0).then_some(root)
}

/// The root over these leaves (one or more) and the path of each.
#[must_use]
pub fn paths(leaves: &[Hash]) -> (Hash, Vec<Vec<Hash>>) {
    let mut paths = vec![Vec::new(); leaves.len()];
    (grow(leaves, &mut paths), paths)
}

fn grow(leaves: &[Hash], paths: &mut [Vec<Hash>]) -> Hash {
    if let [leaf] = leaves {
        return *leaf;
    }
    let middle = usize::try_from(split(leaves.len() as u64)).unwrap_or(leaves.len());
    let (lower, upper) = paths.split_at_mut(middle);
    let (left, right) = (grow(&leaves[..middle], lower), grow(&leaves[middle..], upper));
    for path in lower {
        path.push(right);
    }
    for path in upper {
        path.push(left);
    }
    node_hash(&left, &right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_of_small_trees_leads_to_the_root_and_no_other_does() {
        let leaves: Vec<Hash> = (0..33u8).map(|n| leaf_hash(&[n])).collect();
        for size in 1..=leaves.len() {
            let (root, paths) = paths(&leaves[..size]);
            for (index, path) in paths.iter().enumerate() {
                let of = |leaf: usize, index: usize, path: &[Hash]| {
                    root_of(&leaves[leaf], index as u64, size as u64, path) == Some(root)
                };
                assert!(of(index, index, path), "{index} of {size}");
                assert!(!of((index + 1) % leaves.len(), index, path), "another leaf at {index} of {size}");
                if size > 1 {
                    assert!(!of(index, (index + 1) % size, path), "another place than {index} of {size}");
                    assert!(!of(index, index, &path[1..]), "a shorter path of {index} of {size}");
                }
                assert!(!of(index, index, &[path.as_slice(), &[root]].concat()), "a longer path of {index} of {size}");
                assert!(root_of(&leaves[index], size as u64, size as u64, path).is_none());
            }
        }
    }
}
