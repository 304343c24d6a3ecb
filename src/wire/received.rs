//! The recipient's side: reads and verifies what the exchange sends.

use std::collections::HashMap;

use bytes::Bytes;
use rand::{CryptoRng, RngCore};
use serde::Deserialize;
use uuid::Uuid;

use crate::domain::command::PullAsk;
use crate::domain::event::Authority;
use crate::domain::exchange::large::Object;
use crate::domain::plug::Connection;
use crate::domain::{Address, Digest, Id, Key, Kind, MessageId, Signature, Timestamp};

use super::header::{self, HeaderSource};
use super::outcome::OutcomeOut;
use super::outgoing::Said;
use super::signed_text::{self, Fields, OutFields};
use super::together::Path;
use super::{object, subject, verify};

/// Whose word the exchange's messages are taken on.
#[derive(Debug, Clone, Copy)]
pub enum Trust<'a> {
    /// The signature of one of these keys.
    Keys(&'a [Key]),
    /// The broker's: the exchange runs with `signatures = "trusted-broker"` and signs nothing.
    Broker,
}

impl<'a> From<&'a [Key]> for Trust<'a> {
    fn from(keys: &'a [Key]) -> Self {
        Trust::Keys(keys)
    }
}

impl<'a> From<&'a Vec<Key>> for Trust<'a> {
    fn from(keys: &'a Vec<Key>) -> Self {
        Trust::Keys(keys)
    }
}

impl<'a, const N: usize> From<&'a [Key; N]> for Trust<'a> {
    fn from(keys: &'a [Key; N]) -> Self {
        Trust::Keys(keys)
    }
}

/// A delivery as it came, to be read and verified with others: subject, headers, body.
pub type Came<'a, H> = (&'a str, &'a H, Bytes);

/// Why a message cannot be taken for the exchange's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceivedError {
    /// A header is missing, repeated or not of its form.
    #[error("{0}")]
    Header(String),
    /// The body's hash is not the header's.
    #[error("the body's SHA-256 is not that of Dex-Digest")]
    Digest,
    /// The key is none of those that the exchange is known by.
    #[error("Dex-Key is not a key of the exchange that is trusted here")]
    Key,
    /// The signature does not fit.
    #[error("the signature does not fit")]
    Signature,
    /// The body is not of its form.
    #[error("the body: {0}")]
    Body(String),
}

/// Content from the exchange, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id: apply once per id.
    pub id: Uuid,
    /// The exchange that delivered it.
    pub from: Address,
    /// The sender.
    pub source: Address,
    /// SHA-256 of the body.
    pub digest: Digest,
    /// SHA-256 of the body that was sent: the same one unless a debit's bundle made another of it.
    pub digest_in: Digest,
    /// Number of records.
    pub count: u32,
    /// The subject to publish the receipt on.
    pub receipt_to: String,
    /// The right under which it moved.
    pub authority: Authority,
    /// A receipt after this changes nothing.
    pub deadline: Timestamp,
    /// The own pull that it answers.
    pub pull: Option<MessageId>,
    /// The records, or the reference to them.
    pub body: Bytes,
}

impl Delivery {
    /// The object in which large content lies; none where the body is the records.
    pub fn object(&self) -> Option<Object> {
        object::is_reference(&self.body).then(|| object::read(&self.body).ok()).flatten()
    }
}

/// The exchange asks for a release, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its id.
    pub id: Uuid,
    /// The exchange.
    pub from: Address,
    /// The client that pulls.
    pub source: Address,
    /// The debit to release under.
    pub debit: Id,
    /// What the release gives as its `Dex-Pull`.
    pub pull: MessageId,
    /// Release by then.
    pub deadline: Timestamp,
    /// Which records.
    pub ask: PullAsk,
}

/// The exchange asks for a delivery back, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecallRequest {
    /// Its id.
    pub id: Uuid,
    /// The exchange.
    pub from: Address,
    /// The delivery that is wanted back.
    pub delivery: Uuid,
    /// The subject to publish the receipt on.
    pub receipt_to: String,
}

