//! Rows in a table of PostgreSQL: in it before the receipt leaves, and out of it again when the exchange does not settle.
//! A second table, of deliveries, says how each of them stands.

use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error, Transaction};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::piece::{Batches, Content, ContentError, Piece};
use super::rows::plain;
use super::sink::{SinkError, Turn};
use super::sql::{self, Columns, Statements};
use super::tls::Way;
use crate::cli::out;
use crate::domain::{MessageId, Records};

/// First and longest pause before the server is tried again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// How often what is long done with is removed from the table of deliveries.
const PRUNE_EVERY: Duration = Duration::from_secs(3600);

/// A sink of one table and that of its deliveries.
pub struct Postgres {
    way: Way,
    client: Option<Client>,
    statements: Statements,
    unresolved: Vec<Piece>,
    spool: tempdir::Folder,
    pruned: Instant,
}

/// Why something in the database failed.
#[derive(Debug)]
enum Fault {
    /// It may go well over another connection.
    Passes(String),
    /// It is this content that the database does not take.
    Content(String),
    /// It will fail again.
    Stays(String),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let text = told(&error);
        match error.code() {
            None => Fault::Passes(text),
            Some(code) => match code.code().get(..2).unwrap_or_default() {
                // Connection, resources, operator's intervention, rolled back for another's sake.
                "08" | "53" | "57" | "40" => Fault::Passes(text),
                // Values: a text with a zero character, an object of 256 MiB.
                "22" | "54" => Fault::Content(text),
                _ => Fault::Stays(text),
            },
        }
    }
}

impl From<ContentError> for Fault {
    fn from(error: ContentError) -> Self {
        match error {
            ContentError::Records(_) => Fault::Content(error.to_string()),
            ContentError::File { .. } => Fault::Stays(error.to_string()),
        }
    }
}

/// What the server says, without the values that it may quote: they are content.
fn told(error: &Error) -> String {
    match error.as_db_error() {
        Some(said) if said.code().code().starts_with("22") => {
            format!("SQLSTATE {}: a value that PostgreSQL does not take", said.code().code())
        }
        Some(said) => format!("{} (SQLSTATE {})", said.message(), said.code().code()),
        None => {
            use std::error::Error as _;
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            format!("{error}{cause}")
        }
    }
}

/// How to reach the table, and whose deliveries go there.
pub struct PostgresOptions {
    /// The server.
    pub way: Way,
    /// The table, with its schema where it is not the usual one.
    pub table: String,
    /// Make the tables where they are not there.
    pub create: bool,
    /// Whose deliveries.
    pub party: String,
}

