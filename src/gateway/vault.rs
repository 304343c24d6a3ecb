//! The gateway's keys: one seed file, from which the key of every party that it signs for is derived.

use std::path::Path;

use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use crate::client::keys::{self, KeyFileError};
use crate::domain::{Address, Id};
use crate::wire::Signer;

/// Where the seed is in the state folder (mode 0600). Lost with it: the keys of all custodial parties.
pub const SEED_FILE: &str = "gateway.seed";
/// Where the bridge's own key is in the state folder (mode 0600).
pub const BRIDGE_FILE: &str = "bridge.key";

/// Makes the keys of custodial parties.
pub struct Vault {
    seed: Zeroizing<String>,
}

impl Vault {
    /// Reads the seed of the state folder, made when there is none.
    ///
    /// # Errors
    /// [`KeyFileError`] when the file cannot be read or made, or others can read it.
    pub fn open(state: &Path) -> Result<Self, KeyFileError> {
        Ok(Vault { seed: keys::load_or_make(&state.join(SEED_FILE))?.seed_text() })
    }

    /// The key of a party: HMAC-SHA-256 of its address under the seed.
    pub fn signer(&self, party: &Address) -> Signer {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.seed.as_bytes()).expect("an HMAC key has any length");
        mac.update(b"dex-account-key");
        mac.update(party.to_string().as_bytes());
        let mut seed: [u8; 32] = mac.finalize().into_bytes().into();
        let signer = Signer::from_seed(&seed);
        seed.zeroize();
        signer
    }

    /// The HMAC of an offer's token of this generation.
    pub fn offer_mac(&self, offer: &Id, generation: u64) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.seed.as_bytes()).expect("an HMAC key has any length");
        mac.update(b"dex-offer-token");
        mac.update(&generation.to_be_bytes());
        mac.update(offer.as_str().as_bytes());
        mac
    }
}

/// The key of the daemon's own bridge, made when there is none.
///
/// # Errors
/// [`KeyFileError`] when the file cannot be read or made, or others can read it.
pub fn bridge(state: &Path) -> Result<Signer, KeyFileError> {
    keys::load_or_make(&state.join(BRIDGE_FILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_party_has_a_key_of_its_own_that_survives() {
        let folder = tempfile::tempdir().expect("folder");
        let acme: Address = "org:acme".parse().expect("an address");
        let other: Address = "app:acme".parse().expect("an address");
        let vault = Vault::open(folder.path()).expect("made");
        let key = vault.signer(&acme).public();
        assert_ne!(key, vault.signer(&other).public());
        assert_eq!(key, Vault::open(folder.path()).expect("read").signer(&acme).public());
        let elsewhere = tempfile::tempdir().expect("folder");
        assert_ne!(key, Vault::open(elsewhere.path()).expect("made").signer(&acme).public());
    }
}
