//! A message as the window keeps it: headers packed in one buffer, because a `HeaderMap` is dear to clone and needed again only
//! for the rare resend.

use async_nats::{HeaderMap, Subject};
use bytes::Bytes;

use super::Outgoing;

/// What the protocol adds to each header line (`: ` and the line end), and to the block.
const LINE: usize = 4;
const BLOCK: usize = 14;

/// A kept message. The first send takes the headers as they came; each later one unpacks them.
#[derive(Debug)]
pub(super) struct Kept {
    subject: Subject,
    payload: Bytes,
    fresh: Option<HeaderMap>,
    packed: Vec<u8>,
}

impl Kept {
    pub(super) fn new(outgoing: Outgoing) -> Self {
        let Outgoing { subject, headers, payload, .. } = outgoing;
        let mut packed = Vec::with_capacity(64 * headers.len());
        for (name, value) in fields(&headers) {
            for part in [name, value] {
                // A length of four bytes, then the text.
                packed.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
                packed.extend_from_slice(part.as_bytes());
            }
        }
        Self { subject, payload, fresh: Some(headers), packed }
    }

    /// Subject, headers and body to send; true when they were sent before.
    pub(super) fn take(&mut self) -> (Subject, HeaderMap, Bytes, bool) {
        let (headers, again) = match self.fresh.take() {
            Some(headers) => (headers, false),
            None => (unpack(&self.packed), true),
        };
        (self.subject.clone(), headers, self.payload.clone(), again)
    }
}

/// Bytes of headers and body on the wire.
pub(super) fn size(headers: &HeaderMap, payload: &[u8]) -> usize {
    let lines: usize = fields(headers).map(|(name, value)| name.len() + value.len() + LINE).sum();
    BLOCK + lines + payload.len()
}

fn fields(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    headers.iter().flat_map(|(name, values)| values.iter().map(move |value| (name.as_ref(), value.as_str())))
}

fn unpack(mut packed: &[u8]) -> HeaderMap {
    let mut next = move || -> Option<&str> {
        let (length, rest) = packed.split_first_chunk::<4>()?;
        let (part, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        packed = rest;
        std::str::from_utf8(part).ok()
    };
    let mut headers = HeaderMap::new();
    while let (Some(name), Some(value)) = (next(), next()) {
        headers.append(name, value);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resend_carries_the_same_headers() {
        let mut headers = HeaderMap::new();
        headers.insert("Dex-Id", "0190");
        headers.insert("Dex-Empty", "");
        headers.append("Dex-Twice", "a");
        headers.append("Dex-Twice", "b");
        let outgoing = Outgoing { subject: "a.b".into(), headers: headers.clone(), payload: "x".into(), ttl: None };
        let mut kept = Kept::new(outgoing);
        for again in [false, true, true] {
            let (subject, sent, payload, was_again) = kept.take();
            assert_eq!((subject.as_str(), &payload[..], was_again), ("a.b", &b"x"[..], again));
            assert_eq!(sent, headers);
        }
    }
}
