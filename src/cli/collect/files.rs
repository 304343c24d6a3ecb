//! Rows in files. What comes is first kept in a journal beside them, receipted, and once its exchange has settled written
//! as rows: so the files hold settled exchanges alone, each once, and never change what they have.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::journal::Journal;
use super::known::Known;
use super::output::{Form, Mark, Output, Place, in_the_way};
use super::piece::{Content, Piece};
use super::rows::Column;
use super::sink::{SinkError, Turn};
use crate::domain::{MessageId, Timestamp};

/// The journal is written anew without what is done once it has so many bytes, and twice as many as the last time.
const COMPACT_BYTES: u64 = 64 << 20;
/// Ids in one entry of a journal that is written anew.
const IDS_OF_AN_ENTRY: usize = 4096;

/// What happened, as the journal has it.
#[derive(Debug, Serialize, Deserialize)]
enum Entry {
    /// The first one: whose deliveries these are, and as what they are written.
    Began { format: u32, party: String, form: Form },
    /// The columns of a table, which stay.
    Columns(Vec<Column>),
    /// Kept, and about to be receipted. Without a body it lies in a file of its own.
    Kept { piece: Piece, body: Option<Bytes> },
    /// Its next receipt leaves under another id. Whether one before it may have been taken.
    Again {
        id: Uuid,
        receipt: MessageId,
        #[serde(default)]
        doubted: bool,
    },
    /// Done with: those of them that have settled are before the mark.
    Done { ids: Vec<(Uuid, Timestamp)>, mark: Mark },
}

/// The journal's format, in its first entry.
const FORMAT: u32 = 1;

/// A sink of files.
pub struct Files {
    large: PathBuf,
    journal: Journal<Entry>,
    compact_at: u64,
    party: String,
    form: Form,
    output: Output,
    kept: HashMap<Uuid, (Piece, Content)>,
    known: Known,
}

/// Where things are, and whose.
#[derive(Debug, Clone)]
pub struct FilesOptions {
    /// Where rows go.
    pub place: Place,
    /// The columns that were asked for.
    pub columns: Option<Vec<Column>>,
    /// The folder of the journal and of large content under way.
    pub state: PathBuf,
    /// Whose deliveries.
    pub party: String,
}

fn at(path: &Path) -> impl Fn(std::io::Error) -> SinkError {
    let path = path.display().to_string();
    move |error| SinkError(format!("{path}: {error}"))
}

