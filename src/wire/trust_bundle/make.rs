//! Makes and signs a bundle within its bound.

use serde_json::Value;

use super::{Envelope, Party, Stand, TrustBundle, signed_text};
use crate::domain::{Digest, Timestamp};
use crate::wire::Signer;
use crate::wire::canonical::canonical;

/// Room for what grows when parties are left out: the digits of their number.
const SLACK: usize = 32;

/// A bundle as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The canonical bytes of bundle, key and signature.
    pub bytes: Vec<u8>,
    /// SHA-256 of the canonical bytes of the bundle alone: what it is known by.
    pub digest: Digest,
    /// What was signed.
    pub bundle: TrustBundle,
}

/// Makes a bundle of `parties`, in any order, of at most `most` bytes: the last in order are left out beyond it.
#[allow(clippy::too_many_arguments, reason = "each is one field of the bundle")]
pub fn make(
    signer: &Signer,
    origin: &str,
    generation: u64,
    issued: Timestamp,
    expires: Timestamp,
    checkpoint: Stand,
    mut parties: Vec<Party>,
    most: usize,
) -> Made {
    parties.sort_by(|a, b| a.place().cmp(&b.place()));
    let mut bundle = TrustBundle {
        v: 1,
        origin: origin.into(),
        generation,
        issued,
        expires,
        checkpoint,
        keys: vec![signer.public()],
        complete: true,
        omitted: 0,
        parties: Vec::new(),
    };
    let mut bytes = sign(signer, &bundle).bytes.len() + SLACK;
    let kept = parties.iter().take_while(|party| {
        bytes += written(*party).len() + 1;
        bytes <= most
    });
    let kept = kept.count();
    bundle.omitted = (parties.len() - kept) as u64;
    bundle.complete = bundle.omitted == 0;
    parties.truncate(kept);
    bundle.parties = parties;
    sign(signer, &bundle)
}

fn written<T: serde::Serialize>(it: T) -> Vec<u8> {
    canonical(&value(it)).expect("the only numbers are counts of entries, far below 2^53")
}

fn value<T: serde::Serialize>(it: T) -> Value {
    serde_json::to_value(it).expect("texts, numbers and lists are JSON")
}

fn sign(signer: &Signer, bundle: &TrustBundle) -> Made {
    let digest = Digest::of(&written(bundle));
    let signature = signer.sign(&signed_text(&bundle.origin, &digest));
    let envelope = Envelope { bundle: value(bundle), key: signer.public(), signature };
    Made { bytes: written(envelope), digest, bundle: bundle.clone() }
}
