//! The text that a signature is over: lines joined by LF, no final LF, an absent header an empty line.

use crate::domain::{Cause, Digest};

/// First line of the text of a message to the exchange.
pub const VERSION_IN: &str = "dex-v1";
/// First line of the text of a message from the exchange, which has four or five lines more.
pub const VERSION_OUT: &str = "dex-v1-out";

/// The lines of a message's text, as its headers are written. An absent header is `""`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fields<'a> {
    /// The exchange that is spoken to, or that speaks.
    pub origin: &'a str,
    /// The subject as published.
    pub subject: &'a str,
    /// `Dex-Id`.
    pub id: &'a str,
    /// `Dex-From`.
    pub from: &'a str,
    /// `Dex-Key`.
    pub key: &'a str,
    /// `Dex-Deadline`.
    pub deadline: &'a str,
    /// `Dex-Reply`.
    pub reply: &'a str,
    /// `Dex-Want`.
    pub want: &'a str,
    /// `Dex-Pull`.
    pub pull: &'a str,
    /// `Dex-Job`: it has a line, the twelfth of a message in, only when it is there.
    pub job: &'a str,
    /// SHA-256 of the body.
    pub body: Digest,
}

/// The further lines of a message from the exchange. An absent header is `""`; the last one has a line only when it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutFields<'a> {
    /// `Dex-Source`.
    pub source: &'a str,
    /// `Dex-Count`.
    pub count: &'a str,
    /// `Dex-Receipt-To`.
    pub receipt_to: &'a str,
    /// `Dex-Authority`.
    pub authority: &'a str,
    /// `Dex-Digest-In`.
    pub digest_in: &'a str,
}

/// Writes the text of a message to the exchange over what `text` held.
pub fn write_in(text: &mut Vec<u8>, fields: &Fields<'_>) {
    text.clear();
    lines(text, VERSION_IN, fields);
    if !fields.job.is_empty() {
        text.push(b'\n');
        text.extend_from_slice(fields.job.as_bytes());
    }
}

/// Writes the text of a message from the exchange over what `text` held.
pub fn write_out(text: &mut Vec<u8>, fields: &Fields<'_>, out: &OutFields<'_>) {
    text.clear();
    lines(text, VERSION_OUT, fields);
    for line in [out.source, out.count, out.receipt_to, out.authority] {
        text.push(b'\n');
        text.extend_from_slice(line.as_bytes());
    }
    if !out.digest_in.is_empty() {
        text.push(b'\n');
        text.extend_from_slice(out.digest_in.as_bytes());
    }
}

/// The text that a ledgered message's signature is over; `None` when it came unsigned.
pub fn of_cause(origin: &str, cause: &Cause) -> Option<Vec<u8>> {
    let key = cause.key?.to_string();
    let (id, from) = (cause.id.to_string(), cause.from.to_string());
    let mut text = Vec::with_capacity(512);
    write_in(
        &mut text,
        &Fields {
            origin,
            subject: &cause.subject,
            id: &id,
            from: &from,
            key: &key,
            deadline: cause.deadline.as_deref().unwrap_or(""),
            reply: cause.reply.as_deref().unwrap_or(""),
            want: cause.want.as_deref().unwrap_or(""),
            pull: cause.pull.as_deref().unwrap_or(""),
            job: cause.job.as_deref().unwrap_or(""),
            body: cause.body,
        },
    );
    Some(text)
}

fn lines(text: &mut Vec<u8>, version: &str, fields: &Fields<'_>) {
    let head = [
        version,
        fields.origin,
        fields.subject,
        fields.id,
        fields.from,
        fields.key,
        fields.deadline,
        fields.reply,
        fields.want,
        fields.pull,
    ];
    text.reserve(head.iter().map(|line| line.len() + 1).sum::<usize>() + 64);
    for line in head {
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
    }
    let at = text.len();
    text.resize(at + 64, 0);
    data_encoding::HEXLOWER.encode_mut(&fields.body.0, &mut text[at..]);
}
