//! The RSA key of a HAT as the tokens that it gives out are checked against it.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

use crate::domain::Pin;

use super::error::Fault;

/// A HAT's public key.
#[derive(Clone)]
pub struct HatKey {
    pin: Pin,
    decoding: DecodingKey,
}

impl std::fmt::Debug for HatKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HatKey({:?})", self.pin)
    }
}

impl PartialEq for HatKey {
    /// The same key, however its text was broken into lines.
    fn eq(&self, other: &Self) -> bool {
        self.pin == other.pin
    }
}

impl HatKey {
    /// Reads the PEM text of a key that can be pinned.
    ///
    /// # Errors
    /// [`Fault::Key`] that says what is wrong.
    pub fn parse(pem: &str) -> Result<Self, Fault> {
        let pin = Pin::parse(pem).map_err(|error| Fault::Key(error.to_string()))?;
        let decoding = DecodingKey::from_rsa_pem(pin.as_str().as_bytes());
        let decoding = decoding.map_err(|_| Fault::Key("the key cannot be used to check tokens".into()))?;
        Ok(HatKey { pin, decoding })
    }

    /// The key as it is pinned.
    pub fn pin(&self) -> &Pin {
        &self.pin
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
        assert_eq!(key.pin().as_str(), GOOD);
    }

    #[test]
    fn what_is_no_usable_rsa_key_is_refused() {
        let cut = GOOD.replacen("MII", "MIJ", 1);
        let private = GOOD.replace("PUBLIC", "PRIVATE");
        let twice = format!("{GOOD}{GOOD}");
        for bad in [SHORT, CURVE, "", "hello", "<html>", &cut, &private, &twice] {
            let fault = HatKey::parse(bad).expect_err("refused");
            assert!(matches!(fault, Fault::Key(_)), "{fault}");
        }
    }
}
