//! A delivery on its way into a sink: who sent it, what its receipt says, and where its content is.

use std::io::Read;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::client::Delivery;
use crate::domain::command::Receipt;
use crate::domain::event::Verdict;
use crate::domain::exchange::large::Splitter;
use crate::domain::{Digest, MessageId, Reason, Records, Timestamp};
use crate::wire::outgoing::authority_text;

/// Largest record, bytes, and deepest nesting, of a large content that is read.
const RECORD_BYTES_MAX: usize = 1 << 20;
const DEPTH_MAX: usize = 100;
/// Bytes of a file that are read at a time.
const CHUNK: usize = 128 * 1024;

/// A delivery without its content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Piece {
    /// The delivery's id.
    pub id: Uuid,
    /// Who sent it, or its pseudonym.
    pub source: String,
    /// The right under which it moved, as in `Dex-Authority`.
    pub authority: String,
    /// The own pull that it answers.
    pub pull: Option<Uuid>,
    /// When it came here.
    pub received: Timestamp,
    /// A receipt after this changes nothing.
    pub deadline: Timestamp,
    /// Where the receipt goes.
    pub receipt_to: String,
    /// The id that the receipt leaves under: kept before it leaves, so that one that is sent again is the same message.
    pub receipt: MessageId,
    /// Whether a receipt that left before under another id may have been taken.
    #[serde(default)]
    pub doubted: bool,
    /// SHA-256 of the content as it came.
    pub digest: Digest,
    /// Records in it.
    pub count: u32,
}

impl Piece {
    /// What is kept of a delivery; `digest` and `count` are of the content that came.
    pub fn of(delivery: &Delivery, receipt: MessageId, received: Timestamp, (digest, count): (Digest, u32)) -> Self {
        Piece {
            id: delivery.id,
            source: delivery.source.to_string(),
            authority: authority_text(&delivery.authority),
            pull: delivery.pull.map(|pull| pull.0),
            received,
            deadline: delivery.deadline,
            receipt_to: delivery.receipt_to.clone(),
            receipt,
            doubted: false,
            digest,
            count,
        }
    }

    /// The receipt over it.
    pub fn receipt(&self, verdict: Verdict) -> Receipt {
        Receipt { delivery: self.id, digest: self.digest, count: self.count, verdict, reason: None }
    }
}

/// Where the records are.
#[derive(Debug, Clone)]
pub enum Content {
    /// Here, a body as it came.
    Body(Bytes),
    /// In a file of ours: an array of records, or JSON Lines.
    File(PathBuf),
}

/// Why content could not be read again.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// The file cannot be read.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It is no records.
    #[error("{0}")]
    Records(Reason),
}

impl From<Reason> for ContentError {
    fn from(reason: Reason) -> Self {
        ContentError::Records(reason)
    }
}

impl Content {
    /// Reads it, a bounded batch of records at a time.
    ///
    /// # Errors
    /// [`ContentError`], and what `each` returns.
    pub fn batches<E: From<ContentError>>(&self, mut each: impl FnMut(Records) -> Result<(), E>) -> Result<(), E> {
        match self {
            Content::Body(body) => {
                let records = Records::parse(body.clone(), usize::MAX);
                each(records.map_err(|_| ContentError::Records(Reason::Malformed))?)
            }
            Content::File(path) => Batches::open(path)?.each(each),
        }
    }
}

/// A file of records, read batch by batch.
pub struct Batches {
    path: PathBuf,
    file: std::fs::File,
    splitter: Option<Splitter>,
    chunk: Vec<u8>,
}

impl Batches {
    /// Opens it.
    ///
    /// # Errors
    /// [`ContentError::File`].
    pub fn open(path: &Path) -> Result<Self, ContentError> {
        let file = std::fs::File::open(path).map_err(|error| ContentError::File { path: path.to_owned(), error })?;
        Ok(Batches::of(file, path.to_owned()))
    }

    /// Reads a file that is open, from where it stands; `path` is told where it cannot be read.
    pub fn of(file: std::fs::File, path: PathBuf) -> Self {
        let splitter = Some(Splitter::new(RECORD_BYTES_MAX, DEPTH_MAX));
        Batches { path, file, splitter, chunk: vec![0; CHUNK] }
    }

    /// All that are left.
    ///
    /// # Errors
    /// [`ContentError`], and what `each` returns.
    pub fn each<E: From<ContentError>>(mut self, mut each: impl FnMut(Records) -> Result<(), E>) -> Result<(), E> {
        while let Some(batches) = self.next()? {
            batches.into_iter().try_for_each(&mut each)?;
        }
        Ok(())
    }

    /// The next batches, none at the end.
    ///
    /// # Errors
    /// [`ContentError`].
    pub fn next(&mut self) -> Result<Option<Vec<Records>>, ContentError> {
        let Some(splitter) = &mut self.splitter else { return Ok(None) };
        let mut found = Vec::new();
        let mut each = |records: Records| {
            found.push(records);
            Ok::<(), Reason>(())
        };
        let read =
            self.file.read(&mut self.chunk).map_err(|error| ContentError::File { path: self.path.clone(), error })?;
        if read == 0 {
            splitter.finish(&mut each)?;
            self.splitter = None;
        } else {
            splitter.push(&self.chunk[..read], &mut each)?;
        }
        Ok(Some(found))
    }
}
