//! The verdict on a signature is the same alone, in any batch, and in any order.

use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT as B, EIGHT_TORSION};
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity;
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use sha2::{Digest as _, Sha512};

use crate::domain::{Key, Signature};
use crate::wire::sign::Signer;
use crate::wire::verify::{KnownKeys, is_weak, verify, verify_batch, verify_batch_of};

type Owned = (Key, Signature, Vec<u8>);

/// l, the order of the base point, little endian (RFC 8032).
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// The encodings of points with y ≥ p or x = 0 and the sign set: each decodes, none is canonical.
fn non_canonical() -> Vec<[u8; 32]> {
    let mut found = Vec::new();
    for low in 0xedu8..=0xff {
        for sign in [0x7f, 0xff] {
            let mut bytes = [0xff; 32];
            bytes[0] = low;
            bytes[31] = sign;
            found.push(bytes);
        }
    }
    let mut one = [0u8; 32];
    one[0] = 1;
    one[31] = 0x80;
    found.push(one);
    found.retain(|b| CompressedEdwardsY(*b).decompress().is_some_and(|p| p.compress().0 != *b));
    found
}

fn challenge(r: &[u8; 32], key: &[u8; 32], text: &[u8]) -> Scalar {
    let hash = Sha512::new().chain_update(r).chain_update(key).chain_update(text);
    Scalar::from_bytes_mod_order_wide(&hash.finalize().into())
}

/// ZIP-215 written down a second time.
fn zip215(item: &Owned) -> bool {
    let (key, signature, text) = item;
    let (r, s): ([u8; 32], [u8; 32]) =
        (signature.0[..32].try_into().expect("32"), signature.0[32..].try_into().expect("32"));
    let Some(a) = CompressedEdwardsY(key.0).decompress() else {
        return false;
    };
    let Some(big_r) = CompressedEdwardsY(r).decompress() else {
        return false;
    };
    let Some(s) = Option::<Scalar>::from(Scalar::from_canonical_bytes(s)) else {
        return false;
    };
    let k = challenge(&r, &key.0, text);
    (s * B - big_r - k * a).mul_by_cofactor().is_identity()
}

fn joined(r: [u8; 32], s: [u8; 32]) -> Signature {
    let mut bytes = [0u8; 64];
    bytes[..32].copy_from_slice(&r);
    bytes[32..].copy_from_slice(&s);
    Signature(bytes)
}

/// A signature by `a` on a key with torsion added, and an R with torsion added.
fn with_torsion(seed: u8, key_torsion: EdwardsPoint, r_torsion: EdwardsPoint, text: &[u8]) -> Owned {
    let a = Scalar::from_bytes_mod_order([seed | 1; 32]);
    let r = Scalar::from_bytes_mod_order([seed ^ 0x5a; 32]);
    let key = (a * B + key_torsion).compress().0;
    let big_r = (r * B + r_torsion).compress().0;
    let s = r + challenge(&big_r, &key, text) * a;
    (Key(key), joined(big_r, s.to_bytes()), text.to_vec())
}

fn good(seed: u8, text: &[u8]) -> Owned {
    let signer = Signer::from_seed(&[seed; 32]);
    (signer.public(), signer.sign(text), text.to_vec())
}

