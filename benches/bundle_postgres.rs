//! The same query over the same records by the exchange and by PostgreSQL, in one run. Ends in failure when the exchange is less
//! than [`RATIO`] times as fast.
//!
//! Compared is one bundle (five endpoints, of each two filters and ten mapped fields) over records of 1 KB that all pass,
//! so that each is filtered, mapped and written out. Each side holds the records in its own form, read and checked before:
//! PostgreSQL in a table of `jsonb`, analysed, with an index on the endpoint and all of it in its buffers; the exchange as
//! JSON text with the records' places, in bodies of a size that messages may have. PostgreSQL answers a prepared statement over its own socket to `pgbench`, which
//! reads the rows and throws them away; it may use no second core, as the exchange uses none. The two sides take turns,
//! and each side's best round counts. The rows that PostgreSQL gives are checked to be those of the exchange.
//!
//! With `missing left out` the query is the bundle's own for any record: a field that is missing has no key. The first ones
//! write `null` there, which only for these records is the same; the last one is written by somebody who knows which fields are seldom
//! missing. The ratio that must be reached is that to the bundle's own. What the exchange does when a body comes, checking it and finding
//! its records, is told beside it: PostgreSQL does the like when a record is stored.

#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

use dex::domain::bundle::Program;
use dex::domain::records::{RecordSpan, Records};
use serde_json::Value;

#[allow(dead_code)]
#[path = "../tests/all/support/postgres.rs"]
mod postgres;
mod spending;

use postgres::{Postgres, quoted};

const RECORDS: usize = 4000;
/// Records of one body: as many as a message may carry of this size.
const BODY: usize = 400;
const ROUNDS: usize = 7;
/// How many times as fast as PostgreSQL the exchange is at least.
const RATIO: f64 = 20.0;
/// The way to ask that means the same for any record.
const SAME: &str = "missing left out";

/// Mapped members and where they come from, as a path of PostgreSQL.
const MEMBERS: [(&str, &str); 8] = [
    ("when", "created"),
    ("amount", "amount,value"),
    ("currency", "amount,currency"),
    ("shop", "merchant,name"),
    ("tag", "tags,0"),
    ("kind", "category"),
    ("note", "notes"),
    ("id", "id"),
];
/// Members of the object `place`.
const PLACE: [(&str, &str); 2] = [("city", "merchant,address,city"), ("country", "merchant,address,country")];

fn at(path: &str) -> String {
    format!("data #> '{{{path}}}'")
}

fn pairs(members: &[(&str, &str)]) -> String {
    let pair = |(key, path): &(&str, &str)| format!("'{key}', {}", at(path));
    members.iter().map(pair).collect::<Vec<_>>().join(", ")
}

/// The mapping as one object; what is missing is null.
fn object(build: &str) -> String {
    format!("{build}({}, 'place', {build}({}))", pairs(&MEMBERS), pairs(&PLACE))
}

/// The mapping as one object without what is missing.
fn left_out() -> String {
    let rows = |members: &[(&str, &str)]| {
        let row = |(key, path): &(&str, &str)| format!("('{key}', {})", at(path));
        members.iter().map(row).collect::<Vec<_>>().join(", ")
    };
    let aggregate =
        |rows: String| format!("(select jsonb_object_agg(k, v) from (values {rows}) m(k, v) where v is not null)");
    aggregate(format!("{}, ('place', {})", rows(&MEMBERS), aggregate(rows(&PLACE))))
}

/// The same, put together in one go where nothing is missing.
fn left_out_where_any() -> String {
    let all = "data ?& '{created,tags,category,notes,id}' and data->'amount' ?& '{value,currency}' \
               and data->'merchant' ? 'name' and data #> '{merchant,address}' ?& '{city,country}'";
    format!("case when {all} then {} else {} end", object("jsonb_build_object"), left_out())
}

fn query(mapping: &str, sources: &str) -> String {
    format!(
        "select source, record_id, {mapping} from data_json where {sources} \
         and data #> '{{amount,value}}' between '0' and '1000' and data #> '{{category}}' <@ '[\"food\",\"travel\",\"books\"]'"
    )
}

/// Ways to ask: what they are called, and the query.
fn ways() -> Vec<(&'static str, String)> {
    let all = "source in ('bank/account-0','bank/account-1','bank/account-2','bank/account-3','bank/account-4')";
    let each = |mapping: &str| {
        let one = |n: usize| query(mapping, &format!("source = 'bank/account-{n}'"));
        (0..5).map(one).collect::<Vec<_>>().join(" union all ")
    };
    vec![
        ("jsonb", query(&object("jsonb_build_object"), all)),
        ("json", query(&object("json_build_object"), all)),
        ("jsonb, a query per endpoint", each(&object("jsonb_build_object"))),
        (SAME, query(&left_out(), all)),
        ("missing left out where any is", query(&left_out_where_any(), all)),
    ]
}

