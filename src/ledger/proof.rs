//! Inclusion and consistency proofs (RFC 9162 §2.1.3, §2.1.4): making them from stored hashes, and verifying them without.

use std::io;

use super::merkle::{Hash, HashSource, node_hash, range_root, split};
use crate::domain::tree::root_of;

/// The path from leaf `leaf` to the root of the tree of `size` leaves. The caller holds `leaf < size`.
///
/// # Errors
/// If a hash cannot be read.
pub fn inclusion(hashes: &impl HashSource, leaf: u64, size: u64) -> io::Result<Vec<Hash>> {
    let mut path = Vec::new();
    let (mut start, mut end) = (0, size);
    while end - start > 1 {
        let middle = start + split(end - start);
        if leaf < middle {
            path.push(range_root(hashes, middle, end)?);
            end = middle;
        } else {
            path.push(range_root(hashes, start, middle)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The proof that the tree of `new` leaves extends that of `old` leaves. The caller holds `old <= new`.
/// Empty if `old` is 0 or `new`.
///
/// # Errors
/// If a hash cannot be read.
pub fn consistency(hashes: &impl HashSource, old: u64, new: u64) -> io::Result<Vec<Hash>> {
    let mut proof = Vec::new();
    if old == 0 || old == new {
        return Ok(proof);
    }
    let (mut start, mut end, mut whole) = (0, new, true);
    while old != end {
        let middle = start + split(end - start);
        if old <= middle {
            proof.push(range_root(hashes, middle, end)?);
            end = middle;
        } else {
            proof.push(range_root(hashes, start, middle)?);
            start = middle;
            whole = false;
        }
    }
    if !whole {
        proof.push(range_root(hashes, start, end)?);
    }
    proof.reverse();
    Ok(proof)
}

/// RFC 9162 §2.1.3.2: is `leaf_hash` the leaf `leaf` of the tree with this size and root?
#[must_use]
pub fn verify_inclusion(leaf_hash: &Hash, leaf: u64, size: u64, root: &Hash, path: &[Hash]) -> bool {
    root_of(leaf_hash, leaf, size, path).as_ref() == Some(root)
}

/// RFC 9162 §2.1.4.2: does the tree of `new` leaves start with that of `old` leaves?
#[must_use]
pub fn verify_consistency(old: u64, old_root: &Hash, new: u64, new_root: &Hash, proof: &[Hash]) -> bool {
    if old > new {
        return false;
    }
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    if old == 0 {
        return proof.is_empty() && *old_root == super::merkle::empty_root();
    }
    let mut rest = proof.iter();
    let first = if old.is_power_of_two() { Some(old_root) } else { rest.next() };
    let Some(first) = first else { return false };
    let shift = (old - 1).trailing_ones();
    let (mut f, mut s) = ((old - 1) >> shift, (new - 1) >> shift);
    let (mut fr, mut sr) = (*first, *first);
    for c in rest {
        if s == 0 {
            return false;
        }
        if f & 1 == 1 || f == s {
            fr = node_hash(c, &fr);
            sr = node_hash(c, &sr);
            while f & 1 == 0 && f != 0 {
                f >>= 1;
                s >>= 1;
            }
        } else {
            sr = node_hash(&sr, c);
        }
        f >>= 1;
        s >>= 1;
    }
    s == 0 && fr == *old_root && sr == *new_root
}

#[cfg(test)]
mod tests {
    use super::super::merkle::tests::{LEAVES, ROOTS, Stored};
    use super::super::merkle::{Edge, leaf_hash};
    use super::*;
    use data_encoding::HEXLOWER;
    use proptest::prelude::*;

    fn tree(size: u64) -> (Stored, Vec<Hash>) {
        let (mut edge, mut stored, mut roots) = (Edge::default(), Vec::new(), vec![Edge::default().root()]);
        for i in 0..size {
            edge.push(leaf_hash(&i.to_be_bytes()), &mut stored);
            roots.push(edge.root());
        }
        (Stored(stored), roots)
    }

    #[test]
    fn proofs_of_the_reference_tree() {
        let (mut edge, mut stored) = (Edge::default(), Vec::new());
        for leaf in LEAVES {
            edge.push(leaf_hash(&HEXLOWER.decode(leaf.as_bytes()).unwrap()), &mut stored);
        }
        let stored = Stored(stored);
        let hex = |p: Vec<Hash>| p.iter().map(|h| HEXLOWER.encode(h)).collect::<Vec<_>>();
        // Expected values: the Certificate Transparency reference tests (inclusion 1 of 8, consistency 6 to 8).
        assert_eq!(
            hex(inclusion(&stored, 0, 8).unwrap()),
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ]
        );
        assert_eq!(
            hex(consistency(&stored, 6, 8).unwrap()),
            [
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ]
        );
        let root = |n: usize| HEXLOWER.decode(ROOTS[n].as_bytes()).unwrap().try_into().unwrap();
        assert!(verify_consistency(6, &root(6), 8, &root(8), &consistency(&stored, 6, 8).unwrap()));
    }

    #[test]
    fn every_proof_of_small_trees_verifies() {
        let (stored, roots) = tree(70);
        for size in 1..=70u64 {
            for leaf in 0..size {
                let path = inclusion(&stored, leaf, size).unwrap();
                assert!(verify_inclusion(&leaf_hash(&leaf.to_be_bytes()), leaf, size, &roots[size as usize], &path));
            }
            for old in 0..=size {
                let proof = consistency(&stored, old, size).unwrap();
                assert!(
                    verify_consistency(old, &roots[old as usize], size, &roots[size as usize], &proof),
                    "{old} {size}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn wrong_proofs_do_not_verify(size in 2u64..600, leaf in any::<u64>(), old in any::<u64>(), at in any::<usize>(), bit in 0u8..8, byte in 0usize..32) {
            let (stored, roots) = tree(size);
            let root = roots[size as usize];
            let leaf = leaf % size;
            let hash = leaf_hash(&leaf.to_be_bytes());
            let path = inclusion(&stored, leaf, size).unwrap();
            prop_assert!(verify_inclusion(&hash, leaf, size, &root, &path));
            prop_assert!(!verify_inclusion(&hash, (leaf + 1) % size, size, &root, &path));
            let mut bad = path.clone();
            let n = bad.len();
            bad[at % n][byte] ^= 1 << bit;
            prop_assert!(!verify_inclusion(&hash, leaf, size, &root, &bad));
            prop_assert!(!verify_inclusion(&hash, leaf, size, &root, &path[1..]));
            bad = path.clone();
            bad.push(root);
            prop_assert!(!verify_inclusion(&hash, leaf, size, &root, &bad));

            let old = old % (size - 1) + 1;
            let old_root = roots[old as usize];
            let proof = consistency(&stored, old, size).unwrap();
            prop_assert!(verify_consistency(old, &old_root, size, &root, &proof));
            prop_assert!(!verify_consistency(old, &root, size, &root, &proof));
            prop_assert!(!verify_consistency(old, &old_root, size, &old_root, &proof));
            let mut bad = proof.clone();
            let n = bad.len();
            bad[at % n][byte] ^= 1 << bit;
            prop_assert!(!verify_consistency(old, &old_root, size, &root, &bad));
            prop_assert!(!verify_consistency(old, &old_root, size, &root, &proof[1..]));
        }
    }
}
