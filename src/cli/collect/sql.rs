//! The statements of the PostgreSQL sink, and their arguments: whole batches as arrays.

use std::collections::{HashMap, HashSet};

use tokio_postgres::{Client, Error, Transaction};
use uuid::Uuid;

use super::piece::Piece;
use super::sink::Next;
use crate::domain::records::RecordView;
use crate::domain::{Digest, Timestamp};

/// The statements for one table.
pub struct Statements {
    /// Makes both tables.
    pub create: String,
    /// Fails when a table or column is not there.
    pub look: String,
    keep: String,
    /// How deliveries stand: delivery, receipt, whether it has ended, whether a receipt before may have been taken.
    pub known: String,
    /// Writes rows.
    pub rows: String,
    /// Reads the values of rows as their types, and writes nothing.
    pub weigh: String,
    unresolved: String,
    /// Another id for the next receipt, unless another collector was faster: delivery, id, whether one before it may have
    /// been taken, the id before.
    pub again: String,
    end: String,
    /// Removes the rows of deliveries.
    pub remove: String,
    /// How many rows deliveries have.
    pub count: String,
    /// Removes what is long done with from the table of deliveries.
    pub prune: String,
    /// Whose deliveries.
    party: String,
}

/// A name as an identifier of SQL.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Statements {
    /// The statements for a table, `name` or `schema.name`.
    ///
    /// # Errors
    /// What is wrong with the name.
    pub fn of(table: &str, party: String) -> Result<Self, String> {
        let parts: Vec<&str> = table.split('.').collect();
        // PostgreSQL cuts names off after 63 bytes, without a word.
        let fits = parts.iter().all(|part| !part.is_empty() && part.len() + "_deliveries".len() <= 63);
        if parts.len() > 2 || !fits || table.contains('\0') {
            return Err(format!("--table {table:?} is no name or schema.name of at most 52 bytes each"));
        }
        let (schema, name) = match parts[..] {
            [schema, name] => (format!("{}.", quoted(schema)), name),
            _ => (String::new(), table),
        };
        let rows = format!("{schema}{}", quoted(name));
        let deliveries = format!("{schema}{}", quoted(&format!("{name}_deliveries")));
        Ok(Statements {
            create: format!(
                "create table if not exists {rows} (
                   delivery uuid not null, number integer not null,
                   source text not null, authority text not null, pull uuid, received_at timestamptz not null,
                   endpoint text not null, record_id text, source_timestamp text, source_unique_id text,
                   data jsonb not null, links jsonb,
                   primary key (delivery, number));
                 create table if not exists {deliveries} (
                   delivery uuid primary key, party text not null,
                   source text not null, authority text not null, pull uuid, received_at timestamptz not null,
                   deadline timestamptz not null, receipt_to text not null, receipt uuid not null,
                   digest text not null, count integer not null,
                   status text not null default 'kept', ended_at timestamptz)"
            ),
            look: format!(
                "select delivery, number, source, authority, pull, received_at, endpoint, record_id, source_timestamp,
                   source_unique_id, data, links from {rows} limit 0;
                 select delivery, party, source, authority, pull, received_at, deadline, receipt_to, receipt, digest,
                   count, status, ended_at from {deliveries} limit 0"
            ),
            keep: format!(
                "insert into {deliveries} (delivery, party, source, authority, pull, received_at, deadline, receipt_to,
                   receipt, digest, count)
                 select d::uuid, $11::text, s, a, p::uuid, r::timestamptz, l::timestamptz, t, i::uuid, h, n
                 from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                   $8::text[], $9::text[], $10::integer[]) as it (d, s, a, p, r, l, t, i, h, n)
                 on conflict (delivery) do nothing returning delivery::text"
            ),
            known: format!(
                "select delivery::text, receipt::text, ended_at is not null,
                   coalesce(status::text = '{DOUBTED}', false) from {deliveries}
                 where delivery = any ($1::text[]::uuid[])"
            ),
            rows: format!(
                "insert into {rows} (delivery, number, source, authority, pull, received_at, endpoint, record_id,
                   source_timestamp, source_unique_id, data, links)
                 select d::uuid, n, s, a, p::uuid, r::timestamptz, e, i, t, u, j::jsonb, k::jsonb {VALUES}
                 on conflict (delivery, number) do update set source = excluded.source, authority = excluded.authority,
                   pull = excluded.pull, received_at = excluded.received_at, endpoint = excluded.endpoint,
                   record_id = excluded.record_id, source_timestamp = excluded.source_timestamp,
                   source_unique_id = excluded.source_unique_id, data = excluded.data, links = excluded.links"
            ),
            weigh: format!("select count(row(d::uuid, p::uuid, r::timestamptz, j::jsonb, k::jsonb)) {VALUES}"),
            unresolved: format!(
                "select delivery::text, source::text, authority::text, pull::text, receipt_to::text, receipt::text,
                   digest::text, count::integer, (extract(epoch from received_at) * 1000)::bigint,
                   (extract(epoch from deadline) * 1000)::bigint, coalesce(status::text = '{DOUBTED}', false)
                 from {deliveries} where party = $1::text and ended_at is null limit {UNRESOLVED_MAX}"
            ),
            again: format!(
                "update {deliveries} set receipt = $2::text::uuid,
                   status = case when $3::boolean then '{DOUBTED}' else status::text end
                 where delivery = $1::text::uuid and receipt = $4::text::uuid and ended_at is null"
            ),
            end: format!(
                "update {deliveries} set status = $2::text, ended_at = now()
                 where delivery = any ($1::text[]::uuid[]) and ended_at is null returning delivery::text"
            ),
            remove: format!("delete from {rows} where delivery = any ($1::text[]::uuid[])"),
            count: format!("select count(*) from {rows} where delivery = any ($1::text[]::uuid[])"),
            prune: format!(
                "delete from {deliveries} where ended_at is not null and deadline < now() - interval '1 day'"
            ),
            party,
        })
    }

    /// All that are used while it runs. Prepared, they tell of columns that are of other types than they must be.
    pub fn all(&self) -> [&str; 10] {
        [
            &self.keep,
            &self.known,
            &self.rows,
            &self.weigh,
            &self.unresolved,
            &self.again,
            &self.end,
            &self.remove,
            &self.count,
            &self.prune,
        ]
    }
}