fn fill(postgres: &Postgres, records: &Records) {
    let text = records.text();
    let row = |item: &RecordSpan| {
        let view = item.view(text);
        let id = view.record_id.expect("each has an id").trim_matches('"');
        format!("({}, {}, {})", quoted(view.endpoint), quoted(id), quoted(view.data))
    };
    let rows: Vec<String> = records.items.iter().map(row).collect();
    let sql = format!(
        "create table data_json (record_id uuid primary key, source text not null, data jsonb not null); \
         insert into data_json (source, record_id, data) values {}; create index on data_json (source); \
         vacuum analyze data_json;",
        rows.join(",\n")
    );
    // A vacuum stands alone.
    for statement in sql.split_inclusive("; ") {
        let mut out = Vec::new();
        assert!(postgres.psql(statement, &mut out), "{}", String::from_utf8_lossy(&out));
    }
}

/// The same rows, whatever their order.
fn agree(postgres: &Postgres, sql: &str, taken: &[u8]) {
    let mut out = Vec::new();
    assert!(postgres.psql(sql, &mut out), "{}", String::from_utf8_lossy(&out));
    let text = String::from_utf8(out).expect("UTF-8");
    let row = |line: &str| {
        let (source, rest) = line.split_once('|').expect("three columns");
        let (id, data) = rest.split_once('|').expect("three columns");
        (id.to_owned(), (source.to_owned(), serde_json::from_str::<Value>(data).expect("JSON")))
    };
    let theirs: BTreeMap<_, _> = text.lines().map(row).collect();
    let ours: Vec<Value> = serde_json::from_slice(taken).expect("JSON");
    assert_eq!(ours.len(), theirs.len());
    for record in ours {
        let (source, data) = &theirs[record["recordId"].as_str().expect("an id")];
        assert_eq!((source.as_str(), data), (record["endpoint"].as_str().expect("a text"), &record["data"]));
    }
}

/// The records in bodies as they come in messages.
fn bodies(records: &Records) -> Vec<Records> {
    let text = records.text();
    let body = |items: &[RecordSpan]| {
        let wholes: Vec<&str> = items.iter().map(|item| item.view(text).whole).collect();
        Records::parse(format!("[{}]", wholes.join(",")).into(), BODY).expect("records")
    };
    records.items.chunks(BODY).map(body).collect()
}

/// How long a prepared statement takes till all its rows are read, over `times` times.
fn latency(postgres: &Postgres, sql: &str, times: u32) -> Duration {
    let script = postgres.folder.path().join("script.sql");
    std::fs::write(&script, sql).expect("the script can be written");
    let mut pgbench = Command::new(postgres.programs.join("pgbench"));
    pgbench.args(["--no-vacuum", "--protocol=prepared", "--client=1", "-U", "judge", "-d", "postgres", "-h"]);
    pgbench.arg(postgres.folder.path()).arg(format!("--transactions={times}")).arg("-f").arg(&script);
    let done = pgbench.output().expect("pgbench is among PostgreSQL's programs");
    let said = String::from_utf8_lossy(&done.stdout);
    let millis = said.lines().find_map(|line| line.strip_prefix("latency average = ")?.strip_suffix(" ms"));
    let millis: Option<f64> = millis.and_then(|millis| millis.parse().ok());
    let millis = millis.unwrap_or_else(|| panic!("{said}{}", String::from_utf8_lossy(&done.stderr)));
    Duration::from_secs_f64(millis / 1000.0)
}

fn timed(times: u32, mut run: impl FnMut()) -> Duration {
    let began = Instant::now();
    for _ in 0..times {
        run();
    }
    began.elapsed() / times
}

fn main() {
    if postgres::find().is_none() {
        println!("bundle_postgres: no PostgreSQL is here, nothing is compared");
        return;
    }
    let records = spending::records(RECORDS);
    let program = Program::compile(&spending::bundle());
    let taken = program.take(&records, usize::MAX).expect("no bound").expect("all pass");
    let postgres = Postgres::start();
    fill(&postgres, &records);
    let ways = ways();
    for (_, sql) in &ways {
        agree(&postgres, sql, &taken.body);
    }
    let bodies = bodies(&records);
    let (mut take, mut parse) = (Duration::MAX, Duration::MAX);
    let mut theirs = vec![Duration::MAX; ways.len()];
    for _ in 0..ROUNDS {
        take = take.min(timed(20, || {
            for body in &bodies {
                drop(black_box(program.take(black_box(body), usize::MAX)));
            }
        }));
        parse = parse.min(timed(5, || {
            for body in &bodies {
                drop(black_box(Records::parse(black_box(body.body.clone()), BODY)));
            }
        }));
        for ((_, sql), best) in ways.iter().zip(&mut theirs) {
            *best = (*best).min(latency(&postgres, sql, 8));
        }
    }
    let each = |whole: Duration| whole.as_secs_f64() * 1e9 / RECORDS as f64;
    println!(
        "the exchange: {:.0} ns a record; to check the body and find its records {:.0} ns more",
        each(take),
        each(parse)
    );
    for ((name, _), best) in ways.iter().zip(&theirs) {
        let ratio = |ours: Duration| best.as_secs_f64() / ours.as_secs_f64();
        println!(
            "PostgreSQL, {name}: {:.0} ns a record, {:.1} times that; {:.1} times with the body",
            each(*best),
            ratio(take),
            ratio(take + parse)
        );
    }
    let same = ways.iter().position(|(name, _)| *name == SAME).expect("one of the ways");
    let ratio = theirs[same].as_secs_f64() / take.as_secs_f64();
    assert!(ratio >= RATIO, "{ratio:.1} times as fast as PostgreSQL, not {RATIO} times");
}
