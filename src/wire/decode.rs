//! Reads a message in: subject, headers and body to a [`Command`] and the text to verify.

use bytes::Bytes;
use smol_str::SmolStr;

use crate::domain::{
    Action, Address, Cause, Command, Digest, Key, Kind, Limits, MessageId, Reason, Signature, Timestamp,
};

use super::header::{self, HeaderSource};
use super::signed_text::{self, Fields};
use super::{body, depth, subject};

/// A message as the stream hands it over.
pub struct Raw<'a, H: HeaderSource> {
    /// `dex.v1.p.<n>.…`.
    pub stored_subject: &'a str,
    /// Its headers.
    pub headers: &'a H,
    /// Its body.
    pub payload: Bytes,
    /// When the stream stored it.
    pub stored_at: Timestamp,
    /// Bytes of its header block.
    pub header_bytes: usize,
}

/// A well-formed message whose signature is still to be checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Incoming {
    /// What is asked; its cause is always there.
    pub command: Command,
    /// The signed text; empty when the message is unsigned.
    pub text: Vec<u8>,
    /// `Dex-Reply`, when it is a place to reply to.
    pub reply: Option<SmolStr>,
    /// True when a `Dex-Reply` was ignored because it is no inbox.
    pub reply_ignored: bool,
    /// The sender wants the proof with its outcome.
    pub want_proof: bool,
}

impl Incoming {
    /// The message's facts.
    pub fn cause(&self) -> &Cause {
        self.command.cause.as_ref().expect("decode puts a cause into every command")
    }

    /// What is to be verified; `None` when the message is unsigned (only where that is allowed).
    pub fn to_verify(&self) -> Option<(Key, Signature, &[u8])> {
        let cause = self.cause();
        Some((cause.key?, cause.signature?, &self.text))
    }
}

/// A message that is none of the protocol: never handed to an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// [`Reason::Malformed`] or [`Reason::TooLarge`].
    pub reason: Reason,
    /// What is wrong and where, for the sender; at most [`DETAIL_BYTES_MAX`] bytes.
    pub detail: String,
    /// Its id, when that much could be read.
    pub id: Option<MessageId>,
    /// Its sender as claimed, when that much could be read.
    pub from: Option<Address>,
    /// Where to tell, when it named an inbox.
    pub reply: Option<SmolStr>,
}

/// Longest [`Refused::detail`], bytes.
pub const DETAIL_BYTES_MAX: usize = 512;

/// Reads a message. `origin` is the exchange's own name; `signatures_required` is false only where the
/// broker's authentication stands for signatures.
///
/// Pure and total: no input makes it panic. Work is linear in the message's size, and sizes are checked
/// first. The signature is not checked here, see [`Incoming::to_verify`].
///
/// # Errors
/// [`Refused`].
pub fn decode<H: HeaderSource>(
    raw: &Raw<'_, H>,
    limits: &Limits,
    origin: &str,
    signatures_required: bool,
) -> Result<Incoming, Box<Refused>> {
    read(raw, limits, origin, signatures_required).map_err(|(reason, mut detail)| {
        if detail.len() > DETAIL_BYTES_MAX {
            let mut end = DETAIL_BYTES_MAX;
            while !detail.is_char_boundary(end) {
                end -= 1;
            }
            detail.truncate(end);
        }
        let one = |name| raw.headers.one(name).ok().flatten();
        // Headers over their limit are not read at all.
        let readable = raw.header_bytes <= limits.header_bytes;
        Box::new(Refused {
            reason,
            detail,
            id: readable.then(|| one(header::ID)?.parse().ok()).flatten(),
            from: readable.then(|| one(header::FROM)?.parse().ok()).flatten(),
            reply: readable.then(|| one(header::REPLY).filter(|r| header::is_inbox(r))).flatten().map(SmolStr::new),
        })
    })
}

