//! What is stored: header, rows, open exchanges, and the versioned envelopes they lie in.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::error::StoreError;
use crate::domain::{Address, Registration, Timestamp};

/// The database's format. A newer one is refused.
pub const FORMAT: u16 = 1;

/// Version of the envelope of a row, a registration or an open exchange.
const ENVELOPE: u8 = 1;

/// Where a delivery's content lies in the spool: segment, offset in it, length in bytes.
pub type SpoolPlace = (u64, u64, u32);

/// What the database holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Format of the database, [`FORMAT`].
    pub format: u16,
    /// The exchange (ledger name) that it belongs to.
    pub origin: String,
    /// Entries with a leaf below this are folded in, and no others.
    pub through: u64,
    /// When the snapshot was made.
    pub made_at: Timestamp,
}

/// The state of one entity, as bytes that only its own type understands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Number of the last entry folded in.
    pub n: u64,
    /// The state.
    pub state: Vec<u8>,
    /// When the entity has something to do by the clock (none: never), where the state was folded anew; it is
    /// kept beside the rows.
    pub wake: Option<Option<Timestamp>>,
}

/// An exchange that is not final, by its delivery's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenRow {
    /// The entity that holds the exchange.
    pub entity: Address,
    /// Its partition.
    pub partition: u16,
    /// Settled by then, or expired.
    pub deadline: Timestamp,
    /// Leaf of the entry that opened it; once one that was held has left, of the entry by which it did.
    pub leaf: u64,
    /// Its content in the spool; none for requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spool: Option<SpoolPlace>,
    /// When its delivery was last published, as far as the snapshot knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
struct RowEnvelope<'a> {
    v: u8,
    n: u64,
    #[serde(borrow, with = "serde_bytes")]
    state: &'a [u8],
}

#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    v: u8,
    value: T,
}

#[derive(Deserialize)]
struct Version {
    v: u8,
}

#[derive(Deserialize)]
struct Format {
    format: u16,
}

/// Reads `bytes` and checks the envelope's version, which is named in the error when it is a newer one.
fn read<'a, T: Deserialize<'a>>(
    what: &'static str,
    key: &dyn std::fmt::Display,
    bytes: &'a [u8],
    version: impl Fn(&T) -> u8,
) -> Result<T, StoreError> {
    let fail = |detail: String| StoreError::Decode { what, key: key.to_string(), detail };
    let newer = |v: u8| fail(format!("its version {v} is newer than {ENVELOPE}"));
    match rmp_serde::from_slice::<T>(bytes) {
        Ok(value) if version(&value) <= ENVELOPE => Ok(value),
        Ok(value) => Err(newer(version(&value))),
        Err(error) => match rmp_serde::from_slice::<Version>(bytes) {
            Ok(Version { v }) if v > ENVELOPE => Err(newer(v)),
            _ => Err(fail(error.to_string())),
        },
    }
}

fn pack<T: Serialize>(what: &'static str, value: &T) -> Result<Vec<u8>, StoreError> {
    rmp_serde::to_vec_named(value).map_err(|source| StoreError::Encode { what, source })
}

impl Header {
    pub(super) fn pack(&self) -> Result<Vec<u8>, StoreError> {
        pack("the header", self)
    }

    /// The format alone, readable whatever else a newer program put into the header.
    pub(super) fn format_of(bytes: &[u8]) -> Result<u16, StoreError> {
        match rmp_serde::from_slice::<Format>(bytes) {
            Ok(header) => Ok(header.format),
            Err(error) => Err(Self::unreadable(&error)),
        }
    }

    pub(super) fn unpack(bytes: &[u8]) -> Result<Self, StoreError> {
        rmp_serde::from_slice(bytes).map_err(|error| Self::unreadable(&error))
    }

    fn unreadable(error: &rmp_serde::decode::Error) -> StoreError {
        StoreError::Decode { what: "the header", key: "the file".into(), detail: error.to_string() }
    }
}

impl Row {
    pub(super) fn pack(&self) -> Result<Vec<u8>, StoreError> {
        let envelope = RowEnvelope { v: ENVELOPE, n: self.n, state: &self.state };
        pack("a row", &envelope)
    }

    pub(super) fn unpack(key: &dyn std::fmt::Display, bytes: &[u8]) -> Result<Self, StoreError> {
        let row: RowEnvelope<'_> = read("the row", key, bytes, |row: &RowEnvelope<'_>| row.v)?;
        Ok(Row { n: row.n, state: row.state.to_vec(), wake: None })
    }

    /// The entry number of a stored row, without copying its state.
    pub(super) fn n_of(key: &dyn std::fmt::Display, bytes: &[u8]) -> Result<u64, StoreError> {
        read("the row", key, bytes, |row: &RowEnvelope<'_>| row.v).map(|row| row.n)
    }
}

/// A value that lies in the plain envelope.
pub(super) trait Enveloped: Serialize + DeserializeOwned {
    /// What errors call it.
    const WHAT: &'static str;

    fn pack(&self) -> Result<Vec<u8>, StoreError> {
        pack(Self::WHAT, &Envelope { v: ENVELOPE, value: self })
    }

    fn unpack(key: &dyn std::fmt::Display, bytes: &[u8]) -> Result<Self, StoreError> {
        read(Self::WHAT, key, bytes, |it: &Envelope<Self>| it.v).map(|it| it.value)
    }
}

impl Enveloped for OpenRow {
    const WHAT: &'static str = "the open exchange";
}

impl Enveloped for Registration {
    const WHAT: &'static str = "the registration";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_a_newer_envelope_is_named_so() {
        #[derive(Serialize)]
        struct Next {
            v: u8,
            number: u64,
        }
        let bytes = rmp_serde::to_vec_named(&Next { v: 2, number: 3 }).expect("packs");
        let error = Row::unpack(&"hat:bob", &bytes).expect_err("newer");
        assert!(error.to_string().contains("version 2 is newer than 1"), "{error}");
        let error = Row::unpack(&"hat:bob", b"\xc1").expect_err("no MessagePack");
        assert!(error.to_string().contains("the row of hat:bob"), "{error}");
    }
}