fn item() -> impl Strategy<Value = Owned> {
    let small: Vec<[u8; 32]> = EIGHT_TORSION.iter().map(|p| p.compress().0).chain(non_canonical()).collect();
    let point = prop::sample::select(small);
    let torsion = prop::sample::select(EIGHT_TORSION.to_vec());
    let text = proptest::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        6 => (any::<u8>(), text.clone()).prop_map(|(seed, text)| good(seed, &text)),
        1 => (any::<u8>(), text.clone()).prop_map(|(seed, text)| {
            let mut item = good(seed, &text);
            item.2.push(0);
            item
        }),
        1 => (any::<u8>(), 0usize..64, 0u8..8, text.clone()).prop_map(|(seed, at, bit, text)| {
            let mut item = good(seed, &text);
            item.1.0[at] ^= 1 << bit;
            item
        }),
        // s + l: fits the equation, but is not canonical.
        1 => (any::<u8>(), text.clone()).prop_map(|(seed, text)| {
            let mut item = good(seed, &text);
            let mut carry = 0u16;
            for (s, l) in item.1.0[32..].iter_mut().zip(ORDER) {
                carry += u16::from(*s) + u16::from(l);
                *s = carry as u8;
                carry >>= 8;
            }
            item
        }),
        // A small or non-canonical key and R with s = 0.
        2 => (point.clone(), point.clone(), text.clone())
            .prop_map(|(key, r, text)| (Key(key), joined(r, [0; 32]), text)),
        1 => (any::<u8>(), point, text.clone()).prop_map(|(seed, key, text)| {
            let item = good(seed, &text);
            (Key(key), item.1, text)
        }),
        2 => (any::<u8>(), torsion.clone(), torsion, text.clone())
            .prop_map(|(seed, a, r, text)| with_torsion(seed, a, r, &text)),
        1 => (any::<[u8; 32]>(), any::<[u8; 32]>(), any::<[u8; 32]>(), text)
            .prop_map(|(key, r, s, text)| (Key(key), joined(r, s), text)),
    ]
}

fn batch(items: &[Owned], seed: u64) -> Vec<bool> {
    let items: Vec<_> = items.iter().map(|(k, s, t)| (*k, *s, t.as_slice())).collect();
    let mut rng = StdRng::seed_from_u64(seed);
    let verdicts = verify_batch(&items, &mut rng);
    // Keys that are known already change no verdict.
    let mut known = KnownKeys::default();
    for _ in 0..2 {
        assert_eq!(verify_batch_of(&items, &mut known, &mut rng), verdicts);
    }
    verdicts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn alone_and_in_any_batch_and_order_the_verdict_is_the_same(
        (items, shuffled) in proptest::collection::vec(item(), 0..80)
            .prop_flat_map(|items| {
                let order: Vec<usize> = (0..items.len()).collect();
                (Just(items), Just(order).prop_shuffle())
            }),
        cut in any::<prop::sample::Index>(),
        seed in any::<u64>(),
    ) {
        let alone: Vec<bool> = items.iter().map(|(k, s, t)| verify(k, s, t)).collect();
        let second: Vec<bool> = items.iter().map(zip215).collect();
        prop_assert_eq!(&alone, &second);
        prop_assert_eq!(&batch(&items, seed), &alone);
        let mixed: Vec<Owned> = shuffled.iter().map(|&i| items[i].clone()).collect();
        let verdicts: Vec<bool> = shuffled.iter().map(|&i| alone[i]).collect();
        prop_assert_eq!(batch(&mixed, !seed), verdicts);
        let at = cut.index(items.len() + 1);
        let halves = [batch(&items[..at], seed), batch(&items[at..], seed)].concat();
        prop_assert_eq!(halves, alone);
    }

    #[test]
    fn keys_made_from_seeds_are_not_weak(seed in any::<[u8; 32]>()) {
        prop_assert!(!is_weak(&Signer::from_seed(&seed).public()));
    }
}

#[test]
fn one_bad_signature_in_a_large_batch_is_found_wherever_it_is() {
    let items: Vec<Owned> = (0..700u16).map(|i| good((i % 256) as u8, &i.to_le_bytes())).collect();
    for at in [0, 1, 255, 256, 511, 512, 699] {
        let mut items = items.clone();
        items[at].2.push(1);
        let verdicts = batch(&items, 5);
        assert_eq!(verdicts.len(), items.len());
        assert!(verdicts.iter().enumerate().all(|(i, ok)| *ok == (i != at)), "{at}");
    }
    let mut all_bad = items;
    all_bad.iter_mut().for_each(|item| item.2.push(1));
    assert!(batch(&all_bad, 5).iter().all(|ok| !ok));
}

#[test]
fn small_order_and_non_canonical_keys_are_weak() {
    for point in EIGHT_TORSION {
        assert!(is_weak(&Key(point.compress().0)));
    }
    let odd = non_canonical();
    assert!(odd.len() > 8, "{}", odd.len());
    for bytes in odd {
        assert!(is_weak(&Key(bytes)));
    }
    let mut off = [0u8; 32];
    off[0] = 2;
    assert!(CompressedEdwardsY(off).decompress().is_none());
    assert!(is_weak(&Key(off)));
}
