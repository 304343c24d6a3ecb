//! A HAT's RSA public key: pinned when it is registered, it is what its tokens over HTTP are checked by.

use std::fmt;

use data_encoding::{BASE64, BASE64_MIME_PERMISSIVE};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use smol_str::SmolStr;

/// Shortest modulus that is taken, bits.
pub const PIN_BITS_MIN: usize = 2048;
/// Longest modulus that is taken, bits: checking a token takes time by its square.
pub const PIN_BITS_MAX: usize = 8192;
/// Longest text that is looked at, bytes.
pub const PIN_BYTES_MAX: usize = 4096;

const HEAD: &str = "-----BEGIN PUBLIC KEY-----";
const FOOT: &str = "-----END PUBLIC KEY-----";
/// rsaEncryption, 1.2.840.113549.1.1.1 (RFC 8017), with its NULL parameters.
const RSA: [u8; 13] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

/// Why a text is no key that can be pinned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// Not PEM of a public key.
    #[error("a public key is PEM text from {HEAD:?} to {FOOT:?}, at most {PIN_BYTES_MAX} bytes")]
    Pem,
    /// Not an RSA key in SubjectPublicKeyInfo form.
    #[error("the PEM text holds no RSA public key (SubjectPublicKeyInfo, RFC 5280)")]
    NotRsa,
    /// Too short or too long.
    #[error("an RSA key has {PIN_BITS_MIN} to {PIN_BITS_MAX} bits, this one has {0}")]
    Bits(usize),
    /// An exponent that no signature can be checked by.
    #[error("the RSA key's exponent is even or too small")]
    Exponent,
}

/// An RSA public key as canonical PEM (SubjectPublicKeyInfo, lines of 64), so that equal keys are equal texts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pin(SmolStr);

impl Pin {
    /// Reads a key from PEM text.
    ///
    /// # Errors
    /// [`PinError`].
    pub fn parse(text: &str) -> Result<Self, PinError> {
        let text = text.trim();
        if text.len() > PIN_BYTES_MAX {
            return Err(PinError::Pem);
        }
        let body = text.strip_prefix(HEAD).and_then(|rest| rest.strip_suffix(FOOT)).ok_or(PinError::Pem)?;
        let der = BASE64_MIME_PERMISSIVE.decode(body.as_bytes()).map_err(|_| PinError::Pem)?;
        check(&der)?;
        let encoded = BASE64.encode(&der);
        let mut pem = String::with_capacity(encoded.len() + 128);
        pem.push_str(HEAD);
        pem.push('\n');
        let mut rest = encoded.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at(rest.len().min(64));
            pem.push_str(line);
            pem.push('\n');
            rest = after;
        }
        pem.push_str(FOOT);
        pem.push('\n');
        Ok(Pin(pem.into()))
    }

    /// The PEM text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Pin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Pin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Pin::parse(&text).map_err(de::Error::custom)
    }
}

/// Takes one DER element with this tag off the front: its content, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, first], rest) = der.split_first_chunk::<2>()?;
    if found != tag {
        return None;
    }
    let (len, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => {
            let (&len, rest) = rest.split_first()?;
            // The shortest form only: one key has one encoding.
            (len > 0x7f).then_some((usize::from(len), rest))?
        }
        0x82 => {
            let (len, rest) = rest.split_first_chunk::<2>()?;
            let len = usize::from(u16::from_be_bytes(*len));
            (len > 0xff).then_some((len, rest))?
        }
        _ => return None,
    };
    rest.split_at_checked(len)
}

/// A positive DER integer without its sign byte.
fn natural(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (content, rest) = element(der, 0x02)?;
    match content {
        [0, more @ ..] if more.first().is_some_and(|b| b & 0x80 != 0) => Some((more, rest)),
        [first, ..] if *first != 0 && first & 0x80 == 0 => Some((content, rest)),
        _ => None,
    }
}

