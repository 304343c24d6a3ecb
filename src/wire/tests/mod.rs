//! Tests across the files of the wire protocol: decoding, signatures, messages out, vectors.

mod actions;
mod decode;
mod document;
mod outgoing;
mod report;
pub(crate) mod vectors;
mod verify;

use bytes::Bytes;

use super::decode::{Incoming, Raw, Refused, decode};
use super::header::HeaderList;
use super::outgoing::Outgoing;
use super::sign::Signer;
use super::subject;
use crate::domain::{Address, Limits, Timestamp};

const ORIGIN: &str = "dex.example";

fn signer() -> Signer {
    Signer::from_seed(&[1; 32])
}

fn address(text: &str) -> Address {
    text.parse().expect("an address")
}

/// As the exchange reads it after the stream stored it.
fn arrive(subject: &str, headers: &HeaderList, payload: Bytes, required: bool) -> Result<Incoming, Box<Refused>> {
    let stored = subject::stored_of_published(subject, 3).unwrap_or_else(|| subject.to_owned());
    let raw = Raw {
        stored_subject: &stored,
        headers,
        payload,
        stored_at: Timestamp::from_unix_ms(1_767_225_600_000),
        header_bytes: headers.wire_bytes(),
    };
    decode(&raw, &Limits::default(), ORIGIN, required)
}

fn arrive_message(message: &Outgoing) -> Result<Incoming, Box<Refused>> {
    arrive(&message.subject, &message.header_list(), message.payload.clone(), true)
}

/// Whether the message arrives and its signature fits.
fn genuine(subject: &str, headers: &HeaderList, payload: Bytes) -> bool {
    let Ok(incoming) = arrive(subject, headers, payload, true) else {
        return false;
    };
    incoming.to_verify().is_some_and(|(key, signature, text)| super::verify(&key, &signature, text))
}
