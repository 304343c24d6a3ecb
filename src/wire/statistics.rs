//! The broadcast of statistics: a body of JSON, signed by the exchange in the headers beside it.

use super::header;
use super::sign::Signer;
use super::verify::verify;
use crate::domain::{Digest, Key, Signature};

/// First line of the signed text.
const VERSION: &str = "dex-stats-v1";

/// The text that the signature is over: version, the exchange's name, SHA-256 of the body in hex.
fn signed_text(origin: &str, body: &[u8]) -> Vec<u8> {
    format!("{VERSION}\n{origin}\n{}", Digest::of(body)).into_bytes()
}

/// The headers of a broadcast.
pub fn headers(signer: &Signer, origin: &str, body: &[u8]) -> [(&'static str, String); 3] {
    [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::KEY, signer.public().to_string()),
        (header::SIG, signer.sign(&signed_text(origin, body)).to_string()),
    ]
}

/// Whether the exchange of this name has signed the body with this key. That the key is the exchange's, the caller knows.
pub fn is_signed(origin: &str, key: &Key, signature: &Signature, body: &[u8]) -> bool {
    verify(key, signature, &signed_text(origin, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broadcast_is_the_exchange_s_word_to_the_byte() {
        let signer = Signer::from_seed(&[7; 32]);
        let told = headers(&signer, "dex.example", b"{}");
        let of = |name: &str| told.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
        let key: Key = of(header::KEY).expect("there").parse().expect("a key");
        let signature: Signature = of(header::SIG).expect("there").parse().expect("a signature");
        assert!(is_signed("dex.example", &key, &signature, b"{}"));
        assert!(!is_signed("dex.example", &key, &signature, b"{ }"));
        assert!(!is_signed("dex.other", &key, &signature, b"{}"));
        assert!(!is_signed("dex.example", &Signer::from_seed(&[8; 32]).public(), &signature, b"{}"));
    }
}
