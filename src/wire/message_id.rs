//! Makes message ids: version 7 for participants, version 8 for the exchange's own messages.

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::domain::{Address, MessageId, Timestamp};

/// A participant's fresh id from the time and 80 random bits (RFC 9562, version 7).
pub fn message_id_v7(unix_ms: u64, random: [u8; 10]) -> MessageId {
    MessageId(uuid::Builder::from_unix_timestamp_millis(unix_ms, &random).into_uuid())
}

/// A version 8 id: `unix_ms` in the first 48 bits, the first 80 bits of `hash` after them, version and
/// variant laid over (RFC 9562).
pub fn message_id_v8(unix_ms: u64, hash: &[u8]) -> Uuid {
    let mut bytes = [0u8; 16];
    bytes[..6].copy_from_slice(&unix_ms.to_be_bytes()[2..]);
    for (byte, from) in bytes[6..].iter_mut().zip(hash) {
        *byte = *from;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// The id of effect `number` of entry `n` of `entity` in `log`, whose cause has the time `at`: the same
/// whenever the effect is derived again.
pub fn effect_id(log: &str, entity: &Address, n: u64, number: u16, at: Timestamp) -> MessageId {
    let text = format!("dex-v1-effect\n{log}\n{entity}\n{n}\n{number}");
    MessageId(message_id_v8(at.unix_ms(), &Sha256::digest(text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_carry_their_time_and_version() {
        let ms = 1_767_225_600_123;
        let id = message_id_v7(ms, [0xff; 10]);
        assert_eq!((id.unix_ms(), id.0.get_version_num()), (ms, 7));
        assert_eq!(id.to_string().parse(), Ok(id));
        let entity: Address = "hat:bob.hubat.net".parse().expect("address");
        let at = Timestamp::from_unix_ms(ms);
        let effect = effect_id("dex.example", &entity, 7, 1, at);
        assert_eq!((effect.unix_ms(), effect.0.get_version_num()), (ms, 8));
        assert_eq!(effect.0.get_variant(), uuid::Variant::RFC4122);
        assert_eq!(effect, effect_id("dex.example", &entity, 7, 1, at));
        assert_ne!(effect, effect_id("dex.example", &entity, 7, 2, at));
        assert_ne!(effect, effect_id("dex.example", &entity, 8, 1, at));
    }
}
