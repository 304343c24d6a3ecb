//! Checkpoints: C2SP `tlog-checkpoint` in a C2SP `signed-note` with an Ed25519 key.

use std::fmt;

use data_encoding::{BASE64, HEXLOWER};
use ed25519_zebra::{Signature, SigningKey, VerificationKey};
use sha2::{Digest, Sha256};

use super::merkle::Hash;

/// Signature type of Ed25519 in C2SP signed notes.
const ED25519: u8 = 1;

/// Why a checkpoint note or a key string was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Not a signed note with a checkpoint in it.
    #[error("not a signed checkpoint: {0}")]
    Malformed(&'static str),
    /// A checkpoint of another log.
    #[error("its origin is {found:?}, expected {expected:?}")]
    Origin {
        /// The origin line found.
        found: String,
        /// The origin wanted.
        expected: String,
    },
    /// No signature by the key wanted.
    #[error("it has no signature by the key {0}: was the key or the name changed?")]
    NotSigned(String),
    /// A signature by the key wanted, and it is wrong.
    #[error("its signature by the key {0} is wrong")]
    BadSignature(String),
    /// A verifier-key string that cannot be read.
    #[error("not a verifier key (<name>+<hash>+<base64>): {0}")]
    Key(&'static str),
}

/// A checkpoint: the size and root of the tree of one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Name of the log.
    pub origin: String,
    /// Leaves in the tree.
    pub size: u64,
    /// Root of the tree.
    pub root: Hash,
}

impl Checkpoint {
    /// The note's text: origin, size, base64 root, one a line.
    fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(&self.root))
    }

    fn parse(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.split('\n');
        let mut next = |what| lines.next().filter(|l| !l.is_empty()).ok_or(CheckpointError::Malformed(what));
        let origin = next("no origin line")?.to_owned();
        let digits = next("no size line")?;
        let size: u64 = digits.parse().map_err(|_| CheckpointError::Malformed("the size is not a number"))?;
        if size.to_string() != digits {
            return Err(CheckpointError::Malformed("the size is not in plain decimal"));
        }
        let root = BASE64.decode(next("no root line")?.as_bytes()).ok().and_then(|b| b.try_into().ok());
        let root = root.ok_or(CheckpointError::Malformed("the root is not base64 of 32 bytes"))?;
        Ok(Self { origin, size, root })
    }
}

/// The key that signs checkpoints. Its name is the origin of the log.
#[derive(Clone)]
pub struct CheckpointKey {
    key: SigningKey,
    verifier: CheckpointVerifier,
}

impl CheckpointKey {
    /// The key of an Ed25519 seed.
    ///
    /// # Errors
    /// If the name is empty or holds white space or `+` (signed notes cannot carry it).
    pub fn from_seed(name: &str, seed: [u8; 32]) -> Result<Self, CheckpointError> {
        let key = SigningKey::from(seed);
        let verifier = CheckpointVerifier::new(name, VerificationKey::from(&key).into())?;
        Ok(Self { key, verifier })
    }

    /// The public half.
    #[must_use]
    pub fn verifier(&self) -> &CheckpointVerifier {
        &self.verifier
    }

    /// Signs a checkpoint; the result is the whole note.
    #[must_use]
    pub fn sign(&self, checkpoint: &Checkpoint) -> String {
        self.sign_text(&checkpoint.text())
    }

    fn sign_text(&self, text: &str) -> String {
        let mut blob = [0u8; 68];
        blob[..4].copy_from_slice(&self.verifier.hash);
        blob[4..].copy_from_slice(&self.key.sign(text.as_bytes()).to_bytes());
        format!("{text}\n— {} {}\n", self.verifier.name, BASE64.encode(&blob))
    }
}

impl fmt::Debug for CheckpointKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The seed stays out of every log.
        f.debug_struct("CheckpointKey").field("verifier", &self.verifier.to_string()).finish_non_exhaustive()
    }
}

/// Verifies checkpoints of one log. Its text form is the C2SP verifier key `<name>+<hash>+<base64>`.
#[derive(Debug, Clone)]
pub struct CheckpointVerifier {
    name: String,
    hash: [u8; 4],
    key: VerificationKey,
}

