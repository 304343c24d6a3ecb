//! Hands a content out: its file as an object under its recipient's address, where that lacks; then its delivery, signed
//! like any other, which names the object.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::desk::Turn;
use super::{End, Mover, failed};
use crate::actors::parked::may_receive;
use crate::domain::event::Opened;
use crate::domain::exchange::large::Object;
use crate::nats::header_map;
use crate::nats::objects::{self, ObjectError};
use crate::nats::publish::PublishError;
use crate::store::Sealed;
use crate::telemetry::Published;
use crate::telemetry::events::{LargeBytes, LargeMoved};
use crate::wire::object::{BUCKET_IN, BUCKET_OUT, CHUNK_BYTES, body_of, place};
use crate::wire::outgoing::{self, Shown};

/// How long a chunk may take to be stored before the whole is tried again later.
const PATIENCE: Duration = Duration::from_secs(20);

impl Mover {
    pub(super) async fn deliver(&self, turn: &Turn) -> End {
        let Some(sealed) = self.shared.entry(turn.leaf) else { return End::Again };
        // What is held back waits for the entry by which it leaves.
        let Some(opened) = sealed.entry.event.left() else { return End::Done };
        // The outbox comes again with it once its recipient is in force.
        if !may_receive(&self.shared.registry, &opened.to, self.shared.clock.now()) {
            return End::Done;
        }
        let chunks = match self.hand_out(opened).await {
            Ok(chunks) => chunks,
            Err(ObjectError::Read(error)) => {
                // Nothing to hand out: its exchange expires, and says so.
                failed("content", &error);
                return End::Done;
            }
            Err(error) => {
                failed("delivery", &error);
                return End::Again;
            }
        };
        if let Err(error) = self.publish(&sealed, opened, chunks).await {
            failed("delivery", &error);
            return End::Again;
        }
        LargeMoved { what: "delivered" }.emit();
        match self.drop_upload(opened).await {
            Ok(()) => End::Done,
            // Its bucket lets it go by age.
            Err(error) => {
                failed("upload", &error);
                End::Done
            }
        }
    }

    /// Stores the chunks that the recipient's bucket lacks; how many there are.
    async fn hand_out(&self, opened: &Opened) -> Result<u32, ObjectError> {
        let read = |error: std::io::Error| ObjectError::Read(error.to_string());
        let (file, size) = self.files.read(opened.delivery).map_err(read)?;
        if size != u64::from(opened.bytes_out) {
            return Err(ObjectError::Read(format!("it has {size} bytes, not {}", opened.bytes_out)));
        }
        let chunks = u32::try_from(size.div_ceil(CHUNK_BYTES as u64)).unwrap_or(u32::MAX);
        let place = place(BUCKET_OUT, &opened.to, opened.delivery);
        let there = objects::list(&self.link.jetstream, BUCKET_OUT, &format!("{place}.*")).await?;
        if there.len() != chunks as usize {
            let file = Arc::new(file);
            let pieces = stream::iter(0..chunks).then(|number| piece(Arc::clone(&file), number, size));
            objects::put_all(&self.link.client, &place, pieces, PATIENCE).await?;
            LargeBytes { direction: "out", bytes: size }.emit();
        }
        Ok(chunks)
    }

    async fn publish(&self, sealed: &Sealed, opened: &Opened, chunks: u32) -> Result<(), PublishError> {
        let shared = &self.shared;
        let object = Object {
            id: opened.delivery,
            size: u64::from(opened.bytes_out),
            digest: opened.digest_out,
            count: opened.count_out,
            chunks,
        };
        let receipt_to = shared.receipt_to(&sealed.entry.entity, &opened.to);
        let shown = Shown::to_recipient(opened, &shared.delivery_key);
        let (voice, origin) = (shared.voice(), &shared.origin);
        let out = outgoing::delivery_as(voice, origin, opened, &shown, &receipt_to, body_of(&object));
        let message = crate::nats::Outgoing {
            subject: out.subject.into(),
            headers: header_map(&out.headers),
            payload: out.payload,
            ttl: Some(shared.until(opened.deadline)),
        };
        let ticket = self.publisher.publish(message).await?;
        crate::telemetry::path().published(Published::Delivery);
        self.publisher.acked(ticket).await
    }

    /// The sender's object has served: the content lies in the folder.
    async fn drop_upload(&self, opened: &Opened) -> Result<(), ObjectError> {
        if let Some(upload) = &opened.large {
            let place = place(BUCKET_IN, &upload.by, upload.object);
            objects::purge(&self.link.jetstream, BUCKET_IN, &place).await?;
        }
        Ok(())
    }
}

/// One chunk of a file, read aside.
async fn piece(file: Arc<File>, number: u32, size: u64) -> std::io::Result<Bytes> {
    let read = move || {
        let from = u64::from(number) * CHUNK_BYTES as u64;
        let len = usize::try_from((size - from).min(CHUNK_BYTES as u64)).unwrap_or(CHUNK_BYTES);
        let mut bytes = vec![0; len];
        file.read_exact_at(&mut bytes, from)?;
        Ok(Bytes::from(bytes))
    };
    tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| Err(std::io::Error::other(error)))
}
