//! Fixed-size binary values (digests, keys, signatures) with their text forms.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD, HEXLOWER};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};

/// What a text that should be a digest, key or signature failed on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BytesError {
    /// Not lower-case hex of 32 bytes.
    #[error("a digest is 64 lower-case hex digits")]
    Digest,
    /// Not a public user nkey.
    #[error("a key is a public user nkey: 56 characters that begin with U, with a good checksum")]
    Key,
    /// Not unpadded base64url of 64 bytes.
    #[error("a signature is 86 characters of unpadded base64url")]
    Signature,
}

/// SHA-256 of something; written as hex in JSON.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Digest(Sha256::digest(bytes).into())
    }
}

/// An Ed25519 public key; written as a NATS user nkey (`U…`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub [u8; 32]);

/// Prefix byte of a public user nkey (source: NATS nkeys).
const USER_PREFIX: u8 = 20 << 3;

/// CRC-16/XMODEM, the checksum of nkeys.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0u16, |crc, &byte| {
        (0..8).fold(
            crc ^ (u16::from(byte) << 8),
            |crc, _| {
                if crc & 0x8000 != 0 { (crc << 1) ^ 0x1021 } else { crc << 1 }
            },
        )
    })
}

impl Key {
    /// A short name for logs and people: the first 8 bytes of the key's SHA-256 in hex.
    pub fn fingerprint(&self) -> String {
        HEXLOWER.encode(&Digest::of(&self.0).0[..8])
    }
}

/// An Ed25519 signature; written as unpadded base64url.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature(pub [u8; 64]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl FromStr for Digest {
    type Err = BytesError;

    fn from_str(text: &str) -> Result<Self, BytesError> {
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| BytesError::Digest)?;
        bytes.try_into().map(Digest).map_err(|_| BytesError::Digest)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut raw = [0u8; 35];
        raw[0] = USER_PREFIX;
        raw[1..33].copy_from_slice(&self.0);
        let crc = crc16(&raw[..33]);
        raw[33..].copy_from_slice(&crc.to_le_bytes());
        f.write_str(&BASE32_NOPAD.encode(&raw))
    }
}

impl FromStr for Key {
    type Err = BytesError;

    fn from_str(text: &str) -> Result<Self, BytesError> {
        let mut raw = [0u8; 35];
        if text.len() != 56 {
            return Err(BytesError::Key);
        }
        let len = BASE32_NOPAD.decode_mut(text.as_bytes(), &mut raw).map_err(|_| BytesError::Key)?;
        let crc = u16::from_le_bytes([raw[33], raw[34]]);
        if len != 35 || raw[0] != USER_PREFIX || crc16(&raw[..33]) != crc {
            return Err(BytesError::Key);
        }
        let mut key = [0u8; 32];
        key.copy_from_slice(&raw[1..33]);
        Ok(Key(key))
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}

impl FromStr for Signature {
    type Err = BytesError;

    fn from_str(text: &str) -> Result<Self, BytesError> {
        let mut raw = [0u8; 64];
        if text.len() != 86 {
            return Err(BytesError::Signature);
        }
        match BASE64URL_NOPAD.decode_mut(text.as_bytes(), &mut raw) {
            Ok(64) => Ok(Signature(raw)),
            _ => Err(BytesError::Signature),
        }
    }
}

/// Text in human-readable formats, bytes in MessagePack.
macro_rules! text_or_bytes {
    ($name:ident, $len:literal) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serializer.serialize_bytes(&self.0)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                    text.parse().map_err(de::Error::custom)
                } else {
                    let bytes = serde_bytes::ByteArray::<$len>::deserialize(deserializer)?;
                    Ok($name(bytes.into_array()))
                }
            }
        }
    };
}

text_or_bytes!(Digest, 32);
text_or_bytes!(Key, 32);
text_or_bytes!(Signature, 64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_written_as_the_nkeys_crate_writes_them() {
        let pair = nkeys::KeyPair::new_user();
        let text = pair.public_key();
        let key: Key = text.parse().expect("a fresh nkey");
        assert_eq!(key.to_string(), text);
        let mut wrong = text.into_bytes();
        wrong[20] = if wrong[20] == b'A' { b'B' } else { b'A' };
        let wrong = String::from_utf8(wrong).expect("ascii");
        assert_eq!(wrong.parse::<Key>(), Err(BytesError::Key));
    }

    #[test]
    fn digests_and_signatures_read_back() {
        let digest = Digest::of(b"dex");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!("AB".parse::<Digest>(), Err(BytesError::Digest));
        let signature = Signature([7; 64]);
        assert_eq!(signature.to_string().parse(), Ok(signature));
        let packed = rmp_serde::to_vec_named(&signature).expect("packs");
        assert_eq!(rmp_serde::from_slice::<Signature>(&packed).expect("reads"), signature);
    }
}
