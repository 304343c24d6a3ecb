//! References to content that goes by an object store: how they stand in a body, and where the chunks are.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::exchange::large::Object;
use crate::domain::{Address, Id, Kind};

use super::subject;

/// Bucket of what is sent.
pub const BUCKET_IN: &str = "DEX_LARGE_IN";
/// Bucket of what is delivered.
pub const BUCKET_OUT: &str = "DEX_LARGE_OUT";
/// Bytes of a chunk as our own client and the exchange cut them.
pub const CHUNK_BYTES: usize = 128 * 1024;
/// Largest chunk that is taken, bytes.
pub const CHUNK_BYTES_MAX: usize = 512 * 1024;
/// Longest body that can be a reference, bytes.
const REFERENCE_BYTES_MAX: usize = 1024;

/// A body that names an object.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reference {
    object: Object,
}

/// The body that names this object.
pub fn body_of(object: &Object) -> Bytes {
    serde_json::to_vec(&Reference { object: *object }).expect("texts and numbers are JSON").into()
}

/// Whether a body means to name an object: a record has no such field.
pub fn is_reference(body: &[u8]) -> bool {
    let opened = body.trim_ascii_start().strip_prefix(b"{");
    opened.is_some_and(|rest| rest.trim_ascii_start().starts_with(b"\"object\""))
}

/// The object that a body names.
///
/// # Errors
/// What is wrong with it, for people.
pub fn read(body: &[u8]) -> Result<Object, String> {
    if body.len() > REFERENCE_BYTES_MAX {
        return Err(format!("a reference to an object has at most {REFERENCE_BYTES_MAX} bytes"));
    }
    let Reference { object } = serde_json::from_slice(body).map_err(|error| format!("the body: {error}"))?;
    if object.is_sound() {
        Ok(object)
    } else {
        Err("object: size, count and chunks are at least 1, and each chunk but the last has 16 KiB or more".into())
    }
}

/// The stream behind a bucket.
pub fn stream_of(bucket: &str) -> String {
    format!("OBJ_{bucket}")
}

/// What the chunks of an object of `party` begin with, up to the last dot.
pub fn place(bucket: &str, party: &Address, object: Uuid) -> String {
    let prefix = format!("$O.{bucket}.C.");
    let mut place = subject::under(&prefix, party, &[]);
    place.push('.');
    place.push_str(&object.hyphenated().to_string());
    place
}

/// The subject of one chunk in a [`place`].
pub fn chunk(place: &str, number: u32) -> String {
    format!("{place}.{number}")
}

/// The party and the object of a chunk's subject in this bucket.
pub fn party_of(bucket: &str, subject: &str) -> Option<(Address, Uuid)> {
    let mut tokens = subject.strip_prefix("$O.")?.strip_prefix(bucket)?.strip_prefix(".C.")?.split('.');
    let kind: Kind = tokens.next()?.parse().ok()?;
    let id = Id::from_token(tokens.next()?).ok()?;
    let object = tokens.next()?.parse().ok()?;
    Some((Address::new(kind, id), object))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Digest;

    fn object() -> Object {
        let id = "0f8fad5b-d9cb-469f-a165-70867728950e".parse().expect("a UUID");
        Object { id, size: 700_000, digest: Digest([7; 32]), count: 9, chunks: 6 }
    }

    #[test]
    fn a_reference_reads_back_and_is_told_from_a_record() {
        let body = body_of(&object());
        assert!(is_reference(&body));
        assert_eq!(read(&body), Ok(object()));
        assert!(is_reference(b" {\n \"object\" : 1}") && read(b"{\"object\":1}").is_err());
        assert!(!is_reference(br#"{"endpoint":"a/b","data":{"object":1}}"#));
        assert!(!is_reference(br#"[{"object":1}]"#));
    }

    #[test]
    fn a_reference_that_cannot_be_is_refused() {
        let wrong = [
            Object { size: 0, ..object() },
            Object { count: 0, ..object() },
            Object { chunks: 0, ..object() },
            // So many would be smaller than chunks may be.
            Object { chunks: 44, ..object() },
        ];
        for wrong in wrong {
            assert!(read(&body_of(&wrong)).is_err(), "{wrong:?}");
        }
        let more = String::from_utf8(body_of(&object()).to_vec()).expect("text").replace("}}", ",\"name\":1}}");
        assert!(read(more.as_bytes()).is_err());
        assert!(read(&[b' '; 2000]).is_err());
    }

    #[test]
    fn chunks_lie_under_their_party() {
        let party: Address = "hat:bob.hubat.net".parse().expect("an address");
        let place = place(BUCKET_IN, &party, object().id);
        assert_eq!(place, "$O.DEX_LARGE_IN.C.hat.bob_hubat_net.0f8fad5b-d9cb-469f-a165-70867728950e");
        assert_eq!(party_of(BUCKET_IN, &chunk(&place, 3)), Some((party, object().id)));
        assert_eq!(party_of(BUCKET_OUT, &chunk(&place, 3)), None);
        assert_eq!(stream_of(BUCKET_OUT), "OBJ_DEX_LARGE_OUT");
    }
}