/// Where the values of rows come from: whole columns.
const VALUES: &str =
    "from unnest($1::text[], $2::integer[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                   $8::text[], $9::text[], $10::text[], $11::text[], $12::text[])
                   as it (d, n, s, a, p, r, e, i, t, u, j, k)";

/// The status of a delivery of which a receipt that left before, under another id, may have been taken.
const DOUBTED: &str = "doubted";

/// A transaction that begins with this does not keep others waiting for long.
pub const SOON: &str = "set local statement_timeout = '3s'; set local lock_timeout = '1s'";

/// Deliveries that are taken up again at a start; more are taken up at the next.
const UNRESOLVED_MAX: u32 = 10_000;

/// Why this database cannot hold all that a record can.
pub async fn unfit(client: &Client) -> Result<Option<String>, Error> {
    let encoding: String = client.query_one("select current_setting('server_encoding')", &[]).await?.try_get(0)?;
    let why = || format!("the database keeps texts as {encoding}: name one that was made with encoding 'UTF8'");
    Ok((encoding != "UTF8").then(why))
}

/// What was kept and not done with.
pub async fn unresolved(client: &Client, statements: &Statements) -> Result<Vec<Piece>, Error> {
    let rows = client.query(&statements.unresolved, &[&statements.party]).await?;
    let mut pieces = Vec::with_capacity(rows.len());
    for row in &rows {
        let text = |at: usize| row.try_get::<_, String>(at);
        let millis = |at: usize| row.try_get::<_, i64>(at).map(|ms| Timestamp(ms.saturating_mul(1_000_000)));
        let (id, receipt, digest) = (text(0)?.parse(), text(5)?.parse(), text(6)?.parse::<Digest>());
        let (Ok(id), Ok(receipt), Ok(digest)) = (id, receipt, digest) else { continue };
        pieces.push(Piece {
            id,
            source: text(1)?,
            authority: text(2)?,
            pull: row.try_get::<_, Option<String>>(3)?.and_then(|pull| pull.parse().ok()),
            received: millis(8)?,
            deadline: millis(9)?,
            receipt_to: text(4)?,
            receipt,
            doubted: row.try_get(10)?,
            digest,
            count: u32::try_from(row.try_get::<_, i32>(7)?).unwrap_or_default(),
        });
    }
    Ok(pieces)
}

/// Deliveries that were known already, with the next receipt of those that want one.
type Before = HashMap<Uuid, Option<Next>>;

