//! The RSA key of a HAT: what is pinned at registration, and what its tokens are checked against.

use data_encoding::BASE64;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

use super::error::Fault;

/// Longest key text read, bytes.
pub const PEM_MAX: usize = 8 * 1024;
/// Fewest bits of a key.
const BITS_MIN: usize = 2048;
/// Most bits: a longer one makes every check of a token dear.
const BITS_MAX: usize = 8192;
/// `SEQUENCE { OID rsaEncryption, NULL }`.
const RSA_ALGORITHM: [u8; 15] =
    [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";

/// A HAT's public key.
#[derive(Clone)]
pub struct HatKey {
    der: Vec<u8>,
    decoding: DecodingKey,
}

impl std::fmt::Debug for HatKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HatKey({} bytes)", self.der.len())
    }
}

impl PartialEq for HatKey {
    /// The same key, however its text was broken into lines.
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

/// One DER value of this tag: its content, and what follows it.
fn value(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = der.split_first()?;
    let (&length, rest) = rest.split_first()?;
    if first != tag {
        return None;
    }
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81 => (usize::from(*rest.first()?), rest.get(1..)?),
        0x82 => (usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?])), rest.get(2..)?),
        _ => return None,
    };
    Some((rest.get(..length)?, rest.get(length..)?))
}

/// Modulus and exponent of a SubjectPublicKeyInfo, without leading zeros.
fn parts(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (info, rest) = value(0x30, der)?;
    let bits = info.strip_prefix(&RSA_ALGORITHM)?;
    let (bits, after) = value(0x03, bits)?;
    let (key, end) = value(0x30, bits.strip_prefix(&[0])?)?;
    let (modulus, key) = value(0x02, key)?;
    let (exponent, key) = value(0x02, key)?;
    let whole = rest.is_empty() && after.is_empty() && end.is_empty() && key.is_empty();
    let positive = |number: &[u8]| number.first().is_some_and(|first| first & 0x80 == 0);
    (whole && positive(modulus) && positive(exponent))
        .then(|| (modulus.strip_prefix(&[0]).unwrap_or(modulus), exponent.strip_prefix(&[0]).unwrap_or(exponent)))
}

impl HatKey {
    /// Reads the PEM text of a SubjectPublicKeyInfo with an RSA key of 2048 to 8192 bits.
    ///
    /// # Errors
    /// [`Fault::Key`] that says what is wrong.
    pub fn parse(pem: &str) -> Result<Self, Fault> {
        if pem.len() > PEM_MAX {
            return Err(Fault::Key("its text is too long"));
        }
        let inside = pem.trim().strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END));
        let inside = inside.ok_or(Fault::Key("it is not one PEM block PUBLIC KEY"))?;
        let base64: String = inside.split_ascii_whitespace().collect();
        let der = BASE64.decode(base64.as_bytes()).map_err(|_| Fault::Key("its PEM block is not base64"))?;
        let (modulus, exponent) = parts(&der).ok_or(Fault::Key("it is no RSA key"))?;
        let bits = modulus.len() * 8 - modulus.first().map_or(0, |first| first.leading_zeros() as usize);
        if !(BITS_MIN..=BITS_MAX).contains(&bits) {
            return Err(Fault::Key("it has fewer than 2048 or more than 8192 bits"));
        }
        let odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
        if !odd(modulus) || !odd(exponent) || exponent.len() > 4 || matches!(exponent, [1]) {
            return Err(Fault::Key("its modulus or exponent is none of RSA"));
        }
        let decoding = DecodingKey::from_rsa_pem(pem.trim().as_bytes()).map_err(|_| Fault::Key("it is no RSA key"))?;
        Ok(HatKey { der, decoding })
    }

    /// The canonical PEM text: lines of 64 characters, each ended.
    pub fn to_pem(&self) -> String {
        let base64 = BASE64.encode(&self.der);
        let mut text = format!("{BEGIN}\n");
        let mut rest = base64.as_str();
        while !rest.is_empty() {
            let (line, more) = rest.split_at(rest.len().min(64));
            text.push_str(line);
            text.push('\n');
            rest = more;
        }
        text.push_str(END);
        text.push('\n');
        text
    }

    /// Checks a token of the HAT: RS256 under this key, from this issuer, not expired. Only the holder of
    /// the private key can make one, whatever `/publickey` shows.
    ///
    /// # Errors
    /// [`Fault::OtherKey`].
    pub fn check_token(&self, token: &str, issuer: &str) -> Result<Claims, Fault> {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[issuer]);
        validation.set_required_spec_claims(&["exp", "iss"]);
        validation.validate_aud = false;
        let read = jsonwebtoken::decode::<Claims>(token, &self.decoding, &validation);
        read.map(|token| token.claims).map_err(|_| Fault::OtherKey)
    }
}

/// What is read of a token.
#[derive(Debug, Clone, Deserialize)]
pub struct Claims {
    /// Until when, Unix seconds.
    pub exp: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = include_str!("../../../tests/data/hat-rsa.pub.pem");
    const SHORT: &str = include_str!("../../../tests/data/hat-rsa-1024.pub.pem");
    const CURVE: &str = include_str!("../../../tests/data/hat-ec.pub.pem");

    #[test]
    fn an_rsa_key_is_read_and_the_same_in_any_layout() {
        let key = HatKey::parse(GOOD).expect("reads");
        let windows = GOOD.replace('\n', "\r\n");
        assert_eq!(HatKey::parse(&windows).expect("reads"), key);
        assert_eq!(key.to_pem(), GOOD);
    }

    #[test]
    fn what_is_no_usable_rsa_key_is_refused() {
        let cut = GOOD.replacen("MII", "MIJ", 1);
        let private = GOOD.replace("PUBLIC", "PRIVATE");
        let twice = format!("{GOOD}{GOOD}");
        let long = " ".repeat(PEM_MAX + 1);
        for bad in [SHORT, CURVE, "", "hello", "<html>", &cut, &private, &twice, &long] {
            let fault = HatKey::parse(bad).expect_err("refused");
            assert!(matches!(fault, Fault::Key(_)), "{fault}");
        }
    }
}
