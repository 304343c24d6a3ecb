//! What a filter holds for, judged by a real PostgreSQL over generated data: containment, order, paths, parts of
//! times, words.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bytes::Bytes;
use dex::domain::bundle::{Bundle, Program};
use dex::domain::records::Records;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

/// A database server of its own, in a folder of its own, that answers on a socket there.
struct Postgres {
    folder: tempfile::TempDir,
    programs: PathBuf,
    server: std::process::Child,
}

impl Postgres {
    fn start() -> Self {
        let programs = programs();
        let folder = tempfile::Builder::new().prefix("dex-pg").tempdir_in("/tmp").expect("as it must be");
        let path = folder.path();
        own(path);
        let data = path.join("data");
        let mut init = as_user(&programs.join("initdb"));
        init.args(["--locale=C", "--encoding=UTF8", "--auth=trust", "--username=judge", "--no-sync", "-D"]).arg(&data);
        let made = init.output().expect("as it must be");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let mut server = as_user(&programs.join("postgres"));
        server.arg("-D").arg(&data).args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "timezone=UTC", "-k"]);
        let server = server.arg(path).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("as it must be");
        let postgres = Postgres { folder, programs, server };
        let ready = (0..200).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            postgres.psql("select 1", &mut Vec::new())
        });
        assert!(ready, "the database does not answer within 10 s");
        postgres
    }

    fn psql(&self, sql: &str, out: &mut Vec<u8>) -> bool {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "judge", "-d", "postgres", "-h"]);
        psql.arg(self.folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = psql.spawn().expect("as it must be");
        let mut input = child.stdin.take().expect("as it must be");
        let sql = sql.to_owned();
        let writer = std::thread::spawn(move || input.write_all(sql.as_bytes()));
        let done = child.wait_with_output().expect("as it must be");
        // A database that is not ready reads nothing.
        let _ = writer.join().expect("as it must be");
        if !done.status.success() {
            out.extend(done.stderr);
            return false;
        }
        out.extend(done.stdout);
        true
    }

    /// The answer to each statement, a line each.
    fn ask(&self, statements: &[String]) -> Vec<String> {
        let mut out = Vec::new();
        assert!(self.psql(&statements.join(";\n"), &mut out), "{}", String::from_utf8_lossy(&out));
        let lines: Vec<String> = String::from_utf8(out).expect("as it must be").lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), statements.len());
        lines
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Its own fast shutdown, so that it ends its children; by the pid that it was started with.
        let pid = self.server.id().to_string();
        let told = Command::new("kill").args(["-INT", &pid]).status();
        if !told.is_ok_and(|status| status.success()) {
            let _ = self.server.kill();
        }
        let _ = self.server.wait();
    }
}

/// Debian keeps the server's programs out of PATH.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    folders.retain(|folder| folder.join("postgres").exists());
    folders.sort();
    folders.pop().expect("no PostgreSQL under /usr/lib/postgresql: `make tools` installs Debian's")
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    // Who owns what this process makes.
    tempfile::tempfile().and_then(|file| file.metadata()).is_ok_and(|made| made.uid() == 0)
}

/// PostgreSQL refuses to run as root.
fn as_user(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program).current_dir("/tmp");
    command
}

fn own(folder: &Path) {
    if is_root() {
        let done = Command::new("chown").arg("postgres:postgres").arg(folder).status().expect("as it must be");
        assert!(done.success());
    }
}

/// A text as a literal of SQL.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn passes(data: &Value, filter: &Value) -> bool {
    let query = json!({ "endpoint": "a/b", "filters": [filter] });
    let bundle = Bundle::read(&json!({ "name": "b", "bundle": { "p": { "endpoints": [query] } } }));
    let program = Program::compile(&bundle.unwrap_or_else(|fault| panic!("{filter}: {fault}")));
    let body = Bytes::from(json!({ "endpoint": "a/b", "data": data }).to_string());
    program.take(&Records::parse(body, 1).expect("as it must be"), 1 << 20).expect("as it must be").is_some()
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3i64..4).prop_map(Value::from),
        prop_oneof![Just(json!(1.0)), Just(json!(-0.5)), Just(json!(2.50)), Just(json!(1e20)), Just(json!(1e-7))],
        any::<i64>().prop_map(Value::from),
        prop_oneof![Just("a"), Just("b"), Just("aa"), Just(""), Just("1"), Just("é"), Just("Z"), Just("\"\\'")]
            .prop_map(Value::from),
    ]
}

