//! Content that is larger than a message: uploaded chunk by chunk and sent by reference; downloaded, checked, and receipted
//! like any other. A few chunks are in memory at a time, however large it is.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;
use uuid::Uuid;

use super::order::Order;
use super::orders::exchange::hat_address;
use super::{Client, ClientError};
use crate::domain::exchange::large::{Object, Splitter};
use crate::domain::{Address, Digest, Id, Reason, Records, Status};
use crate::nats::objects::{self, ObjectError};
use crate::wire::OutcomeOut;
use crate::wire::object::{BUCKET_IN, BUCKET_OUT, CHUNK_BYTES, body_of, place};

/// How long one chunk is tried to be stored or read.
const PATIENCE: Duration = Duration::from_secs(60);
/// Largest record, bytes, and deepest nesting, that is read; the exchange has bounds of its own.
const RECORD_BYTES_MAX: usize = 1 << 20;
const DEPTH_MAX: usize = 100;

/// What has gone by of a content.
struct Tally {
    splitter: Splitter,
    hash: Sha256,
    size: u64,
}

impl Tally {
    fn new() -> Self {
        Tally { splitter: Splitter::new(RECORD_BYTES_MAX, DEPTH_MAX), hash: Sha256::new(), size: 0 }
    }

    fn push(&mut self, piece: &[u8]) -> Result<(), Reason> {
        self.hash.update(piece);
        self.size += piece.len() as u64;
        self.splitter.push(piece, &mut |_: Records| Ok::<(), Reason>(()))
    }

    /// Size, digest, records.
    fn finish(mut self) -> Result<(u64, Digest, u32), Reason> {
        self.splitter.finish(&mut |_: Records| Ok::<(), Reason>(()))?;
        Ok((self.size, Digest(self.hash.finalize().into()), self.splitter.count()))
    }
}

fn no_records(reason: Reason) -> ClientError {
    ClientError::Content(match reason {
        Reason::TooLarge => "a record has more than 1 MiB".into(),
        _ => "it is no JSON array of records, nor records as JSON Lines".into(),
    })
}

impl From<ObjectError> for ClientError {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::Read(detail) => ClientError::Content(detail),
            ObjectError::Missing => ClientError::Content("it is not there (any more)".into()),
            other => ClientError::Broker(other.to_string()),
        }
    }
}

/// The content in chunks, all of them whole but the last.
fn chunks<'a>(
    content: impl AsyncRead + Unpin + 'a,
    tally: &'a Mutex<Tally>,
) -> impl Stream<Item = io::Result<Bytes>> + 'a {
    stream::try_unfold(content, move |mut content| async move {
        let mut chunk = BytesMut::with_capacity(CHUNK_BYTES);
        while chunk.len() < CHUNK_BYTES {
            let room = (CHUNK_BYTES - chunk.len()) as u64;
            if (&mut content).take(room).read_buf(&mut chunk).await? == 0 {
                break;
            }
        }
        if chunk.is_empty() {
            return Ok(None);
        }
        let pushed = tally.lock().unwrap_or_else(PoisonError::into_inner).push(&chunk);
        pushed.map_err(|reason| io::Error::other(no_records(reason)))?;
        Ok(Some((chunk.freeze(), content)))
    })
}

impl Order {
    /// `hat.<hat>.credit.<by>` whose records are an uploaded object's content.
    pub fn credit_object(hat: &Id, by: &Id, object: &Object) -> Self {
        Order::new(&hat_address(hat), &["credit", by.as_str()], body_of(object))
    }

    /// `hat.<hat>.release.<debit>` whose records are an uploaded object's content.
    pub fn release_object(hat: &Id, debit: &Id, object: &Object) -> Self {
        Order::new(&hat_address(hat), &["release", debit.as_str()], body_of(object))
    }

    /// `hat.<hat>.data` whose records are an uploaded object's content.
    pub fn data_object(hat: &Id, object: &Object) -> Self {
        Order::new(&hat_address(hat), &["data"], body_of(object))
    }
}

