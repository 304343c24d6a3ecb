//! Checks a bundle against the exchange's known key, without asking anybody.

use serde::Deserialize;
use serde_json::Value;

use super::{BYTES_MAX, Envelope, TrustBundle, signed_text};
use crate::domain::time::SECOND;
use crate::domain::{Digest, Key, Standing, Timestamp};
use crate::wire::canonical::canonical;
use crate::wire::verify::verify;

/// How far a bundle's time may lie ahead of the reader's clock.
const AHEAD: i64 = 60 * SECOND;

/// Whose bundle is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Root<'a> {
    /// The exchange.
    pub origin: &'a str,
    /// Its keys, from a source that is trusted.
    pub keys: &'a [Key],
}

/// Why a bundle counts for nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// It is no bundle, or not a whole one.
    #[error("it is damaged or no trust bundle: {0}")]
    Damaged(String),
    /// The same words, written another way: it was changed after it was signed.
    #[error("it is not written in the canonical form (RFC 8785) in which it was signed")]
    NotCanonical,
    /// Another exchange's.
    #[error("it is of the exchange {found:?}, wanted is {wanted:?}")]
    OtherOrigin {
        /// Whose it says that it is.
        found: String,
        /// Whose was wanted.
        wanted: String,
    },
    /// Signed with a key that is not known to be the exchange's.
    #[error("it is signed with the key {0}, which is not known to be the exchange's")]
    UnknownKey(Key),
    /// What it says was not signed.
    #[error("its signature is wrong: it was changed, or not made by the exchange")]
    BadSignature,
    /// Its time has not come.
    #[error("it was issued at {0}, which is yet to come: look at the clock")]
    NotYetValid(Timestamp),
    /// Its time is over.
    #[error("it has expired at {0}: get a new one")]
    Expired(Timestamp),
}

fn damaged(what: impl std::fmt::Display) -> BundleError {
    BundleError::Damaged(what.to_string())
}

fn envelope(bytes: &[u8]) -> Result<Envelope, BundleError> {
    if bytes.len() > BYTES_MAX {
        return Err(damaged(format!("{} bytes are more than {BYTES_MAX}", bytes.len())));
    }
    let value: Value = serde_json::from_slice(bytes).map_err(damaged)?;
    if canonical(&value).map_err(damaged)? != bytes {
        return Err(BundleError::NotCanonical);
    }
    Envelope::deserialize(value).map_err(damaged)
}

/// The exchange that a bundle says it is of, and the key that it says it is signed with: to be shown, not to be trusted.
///
/// # Errors
/// [`BundleError`] when it cannot be read.
pub fn named(bytes: &[u8]) -> Result<(String, Key), BundleError> {
    let envelope = envelope(bytes)?;
    let origin = envelope.bundle["origin"].as_str().ok_or_else(|| damaged("it names no origin"))?;
    Ok((origin.to_owned(), envelope.key))
}

/// The bundle, when it is the exchange's and in force at `now`.
///
/// # Errors
/// [`BundleError`]: in this order, the form, the exchange, the key, the signature, the content, the time.
pub fn check(bytes: &[u8], root: Root<'_>, now: Timestamp) -> Result<TrustBundle, BundleError> {
    let Envelope { bundle, key, signature } = envelope(bytes)?;
    let origin = bundle["origin"].as_str().ok_or_else(|| damaged("it names no origin"))?;
    if origin != root.origin {
        return Err(BundleError::OtherOrigin { found: origin.to_owned(), wanted: root.origin.to_owned() });
    }
    if !root.keys.contains(&key) {
        return Err(BundleError::UnknownKey(key));
    }
    let digest = Digest::of(&canonical(&bundle).map_err(damaged)?);
    if !verify(&key, &signature, &signed_text(root.origin, &digest)) {
        return Err(BundleError::BadSignature);
    }
    let bundle = TrustBundle::deserialize(bundle).map_err(damaged)?;
    sound(&bundle)?;
    if now.plus(AHEAD) < bundle.issued {
        return Err(BundleError::NotYetValid(bundle.issued));
    }
    if now >= bundle.expires {
        return Err(BundleError::Expired(bundle.expires));
    }
    Ok(bundle)
}

/// That a signed bundle says one thing about each party: an exchange that signs something else is broken.
fn sound(bundle: &TrustBundle) -> Result<(), BundleError> {
    if bundle.v != 1 {
        return Err(damaged(format!("its version is {}, this program reads 1", bundle.v)));
    }
    if bundle.issued >= bundle.expires {
        return Err(damaged("it ends before it begins"));
    }
    if bundle.complete != (bundle.omitted == 0) {
        return Err(damaged("it says both that it is complete and that parties are left out"));
    }
    if !bundle.parties.is_sorted_by(|a, b| a.place() < b.place()) {
        return Err(damaged("its parties are not in order, or one stands twice"));
    }
    for party in &bundle.parties {
        if matches!(party.standing, Standing::Unknown | Standing::Pending) {
            return Err(damaged(format!("{} takes no part and is listed", party.party)));
        }
        if party.keys.iter().any(|held| held.fingerprint != held.key.fingerprint()) {
            return Err(damaged(format!("a fingerprint of {} does not fit its key", party.party)));
        }
    }
    Ok(())
}