impl CheckpointVerifier {
    /// From a name and an Ed25519 public key.
    ///
    /// # Errors
    /// If the name cannot stand in a signed note or the key is not a point on the curve.
    pub fn new(name: &str, public: [u8; 32]) -> Result<Self, CheckpointError> {
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == '+') {
            return Err(CheckpointError::Key("the name is empty or has white space or '+' in it"));
        }
        let key = VerificationKey::try_from(public).map_err(|_| CheckpointError::Key("not an Ed25519 public key"))?;
        let digest = Sha256::new().chain_update(name).chain_update([b'\n', ED25519]).chain_update(public).finalize();
        let hash = [digest[0], digest[1], digest[2], digest[3]];
        Ok(Self { name: name.to_owned(), hash, key })
    }

    /// From its text form.
    ///
    /// # Errors
    /// If it is not one, or its hash does not fit its name and key.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(hash), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(CheckpointError::Key("three parts wanted"));
        };
        let key = BASE64.decode(key.as_bytes()).map_err(|_| CheckpointError::Key("the key is not base64"))?;
        let Some((&ED25519, public)) = key.split_first() else {
            return Err(CheckpointError::Key("only Ed25519 keys (type 1) are supported"));
        };
        let public = public.try_into().map_err(|_| CheckpointError::Key("an Ed25519 key has 32 bytes"))?;
        let verifier = Self::new(name, public)?;
        if HEXLOWER.encode(&verifier.hash) != hash {
            return Err(CheckpointError::Key("the hash does not fit the name and the key"));
        }
        Ok(verifier)
    }

    /// Name of the key: the origin of the log.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The checkpoint in a note of this log, if this key signed it. Signatures of others (witnesses) are passed over.
    ///
    /// # Errors
    /// If the note is malformed, of another origin, or not rightly signed by this key.
    pub fn open(&self, note: &str) -> Result<Checkpoint, CheckpointError> {
        let checkpoint = Checkpoint::parse(self.open_text(note)?)?;
        if checkpoint.origin != self.name {
            return Err(CheckpointError::Origin { found: checkpoint.origin, expected: self.name.clone() });
        }
        Ok(checkpoint)
    }

    fn open_text<'a>(&self, note: &'a str) -> Result<&'a str, CheckpointError> {
        let end = note.rfind("\n\n").ok_or(CheckpointError::Malformed("no signatures"))?;
        let (text, signatures) = (&note[..=end], &note[end + 2..]);
        if !note.ends_with('\n') {
            return Err(CheckpointError::Malformed("the last line does not end"));
        }
        for line in signatures.lines() {
            let parts = line.strip_prefix("— ").and_then(|l| l.split_once(' '));
            let (name, blob) =
                parts.ok_or(CheckpointError::Malformed("a signature line is not '— <name> <base64>'"))?;
            let blob =
                BASE64.decode(blob.as_bytes()).map_err(|_| CheckpointError::Malformed("a signature is not base64"))?;
            if name != self.name || blob.get(..4) != Some(&self.hash[..]) {
                continue;
            }
            let signature =
                Signature::try_from(&blob[4..]).map_err(|_| CheckpointError::BadSignature(self.to_string()))?;
            return match self.key.verify(&signature, text.as_bytes()) {
                Ok(()) => Ok(text),
                Err(_) => Err(CheckpointError::BadSignature(self.to_string())),
            };
        }
        Err(CheckpointError::NotSigned(self.to_string()))
    }
}

impl fmt::Display for CheckpointVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = [ED25519; 33];
        key[1..].copy_from_slice(self.key.as_ref());
        write!(f, "{}+{}+{}", self.name, HEXLOWER.encode(&self.hash), BASE64.encode(&key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Go's `sumdb/note`, made by other people's code.
    const SKEY: &str = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const VKEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const TEXT: &str =
        "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    const LINE: &str =
        "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn signs_and_verifies_the_example_of_sumdb_note() {
        let seed = BASE64.decode(SKEY.as_bytes()).unwrap()[1..].try_into().unwrap();
        let key = CheckpointKey::from_seed("PeterNeumann", seed).unwrap();
        assert_eq!(key.verifier().to_string(), VKEY);
        let note = key.sign_text(TEXT);
        assert_eq!(note, format!("{TEXT}\n{LINE}"));
        assert_eq!(CheckpointVerifier::parse(VKEY).unwrap().open_text(&note).unwrap(), TEXT);
    }

    #[test]
    fn refuses_what_is_not_its_own() {
        let key = CheckpointKey::from_seed("dex.test/log", [7; 32]).unwrap();
        let checkpoint = Checkpoint { origin: "dex.test/log".into(), size: 5, root: [9; 32] };
        let note = key.sign(&checkpoint);
        let verifier = CheckpointVerifier::parse(&key.verifier().to_string()).unwrap();
        assert_eq!(verifier.open(&note).unwrap(), checkpoint);
        assert!(matches!(verifier.open(&note.replacen("\n5\n", "\n6\n", 1)), Err(CheckpointError::BadSignature(_))));
        let other = CheckpointKey::from_seed("dex.test/log", [8; 32]).unwrap();
        assert!(matches!(other.verifier().open(&note), Err(CheckpointError::NotSigned(_))));
        let elsewhere = key.sign(&Checkpoint { origin: "other.test/log".into(), ..checkpoint.clone() });
        assert!(matches!(verifier.open(&elsewhere), Err(CheckpointError::Origin { .. })));
        let witnessed = format!("{}— witness.test AAAAAAAA\n", note);
        assert_eq!(verifier.open(&witnessed).unwrap(), checkpoint);
        for cut in note.char_indices().map(|(i, _)| i) {
            assert!(verifier.open(&note[..cut]).is_err());
        }
        assert!(CheckpointKey::from_seed("a b", [1; 32]).is_err());
        assert!(CheckpointVerifier::parse(&VKEY.replace("c74f", "c74e")).is_err());
    }
}
