//! Ids, kinds and addresses: who speaks and what is spoken about.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use smol_str::SmolStr;

/// Longest id, in bytes.
pub const ID_BYTES_MAX: usize = 128;

/// What a text that should be an id, an address or a key failed on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The id has no or too many bytes.
    #[error("an id has 1 to {ID_BYTES_MAX} bytes, this one has {0}")]
    Length(usize),
    /// The id holds a byte outside `[a-z0-9.-]` or begins or ends with a dot.
    #[error("an id holds only a-z, 0-9, '.' and '-', and neither begins nor ends with a dot: {0:?}")]
    Characters(SmolStr),
    /// The address lacks its kind, or the kind is none of the closed set.
    #[error(
        "an address is written kind:id with a kind out of hat, plug, app, org, platform, bridge, operator, offer, lane, dex, pseudonym: {0:?}"
    )]
    Kind(SmolStr),
}

/// The kind of a party or of an addressed entity. A closed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// One person's data account.
    Hat,
    /// An acquisition service that writes into HATs.
    Plug,
    /// An application with a manifest.
    App,
    /// An organisation that receives data under data debits.
    Org,
    /// A certified HAT provider.
    Platform,
    /// Speaks for HATs that speak only HTTP and were entrusted to it.
    Bridge,
    /// Somebody who runs this exchange; keys stand in the configuration.
    Operator,
    /// A data offer.
    Offer,
    /// One partition of the exchange itself, by its lane token.
    Lane,
    /// An exchange node.
    Dex,
    /// A HAT as one client knows it that is not to know whose data it is given. Never speaks, is never addressed.
    Pseudonym,
}

impl Kind {
    /// Every kind, in declaration order.
    pub const ALL: [Kind; 11] = [
        Kind::Hat,
        Kind::Plug,
        Kind::App,
        Kind::Org,
        Kind::Platform,
        Kind::Bridge,
        Kind::Operator,
        Kind::Offer,
        Kind::Lane,
        Kind::Dex,
        Kind::Pseudonym,
    ];

    /// The word used in addresses and subjects.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Hat => "hat",
            Kind::Plug => "plug",
            Kind::App => "app",
            Kind::Org => "org",
            Kind::Platform => "platform",
            Kind::Bridge => "bridge",
            Kind::Operator => "operator",
            Kind::Offer => "offer",
            Kind::Lane => "lane",
            Kind::Dex => "dex",
            Kind::Pseudonym => "pseudonym",
        }
    }
}

impl FromStr for Kind {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| IdError::Kind(text.into()))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The id of a party or entity within its kind: `[a-z0-9.-]`, 1 to 128 bytes, no dot at either end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(SmolStr);

impl Id {
    /// Checks `text` and takes it as an id.
    ///
    /// # Errors
    /// [`IdError`] when the length or a character is not allowed.
    pub fn new(text: &str) -> Result<Self, IdError> {
        let bytes = text.as_bytes();
        if bytes.is_empty() || bytes.len() > ID_BYTES_MAX {
            return Err(IdError::Length(bytes.len()));
        }
        let allowed = |b: &u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-');
        if !bytes.iter().all(allowed) || bytes[0] == b'.' || bytes[bytes.len() - 1] == b'.' {
            return Err(IdError::Characters(text.into()));
        }
        Ok(Id(text.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as one NATS subject token: each `.` written `_`.
    pub fn to_token(&self) -> String {
        self.0.replace('.', "_")
    }

    /// Reads an id back from a subject token.
    ///
    /// # Errors
    /// [`IdError`] when the token is not that of an id (a literal dot cannot occur in a token).
    pub fn from_token(token: &str) -> Result<Self, IdError> {
        if token.contains('_') { Id::new(&token.replace('_', ".")) } else { Id::new(token) }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Id {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Id::new(text)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Id::new(&text).map_err(de::Error::custom)
    }
}

/// A party that speaks or an entity that is spoken about, written `kind:id`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// Its kind.
    pub kind: Kind,
    /// Its id within the kind.
    pub id: Id,
}

impl Address {
    /// An address of these parts.
    pub fn new(kind: Kind, id: Id) -> Self {
        Address { kind, id }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.id)
    }
}

impl FromStr for Address {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (kind, id) = text.split_once(':').ok_or_else(|| IdError::Kind(text.into()))?;
        Ok(Address::new(kind.parse()?, Id::new(id)?))
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// The `Dex-Id` of a message: end-to-end reference and idempotency key (UUIDv7 from participants,
/// UUIDv8 when derived by the exchange).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageId(pub uuid::Uuid);

impl MessageId {
    /// The Unix time in milliseconds that stands in the first 48 bits of a version 7 or 8 id.
    pub fn unix_ms(self) -> u64 {
        let b = self.0.as_bytes();
        u64::from_be_bytes([0, 0, b[0], b[1], b[2], b[3], b[4], b[5]])
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for MessageId {
    type Err = uuid::Error;

    /// Reads the canonical form only: 36 characters, lower case.
    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        let id = MessageId(uuid::Uuid::try_parse(text)?);
        if text.len() == 36 && !text.bytes().any(|b| b.is_ascii_uppercase()) {
            Ok(id)
        } else {
            // Any other spelling would give one id two signed texts.
            uuid::Uuid::try_parse("not canonical").map(MessageId)
        }
    }
}
