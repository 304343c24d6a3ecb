//! A party's signing key. Its seed is wiped on drop and never shown.

use std::fmt;

use ed25519_zebra::{SigningKey, VerificationKeyBytes};
use zeroize::{Zeroize, Zeroizing};

use crate::domain::{Key, Signature};

/// Prefix byte of a user nkey's seed (source: NATS nkeys).
const USER_PREFIX: u8 = 20 << 3;

/// A text that is no seed of a user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a signing seed is a user nkey's: 58 characters that begin with SU, with a good checksum")]
pub struct SeedError;

/// Signs for one party.
pub struct Signer {
    // Boxed, so that moving a signer leaves no copy of the seed behind.
    key: Box<SigningKey>,
    public: Key,
}

impl Signer {
    /// From a user nkey's seed text (`SU…`).
    ///
    /// # Errors
    /// [`SeedError`] when it is none.
    pub fn from_seed_text(text: &str) -> Result<Self, SeedError> {
        match nkeys::decode_seed(text.trim()) {
            Ok((USER_PREFIX, mut seed)) => {
                let signer = Signer::from_seed(&seed);
                seed.zeroize();
                Ok(signer)
            }
            _ => Err(SeedError),
        }
    }

    /// From the 32 bytes of an Ed25519 seed (RFC 8032 private key).
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let key = Box::new(SigningKey::from_bytes(seed));
        let public = Key(VerificationKeyBytes::from(&*key).into());
        Signer { key, public }
    }

    /// The public key.
    pub fn public(&self) -> Key {
        self.public
    }

    /// The seed as text (`SU…`), for writing it to the owner's file.
    pub fn seed_text(&self) -> Zeroizing<String> {
        let pair = nkeys::KeyPair::new_from_raw(nkeys::KeyPairType::User, *self.key.as_bytes());
        Zeroizing::new(pair.and_then(|pair| pair.seed()).expect("32 bytes are a user's seed"))
    }

    /// Signs a text.
    pub fn sign(&self, text: &[u8]) -> Signature {
        Signature(self.key.sign(text).to_bytes())
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.public)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_read_back_and_agree_with_nkeys() {
        let pair = nkeys::KeyPair::new_user();
        let text = pair.seed().expect("has a seed");
        let signer = Signer::from_seed_text(&text).expect("a user's seed");
        assert_eq!(signer.public().to_string(), pair.public_key());
        assert_eq!(*signer.seed_text(), text);
        let signature = signer.sign(b"text");
        assert!(pair.verify(b"text", &signature.0).is_ok());
    }

    #[test]
    fn other_texts_are_no_seed() {
        let account = nkeys::KeyPair::new_account().seed().expect("has a seed");
        let user = nkeys::KeyPair::new_user();
        let cut = user.seed().expect("has a seed")[..57].to_owned();
        for bad in ["", "SU", &account, &user.public_key(), &cut] {
            assert!(Signer::from_seed_text(bad).is_err());
        }
    }

    #[test]
    fn debug_shows_the_public_key_only() {
        let signer = Signer::from_seed(&[7; 32]);
        let shown = format!("{signer:?}");
        assert_eq!(shown, format!("Signer({})", signer.public()));
        assert!(!shown.contains(signer.seed_text().as_str()));
    }
}
