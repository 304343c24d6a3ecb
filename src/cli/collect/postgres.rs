//! Rows in a table of PostgreSQL: in it before the receipt leaves, and out of it again when the exchange does not settle.
//! A second table, of deliveries, says how each of them stands.

use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error, Transaction};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::fault::{Fault, told};
use super::piece::{Batches, Content, ContentError, Piece};
use super::rows::plain;
use super::sink::{Ended, Next, SinkError, Turn};
use super::spool::Spool;
use super::sql::{self, Columns, Statements};
use super::tls::Way;
use crate::cli::fail::Failure;
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
    table: String,
    statements: Statements,
    unresolved: Vec<Piece>,
    spool: Spool,
    pruned: Instant,
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
    /// A sentence that says what is wrong: [`Failure::Finding`] where it is the tables, which another try does not mend.
    pub async fn open(options: PostgresOptions) -> Result<Self, Failure> {
        let PostgresOptions { way, table, create, party } = options;
        let away = |why: &str| Failure::Unavailable(format!("PostgreSQL: {why}"));
        let statements = Statements::of(&table, party).map_err(Failure::Usage)?;
        let client = way.connect().await.map_err(|error| away(&told(&error)))?;
        if let Some(why) = sql::unfit(&client).await.map_err(|error| away(&told(&error)))? {
            return Err(Failure::Finding(format!("PostgreSQL: {why}")));
        }
        if create {
            make(&client, &statements).await.map_err(|error| match Fault::from(error) {
                Fault::Passes(why) => away(&why),
                fault => Failure::Finding(format!("the tables {table} cannot be made: {}", fault.why())),
            })?;
        }
        let unresolved = check(&client, &statements).await.map_err(|error| {
            let hint = match error.code() {
                Some(code) if *code == SqlState::UNDEFINED_TABLE => "; --create makes it",
                _ => "",
            };
            match Fault::from(error) {
                Fault::Passes(why) => away(&why),
                fault => Failure::Finding(format!("{}{hint}", fault.end(&table))),
            }
        })?;
        let spool =
            Spool::new().map_err(|error| Failure::Unavailable(format!("a folder for large content: {error}")))?;
        let pruned = Instant::now().checked_sub(PRUNE_EVERY).unwrap_or_else(Instant::now);
        Ok(Postgres { way, client: Some(client), table, statements, unresolved, spool, pruned })
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
            Err(Fault::Content(_) | Fault::Table(_)) => {
                // One of them is not taken: each by itself, so that the others are.
                let mut turns = Vec::with_capacity(incoming.len());
                for one in incoming.chunks(1) {
                    let turn = self.store_one(one, stop).await;
                    match turn {
                        Ok(kept) => turns.extend(kept),
                        Err(Fault::Content(why)) => turns.push(Turn::Refused(why)),
                        // Not the sender's fault, so it is not refused: not kept and not receipted, it comes again.
                        Err(fault) => {
                            let which = one.first().map(|(piece, _)| format!("delivery {}: ", piece.id));
                            return Err(SinkError(format!("{}{}", which.unwrap_or_default(), fault.end(&self.table))));
                        }
                    }
                }
                turns
            }
            Err(fault) => return Err(fault.end(&self.table)),
        };
        for (_, content) in &incoming {
            if let Content::File(path) = content {
                drop(std::fs::remove_file(path));
            }
        }
        Ok(turns)
    }

    /// Keeps one delivery. Where its values are not taken it is told whose fault that is.
    async fn store_one(&mut self, one: &[(Piece, Content)], stop: &CancellationToken) -> Result<Vec<Turn>, Fault> {
        let turn = self.work(stop, async |to, statements| keep(to, statements, one).await).await;
        match turn {
            Err(Fault::Content(why)) => {
                // The same code comes for a number that no column takes, and for one that is too great for a column that
                // was made narrower. What PostgreSQL takes as it is, this table does not take.
                self.work(stop, async |to, statements| weigh(to, statements, one).await).await?;
                Err(Fault::Table(why))
            }
            turn => turn,
        }
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
        let done = done.await;
        done.map_err(|fault| fault.end(&self.table))
    }

    /// The next receipt of a delivery is this one, not `before`; which it is then, nothing where the delivery has ended.
    /// Other collectors may have the same delivery in hand.
    ///
    /// # Errors
    /// As [`Postgres::store`].
    pub async fn again(
        &mut self,
        id: Uuid,
        before: MessageId,
        (receipt, doubted): Next,
        stop: &CancellationToken,
    ) -> Result<Option<Next>, SinkError> {
        let (ids, before, after) = ([id.to_string()], before.to_string(), receipt.to_string());
        let stands = self.work(stop, async |to, statements| {
            if to.execute(&statements.again, &[&ids[0], &after, &doubted, &before]).await? > 0 {
                return Ok(Some((receipt, doubted)));
            }
            Ok(sql::known(to, statements, &ids).await?.remove(&id).flatten())
        });
        let stands = stands.await;
        stands.map_err(|fault| fault.end(&self.table))
    }

    /// These are done with; how many records have come to stay.
    ///
    /// # Errors
    /// As [`Postgres::store`].
    pub async fn done(&mut self, ended: &Ended, stop: &CancellationToken) -> Result<u64, SinkError> {
        let texts = |ids: &[Uuid]| ids.iter().map(Uuid::to_string).collect::<Vec<_>>();
        let (settled, untold, dropped) = (texts(&ended.settled), texts(&ended.untold), texts(&ended.dropped));
        let kept = texts(&ended.kept());
        let count = self.work(stop, async |to, statements| {
            // Not the rows of one that another collector has ended: they are of a settled exchange, or gone.
            let ours = sql::end(to, statements, &dropped, "removed").await?;
            if !ours.is_empty() {
                to.execute(&statements.remove, &[&ours]).await?;
            }
            sql::end(to, statements, &settled, "settled").await?;
            sql::end(to, statements, &untold, "untold").await?;
            if kept.is_empty() {
                return Ok(0);
            }
            let count: i64 = to.query_one(&statements.count, &[&kept]).await?.try_get(0)?;
            Ok(count)
        });
        let count = count.await;
        let count = count.map_err(|fault| fault.end(&self.table))?;
        if self.pruned.elapsed() >= PRUNE_EVERY {
            self.prune(stop).await;
        }
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// Forgets deliveries that ended long ago. One try of a few seconds: it comes round again.
    async fn prune(&mut self, stop: &CancellationToken) {
        self.pruned = Instant::now();
        let mut work = async |to: &Transaction<'_>, statements: &Statements| {
            to.batch_execute(sql::SOON).await?;
            to.execute(&statements.prune, &[]).await?;
            Ok(())
        };
        let done = tokio::select! {
            done = self.attempt(&mut work) => done,
            () = stop.cancelled() => Err(Fault::Stays("the collector ends".into())),
        };
        if let Err(fault) = done {
            self.client = None;
            let (why, table) = (fault.why(), &self.table);
            out::note(format_args!("PostgreSQL: ended deliveries stay in {table}_deliveries for another hour: {why}"));
        }
    }
}

