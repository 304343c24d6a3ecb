//! What a content is read with, and the files that what comes of it is written into.

use std::io;

use tokio::sync::mpsc;
use uuid::Uuid;

use super::files::{Draft, Files, Nameless};
use crate::domain::exchange::large::{Answering, Fan, Found, Sift, Stopped};

/// How a content is read.
pub(super) enum Reader {
    /// For one recipient, record by record.
    One(Box<Sift>),
    /// For several debits.
    Fan(Box<Fan>),
    /// As the answer to a pull.
    Answer(Box<Answering>),
}

/// What comes to the thread that sifts.
pub(super) enum Piece {
    /// The next bytes.
    Bytes(bytes::Bytes),
    /// That was all; without it what was written is thrown away.
    End,
}

/// A reader with its files.
enum Reading {
    One(Box<Sift>, Draft),
    Fan(Box<Fan>, Vec<Draft>),
    Answer(Box<Answering>, Draft, Nameless),
}

impl Reading {
    fn begin(reader: Reader, files: &Files, delivery: Uuid) -> io::Result<Self> {
        Ok(match reader {
            Reader::One(sift) => Reading::One(sift, files.begin(delivery)?),
            Reader::Fan(fan) => {
                let drafts = fan.deliveries().into_iter().map(|part| files.begin(part));
                let drafts = drafts.collect::<io::Result<_>>()?;
                Reading::Fan(fan, drafts)
            }
            Reader::Answer(answer) => {
                let scratch = files.scratch(delivery)?;
                Reading::Answer(answer, files.begin(delivery)?, scratch)
            }
        })
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), Stopped> {
        match self {
            Reading::One(sift, draft) => sift.push(bytes, draft),
            Reading::Fan(fan, drafts) => fan.push(bytes, drafts),
            Reading::Answer(answer, draft, scratch) => answer.push(bytes, scratch, draft),
        }
    }

    /// Ends it; what is delivered is on disk then.
    fn finish(self) -> Result<Found, Stopped> {
        match self {
            Reading::One(sift, mut draft) => {
                let facts = sift.finish(&mut draft)?;
                draft.keep()?;
                Ok(Found::One(facts))
            }
            Reading::Fan(fan, mut drafts) => {
                let found = fan.finish(&mut drafts)?;
                let Found::Parts(parts) = &found else { return Ok(found) };
                for (draft, part) in drafts.into_iter().zip(parts) {
                    if part.facts.is_ok() {
                        draft.keep()?;
                    }
                }
                Ok(found)
            }
            Reading::Answer(answer, mut draft, mut scratch) => {
                let facts = answer.finish(&mut scratch, &mut draft)?;
                draft.keep()?;
                Ok(Found::One(facts))
            }
        }
    }
}

/// Sifts what comes into files; nothing when what comes breaks off.
pub(super) fn sifted(
    files: &Files,
    delivery: Uuid,
    reader: Reader,
    mut pieces: mpsc::Receiver<Piece>,
) -> Result<Option<Found>, Stopped> {
    let mut reading = Reading::begin(reader, files, delivery)?;
    while let Some(piece) = pieces.blocking_recv() {
        match piece {
            Piece::Bytes(bytes) => reading.push(&bytes)?,
            Piece::End => return reading.finish().map(Some),
        }
    }
    Ok(None)
}
