//! Signature checks by ZIP-215 rules: the same verdict alone and in any batch.

use curve25519_dalek::edwards::CompressedEdwardsY;
use ed25519_zebra::{VerificationKey, VerificationKeyBytes, batch};
use rand::{CryptoRng, RngCore};

use crate::domain::{Key, Signature};

/// Most signatures checked in one multiplication; longer slices are cut.
pub const BATCH_MAX: usize = 512;
/// A failed batch this small is checked one by one.
const SINGLES_FROM: usize = 8;

/// One thing to check: key, signature, text.
pub type Item<'a> = (Key, Signature, &'a [u8]);

/// Whether `signature` over `text` is `key`'s (ZIP-215).
pub fn verify(key: &Key, signature: &Signature, text: &[u8]) -> bool {
    VerificationKey::try_from(key.0)
        .and_then(|key| key.verify(&ed25519_zebra::Signature::from(signature.0), text))
        .is_ok()
}

/// Checks many signatures together, at about half the cost of each alone; element `i` is the verdict
/// of item `i`. `rng` blinds the sum and must not be predictable to senders.
///
/// A batch that fails is halved to find the bad ones. The halving may spend twice the batch's length;
/// after that each is checked alone, so that bad signatures cannot buy more than about three times the
/// work of checking one by one.
pub fn verify_batch<R: RngCore + CryptoRng>(items: &[Item<'_>], rng: &mut R) -> Vec<bool> {
    let mut verdicts = Vec::with_capacity(items.len());
    for chunk in items.chunks(BATCH_MAX) {
        if chunk.len() == 1 || !all_good(chunk, rng) {
            let mut budget = 2 * chunk.len();
            halve(chunk, rng, &mut budget, &mut verdicts);
        } else {
            verdicts.resize(verdicts.len() + chunk.len(), true);
        }
    }
    verdicts
}

/// Verdicts of a slice that holds a bad one (or one item).
fn halve<R: RngCore + CryptoRng>(
    items: &[Item<'_>],
    rng: &mut R,
    budget: &mut usize,
    verdicts: &mut Vec<bool>,
) {
    if items.len() <= SINGLES_FROM || *budget < items.len() {
        verdicts.extend(items.iter().map(|(k, s, text)| verify(k, s, text)));
        return;
    }
    let (left, right) = items.split_at(items.len() / 2);
    for half in [left, right] {
        if *budget >= half.len() {
            *budget -= half.len();
            if all_good(half, rng) {
                verdicts.resize(verdicts.len() + half.len(), true);
                continue;
            }
        }
        halve(half, rng, budget, verdicts);
    }
}

fn all_good<R: RngCore + CryptoRng>(items: &[Item<'_>], rng: &mut R) -> bool {
    let mut batch = batch::Verifier::new();
    for (key, signature, text) in items {
        batch.queue((
            VerificationKeyBytes::from(key.0),
            ed25519_zebra::Signature::from(signature.0),
            *text,
        ));
    }
    batch.verify(rng).is_ok()
}

/// Whether a key must not be registered: not on the curve, not written the one canonical way, or of
/// small order (anybody can make signatures that fit such a key).
pub fn is_weak(key: &Key) -> bool {
    let written = CompressedEdwardsY(key.0);
    match written.decompress() {
        None => true,
        Some(point) => point.is_small_order() || point.compress() != written,
    }
}