impl Files {
    /// Opens files and journal, and goes on where they were.
    ///
    /// # Errors
    /// A sentence that says what is in the way and what to do.
    pub fn open(options: FilesOptions, now: Timestamp) -> Result<Self, SinkError> {
        let FilesOptions { place, columns: asked, state, party } = options;
        let large = state.join("large");
        std::fs::create_dir_all(&large).map_err(at(&large))?;
        let path = state.join("journal");
        let (mut began, mut columns, mut mark) = (None, None, None);
        let mut kept: HashMap<Uuid, (Piece, Content)> = HashMap::new();
        let mut known = Known::default();
        let journal = Journal::open(&path, |entry| match entry {
            Entry::Began { format, party, form } => began = Some((format, party, form)),
            Entry::Columns(found) => columns = Some(found),
            Entry::Kept { piece, body } => {
                let content = body.map_or_else(|| Content::File(large.join(piece.id.to_string())), Content::Body);
                kept.insert(piece.id, (piece, content));
            }
            Entry::Again { id, receipt, doubted } => {
                if let Some((piece, _)) = kept.get_mut(&id) {
                    (piece.receipt, piece.doubted) = (receipt, piece.doubted || doubted);
                }
            }
            Entry::Done { ids, mark: at } => {
                for (id, deadline) in ids {
                    kept.remove(&id);
                    known.add(id, deadline);
                }
                mark = Some(at);
            }
        });
        let mut journal = journal.map_err(|error| match error.kind() {
            std::io::ErrorKind::WouldBlock => {
                SinkError(format!("{} is in use: another `dex collect` writes there", path.display()))
            }
            _ => at(&path)(error),
        })?;
        let mark = mark.unwrap_or_else(|| place.first(now));
        match began {
            None => {
                if let Some(other) = in_the_way(&place, &mark) {
                    return Err(SinkError(format!(
                        "{} is there, and {} does not know it: move it away, or name the folder by --state",
                        other.display(),
                        path.display()
                    )));
                }
                journal
                    .append(&[Entry::Began { format: FORMAT, party: party.clone(), form: place.form }])
                    .map_err(at(&path))?;
            }
            Some((format, of, form)) => {
                if format != FORMAT {
                    return Err(SinkError(format!("{} is of format {format}, not {FORMAT}", path.display())));
                }
                if (&of, form) != (&party, place.form) {
                    let form = if form == Form::Csv { "CSV" } else { "JSON Lines" };
                    return Err(SinkError(format!(
                        "{} belongs to {of} and to rows as {form}: name another folder by --state",
                        path.display()
                    )));
                }
                if (mark.number == 0) == place.rotates() {
                    return Err(SinkError(format!(
                        "{} goes on {}: files that rotate and files that do not have a --state of their own",
                        path.display(),
                        if mark.number == 0 { "without rotation" } else { "with rotation" }
                    )));
                }
                if let (Some(asked), Some(columns)) = (&asked, &columns)
                    && asked != columns
                    && mark.length > 0
                {
                    return Err(SinkError(format!(
                        "{} has other columns than asked for: a table keeps its heading; begin another file",
                        place.path.display()
                    )));
                }
            }
        }
        let form = place.form;
        if let Some(asked) = asked.filter(|asked| columns.as_ref() != Some(asked)) {
            journal.append(&[Entry::Columns(asked.clone())]).map_err(at(&path))?;
            columns = Some(asked);
        }
        let output = Output::open(place, columns, mark).map_err(|error| SinkError(error.to_string()))?;
        known.prune(now);
        let mut files = Files { large, journal, compact_at: COMPACT_BYTES, party, form, output, kept, known };
        files.sweep()?;
        files.compact_if_due()?;
        Ok(files)
    }

    /// What was kept and not done with before.
    pub fn unresolved(&self) -> Vec<Piece> {
        self.kept.values().map(|(piece, _)| piece.clone()).collect()
    }

    /// Where a large content is put before it is kept.
    pub fn large(&self) -> &Path {
        &self.large
    }

    /// Whether a delivery is done with.
    pub fn is_done(&self, id: Uuid) -> bool {
        self.known.has(id)
    }

    /// Keeps deliveries; they are on disk when this returns.
    ///
    /// # Errors
    /// The disk. Nothing is known of what is kept then: the program must end.
    pub fn store(&mut self, incoming: Vec<(Piece, Content)>) -> Result<Vec<Turn>, SinkError> {
        let mut turns = Vec::with_capacity(incoming.len());
        let mut entries = Vec::with_capacity(incoming.len());
        for (piece, content) in incoming {
            if self.known.has(piece.id) {
                if let Content::File(path) = content {
                    drop(std::fs::remove_file(path));
                }
                turns.push(Turn::Done);
                continue;
            }
            if let Some((piece, _)) = self.kept.get(&piece.id) {
                turns.push(Turn::Kept(Box::new(piece.clone())));
                continue;
            }
            let body = match &content {
                Content::Body(body) => Some(body.clone()),
                Content::File(_) => None,
            };
            entries.push(Entry::Kept { piece: piece.clone(), body });
            turns.push(Turn::Kept(Box::new(piece.clone())));
            self.kept.insert(piece.id, (piece, content));
        }
        self.journal.append(&entries).map_err(|error| SinkError(format!("the journal: {error}")))?;
        Ok(turns)
    }

    /// Its next receipt leaves under this id; `doubted`: one before it may have been taken.
    ///
    /// # Errors
    /// As [`Files::store`].
    pub fn again(&mut self, id: Uuid, receipt: MessageId, doubted: bool) -> Result<(), SinkError> {
        if let Some((piece, _)) = self.kept.get_mut(&id) {
            (piece.receipt, piece.doubted) = (receipt, piece.doubted || doubted);
        }
        let entry = Entry::Again { id, receipt, doubted };
        self.journal.append(&[entry]).map_err(|error| SinkError(format!("the journal: {error}")))
    }