/// Makes the tables. Of two collectors that do at the same time PostgreSQL tells one that they are there, as an error.
async fn make(client: &Client, statements: &Statements) -> Result<(), Error> {
    let there = [SqlState::UNIQUE_VIOLATION, SqlState::DUPLICATE_TABLE, SqlState::DUPLICATE_OBJECT];
    match client.batch_execute(&statements.create).await {
        Err(error) if error.code().is_some_and(|code| there.contains(code)) => {
            client.batch_execute(&statements.create).await
        }
        made => made,
    }
}

/// Looks whether the tables have all columns, of types that go with what is written, and finds what was kept before and
/// not done with.
async fn check(client: &Client, statements: &Statements) -> Result<Vec<Piece>, Error> {
    client.batch_execute(&statements.look).await?;
    for statement in statements.all() {
        client.prepare(statement).await?;
    }
    sql::unresolved(client, statements).await
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
                Some(Some((receipt, doubted))) => {
                    Turn::Kept(Box::new(Piece { receipt: *receipt, doubted: *doubted, ..piece.clone() }))
                }
                _ => Turn::Done,
            });
            continue;
        }
        give(to, &statements.rows, &mut rows, piece, content).await?;
        turns.push(Turn::Kept(Box::new(piece.clone())));
    }
    rows.flush(to, &statements.rows).await?;
    Ok(turns)
}

/// Looks whether PostgreSQL takes the values of deliveries, whatever the table is made for.
async fn weigh(to: &Transaction<'_>, statements: &Statements, incoming: &[(Piece, Content)]) -> Result<(), Fault> {
    let mut rows = Columns::default();
    for (piece, content) in incoming {
        give(to, &statements.weigh, &mut rows, piece, content).await?;
    }
    rows.flush(to, &statements.weigh).await?;
    Ok(())
}

/// Gives all records of a content to a statement, the last of them when `rows` is flushed.
async fn give(
    to: &Transaction<'_>,
    statement: &str,
    rows: &mut Columns,
    piece: &Piece,
    content: &Content,
) -> Result<(), Fault> {
    let mut number = 0;
    match content {
        Content::Body(_) => content.batches(|records| {
            add(rows, piece, &mut number, &records);
            Ok::<(), ContentError>(())
        })?,
        Content::File(path) => {
            // Batch by batch, so that little of it is in memory.
            let mut reader = Batches::open(path)?;
            while let Some(batches) = reader.next()? {
                for records in batches {
                    add(rows, piece, &mut number, &records);
                    rows.flush(to, statement).await?;
                }
            }
        }
    }
    if rows.is_much() {
        rows.flush(to, statement).await?;
    }
    Ok(())
}

fn add(rows: &mut Columns, piece: &Piece, number: &mut i32, records: &Records) {
    let text = records.text();
    for record in &records.items {
        let view = record.view(text);
        rows.push(piece, *number, &view, plain);
        *number += 1;
    }
}
