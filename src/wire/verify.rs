//! Signature checks by ZIP-215 rules: the same verdict alone and in any batch.

use std::collections::HashMap;

use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{IsIdentity, VartimeMultiscalarMul};
use ed25519_zebra::VerificationKey;
use rand::{CryptoRng, RngCore};
use sha2::{Digest as _, Sha512};

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

/// Most keys that are kept as points; beyond it all are let go and what comes is kept anew. About 3 MiB.
const KEYS_MAX: usize = 8192;

/// Keys as points of the curve: a key that signs again is not decompressed again, which is a fifth of what a
/// signature of a batch costs.
#[derive(Default)]
pub struct KnownKeys(HashMap<Key, EdwardsPoint>);

impl KnownKeys {
    /// `None` when it is no key (not the encoding of a point, canonical or not: ZIP-215).
    fn point(&mut self, key: &Key) -> Option<EdwardsPoint> {
        if let Some(point) = self.0.get(key) {
            return Some(*point);
        }
        let point = CompressedEdwardsY(key.0).decompress()?;
        if self.0.len() >= KEYS_MAX {
            self.0.clear();
        }
        self.0.insert(*key, point);
        Some(point)
    }
}

/// Checks many signatures together, at about half the cost of each alone; element `i` is the verdict
/// of item `i`. `rng` blinds the sum and must not be predictable to senders.
///
/// A batch that fails is cut into pieces to find the bad ones, once: a batch is only about twice as
/// cheap as its items, so halving further costs more than it saves. Bad signatures can buy at most
/// about twice the work of checking one by one.
pub fn verify_batch<R: RngCore + CryptoRng>(items: &[Item<'_>], rng: &mut R) -> Vec<bool> {
    verify_batch_of(items, &mut KnownKeys::default(), rng)
}

/// The same for one who keeps the keys from batch to batch.
pub fn verify_batch_of<R: RngCore + CryptoRng>(items: &[Item<'_>], known: &mut KnownKeys, rng: &mut R) -> Vec<bool> {
    let mut verdicts = Vec::with_capacity(items.len());
    for batch in items.chunks(BATCH_MAX) {
        if batch.len() > PIECE && all_good(batch, known, rng) {
            verdicts.resize(verdicts.len() + batch.len(), true);
            continue;
        }
        for piece in batch.chunks(PIECE) {
            if piece.len() > 1 && all_good(piece, known, rng) {
                verdicts.resize(verdicts.len() + piece.len(), true);
            } else {
                verdicts.extend(piece.iter().map(|(k, s, text)| verify(k, s, text)));
            }
        }
    }
    verdicts
}

/// The batch equation of ZIP-215: 8 · (Σ zᵢsᵢ · B − Σ zᵢ · Rᵢ − Σ zᵢkᵢ · Aᵢ) = 0 with random 128-bit zᵢ. What one
/// key signed shares one term.
fn all_good<R: RngCore + CryptoRng>(items: &[Item<'_>], known: &mut KnownKeys, rng: &mut R) -> bool {
    let mut places: HashMap<&Key, usize> = HashMap::with_capacity(items.len());
    let mut scalars = Vec::with_capacity(2 * items.len() + 1);
    let mut points = Vec::with_capacity(2 * items.len() + 1);
    scalars.push(Scalar::ZERO);
    points.push(ED25519_BASEPOINT_POINT);
    for (key, signature, text) in items {
        let (r, s) = signature.0.split_at(32);
        let (Ok(r), Ok(s)) = (<[u8; 32]>::try_from(r), <[u8; 32]>::try_from(s)) else { return false };
        let Some(s) = Option::<Scalar>::from(Scalar::from_canonical_bytes(s)) else { return false };
        let Some(point) = CompressedEdwardsY(r).decompress() else { return false };
        let hash = Sha512::new().chain_update(r).chain_update(key.0).chain_update(text).finalize();
        let k = Scalar::from_bytes_mod_order_wide(&hash.into());
        let mut blind = [0u8; 16];
        rng.fill_bytes(&mut blind);
        let z = Scalar::from(u128::from_le_bytes(blind));
        scalars[0] -= z * s;
        scalars.push(z);
        points.push(point);
        match places.get(key) {
            Some(place) => scalars[*place] += z * k,
            None => {
                let Some(point) = known.point(key) else { return false };
                places.insert(key, scalars.len());
                scalars.push(z * k);
                points.push(point);
            }
        }
    }
    EdwardsPoint::vartime_multiscalar_mul(scalars, points).mul_by_cofactor().is_identity()
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