    /// Writes the rows of what has settled, forgets the rest; how many records were written.
    ///
    /// # Errors
    /// As [`Files::store`].
    pub fn done(&mut self, settled: &[Uuid], dropped: &[Uuid], now: Timestamp) -> Result<u64, SinkError> {
        let take = |kept: &mut HashMap<_, _>, ids: &[Uuid]| -> Vec<(Piece, Content)> {
            ids.iter().filter_map(|id| kept.remove(id)).collect()
        };
        let rows = take(&mut self.kept, settled);
        let rest = take(&mut self.kept, dropped);
        let had_columns = self.output.columns().is_some();
        if !rows.is_empty() {
            self.output.add(&rows, now).map_err(|error| SinkError(error.to_string()))?;
        }
        let mut entries = Vec::new();
        if let Some(columns) = self.output.columns().filter(|_| !had_columns) {
            entries.push(Entry::Columns(columns.to_vec()));
        }
        let ids: Vec<_> = rows.iter().chain(&rest).map(|(piece, _)| (piece.id, piece.deadline)).collect();
        for (id, deadline) in &ids {
            self.known.add(*id, *deadline);
        }
        entries.push(Entry::Done { ids, mark: self.output.mark() });
        self.journal.append(&entries).map_err(|error| SinkError(format!("the journal: {error}")))?;
        for (_, content) in rows.iter().chain(&rest) {
            if let Content::File(path) = content {
                // One that stays is swept at the next start.
                drop(std::fs::remove_file(path));
            }
        }
        self.known.prune(now);
        self.compact_if_due()?;
        Ok(rows.iter().map(|(piece, _)| u64::from(piece.count)).sum())
    }

    /// Removes large content that nothing kept names.
    fn sweep(&self) -> Result<(), SinkError> {
        for item in std::fs::read_dir(&self.large).map_err(at(&self.large))?.flatten() {
            let id = item.file_name().to_str().and_then(|name| name.parse::<Uuid>().ok());
            if !id.is_some_and(|id| self.kept.contains_key(&id)) {
                std::fs::remove_file(item.path()).map_err(at(&item.path()))?;
            }
        }
        Ok(())
    }

    fn compact_if_due(&mut self) -> Result<(), SinkError> {
        if self.journal.length() < self.compact_at {
            return Ok(());
        }
        self.compact()
    }

