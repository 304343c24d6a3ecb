//! Chunks of content in an object bucket: written once each, read one by one, removed together.
//!
//! The library's own object store is not used: its reader subscribes without a bound of ours and waits for ever when a
//! chunk is missing, its writer waits for every chunk and leaves what it began, and no permission of the broker can
//! tell one party's objects from another's, for their subjects are random. Here each chunk has a subject of its own
//! under its party: it can be sent again without being stored twice, and asked for without a consumer.

use std::time::Duration;

use async_nats::client::RequestErrorKind;
use async_nats::{Client, HeaderMap, StatusCode, jetstream};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use serde::Deserialize;

use crate::wire::object::{chunk, stream_of};

/// Chunks that are under way at a time: of 128 KiB, 1 MiB.
pub const WINDOW: usize = 8;
/// The stream holds a message on this subject already.
const THERE_ALREADY: u64 = 10_071;
/// The stream is full.
const FULL: u64 = 10_077;
/// First and longest pause before a chunk is tried again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// A chunk was not stored, read or removed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// The bucket does not hold it.
    #[error("the bucket does not hold it")]
    Missing,
    /// The bucket has no room.
    #[error("the bucket is full: {0}")]
    Full(String),
    /// The bucket will never take it.
    #[error("the bucket refuses it: {0}")]
    Refused(String),
    /// No answer, or no bucket; it may be tried again.
    #[error("no answer from the bucket: {0}")]
    Unreachable(String),
    /// What is to be stored could not be read.
    #[error("what is to be stored could not be read: {0}")]
    Read(String),
}

impl ObjectError {
    /// Whether it may go well when it is tried again.
    pub fn passes(&self) -> bool {
        matches!(self, ObjectError::Unreachable(_) | ObjectError::Full(_))
    }
}

#[derive(Deserialize)]
struct Ack {
    error: Option<AckError>,
}

#[derive(Deserialize)]
struct AckError {
    err_code: u64,
    description: String,
}

fn unreachable(error: &impl std::fmt::Display) -> ObjectError {
    ObjectError::Unreachable(error.to_string())
}

/// One chunk of the object at `place`.
///
/// # Errors
/// [`ObjectError::Missing`], [`ObjectError::Unreachable`].
pub async fn get(client: &Client, bucket: &str, place: &str, number: u32) -> Result<Bytes, ObjectError> {
    let subject = format!("$JS.API.DIRECT.GET.{}.{}", stream_of(bucket), chunk(place, number));
    let answer = client.request(subject, Bytes::new()).await.map_err(|error| unreachable(&error))?;
    match answer.status {
        None => Ok(answer.payload),
        Some(StatusCode::NOT_FOUND) => Err(ObjectError::Missing),
        Some(other) => Err(unreachable(&other)),
    }
}

/// All chunks in order, a few asked for ahead. Each that the broker does not answer for is asked for again for as long
/// as `patience`.
pub fn get_all<'a>(
    client: &'a Client,
    bucket: &'a str,
    place: &'a str,
    chunks: u32,
    patience: Duration,
) -> impl Stream<Item = Result<Bytes, ObjectError>> + 'a {
    let one = move |number| patiently(patience, move || get(client, bucket, place, number));
    stream::iter(0..chunks).map(one).buffered(WINDOW / 2)
}

/// Tries again what may go well, for as long as `patience`.
async fn patiently<T, F: Future<Output = Result<T, ObjectError>>>(
    patience: Duration,
    mut work: impl FnMut() -> F,
) -> Result<T, ObjectError> {
    let until = tokio::time::Instant::now() + patience;
    let mut pause = PAUSES.0;
    loop {
        match work().await {
            Err(error) if error.passes() && tokio::time::Instant::now() + pause < until => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSES.1);
            }
            done => return done,
        }
    }
}

/// Stores one chunk. One that is there already stays as it is.
///
/// # Errors
/// [`ObjectError`]; nothing is known of whether it is stored when it is [`ObjectError::Unreachable`].
pub async fn put(client: &Client, place: &str, number: u32, bytes: Bytes) -> Result<(), ObjectError> {
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Expected-Last-Subject-Sequence", "0");
    let answer = match client.request_with_headers(chunk(place, number), headers, bytes).await {
        Ok(answer) => answer,
        Err(error) if error.kind() == RequestErrorKind::MaxPayloadExceeded => {
            return Err(ObjectError::Refused(error.to_string()));
        }
        Err(error) => return Err(unreachable(&error)),
    };
    let ack: Ack = serde_json::from_slice(&answer.payload).map_err(|error| unreachable(&error))?;
    match ack.error {
        None => Ok(()),
        Some(error) if error.err_code == THERE_ALREADY => Ok(()),
        Some(error) if error.err_code == FULL => Err(ObjectError::Full(error.description)),
        Some(error) => Err(ObjectError::Refused(error.description)),
    }
}

/// Stores chunks 0, 1, 2… as they come; how many they were. Each that the broker does not confirm is tried again for as
/// long as `patience`.
///
/// # Errors
/// [`ObjectError`] of the first chunk that could not be stored; those before it stay.
pub async fn put_all(
    client: &Client,
    place: &str,
    chunks: impl Stream<Item = std::io::Result<Bytes>>,
    patience: Duration,
) -> Result<u32, ObjectError> {
    let numbered = chunks.zip(stream::iter(0u32..));
    let puts = numbered.map(|(bytes, number)| async move {
        let bytes = bytes.map_err(|error| ObjectError::Read(error.to_string()))?;
        patiently(patience, || put(client, place, number, bytes.clone())).await
    });
    puts.buffered(WINDOW).try_fold(0u32, |count, ()| std::future::ready(Ok(count + 1))).await
}

/// The subjects in the bucket that fit `filter`.
///
/// # Errors
/// [`ObjectError::Unreachable`].
pub async fn list(js: &jetstream::Context, bucket: &str, filter: &str) -> Result<Vec<String>, ObjectError> {
    let mut found = Vec::new();
    look(js, bucket, filter, |subject| found.push(subject.to_owned())).await?;
    Ok(found)
}

/// Looks at each subject in the bucket that fits `filter`, a page of them in memory at a time.
///
/// # Errors
/// [`ObjectError::Unreachable`].
pub async fn look(
    js: &jetstream::Context,
    bucket: &str,
    filter: &str,
    mut each: impl FnMut(&str),
) -> Result<(), ObjectError> {
    let stream = js.get_stream_no_info(stream_of(bucket)).await.map_err(|error| unreachable(&error))?;
    let mut found = stream.info_with_subjects(filter).await.map_err(|error| unreachable(&error))?;
    while let Some(next) = found.next().await {
        let (subject, _) = next.map_err(|error| unreachable(&error))?;
        each(&subject);
    }
    Ok(())
}

/// Removes the object at `place`; how many chunks it had.
///
/// # Errors
/// [`ObjectError::Unreachable`].
pub async fn purge(js: &jetstream::Context, bucket: &str, place: &str) -> Result<u64, ObjectError> {
    let stream = js.get_stream_no_info(stream_of(bucket)).await.map_err(|error| unreachable(&error))?;
    let purged = stream.purge().filter(format!("{place}.*")).await.map_err(|error| unreachable(&error))?;
    Ok(purged.purged)
}
