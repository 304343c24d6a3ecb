//! The content of an exchange: records in the HAT's format, kept as the bytes that came.
//!
//! A record is `{"endpoint": "facebook/feed", "recordId"?: …, "data": …}`. Only `endpoint` is read; the
//! rest passes byte for byte.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use smol_str::SmolStr;

/// Why a body is no content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordsError {
    /// Not JSON, or not an object or array of objects with the record's fields.
    #[error("the body is no record or array of records: {0}")]
    Shape(String),
    /// An endpoint outside `[0-9a-z-/]+`.
    #[error("record {0} has an endpoint that is not made of 0-9, a-z, '-' and '/' as namespace/path")]
    Endpoint(usize),
    /// More records than allowed.
    #[error("{0} records are more than the {1} allowed in one body")]
    TooMany(usize, usize),
    /// Nothing in it.
    #[error("the body holds no record")]
    Empty,
}

/// One record's place in the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSpan {
    /// `namespace/path`.
    pub endpoint: SmolStr,
    /// First byte of the record's object.
    pub start: u32,
    /// One past its last byte.
    pub end: u32,
}

/// A checked body of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Records {
    /// The body as it came.
    pub body: Bytes,
    /// The records in it, in order.
    pub items: Vec<RecordSpan>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordShape<'a> {
    #[serde(borrow)]
    endpoint: std::borrow::Cow<'a, str>,
    #[serde(borrow, rename = "recordId")]
    _record_id: Option<&'a RawValue>,
    #[serde(borrow, rename = "sourceTimestamp")]
    _source_timestamp: Option<&'a RawValue>,
    #[serde(borrow, rename = "sourceUniqueId")]
    _source_unique_id: Option<&'a RawValue>,
    #[serde(borrow, rename = "data")]
    _data: &'a RawValue,
    #[serde(borrow, rename = "links")]
    _links: Option<&'a RawValue>,
}

/// True for `namespace/path` made of `0-9 a-z - /`, neither part empty.
pub fn is_endpoint(text: &str) -> bool {
    text.len() <= 256
        && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'z' | b'-' | b'/'))
        && text.split('/').count() >= 2
        && text.split('/').all(|part| !part.is_empty())
}

impl Records {
    /// Reads `body`, an object or an array of at most `most` objects.
    ///
    /// # Errors
    /// [`RecordsError`] naming what is wrong and in which record.
    pub fn parse(body: Bytes, most: usize) -> Result<Self, RecordsError> {
        let shape = |e: serde_json::Error| RecordsError::Shape(e.to_string());
        let text = std::str::from_utf8(&body).map_err(|_| RecordsError::Shape("not UTF-8".into()))?;
        let raws: Vec<&RawValue> = if text.trim_start().starts_with('[') {
            serde_json::from_str(text).map_err(shape)?
        } else {
            vec![serde_json::from_str(text).map_err(shape)?]
        };
        if raws.is_empty() {
            return Err(RecordsError::Empty);
        }
        if raws.len() > most {
            return Err(RecordsError::TooMany(raws.len(), most));
        }
        let base = text.as_ptr() as usize;
        let mut items = Vec::with_capacity(raws.len());
        for (number, raw) in raws.iter().enumerate() {
            let record: RecordShape<'_> =
                serde_json::from_str(raw.get()).map_err(|e| RecordsError::Shape(format!("record {number}: {e}")))?;
            if !is_endpoint(&record.endpoint) {
                return Err(RecordsError::Endpoint(number));
            }
            let start = raw.get().as_ptr() as usize - base;
            let place = |at: usize| u32::try_from(at).map_err(|_| RecordsError::Shape("over 4 GiB".into()));
            items.push(RecordSpan {
                endpoint: SmolStr::new(&record.endpoint),
                start: place(start)?,
                end: place(start + raw.get().len())?,
            });
        }
        Ok(Records { body, items })
    }

    /// How many records.
    pub fn count(&self) -> u32 {
        u32::try_from(self.items.len()).unwrap_or(u32::MAX)
    }

    /// The records that `keep` selects by endpoint, as a body: the very bytes that came when all are
    /// kept, otherwise a JSON array of the kept ones; and how many. `None` when nothing is kept.
    pub fn select(&self, keep: impl Fn(&str) -> bool) -> Option<(Bytes, u32)> {
        let kept: Vec<&RecordSpan> = self.items.iter().filter(|r| keep(&r.endpoint)).collect();
        if kept.is_empty() {
            return None;
        }
        let count = u32::try_from(kept.len()).unwrap_or(u32::MAX);
        if kept.len() == self.items.len() {
            return Some((self.body.clone(), count));
        }
        let bytes: usize = kept.iter().map(|r| (r.end - r.start) as usize + 1).sum();
        let mut out = Vec::with_capacity(bytes + 1);
        out.push(b'[');
        for (i, record) in kept.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            out.extend_from_slice(&self.body[record.start as usize..record.end as usize]);
        }
        out.push(b']');
        Some((out.into(), count))
    }
}