    fn compact(&mut self) -> Result<(), SinkError> {
        let mark = self.output.mark();
        let began = Entry::Began { format: FORMAT, party: self.party.clone(), form: self.form };
        let columns = self.output.columns().map(|columns| Entry::Columns(columns.to_vec()));
        let known = self.known.all();
        let done = known.chunks(IDS_OF_AN_ENTRY).map(|ids| Entry::Done { ids: ids.to_vec(), mark });
        let kept = self.kept.values().map(|(piece, content)| {
            let body = match content {
                Content::Body(body) => Some(body.clone()),
                Content::File(_) => None,
            };
            Entry::Kept { piece: piece.clone(), body }
        });
        // The mark is there also where no id is.
        let at = Entry::Done { ids: Vec::new(), mark };
        let entries = [began].into_iter().chain(columns).chain([at]).chain(done).chain(kept);
        self.journal.replace(entries).map_err(|error| SinkError(format!("the journal: {error}")))?;
        self.compact_at = COMPACT_BYTES.max(2 * self.journal.length());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::tests::piece;
    use super::*;

    fn options(folder: &Path) -> FilesOptions {
        let place =
            Place { path: folder.join("rows.jsonl"), form: Form::Jsonl, rotate_bytes: None, rotate_every: None };
        FilesOptions { place, columns: None, state: folder.join("state"), party: "org:acme".into() }
    }

    fn body(n: u128) -> Content {
        Content::Body(Bytes::from(format!(r#"{{"endpoint":"a/b","data":{n}}}"#)))
    }

    fn rows(folder: &Path) -> Vec<String> {
        let text = std::fs::read_to_string(folder.join("rows.jsonl")).expect("there");
        text.lines().map(|line| line.rsplit_once(':').expect("data").1.trim_end_matches('}').to_owned()).collect()
    }

    #[test]
    fn only_what_has_settled_is_written_and_once_through_every_restart_and_compaction() {
        let folder = tempfile::tempdir().expect("a folder");
        let now = Timestamp(0);
        let mut files = Files::open(options(folder.path()), now).expect("opened");
        let turns = files.store((1..=4).map(|n| (piece(n), body(n))).collect()).expect("kept");
        assert!(turns.iter().all(|turn| matches!(turn, Turn::Kept(_))));
        let id = |n: u128| piece(n).id;
        assert_eq!(files.done(&[id(1)], &[id(2)], now).expect("done"), 1);
        files.again(id(3), MessageId(Uuid::from_u128(76)), true).expect("noted");
        files.again(id(3), MessageId(Uuid::from_u128(77)), false).expect("noted");
        assert!(Files::open(options(folder.path()), now).is_err(), "it is in use");
        drop(files);
        for compacted in [false, true, false] {
            // Killed after rows were written and before the journal knew.
            let mut text = std::fs::read(folder.path().join("rows.jsonl")).expect("there");
            text.extend(b"{\"half\":");
            std::fs::write(folder.path().join("rows.jsonl"), text).expect("written");
            let mut files = Files::open(options(folder.path()), now).expect("opened");
            if compacted {
                files.compact().expect("compacted");
            }
            let mut left = files.unresolved();
            left.sort_by_key(|piece| piece.id);
            assert_eq!(left.iter().map(|piece| piece.id).collect::<Vec<_>>(), [id(3), id(4)]);
            assert_eq!(left[0].receipt, MessageId(Uuid::from_u128(77)));
            assert!(left[0].doubted && !left[1].doubted, "a doubt stays");
            let again = files.store(vec![(piece(1), body(9)), (piece(3), body(9)), (piece(2), body(9))]).expect("kept");
            assert!(matches!(again[..], [Turn::Done, Turn::Kept(_), Turn::Done]), "{again:?}");
            assert_eq!(rows(folder.path()), ["1"]);
        }
        let mut files = Files::open(options(folder.path()), now).expect("opened");
        assert_eq!(files.done(&[id(3), id(4)], &[], now).expect("done"), 2);
        assert_eq!(files.done(&[id(3)], &[], now).expect("nothing"), 0);
        assert_eq!(rows(folder.path()), ["1", "3", "4"]);
    }

    #[test]
    fn what_is_in_the_way_is_told_and_not_touched() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("rows.jsonl");
        std::fs::write(&path, "somebody's\n").expect("written");
        let error = Files::open(options(folder.path()), Timestamp(0)).err().expect("refused");
        assert!(error.to_string().contains("move it away"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).expect("there"), "somebody's\n");
        std::fs::remove_file(&path).expect("moved");
        drop(Files::open(options(folder.path()), Timestamp(0)).expect("opened"));
        let other = FilesOptions { party: "org:other".into(), ..options(folder.path()) };
        assert!(Files::open(other, Timestamp(0)).err().expect("refused").to_string().contains("--state"));
        let mut rotating = options(folder.path());
        rotating.place.rotate_bytes = Some(1);
        // Nothing was written yet that would say how it goes on.
        assert!(Files::open(rotating.clone(), Timestamp(0)).is_ok());
        // A later file of another run would be written over one day.
        let elsewhere = tempfile::tempdir().expect("a folder");
        let later = elsewhere.path().join("rows.000007.jsonl");
        std::fs::write(&later, "somebody's\n").expect("written");
        let mut rotating = options(elsewhere.path());
        rotating.place.rotate_bytes = Some(1);
        let error = Files::open(rotating, Timestamp(0)).err().expect("refused");
        assert!(error.to_string().contains("rows.000007.jsonl"), "{error}");
    }
}