/// What is left to verify of a message, all else of it being in order.
type Unverified = (Key, Signature, Vec<u8>);

struct Signed<'a> {
    id: Uuid,
    from: Address,
    deadline: Option<Timestamp>,
    pull: Option<MessageId>,
    out: OutFields<'a>,
    digest: Digest,
}

/// Reads and verifies a message on `dex.v1.out.<kind>.<id>.delivery…`. `trust`: the keys that the
/// exchange `origin` is known by.
///
/// # Errors
/// [`ReceivedError`]; nothing of the message may be used then.
pub fn delivery<'t, H: HeaderSource>(
    subject: &str,
    headers: &H,
    body: Bytes,
    origin: &str,
    trust: impl Into<Trust<'t>>,
) -> Result<Delivery, ReceivedError> {
    let (delivery, rest) = read_delivery(subject, headers, body, origin, trust.into())?;
    verified(rest.as_ref())?;
    Ok(delivery)
}

/// Like [`delivery`] for many at once, whose signatures are checked together at about half the cost.
/// Element `i` is the verdict on message `i`.
pub fn deliveries<'t, H: HeaderSource, R: RngCore + CryptoRng>(
    came: Vec<Came<'_, H>>,
    origin: &str,
    trust: impl Into<Trust<'t>>,
    rng: &mut R,
) -> Vec<Result<Delivery, ReceivedError>> {
    let trust = trust.into();
    let read: Vec<_> =
        came.into_iter().map(|(subject, headers, body)| read_delivery(subject, headers, body, origin, trust)).collect();
    // What was signed together is checked once.
    let mut places: HashMap<verify::Item<'_>, usize> = HashMap::with_capacity(read.len());
    let mut items: Vec<verify::Item<'_>> = Vec::with_capacity(read.len());
    let of: Vec<Option<usize>> = read
        .iter()
        .map(|read| {
            let (key, signature, text) = read.as_ref().ok()?.1.as_ref()?;
            let item = (*key, *signature, text.as_slice());
            Some(*places.entry(item).or_insert_with(|| {
                items.push(item);
                items.len() - 1
            }))
        })
        .collect();
    let verdicts = verify::verify_batch(&items, rng);
    drop((places, items));
    read.into_iter()
        .zip(of)
        .map(|(read, place)| match (read, place) {
            (Ok(_), Some(place)) if !verdicts[place] => Err(ReceivedError::Signature),
            (read, _) => read.map(|(delivery, _)| delivery),
        })
        .collect()
}

fn read_delivery<H: HeaderSource>(
    subject: &str,
    headers: &H,
    body: Bytes,
    origin: &str,
    trust: Trust<'_>,
) -> Result<(Delivery, Option<Unverified>), ReceivedError> {
    let (signed, rest) = signed(subject, headers, &body, origin, trust)?;
    let delivery = Delivery {
        id: signed.id,
        from: signed.from,
        source: parsed(header::SOURCE, signed.out.source)?,
        digest: signed.digest,
        digest_in: match optional(signed.out.digest_in) {
            Some(text) => parsed(header::DIGEST_IN, text)?,
            None => signed.digest,
        },
        count: parsed(header::COUNT, signed.out.count)?,
        receipt_to: receipt_subject(signed.out.receipt_to)?,
        authority: authority(signed.out.authority)?,
        deadline: signed.deadline.ok_or_else(|| missing(header::DEADLINE))?,
        pull: signed.pull,
        body,
    };
    Ok((delivery, rest))
}

