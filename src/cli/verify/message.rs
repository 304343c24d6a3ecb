//! A message to the exchange as `dex sign` prints it: its signature, and whose key that is.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::domain::{Address, Digest, Key, MessageId, Signature, Timestamp};
use crate::wire::signed_text::{self, Fields};
use crate::wire::trust_bundle::Ruling;
use crate::wire::{header, subject, verify};

use super::roots::Roots;
use super::{Report, Wrong};

const KIND: &str = "message";
/// The headers of a message: all but the signature stand in the signed text.
const HEADERS: [&str; 9] = [
    header::ID,
    header::FROM,
    header::KEY,
    header::DEADLINE,
    header::REPLY,
    header::WANT,
    header::PULL,
    header::JOB,
    header::SIG,
];

fn wrong(what: impl Into<String>) -> Wrong {
    Wrong::Found { kind: KIND, what: what.into() }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Saved {
    origin: String,
    subject: String,
    headers: Map<String, Value>,
    body_digest: Digest,
    body_bytes: usize,
    signed_text: String,
    body: Option<String>,
}

/// A message saved with `dex sign --json`.
pub fn json(value: &Value, roots: &Roots) -> Result<Report, Wrong> {
    let saved = Saved::deserialize(value).map_err(|error| wrong(error.to_string()))?;
    let mut headers = Vec::new();
    for (name, value) in &saved.headers {
        let value = value.as_str().ok_or_else(|| wrong(format!("the header {name} is no text")))?;
        headers.push((name.as_str(), value));
    }
    let mut report = check(&saved.origin, &saved.subject, &headers, saved.body_digest, &saved.signed_text, roots)?;
    match &saved.body {
        Some(body) if Digest::of(body.as_bytes()) != saved.body_digest => {
            return Err(wrong("the body is not the one that was signed"));
        }
        Some(body) if body.len() != saved.body_bytes => return Err(wrong("the body has another length than it says")),
        Some(_) => report.proved.push(format!("its body of {} bytes is the one that was signed", saved.body_bytes)),
        None => report.not_proved.push("its body, which is not in the file, and how long that is".into()),
    }
    Ok(report)
}

/// A message saved with `dex sign`: subject, headers, signed text.
pub fn text(text: &str, roots: &Roots) -> Result<Report, Wrong> {
    let parts: Vec<&str> = text.splitn(3, "\n\n").collect();
    let [subject, headers, signed] = parts[..] else {
        return Err(wrong("it is not subject, headers and signed text with empty lines between"));
    };
    let headers: Option<Vec<(&str, &str)>> = headers.split('\n').map(|line| line.split_once(": ")).collect();
    let headers = headers.ok_or_else(|| wrong("a line of its headers is not 'name: value'"))?;
    let signed = signed.strip_suffix('\n').unwrap_or(signed);
    let lines: Vec<&str> = signed.split('\n').collect();
    let origin = lines.get(1).copied().unwrap_or_default();
    let digest = lines.last().copied().unwrap_or_default();
    let digest: Digest = digest.parse().map_err(|_| wrong("the signed text does not end with a digest"))?;
    let mut report = check(origin, subject, &headers, digest, signed, roots)?;
    report.not_proved.push("its body, which is not in the file".into());
    Ok(report)
}

fn check(
    origin: &str,
    subject: &str,
    headers: &[(&str, &str)],
    body: Digest,
    signed: &str,
    roots: &Roots,
) -> Result<Report, Wrong> {
    let origin = roots.origin(origin).map_err(wrong)?;
    subject::parse(subject).map_err(|error| wrong(format!("the subject: {error}")))?;
    for (i, (name, _)) in headers.iter().enumerate() {
        if !HEADERS.contains(name) {
            return Err(wrong(format!("the header {name} is under no signature")));
        }
        if headers[..i].iter().any(|(other, _)| other == name) {
            return Err(wrong(format!("the header {name} stands twice")));
        }
    }
    let line = |name: &str| headers.iter().find(|(other, _)| *other == name).map_or("", |(_, value)| *value);
    let fields = Fields {
        origin,
        subject,
        id: line(header::ID),
        from: line(header::FROM),
        key: line(header::KEY),
        deadline: line(header::DEADLINE),
        reply: line(header::REPLY),
        want: line(header::WANT),
        pull: line(header::PULL),
        job: line(header::JOB),
        body,
    };
    let mut text = Vec::new();
    signed_text::write_in(&mut text, &fields);
    if text != signed.as_bytes() {
        return Err(wrong("the signed text is not that of its headers, subject and body"));
    }
    let form = |name: &'static str| move |error: &dyn std::fmt::Display| wrong(format!("{name}: {error}"));
    let id: MessageId = fields.id.parse().map_err(|error| form(header::ID)(&error))?;
    let from: Address = fields.from.parse().map_err(|error| form(header::FROM)(&error))?;
    let key: Key = fields.key.parse().map_err(|error| form(header::KEY)(&error))?;
    let signature: Signature = line(header::SIG).parse().map_err(|error| form(header::SIG)(&error))?;
    if !verify(&key, &signature, &text) {
        return Err(wrong("the signature is not that key's over this text"));
    }
    let at = Timestamp::from_unix_ms(id.unix_ms());
    let mut proved = vec![format!("{subject} was signed with the key {key}, for the exchange {origin}")];
    let mut not_proved = vec!["that it was ever sent, or taken by the exchange".to_owned()];
    match roots.bundle.as_ref().map(|bundle| bundle.holds(&from, &key, at)) {
        Some(Ruling::May) => proved.push(format!("by the trust bundle that is a key of {from} in force at {at}")),
        Some(Ruling::MayNot(reason)) => {
            return Err(wrong(format!("by the trust bundle it is not {from}'s: {reason}: {}", reason.explanation())));
        }
        Some(ruling) => not_proved.push(format!("that the key is {from}'s at {at}: {ruling}")),
        None => not_proved.push(format!("that the key is {from}'s: give a --trust-bundle")),
    }
    Ok(Report { kind: KIND, proved, not_proved, origin: origin.to_owned() })
}