impl Client {
    /// Uploads a content, a JSON array of records or JSON Lines, for one message of this client's party. What no message
    /// names goes by its age.
    ///
    /// # Errors
    /// [`ClientError::Content`] when it cannot be read or is no records, [`ClientError::Broker`] when it is not taken.
    pub async fn upload(&self, content: impl AsyncRead + Unpin) -> Result<Object, ClientError> {
        let id = uuid::Builder::from_random_bytes(rand::random()).into_uuid();
        let place = place(BUCKET_IN, self.party(), id);
        let tally = Arc::new(Mutex::new(Tally::new()));
        let chunks = {
            let pieces = chunks(content, &tally);
            objects::put_all(&self.hub.link.client, &place, pieces, PATIENCE).await?
        };
        let tally = std::mem::replace(&mut *tally.lock().unwrap_or_else(PoisonError::into_inner), Tally::new());
        let (size, digest, count) = tally.finish().map_err(no_records)?;
        Ok(Object { id, size, digest, count, chunks })
    }

    /// Uploads records and sends them into a HAT, as the plug or app that this client speaks for. Waits until the exchange
    /// has fetched them (or holds them back), at most `within` after the upload.
    ///
    /// # Errors
    /// As [`Client::upload`] and [`Client::send_fetched`].
    pub async fn credit_large(
        &self,
        hat: &Id,
        content: impl AsyncRead + Unpin,
        within: Duration,
    ) -> Result<OutcomeOut, ClientError> {
        let object = self.upload(content).await?;
        self.send_fetched(Order::credit_object(hat, &self.party().id, &object), within).await
    }

    /// The same for records out of this client's HAT under one debit.
    ///
    /// # Errors
    /// As [`Client::credit_large`].
    pub async fn release_large(
        &self,
        debit: &Id,
        content: impl AsyncRead + Unpin,
        within: Duration,
    ) -> Result<OutcomeOut, ClientError> {
        let object = self.upload(content).await?;
        self.send_fetched(Order::release_object(&self.party().id, debit, &object), within).await
    }

    /// The same for records out of this client's HAT to every debit that selects any: its outcome names the parts.
    ///
    /// # Errors
    /// As [`Client::credit_large`].
    pub async fn data_large(
        &self,
        content: impl AsyncRead + Unpin,
        within: Duration,
    ) -> Result<OutcomeOut, ClientError> {
        let object = self.upload(content).await?;
        self.send_fetched(Order::data_object(&self.party().id, &object), within).await
    }

    /// Sends a message that names an object, and waits until the exchange has fetched it: `accepted`, held back with a
    /// reason, or final.
    ///
    /// # Errors
    /// As [`Client::send`]; [`ClientError::Timeout`] also when it is still being fetched.
    pub async fn send_fetched(&self, order: Order, within: Duration) -> Result<OutcomeOut, ClientError> {
        let deadline = Instant::now() + within;
        // Listening begins before the message leaves.
        let mut outcomes = self.outcomes().await?;
        let first = self.send(order).await?;
        let id = first.outcome.exchange;
        let fetching = |it: &OutcomeOut| it.outcome.status == Status::Pending && it.outcome.reason.is_none();
        if !fetching(&first) {
            return Ok(first);
        }
        while let Ok(Some(outcome)) = tokio::time::timeout_at(deadline, outcomes.next()).await {
            match outcome {
                Ok(outcome) if outcome.outcome.exchange == id && !fetching(&outcome) => {
                    return super::send::judge(id, outcome);
                }
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "an outcome could not be read"),
            }
        }
        Err(ClientError::Timeout { id, waited: within, stored: true })
    }

    /// Reads a delivery's object into `to` and checks it; digest and records of what came.
    pub(super) async fn download(
        &self,
        delivery: Uuid,
        object: &Object,
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Result<(Digest, u32), ClientError> {
        let party: &Address = self.party();
        let place = place(BUCKET_OUT, party, delivery);
        let mut tally = Tally::new();
        let write = |error: io::Error| ClientError::Local(format!("what came could not be written: {error}"));
        let client = &self.hub.link.client;
        let mut chunks = std::pin::pin!(objects::get_all(client, BUCKET_OUT, &place, object.chunks, PATIENCE));
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk?;
            tally.push(&chunk).map_err(no_records)?;
            to.write_all(&chunk).await.map_err(write)?;
        }
        to.flush().await.map_err(write)?;
        let (size, digest, count) = tally.finish().map_err(no_records)?;
        if (size, digest, count) != (object.size, object.digest, object.count) {
            return Err(ClientError::Content("it is not what the delivery says: size, digest or count differ".into()));
        }
        Ok((digest, count))
    }
}