/// Reads and verifies a message on `dex.v1.out.hat.<id>.request`.
///
/// # Errors
/// [`ReceivedError`].
pub fn request<'t, H: HeaderSource>(
    subject: &str,
    headers: &H,
    body: &Bytes,
    origin: &str,
    trust: impl Into<Trust<'t>>,
) -> Result<Request, ReceivedError> {
    let (signed, rest) = signed(subject, headers, body, origin, trust.into())?;
    verified(rest.as_ref())?;
    let Authority::Debit(debit) = authority(signed.out.authority)? else {
        return Err(ReceivedError::Header(format!("{} names no debit", header::AUTHORITY)));
    };
    Ok(Request {
        id: signed.id,
        from: signed.from,
        source: parsed(header::SOURCE, signed.out.source)?,
        debit,
        pull: signed.pull.ok_or_else(|| missing(header::PULL))?,
        deadline: signed.deadline.ok_or_else(|| missing(header::DEADLINE))?,
        ask: json(body)?,
    })
}

/// Reads and verifies a message on `dex.v1.out.<kind>.<id>.recall`.
///
/// # Errors
/// [`ReceivedError`].
pub fn recall_request<'t, H: HeaderSource>(
    subject: &str,
    headers: &H,
    body: &Bytes,
    origin: &str,
    trust: impl Into<Trust<'t>>,
) -> Result<RecallRequest, ReceivedError> {
    #[derive(Deserialize)]
    struct Body {
        delivery: Uuid,
    }
    let (signed, rest) = signed(subject, headers, body, origin, trust.into())?;
    verified(rest.as_ref())?;
    Ok(RecallRequest {
        id: signed.id,
        from: signed.from,
        delivery: json::<Body>(body)?.delivery,
        receipt_to: receipt_subject(signed.out.receipt_to)?,
    })
}

/// A notice, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noticed {
    /// Its id: apply once per id.
    pub id: Uuid,
    /// What it tells.
    pub said: Said,
}

/// Reads and verifies a message on `dex.v1.out.<kind>.<id>.notice`.
///
/// # Errors
/// [`ReceivedError`].
pub fn notice<'t, H: HeaderSource>(
    subject: &str,
    headers: &H,
    body: &Bytes,
    origin: &str,
    trust: impl Into<Trust<'t>>,
) -> Result<Noticed, ReceivedError> {
    let (signed, rest) = signed(subject, headers, body, origin, trust.into())?;
    verified(rest.as_ref())?;
    Ok(Noticed { id: signed.id, said: json(body)? })
}

/// How a plug and a HAT stand to each other, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connected {
    /// The message's id.
    pub id: Uuid,
    /// What it tells.
    pub said: Connection,
}

/// Reads and verifies a message on `dex.v1.out.<kind>.<id>.connection`.
///
/// # Errors
/// [`ReceivedError`].
pub fn connection<'t, H: HeaderSource>(
    subject: &str,
    headers: &H,
    body: &Bytes,
    origin: &str,
    trust: impl Into<Trust<'t>>,
) -> Result<Connected, ReceivedError> {
    let (signed, rest) = signed(subject, headers, body, origin, trust.into())?;
    verified(rest.as_ref())?;
    Ok(Connected { id: signed.id, said: json(body)? })
}

/// Reads a message on `dex.v1.out.<kind>.<id>.outcome` (an array) or an answer to `Dex-Reply` (one
/// object). Outcomes carry no signature; their proof is the checkpoint.
///
/// # Errors
/// [`ReceivedError::Body`].
pub fn outcomes(body: &[u8]) -> Result<Vec<OutcomeOut>, ReceivedError> {
    let begins = body.iter().find(|b| !b.is_ascii_whitespace());
    if begins == Some(&b'[') { json(body) } else { json(body).map(|one| vec![one]) }
}

/// Verifies a message of which only the id and the body are of use; the id.
pub(super) fn plain<H: HeaderSource>(
    subject: &str,
    headers: &H,
    body: &[u8],
    origin: &str,
    trust: Trust<'_>,
) -> Result<Uuid, ReceivedError> {
    let (signed, rest) = signed(subject, headers, body, origin, trust)?;
    verified(rest.as_ref())?;
    Ok(signed.id)
}

fn verified(rest: Option<&Unverified>) -> Result<(), ReceivedError> {
    match rest {
        Some((key, signature, text)) if !verify::verify(key, signature, text) => Err(ReceivedError::Signature),
        _ => Ok(()),
    }
}