/// Notes deliveries that are not known yet: which they are, and how those stand that were.
pub async fn keep(
    to: &Transaction<'_>,
    statements: &Statements,
    pieces: impl Iterator<Item = &Piece> + Clone,
) -> Result<(HashSet<Uuid>, Before), Error> {
    let all = |of: fn(&Piece) -> String| pieces.clone().map(of).collect::<Vec<_>>();
    let ids = all(|piece| piece.id.to_string());
    let pulls: Vec<Option<String>> = pieces.clone().map(|piece| piece.pull.map(|pull| pull.to_string())).collect();
    let counts: Vec<i32> = pieces.clone().map(|piece| i32::try_from(piece.count).unwrap_or(i32::MAX)).collect();
    let made = to
        .query(
            &statements.keep,
            &[
                &ids,
                &all(|piece| piece.source.clone()),
                &all(|piece| piece.authority.clone()),
                &pulls,
                &all(|piece| piece.received.to_string()),
                &all(|piece| piece.deadline.to_string()),
                &all(|piece| piece.receipt_to.clone()),
                &all(|piece| piece.receipt.to_string()),
                &all(|piece| piece.digest.to_string()),
                &counts,
                &statements.party,
            ],
        )
        .await?;
    let mut kept = HashSet::with_capacity(made.len());
    for row in &made {
        kept.extend(row.try_get::<_, String>(0)?.parse::<Uuid>());
    }
    let known = if kept.len() < ids.len() { known(to, statements, &ids).await? } else { Before::new() };
    Ok((kept, known))
}

/// How these stand.
pub async fn known(to: &Transaction<'_>, statements: &Statements, ids: &[String]) -> Result<Before, Error> {
    let mut known = Before::new();
    for row in &to.query(&statements.known, &[&ids]).await? {
        let (id, receipt) = (row.try_get::<_, String>(0)?.parse(), row.try_get::<_, String>(1)?.parse());
        if let (Ok(id), Ok(receipt)) = (id, receipt) {
            let (ended, doubted) = (row.try_get::<_, bool>(2)?, row.try_get::<_, bool>(3)?);
            known.insert(id, (!ended).then_some((receipt, doubted)));
        }
    }
    Ok(known)
}

/// These have ended, as `status` says; which of them had not before. Those that had are another collector's: it knew how.
pub async fn end(
    to: &Transaction<'_>,
    statements: &Statements,
    ids: &[String],
    status: &str,
) -> Result<Vec<String>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ended = to.query(&statements.end, &[&ids, &status]).await?;
    ended.iter().map(|row| row.try_get(0)).collect()
}

/// Bytes of records that one statement takes, about.
const STATEMENT_BYTES: usize = 4 << 20;

/// Rows on their way, column by column.
#[derive(Default)]
pub struct Columns {
    bytes: usize,
    numbers: Vec<i32>,
    texts: [Vec<Option<String>>; 11],
}

impl Columns {
    /// Adds a record; `plain` makes text of a JSON value.
    pub fn push(&mut self, piece: &Piece, number: i32, record: &RecordView<'_>, plain: fn(&str) -> String) {
        self.numbers.push(number);
        self.bytes += record.whole.len();
        let values = [
            Some(piece.id.to_string()),
            Some(piece.source.clone()),
            Some(piece.authority.clone()),
            piece.pull.map(|pull| pull.to_string()),
            Some(piece.received.to_string()),
            Some(record.endpoint.to_owned()),
            record.record_id.map(plain),
            record.source_timestamp.map(plain),
            record.source_unique_id.map(plain),
            Some(record.data.to_owned()),
            record.links.map(str::to_owned),
        ];
        for (column, value) in self.texts.iter_mut().zip(values) {
            column.push(value);
        }
    }

    /// Whether there is enough for one statement.
    pub fn is_much(&self) -> bool {
        self.bytes > STATEMENT_BYTES
    }

    /// Gives them to a statement, [`Statements::rows`] or [`Statements::weigh`], and is empty then.
    pub async fn flush(&mut self, to: &Transaction<'_>, statement: &str) -> Result<(), Error> {
        if self.numbers.is_empty() {
            return Ok(());
        }
        let Columns { numbers, texts, .. } = std::mem::take(self);
        let [id, source, authority, pull, received, endpoint, record, time, unique, data, links] = &texts;
        to.execute(
            statement,
            &[id, &numbers, source, authority, pull, received, endpoint, record, time, unique, data, links],
        )
        .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_and_bounded() {
        let statements = Statements::of("study.ste\"ps", "org:acme".into()).expect("a name");
        assert!(statements.remove.contains(r#"delete from "study"."ste""ps" where"#), "{}", statements.remove);
        assert!(statements.end.contains(r#""study"."ste""ps_deliveries""#));
        // Several collectors share a table: each looks whether another one was faster, in the statement that writes.
        assert!(statements.end.contains("ended_at is null returning delivery"), "{}", statements.end);
        assert!(statements.again.contains("receipt = $4::text::uuid and ended_at is null"), "{}", statements.again);
        for bad in ["", "a.b.c", ".a", "a.", &"x".repeat(53)] {
            assert!(Statements::of(bad, String::new()).is_err(), "{bad}");
        }
    }
}