fn tree() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(
                prop_oneof![Just("a"), Just("b"), Just("aa"), Just("0"), Just("1")],
                inner,
                0..4
            )
            .prop_map(|members| members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

/// A part of a value, so that containment is not always false.
fn part_of(value: &Value, seed: u64) -> Value {
    match value {
        Value::Array(items) => {
            let kept = items.iter().enumerate().filter(|(n, _)| seed >> (n % 60) & 1 == 1);
            kept.map(|(n, item)| part_of(item, seed.rotate_right(u32::try_from(n).expect("as it must be") + 7)))
                .rev()
                .collect()
        }
        Value::Object(members) => {
            let kept = members.iter().enumerate().filter(|(n, _)| seed >> (n % 60 + 1) & 1 == 1);
            kept.map(|(n, (key, value))| {
                (key.clone(), part_of(value, seed.rotate_right(u32::try_from(n).expect("as it must be") + 3)))
            })
            .collect()
        }
        single => single.clone(),
    }
}

fn generate<S: Strategy>(strategy: &S, count: usize) -> Vec<S::Value> {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[23; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    (0..count).map(|_| strategy.new_tree(&mut runner).expect("as it must be").current()).collect()
}

/// Compares the two judges on each case; `sql` says whether the field `d` of the data meets the filter.
fn agree(postgres: &Postgres, cases: &[(Value, Value, String)]) {
    let statements: Vec<String> = cases.iter().map(|(_, _, sql)| format!("select coalesce(({sql}), false)")).collect();
    let answers = postgres.ask(&statements);
    let mut wrong = String::new();
    let mut held = 0;
    for ((data, filter, _), answer) in cases.iter().zip(&answers) {
        held += usize::from(answer == "t");
        if passes(data, filter) != (answer == "t") {
            let _ = writeln!(wrong, "{data} {filter}: PostgreSQL says {answer}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(held > cases.len() / 20 && held < cases.len(), "{held} of {} hold: the cases tell little", cases.len());
}

#[test]
fn filters_hold_for_what_postgresql_says() {
    let postgres = Postgres::start();
    let field = |data: &Value| format!("{}::jsonb #> '{{d}}'", quoted(&data.to_string()));
    let literal = |value: &Value| format!("{}::jsonb", quoted(&value.to_string()));

    let mut cases = Vec::new();
    for (value, other, seed, part) in generate(&(tree(), tree(), any::<u64>(), any::<bool>()), 3000) {
        let data = json!({ "d": value });
        let other = if part { part_of(&value, seed) } else { other };
        let filter = |operator: Value| json!({ "field": "d", "operator": operator });
        let sql = format!("{} @> {}", field(&data), literal(&other));
        cases.push((data.clone(), filter(json!({ "operator": "contains", "value": other })), sql));
        // The other way round, so that the field is the part.
        let small = json!({ "d": other });
        let sql = format!("{} <@ {}", field(&small), literal(&value));
        cases.push((small.clone(), filter(json!({ "operator": "in", "value": value })), sql));
        let sql = format!("{} <= {}", field(&small), literal(&value));
        cases.push((small.clone(), filter(json!({ "operator": "between", "lower": other, "upper": value })), sql));
        let sql = format!("{} <= {}", literal(&value), field(&small));
        cases.push((small, filter(json!({ "operator": "between", "lower": value, "upper": other })), sql));
    }
    agree(&postgres, &cases);

    // Paths: what stands there is compared with itself, so only whether it is found counts.
    let step = prop_oneof![Just("a"), Just("b"), Just("aa"), Just("0"), Just("1"), Just("2"), Just("01")];
    let paths = (tree(), prop::collection::vec(step, 1..4));
    let cases: Vec<_> = generate(&paths, 3000)
        .into_iter()
        .map(|(value, steps)| {
            let least = json!({ "operator": "between", "lower": [], "upper": { "a": 1, "b": 1, "c": 1, "d": 1 } });
            let sql = format!("{} #> '{{{}}}' is not null", literal(&value), steps.join(","));
            (value, json!({ "field": steps.join("."), "operator": least }), sql)
        })
        .collect();
    agree(&postgres, &cases);
}

#[test]
fn parts_of_times_and_words_are_postgresqls() {
    let postgres = Postgres::start();
    let parts = [
        "microseconds",
        "milliseconds",
        "second",
        "minute",
        "hour",
        "day",
        "week",
        "month",
        "quarter",
        "year",
        "isoyear",
        "decade",
        "century",
        "millennium",
        "dow",
        "isodow",
        "doy",
        "epoch",
        "timezone",
        "timezone_hour",
        "timezone_minute",
    ];
    // From the year 1 to 9999, some with milliseconds.
    let times = (-62_100_000_000i64..253_000_000_000, prop_oneof![Just(0i64), 0i64..1000]);
    let mut statements = Vec::new();
    let mut told = Vec::new();
    for (n, (seconds, millis)) in generate(&times, 1000).into_iter().enumerate() {
        let part = parts[n % parts.len()];
        let at = jiff::Timestamp::from_millisecond(seconds * 1000 + millis).expect("as it must be").to_string();
        statements.push(format!("select extract({part} from '{at}'::timestamptz)"));
        told.push((part, at));
    }
    for ((part, at), answer) in told.iter().zip(postgres.ask(&statements)) {
        let number: Value = serde_json::from_str(&answer).expect("as it must be");
        let transformation = json!({ "transformation": "datetimeExtract", "part": part });
        let filter = json!({ "field": "d", "transformation": transformation, "operator": { "operator": "contains", "value": number } });
        assert!(passes(&json!({ "d": at }), &filter), "{part} of {at} is {answer} to PostgreSQL");
    }

    const VOCABULARY: &[&str] = &[
        "running",
        "ran",
        "cities",
        "city",
        "the",
        "of",
        "happily",
        "happiness",
        "Müller",
        "London",
        "data",
        "exchange",
        "exchanges",
        "exchanging",
        "42",
        "7",
        "nationally",
        "ties",
        "dying",
        "news",
        "only",
        "yours",
        "skis",
        "generously",
    ];
    let words = prop::collection::vec(prop::sample::select(VOCABULARY), 1..6);
    let cases: Vec<_> = generate(&(words.clone(), words), 2000)
        .into_iter()
        .filter(|(_, search)| search.iter().any(|word| !["the", "of", "only", "yours"].contains(word)))
        .map(|(text, search)| {
            let (text, search) = (text.join(" "), search[..search.len().min(2)].join(" "));
            (text, search)
        })
        .filter(|(_, search)| search.split(' ').any(|word| !["the", "of", "only", "yours"].contains(&word)))
        .map(|(text, search)| {
            let sql =
                format!("to_tsvector('english', {}) @@ plainto_tsquery('english', {})", quoted(&text), quoted(&search));
            let operator = json!({ "operator": "find", "search": search });
            let filter =
                json!({ "field": "d", "transformation": { "transformation": "searchable" }, "operator": operator });
            (json!({ "d": text }), filter, sql)
        })
        .collect();
    agree(&postgres, &cases);
}