fn signed<'a, H: HeaderSource>(
    subject: &'a str,
    headers: &'a H,
    body: &[u8],
    origin: &str,
    trust: Trust<'_>,
) -> Result<(Signed<'a>, Option<Unverified>), ReceivedError> {
    let one = |name| headers.one(name).map_err(|e| ReceivedError::Header(e.to_string()));
    let text = |name| one(name).map(|value| value.unwrap_or(""));
    let fields = Fields {
        origin,
        subject,
        id: text(header::ID)?,
        from: text(header::FROM)?,
        key: text(header::KEY)?,
        deadline: text(header::DEADLINE)?,
        reply: text(header::REPLY)?,
        want: text(header::WANT)?,
        pull: text(header::PULL)?,
        job: "",
        body: Digest::of(body),
    };
    let out = OutFields {
        source: text(header::SOURCE)?,
        count: text(header::COUNT)?,
        receipt_to: text(header::RECEIPT_TO)?,
        authority: text(header::AUTHORITY)?,
        digest_in: text(header::DIGEST_IN)?,
    };
    let digest: Digest = parsed(header::DIGEST, text(header::DIGEST)?)?;
    if digest != fields.body {
        return Err(ReceivedError::Digest);
    }
    let rest = match trust {
        Trust::Broker => None,
        Trust::Keys(keys) => {
            let key: Key = parsed(header::KEY, fields.key)?;
            if !keys.contains(&key) {
                return Err(ReceivedError::Key);
            }
            let signature: Signature = parsed(header::SIG, text(header::SIG)?)?;
            let mut signed_text = Vec::new();
            signed_text::write_out(&mut signed_text, &fields, &out);
            if let Some(path) = one(header::PATH)? {
                let path: Path = parsed(header::PATH, path)?;
                signed_text = path.root_text(origin, &signed_text).ok_or(ReceivedError::Signature)?;
            }
            Some((key, signature, signed_text))
        }
    };
    let from: Address = parsed(header::FROM, fields.from)?;
    if from.kind != Kind::Dex || from.id.as_str() != origin {
        return Err(ReceivedError::Header(format!("{} is not dex:{origin}", header::FROM)));
    }
    let id: MessageId = parsed(header::ID, fields.id)?;
    let signed = Signed {
        id: id.0,
        from,
        deadline: optional(fields.deadline).map(|t| parsed(header::DEADLINE, t)).transpose()?,
        pull: optional(fields.pull).map(|t| parsed(header::PULL, t)).transpose()?,
        out,
        digest,
    };
    Ok((signed, rest))
}

fn optional(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn authority(text: &str) -> Result<Authority, ReceivedError> {
    let wrong = || ReceivedError::Header(format!("{} is no authority: {text:?}", header::AUTHORITY));
    let (kind, id) = text.split_once(':').ok_or_else(wrong)?;
    let id = Id::new(id).map_err(|_| wrong())?;
    match kind {
        "plug" => Ok(Authority::Plug(id)),
        "app" => Ok(Authority::App(id)),
        "debit" => Ok(Authority::Debit(id)),
        _ => Err(wrong()),
    }
}

fn receipt_subject(text: &str) -> Result<String, ReceivedError> {
    let place = subject::parse(text).map_err(|e| ReceivedError::Header(format!("{}: {e}", header::RECEIPT_TO)))?;
    if place.verb != "receipt" || place.object.is_some() {
        return Err(ReceivedError::Header(format!("{} is no place for receipts", header::RECEIPT_TO)));
    }
    Ok(text.to_owned())
}

fn missing(name: &str) -> ReceivedError {
    ReceivedError::Header(format!("header {name} is missing"))
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(name: &str, text: &str) -> Result<T, ReceivedError> {
    if text.is_empty() {
        return Err(missing(name));
    }
    text.parse().map_err(|e| ReceivedError::Header(format!("{name}: {e}")))
}

pub(super) fn json<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, ReceivedError> {
    serde_json::from_slice(body).map_err(|e| ReceivedError::Body(e.to_string()))
}
