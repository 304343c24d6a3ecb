//! How far jobs were handed out, kept beside the ledger: the next start hands out what came after it, and all when the
//! stream is another one. What is handed out twice within the stream's duplicate window is stored once.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::actors::mark_file;
use crate::domain::Timestamp;
use crate::domain::time::SECOND;

/// How long an effect may take from its commit to the table, nanoseconds: so much further back a start begins.
const MARGIN: i64 = 60 * SECOND;

/// The newest mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// When the stream was made, nanoseconds since 1970.
    pub created: i64,
    /// Sequence of the newest job that it has stored.
    pub sequence: u64,
    /// Every job that was planned before this was stored.
    pub before: i64,
}

/// Where it is kept.
#[derive(Debug)]
pub struct MarkFile(PathBuf);

impl MarkFile {
    /// `jobs.mark` in the folder of the state.
    pub fn beside(database: &Path) -> Self {
        MarkFile(database.with_file_name("jobs.mark"))
    }

    /// The mark, when there is one that can be read.
    pub fn read(&self) -> Option<Mark> {
        mark_file::read(&self.0)
    }

    /// Keeps it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, mark: &Mark) -> std::io::Result<()> {
        mark_file::write(&self.0, mark)
    }
}

impl Mark {
    /// The mark when nothing that was planned before `oldest` waits any more; none waits at all: as of `now`.
    pub fn at(created: i64, sequence: u64, oldest: Option<Timestamp>, now: Timestamp) -> Self {
        let before = oldest.map_or(now, |oldest| oldest.min(now)).plus(-MARGIN);
        Mark { created, sequence, before: before.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_reads_back_and_lies_behind_what_waits() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = MarkFile::beside(&folder.path().join("state.redb"));
        assert_eq!(file.read(), None);
        let now = Timestamp(500 * SECOND);
        let mark = Mark::at(7, 9, Some(Timestamp(400 * SECOND)), now);
        file.write(&mark).expect("written");
        assert_eq!(file.read(), Some(mark));
        assert_eq!(mark.before, 340 * SECOND);
        assert_eq!(Mark::at(7, 9, None, now).before, 440 * SECOND);
    }
}