fn read<H: HeaderSource>(
    raw: &Raw<'_, H>,
    limits: &Limits,
    origin: &str,
    signatures_required: bool,
) -> Result<Incoming, body::Wrong> {
    sizes(raw, limits)?;
    let one = |name| raw.headers.one(name).map_err(|e| malformed(e.to_string()));
    let missing = |name: &str| malformed(format!("header {name} is missing"));

    let id_text = one(header::ID)?.ok_or_else(|| missing(header::ID))?;
    let from_text = one(header::FROM)?.ok_or_else(|| missing(header::FROM))?;
    let key_text = one(header::KEY)?;
    let sig_text = one(header::SIG)?;
    let deadline_text = one(header::DEADLINE)?;
    let reply_text = one(header::REPLY)?;
    let want_text = one(header::WANT)?;
    let pull_text = one(header::PULL)?;
    let job_text = one(header::JOB)?;

    let from: Address = parsed(header::FROM, from_text)?;
    if matches!(from.kind, Kind::Offer | Kind::Lane | Kind::Pseudonym) {
        return Err(malformed(format!("{} names a {}, which never speaks", header::FROM, from.kind)));
    }
    let id = message_id(id_text, from.kind)?;
    let key: Option<Key> = key_text.map(|t| parsed(header::KEY, t)).transpose()?;
    let signature: Option<Signature> = sig_text.map(|t| parsed(header::SIG, t)).transpose()?;
    match (key, signature) {
        (Some(_), None) => return Err(missing(header::SIG)),
        (None, Some(_)) => return Err(missing(header::KEY)),
        (None, None) if signatures_required => return Err(missing(header::KEY)),
        _ => {}
    }
    let deadline = deadline_text.map(|t| parsed::<Timestamp>(header::DEADLINE, t)).transpose()?;
    let pull = pull_text.map(|t| parsed::<MessageId>(header::PULL, t)).transpose()?;
    let job = job_text.map(|t| parsed::<MessageId>(header::JOB, t)).transpose()?.map(|id| id.0);
    let want_proof = match want_text {
        None => false,
        Some(header::WANT_PROOF) => true,
        Some(other) => {
            return Err(malformed(format!("{} can be {:?} only, not {other:?}", header::WANT, header::WANT_PROOF)));
        }
    };

    let (_, published) = subject::published_of_stored(raw.stored_subject).map_err(|e| malformed(e.to_string()))?;
    let place = subject::parse(&published).map_err(|e| malformed(e.to_string()))?;
    let action = body::read(&place.addressed, place.verb, place.object, &raw.payload, limits)?;
    if job.is_some() && !matches!(action, Action::Credit { .. }) {
        return Err(malformed(format!("{} goes with a credit whose body is its records", header::JOB)));
    }
    let addressed = place.addressed;

    let body = Digest::of(&raw.payload);
    let mut text = Vec::new();
    if let Some(key_text) = key_text {
        signed_text::write_in(
            &mut text,
            &Fields {
                origin,
                subject: &published,
                id: id_text,
                from: from_text,
                key: key_text,
                deadline: deadline_text.unwrap_or(""),
                reply: reply_text.unwrap_or(""),
                want: want_text.unwrap_or(""),
                pull: pull_text.unwrap_or(""),
                job: job_text.unwrap_or(""),
                body,
            },
        );
    }
    let reply = reply_text.filter(|r| header::is_inbox(r)).map(SmolStr::new);
    Ok(Incoming {
        text,
        reply_ignored: reply_text.is_some() && reply.is_none(),
        reply,
        want_proof,
        command: Command {
            addressed,
            action,
            cause: Some(Cause {
                subject: published.into(),
                id,
                from,
                key,
                signature,
                deadline: deadline_text.map(SmolStr::new),
                reply: reply_text.map(SmolStr::new),
                want: want_text.map(SmolStr::new),
                pull: pull_text.map(SmolStr::new),
                job: job_text.map(SmolStr::new),
                body,
            }),
            deadline,
            pull,
            job,
            stored_at: raw.stored_at,
        },
    })
}

fn sizes<H: HeaderSource>(raw: &Raw<'_, H>, limits: &Limits) -> Result<(), body::Wrong> {
    if raw.header_bytes > limits.header_bytes {
        let (is, most) = (raw.header_bytes, limits.header_bytes);
        return Err((Reason::TooLarge, format!("the header block has {is} bytes, more than {most}")));
    }
    if raw.payload.len() > limits.body_bytes {
        let (is, most) = (raw.payload.len(), limits.body_bytes);
        return Err((Reason::TooLarge, format!("the body has {is} bytes, more than {most}")));
    }
    if !depth::within(&raw.payload, limits.depth) {
        return Err(malformed(format!("the body nests deeper than {}", limits.depth)));
    }
    Ok(())
}

fn message_id(text: &str, from: Kind) -> Result<MessageId, body::Wrong> {
    let wrong = || {
        malformed(format!(
            "{} is not a UUID of version 7 in its canonical form of 36 lower-case characters",
            header::ID
        ))
    };
    let id: MessageId = text.parse().map_err(|_| wrong())?;
    let version = id.0.get_version_num();
    // The exchange derives the ids of its own messages.
    let allowed = version == 7 || (version == 8 && from == Kind::Dex);
    if !allowed || id.0.get_variant() != uuid::Variant::RFC4122 {
        return Err(wrong());
    }
    Ok(id)
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(name: &str, text: &str) -> Result<T, body::Wrong> {
    text.parse().map_err(|e| malformed(format!("{name}: {e}")))
}

fn malformed(detail: String) -> body::Wrong {
    (Reason::Malformed, detail)
}
