//! What a stream answers to a publish: stored, try again, or never.

use async_nats::{Message, StatusCode};

use super::PublishStatus;

/// The answer to one published message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Stored at this sequence.
    Stored(u64),
    /// Not stored now; the status says why.
    Retry(PublishStatus),
    /// Never will be.
    Refused { code: u64, reason: String },
}

#[derive(serde::Deserialize)]
struct Wire {
    #[serde(default)]
    seq: u64,
    error: Option<WireError>,
}

#[derive(serde::Deserialize)]
struct WireError {
    #[serde(default)]
    code: u64,
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

/// Reads an answer.
pub(super) fn read(message: &Message) -> Answer {
    if message.status == Some(StatusCode::NO_RESPONDERS) {
        return Answer::Retry(PublishStatus::Unreachable);
    }
    read_body(&message.payload)
}

fn read_body(body: &[u8]) -> Answer {
    // The common answer is small JSON; serde reads it in well under a microsecond.
    let Ok(wire) = serde_json::from_slice::<Wire>(body) else {
        return Answer::Retry(PublishStatus::Unreachable);
    };
    let Some(error) = wire.error else {
        return Answer::Stored(wire.seq);
    };
    match (error.err_code, error.code) {
        // Stream store failed: maximum bytes, messages, or the disk; account and server storage limits.
        (10077 | 10002 | 10023 | 10028 | 10047, _) => Answer::Retry(PublishStatus::Full),
        (10167, _) | (_, 429) => Answer::Retry(PublishStatus::Busy),
        // Message exceeds maximum (10054), headers too large (10054 or 10097), TTL invalid (10165) or disabled (10166),
        // sealed (10109), wrong expectations (10060, 10070, 10071), rollup not permitted (10098, 10111).
        (10054 | 10060 | 10070 | 10071 | 10097 | 10098 | 10109 | 10111 | 10165 | 10166, _) | (_, 400) => {
            Answer::Refused { code: error.err_code, reason: error.description }
        }
        _ => Answer::Retry(PublishStatus::Unreachable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart() {
        assert_eq!(read_body(br#"{"stream":"DEX_OUT","seq":7}"#), Answer::Stored(7));
        assert_eq!(read_body(br#"{"stream":"DEX_OUT","domain":"d","seq":7,"duplicate":true}"#), Answer::Stored(7));
        let error = |code, err| {
            read_body(
                format!(r#"{{"error":{{"code":{code},"err_code":{err},"description":"d"}},"stream":"S","seq":0}}"#)
                    .as_bytes(),
            )
        };
        assert_eq!(error(503, 10077), Answer::Retry(PublishStatus::Full));
        assert_eq!(error(429, 10167), Answer::Retry(PublishStatus::Busy));
        assert_eq!(error(503, 10008), Answer::Retry(PublishStatus::Unreachable));
        assert_eq!(error(400, 10054), Answer::Refused { code: 10054, reason: "d".into() });
        assert_eq!(read_body(b""), Answer::Retry(PublishStatus::Unreachable));
    }
}
