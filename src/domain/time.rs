//! Instants and spans of the exchange, as integers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An instant: nanoseconds since the Unix epoch, UTC. RFC 3339 text in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Timestamp(pub i64);

/// One second in nanoseconds.
pub const SECOND: i64 = 1_000_000_000;

/// A text that is no RFC 3339 instant between the years 1678 and 2261.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a time is RFC 3339 in UTC, like 2026-01-31T12:00:00Z, between the years 1678 and 2261")]
pub struct TimeError;

impl Timestamp {
    /// The instant `nanoseconds` later (earlier when negative), kept within range.
    pub const fn plus(self, nanoseconds: i64) -> Self {
        Timestamp(self.0.saturating_add(nanoseconds))
    }

    /// Nanoseconds from `earlier` to this instant.
    pub const fn since(self, earlier: Timestamp) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Whole milliseconds since the Unix epoch, 0 before it.
    pub fn unix_ms(self) -> u64 {
        u64::try_from(self.0 / 1_000_000).unwrap_or(0)
    }

    /// An instant from milliseconds since the Unix epoch.
    pub fn from_unix_ms(ms: u64) -> Self {
        Timestamp(i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(1_000_000))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(time) => time.fmt(f),
            Err(_) => write!(f, "{}ns", self.0),
        }
    }
}

impl FromStr for Timestamp {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        // jiff also reads local forms and annotations, which would be ambiguous on the wire.
        let bytes = text.as_bytes();
        let shape = bytes.len() >= 20 && bytes.len() <= 35 && bytes[bytes.len() - 1] == b'Z' && bytes[10] == b'T';
        if !shape {
            return Err(TimeError);
        }
        let time: jiff::Timestamp = text.parse().map_err(|_| TimeError)?;
        i64::try_from(time.as_nanosecond()).map(Timestamp).map_err(|_| TimeError)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_i64(self.0) }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
            text.parse().map_err(de::Error::custom)
        } else {
            i64::deserialize(deserializer).map(Timestamp)
        }
    }
}