impl Postgres {
    /// Connects, makes or checks the tables, and finds what was kept and not done with.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub async fn open(options: PostgresOptions) -> Result<Self, SinkError> {
        let statements = Statements::of(&options.table, options.party).map_err(SinkError)?;
        let client = options.way.connect().await.map_err(|error| SinkError(format!("PostgreSQL: {}", told(&error))))?;
        if options.create {
            client
                .batch_execute(&statements.create)
                .await
                .map_err(|error| SinkError(format!("the tables {} cannot be made: {}", options.table, told(&error))))?;
        }
        client.batch_execute(&statements.look).await.map_err(|error| {
            let hint = match error.code() {
                Some(code) if *code == SqlState::UNDEFINED_TABLE => "; --create makes it",
                _ => "",
            };
            SinkError(format!("the table {} and its deliveries: {}{hint}", options.table, told(&error)))
        })?;
        let unresolved = sql::unresolved(&client, &statements).await;
        let unresolved = unresolved.map_err(|error| SinkError(format!("PostgreSQL: {}", told(&error))))?;
        let spool =
            tempdir::Folder::new().map_err(|error| SinkError(format!("a folder for large content: {error}")))?;
        let pruned = Instant::now().checked_sub(PRUNE_EVERY).unwrap_or_else(Instant::now);
        Ok(Postgres { way: options.way, client: Some(client), statements, unresolved, spool, pruned })
    }

    /// What was kept and not done with before.
    pub fn unresolved(&mut self) -> Vec<Piece> {
        std::mem::take(&mut self.unresolved)
    }

    /// Where a large content is put before it is kept.
    pub fn large(&self) -> &Path {
        self.spool.path()
    }

    /// Does a piece of work in one transaction, over a new connection and again for as long as it takes when the
    /// server goes away.
    async fn work<T>(
        &mut self,
        stop: &CancellationToken,
        mut work: impl AsyncFnMut(&Transaction<'_>, &Statements) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let mut pause = PAUSES.0;
        loop {
            let fault = match self.attempt(&mut work).await {
                Err(Fault::Passes(fault)) => fault,
                done => return done,
            };
            self.client = None;
            if pause == PAUSES.0 {
                out::note(format_args!("PostgreSQL: {fault}; it is tried again"));
            }
            tokio::select! {
                () = stop.cancelled() => return Err(Fault::Stays(fault)),
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    async fn attempt<T>(
        &mut self,
        work: &mut impl AsyncFnMut(&Transaction<'_>, &Statements) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        if self.client.as_ref().is_none_or(Client::is_closed) {
            self.client = Some(self.way.connect().await?);
        }
        let Some(client) = &mut self.client else { return Err(Fault::Passes("no connection".into())) };
        let transaction = client.transaction().await?;
        let done = work(&transaction, &self.statements).await?;
        transaction.commit().await?;
        Ok(done)
    }

    /// Keeps deliveries with their rows; they are in the database when this returns.
    ///
    /// # Errors
    /// What the database will not do, or that it is to stop while the server is away.
    pub async fn store(
        &mut self,
        incoming: Vec<(Piece, Content)>,
        stop: &CancellationToken,
    ) -> Result<Vec<Turn>, SinkError> {
        let all = self.work(stop, async |to, statements| keep(to, statements, &incoming).await).await;
        let turns = match all {
            Ok(turns) => turns,
            Err(Fault::Content(_)) => {
                // One of them is not taken: each by itself, so that the others are.
                let mut turns = Vec::with_capacity(incoming.len());
                for one in incoming.chunks(1) {
                    match self.work(stop, async |to, statements| keep(to, statements, one).await).await {
                        Ok(kept) => turns.extend(kept),
                        Err(Fault::Content(why)) => turns.push(Turn::Refused(why)),
                        Err(Fault::Passes(why) | Fault::Stays(why)) => return Err(failed(&why)),
                    }
                }
                turns
            }
            Err(Fault::Passes(why) | Fault::Stays(why)) => return Err(failed(&why)),
        };
        for (_, content) in &incoming {
            if let Content::File(path) = content {
                drop(std::fs::remove_file(path));
            }
        }
        Ok(turns)
    }

    /// Whether a delivery is done with.
    ///
    /// # Errors
    /// As [`Postgres::store`].
    pub async fn is_done(&mut self, id: Uuid, stop: &CancellationToken) -> Result<bool, SinkError> {
        let ids = vec![id.to_string()];
        let done = self.work(stop, async |to, statements| {
            let row = to.query_opt(&statements.known, &[&ids]).await?;
            Ok(row.map(|row| row.try_get::<_, bool>(2)).transpose()?.unwrap_or_default())
        });
        done.await.map_err(|fault| failed(&fault.text()))
    }

    /// The next receipt of a delivery leaves under this id.
    ///
    /// # Errors
    /// As [`Postgres::store`].
    pub async fn again(&mut self, id: Uuid, receipt: MessageId, stop: &CancellationToken) -> Result<(), SinkError> {
        let (id, receipt) = (id.to_string(), receipt.to_string());
        let done = self.work(stop, async |to, statements| {
            to.execute(&statements.again, &[&id, &receipt]).await?;
            Ok(())
        });
        done.await.map_err(|fault| failed(&fault.text()))
    }

    /// These have settled, the rows of those go; how many records have come to stay.
    ///
    /// # Errors
    /// As [`Postgres::store`].
    pub async fn done(
        &mut self,
        settled: &[Uuid],
        dropped: &[Uuid],
        stop: &CancellationToken,
    ) -> Result<u64, SinkError> {
        let texts = |ids: &[Uuid]| ids.iter().map(Uuid::to_string).collect::<Vec<_>>();
        let (settled, dropped) = (texts(settled), texts(dropped));
        let prune = self.pruned.elapsed() >= PRUNE_EVERY;
        let count = self.work(stop, async |to, statements| {
            if !dropped.is_empty() {
                to.execute(&statements.remove, &[&dropped]).await?;
                to.execute(&statements.end, &[&dropped, &"removed"]).await?;
            }
            if prune {
                to.execute(&statements.prune, &[]).await?;
            }
            if settled.is_empty() {
                return Ok(0);
            }
            to.execute(&statements.end, &[&settled, &"settled"]).await?;
            let count: i64 = to.query_one(&statements.count, &[&settled]).await?.try_get(0)?;
            Ok(count)
        });
        let count = count.await.map_err(|fault| failed(&fault.text()))?;
        if prune {
            self.pruned = Instant::now();
        }
        Ok(u64::try_from(count).unwrap_or_default())
    }
}

impl Fault {
    fn text(self) -> String {
        match self {
            Fault::Passes(text) | Fault::Content(text) | Fault::Stays(text) => text,
        }
    }
}

fn failed(why: &str) -> SinkError {
    SinkError(format!("PostgreSQL: {why}"))
}

/// Keeps deliveries that are not known yet, with all their rows.
async fn keep(
    to: &Transaction<'_>,
    statements: &Statements,
    incoming: &[(Piece, Content)],
) -> Result<Vec<Turn>, Fault> {
    let (kept, known) = sql::keep(to, statements, incoming.iter().map(|(piece, _)| piece)).await?;
    let mut rows = Columns::default();
    let mut turns = Vec::with_capacity(incoming.len());
    for (piece, content) in incoming {
        if !kept.contains(&piece.id) {
            turns.push(match known.get(&piece.id) {
                Some(Some(receipt)) => Turn::Kept(Box::new(Piece { receipt: *receipt, ..piece.clone() })),
                _ => Turn::Done,
            });
            continue;
        }
        let mut number = 0;
        match content {
            Content::Body(_) => content.batches(|records| {
                add(&mut rows, piece, &mut number, &records);
                Ok::<(), ContentError>(())
            })?,
            Content::File(path) => {
                // Batch by batch, so that little of it is in memory.
                let mut reader = Batches::open(path)?;
                while let Some(batches) = reader.next()? {
                    for records in batches {
                        add(&mut rows, piece, &mut number, &records);
                        rows.flush(to, statements).await?;
                    }
                }
            }
        }
        if rows.is_much() {
            rows.flush(to, statements).await?;
        }
        turns.push(Turn::Kept(Box::new(piece.clone())));
    }
    rows.flush(to, statements).await?;
    Ok(turns)
}

fn add(rows: &mut Columns, piece: &Piece, number: &mut i32, records: &Records) {
    let text = records.text();
    for record in &records.items {
        let view = record.view(text);
        rows.push(piece, *number, &view, plain);
        *number += 1;
    }
}

/// A folder for what is under way, gone with the process that ends in order; what a kill leaves is the system's to clear.
mod tempdir {
    use std::path::{Path, PathBuf};

    /// The folder.
    pub struct Folder(PathBuf);

    impl Folder {
        /// Makes one of its own, readable by this user alone.
        pub fn new() -> std::io::Result<Self> {
            use std::os::unix::fs::DirBuilderExt;
            let name = format!("dex-collect-{}-{:016x}", std::process::id(), rand::random::<u64>());
            let path = std::env::temp_dir().join(name);
            std::fs::DirBuilder::new().mode(0o700).create(&path)?;
            Ok(Folder(path))
        }

        /// Where it is.
        pub fn path(&self) -> &Path {
            &self.0
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            drop(std::fs::remove_dir_all(&self.0));
        }
    }
}
