//! On whose word a file is verified.

use crate::domain::{Key, Timestamp};
use crate::ledger::{Checkpoint, CheckpointVerifier};
use crate::wire::trust_bundle::{self, BundleError, Root, TrustBundle};

/// The exchange's key or keys, and maybe a bundle of its parties.
#[derive(Debug, Clone)]
pub struct Roots {
    /// The exchange's name, when it is known; else what a file names must be signed with a key.
    origin: Option<String>,
    /// Its keys.
    pub keys: Vec<Key>,
    /// Who takes part.
    pub bundle: Option<TrustBundle>,
}

impl Roots {
    /// From what is known. A bundle without a key is believed as it is, as far as it fits itself and has not expired.
    ///
    /// # Errors
    /// [`BundleError`] when the bundle is not good.
    pub fn new(
        origin: Option<String>,
        key: Option<Key>,
        bundle: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<Roots, BundleError> {
        let mut roots = Roots { origin, keys: key.into_iter().collect(), bundle: None };
        if let Some(bytes) = bundle {
            let (named, signer) = trust_bundle::named(bytes)?;
            if roots.keys.is_empty() {
                roots.keys.push(signer);
            }
            let root = Root { origin: roots.origin.as_deref().unwrap_or(&named), keys: &roots.keys };
            let bundle = trust_bundle::check(bytes, root, now)?;
            roots.origin = Some(bundle.origin.to_string());
            for key in &bundle.keys {
                if !roots.keys.contains(key) {
                    roots.keys.push(*key);
                }
            }
            roots.bundle = Some(bundle);
        }
        Ok(roots)
    }

    /// The exchange's name: the known one, which `named` must be, else the one that a file names.
    ///
    /// # Errors
    /// A sentence when the file is another exchange's.
    pub fn origin<'a>(&self, named: &'a str) -> Result<&'a str, String> {
        match &self.origin {
            Some(known) if known != named => Err(format!("it is of the exchange {named:?}, wanted is {known:?}")),
            _ => Ok(named),
        }
    }

    /// A checkpoint that the exchange signed.
    ///
    /// # Errors
    /// A sentence when it is none, or another's.
    pub fn checkpoint(&self, note: &str) -> Result<Checkpoint, String> {
        let named = note.lines().next().unwrap_or_default();
        let origin = self.origin(named)?;
        let mut wrong = "no key of the exchange is known".to_owned();
        for key in &self.keys {
            let opened = CheckpointVerifier::new(origin, key.0).and_then(|verifier| verifier.open(note));
            match opened {
                Ok(checkpoint) => return Ok(checkpoint),
                Err(error) => wrong = error.to_string(),
            }
        }
        Err(format!("the checkpoint: {wrong}"))
    }
}
