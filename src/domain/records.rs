//! The content of an exchange: records in the HAT's format, kept as the bytes that came.
//!
//! A record is `{"endpoint": "facebook/feed", "recordId"?: …, "data": …}`. Only `endpoint` is read; the
//! rest passes byte for byte.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use smol_str::SmolStr;

use super::time::Timestamp;

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

/// A part of a body: first byte and one past the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past its last byte.
    pub end: u32,
}

/// One record's place in the body, and its fields' places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSpan {
    /// `namespace/path`.
    pub endpoint: SmolStr,
    /// The record's object.
    pub whole: Span,
    /// Its data.
    pub data: Span,
    /// Its `recordId`.
    pub record_id: Option<Span>,
    /// Its `sourceTimestamp`.
    pub source_timestamp: Option<Span>,
    /// Its `sourceUniqueId`.
    pub source_unique_id: Option<Span>,
    /// The records linked with it.
    pub links: Option<Span>,
}

/// A record's fields as JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordView<'a> {
    /// `namespace/path`.
    pub endpoint: &'a str,
    /// The whole record.
    pub whole: &'a str,
    /// Its data.
    pub data: &'a str,
    /// Its `recordId`.
    pub record_id: Option<&'a str>,
    /// Its `sourceTimestamp`.
    pub source_timestamp: Option<&'a str>,
    /// Its `sourceUniqueId`.
    pub source_unique_id: Option<&'a str>,
    /// The records linked with it, an array.
    pub links: Option<&'a str>,
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
    endpoint: Cow<'a, str>,
    #[serde(borrow, rename = "recordId")]
    record_id: Option<&'a RawValue>,
    #[serde(borrow, rename = "sourceTimestamp")]
    source_timestamp: Option<&'a RawValue>,
    #[serde(borrow, rename = "sourceUniqueId")]
    source_unique_id: Option<&'a RawValue>,
    #[serde(borrow)]
    data: &'a RawValue,
    #[serde(borrow)]
    links: Option<&'a RawValue>,
}

/// The records in an array of links. What is no record there is left out: links are shown only where they are asked
/// for by endpoint.
pub fn linked<'a, T>(links: &'a str, mut each: impl FnMut(RecordView<'_>) -> Option<T>) -> Vec<T> {
    let raws: Vec<&'a RawValue> = serde_json::from_str(links).unwrap_or_default();
    let mut out = Vec::new();
    for raw in raws {
        let Ok(record) = serde_json::from_str::<RecordShape<'_>>(raw.get()) else {
            continue;
        };
        out.extend(each(RecordView {
            endpoint: &record.endpoint,
            whole: raw.get(),
            data: record.data.get(),
            record_id: record.record_id.map(RawValue::get),
            source_timestamp: record.source_timestamp.map(RawValue::get),
            source_unique_id: record.source_unique_id.map(RawValue::get),
            links: record.links.map(RawValue::get),
        }));
    }
    out
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
        let text = simdutf8::basic::from_utf8(&body).map_err(|_| RecordsError::Shape("not UTF-8".into()))?;
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
            let span = |raw: &RawValue| -> Result<Span, RecordsError> {
                let start = raw.get().as_ptr() as usize - base;
                let place = |at: usize| u32::try_from(at).map_err(|_| RecordsError::Shape("over 4 GiB".into()));
                Ok(Span { start: place(start)?, end: place(start + raw.get().len())? })
            };
            items.push(RecordSpan {
                endpoint: SmolStr::new(&record.endpoint),
                whole: span(raw)?,
                data: span(record.data)?,
                record_id: record.record_id.map(span).transpose()?,
                source_timestamp: record.source_timestamp.map(span).transpose()?,
                source_unique_id: record.source_unique_id.map(span).transpose()?,
                links: record.links.map(span).transpose()?,
            });
        }
        Ok(Records { body, items })
    }

    /// The records of which `keep` holds, as a body of their own; none when none is left.
    pub fn only(&self, mut keep: impl FnMut(&RecordSpan) -> bool) -> Option<Cow<'_, Records>> {
        let kept: Vec<&RecordSpan> = self.items.iter().filter(|item| keep(item)).collect();
        if kept.is_empty() {
            return None;
        }
        if kept.len() == self.items.len() {
            return Some(Cow::Borrowed(self));
        }
        let text = self.text();
        let mut body = Vec::with_capacity(self.body.len());
        for item in &kept {
            body.push(if body.is_empty() { b'[' } else { b',' });
            body.extend_from_slice(item.whole.of(text).as_bytes());
        }
        body.push(b']');
        Records::parse(body.into(), kept.len()).ok().map(Cow::Owned)
    }

    /// How many records.
    pub fn count(&self) -> u32 {
        u32::try_from(self.items.len()).unwrap_or(u32::MAX)
    }

    /// The body as text. It was checked when it was read.
    pub fn text(&self) -> &str {
        simdutf8::basic::from_utf8(&self.body).unwrap_or_default()
    }
}

impl RecordView<'_> {
    /// Its `sourceTimestamp` as an instant, with any offset; none when it has none, or nothing that reads as one.
    pub fn source_time(&self) -> Option<Timestamp> {
        let text: Cow<'_, str> = serde_json::from_str(self.source_timestamp?).ok()?;
        let time: jiff::Timestamp = text.parse().ok()?;
        i64::try_from(time.as_nanosecond()).ok().map(Timestamp)
    }
}

impl Span {
    /// This part of a body's text.
    pub fn of<'a>(&self, text: &'a str) -> &'a str {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

impl RecordSpan {
    /// The record's fields in its body's text.
    pub fn view<'a>(&'a self, text: &'a str) -> RecordView<'a> {
        let part = |span: Option<Span>| span.map(|span| span.of(text));
        RecordView {
            endpoint: &self.endpoint,
            whole: self.whole.of(text),
            data: self.data.of(text),
            record_id: part(self.record_id),
            source_timestamp: part(self.source_timestamp),
            source_unique_id: part(self.source_unique_id),
            links: part(self.links),
        }
    }
}