fn check(der: &[u8]) -> Result<(), PinError> {
    let parts = || {
        let (info, after) = element(der, 0x30)?;
        let (algorithm, key) = element(info, 0x30)?;
        let (bits, end) = element(key, 0x03)?;
        let (numbers, tail) = element(bits.strip_prefix(&[0])?, 0x30)?;
        let (modulus, rest) = natural(numbers)?;
        let (exponent, last) = natural(rest)?;
        let whole = [after, end, tail, last].iter().all(|left| left.is_empty());
        (whole && algorithm == RSA).then_some((modulus, exponent))
    };
    let (modulus, exponent) = parts().ok_or(PinError::NotRsa)?;
    let bits = modulus.len() * 8 - modulus.first().map_or(0, |first| first.leading_zeros() as usize);
    if !(PIN_BITS_MIN..=PIN_BITS_MAX).contains(&bits) {
        return Err(PinError::Bits(bits));
    }
    let odd = exponent.last().is_some_and(|last| last & 1 == 1);
    if !odd || exponent == [1] { Err(PinError::Exponent) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `openssl genrsa`; its private half was thrown away.
    const GOOD: &str = include_str!("tests/pin.pem");

    fn altered(alter: impl Fn(&mut Vec<u8>)) -> String {
        let body = GOOD.trim().strip_prefix(HEAD).and_then(|t| t.strip_suffix(FOOT)).expect("PEM");
        let mut der = BASE64_MIME_PERMISSIVE.decode(body.as_bytes()).expect("base64");
        alter(&mut der);
        format!("{HEAD}\n{}\n{FOOT}", BASE64.encode(&der))
    }

    #[test]
    fn a_key_reads_and_has_one_text_however_it_is_written() {
        let pin = Pin::parse(GOOD).expect("a key");
        assert_eq!(pin.as_str(), GOOD);
        let one_line = altered(|_| ());
        assert_ne!(one_line, GOOD);
        assert_eq!(Pin::parse(&one_line), Ok(pin.clone()));
        assert_eq!(Pin::parse(&GOOD.replace('\n', "\r\n")), Ok(pin.clone()));
        let packed = rmp_serde::to_vec_named(&pin).expect("packs");
        assert_eq!(rmp_serde::from_slice::<Pin>(&packed).expect("reads"), pin);
    }

    #[test]
    fn what_is_no_usable_rsa_key_is_refused() {
        assert_eq!(Pin::parse(""), Err(PinError::Pem));
        assert_eq!(Pin::parse(&GOOD.replace("PUBLIC", "PRIVATE")), Err(PinError::Pem));
        assert_eq!(Pin::parse(&GOOD.replacen('M', "*", 1)), Err(PinError::Pem));
        assert_eq!(Pin::parse(&format!("{HEAD}{}{FOOT}", "A".repeat(PIN_BYTES_MAX))), Err(PinError::Pem));
        assert_eq!(Pin::parse(&altered(|der| der.push(0))), Err(PinError::NotRsa));
        assert_eq!(Pin::parse(&altered(|der| der.truncate(der.len() - 1))), Err(PinError::NotRsa));
        // Another algorithm, and a modulus below zero.
        assert_eq!(Pin::parse(&altered(|der| der[10] ^= 1)), Err(PinError::NotRsa));
        assert_eq!(Pin::parse(&altered(|der| der[32] = 0x80)), Err(PinError::NotRsa));
        let last = |value| altered(|der| *der.last_mut().expect("bytes") = value);
        assert_eq!(Pin::parse(&last(0)), Err(PinError::Exponent));
        assert!(Pin::parse(&last(3)).is_ok());
        let short = "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAM56MOLASvwoyoVS8wpH/lb00Ebl/1eYHMDtktY6AetYYgfVM0E58Le0eMBb7mMt+JZupAoY6Z3qceerLyyOCwECAwEAAQ==";
        assert_eq!(Pin::parse(&format!("{HEAD}\n{short}\n{FOOT}")), Err(PinError::Bits(512)));
    }
}
