//! Signature checks by ZIP-215 rules: the same verdict alone and in any batch.

use curve25519_dalek::edwards::CompressedEdwardsY;
use ed25519_zebra::{VerificationKey, VerificationKeyBytes, batch};
use rand::{CryptoRng, RngCore};

use crate::domain::{Key, Signature};

/// Most signatures checked in one multiplication; longer slices are cut.
pub const BATCH_MAX: usize = 512;
/// A failed batch is cut into pieces of this many; a failed piece is checked one by one.
const PIECE: usize = 64;

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
/// A batch that fails is cut into pieces to find the bad ones, once: a batch is only about twice as
/// cheap as its items, so halving further costs more than it saves. Bad signatures can buy at most
/// about twice the work of checking one by one.
pub fn verify_batch<R: RngCore + CryptoRng>(items: &[Item<'_>], rng: &mut R) -> Vec<bool> {
    let mut verdicts = Vec::with_capacity(items.len());
    for batch in items.chunks(BATCH_MAX) {
        if batch.len() > PIECE && all_good(batch, rng) {
            verdicts.resize(verdicts.len() + batch.len(), true);
            continue;
        }
        for piece in batch.chunks(PIECE) {
            if piece.len() > 1 && all_good(piece, rng) {
                verdicts.resize(verdicts.len() + piece.len(), true);
            } else {
                verdicts.extend(piece.iter().map(|(k, s, text)| verify(k, s, text)));
            }
        }
    }
    verdicts
}

fn all_good<R: RngCore + CryptoRng>(items: &[Item<'_>], rng: &mut R) -> bool {
    let mut batch = batch::Verifier::new();
    for (key, signature, text) in items {
        batch.queue((VerificationKeyBytes::from(key.0), ed25519_zebra::Signature::from(signature.0), *text));
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
