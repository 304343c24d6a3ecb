//! `dex collect` and `dex pull` against a daemon, a broker and a PostgreSQL of their own: killed again and again under
//! load, what they have written is what has settled.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use dex::client::{Client, Order};
use dex::domain::{Status, Timestamp};
use dex::wire::object::{BUCKET_OUT, place};
use futures_util::StreamExt;
use serde_json::Value;

use crate::support::cast::{Cast, address, id, terms};
use crate::support::exchange::Exchange;
use crate::support::large::{PATIENCE, content};
use crate::support::nats_server::TestServer;
use crate::support::postgres::Postgres;

/// Room on the broker that is enough here, and little of the disk.
const SMALL: &str = "[streams]\nin_max_bytes = 67108864\nout_max_bytes = 268435456\n[large]\nstore_bytes = 67108864\n[limits]\nlarge_content_bytes = 16777216\n";

/// An exchange with one HAT that lets an organisation have its posts.
pub(super) struct Study {
    pub(super) exchange: Exchange,
    pub(super) cast: Cast,
    pub(super) org: Client,
    pub(super) broker: TestServer,
}

impl Study {
    pub(super) async fn start() -> Study {
        let broker = TestServer::start();
        let exchange = Exchange::tuned(&broker, SMALL);
        let cast = Cast::new(exchange.client().await, 1).await;
        let (signer, public) = exchange.key("study");
        let org = cast.operator.speaking(address("org:study"), signer);
        org.register_org("Study").await.expect("registered");
        cast.operator.approve(org.party(), &public).await.expect("approved");
        org.debit_propose(&cast.hat(0), &id("study.feed"), &terms(org.party())).await.expect("proposed");
        cast.hats[0].debit_enable(&id("study.feed")).await.expect("enabled");
        Study { exchange, cast, org, broker }
    }

    pub(super) fn giver(&self) -> &Client {
        &self.cast.hats[0]
    }

    pub(super) fn release(&self, records: impl Into<bytes::Bytes>) -> Order {
        Order::release(&self.cast.hat(0), &id("study.feed"), records)
    }

    pub(super) fn command(&self, verb: &[&str], more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dex"));
        command.args(verb).args(["--as", "org:study", "--key"]).arg(self.exchange.path("study.key"));
        command.args(more).env("DEX_URL", &self.exchange.nats).env_remove("DEX_POSTGRES").env_remove("DEX_ORIGIN");
        command.stdin(Stdio::null());
        command
    }

    pub(super) async fn run(&self, verb: &[&str], more: &[&str]) -> Output {
        let mut command = tokio::process::Command::from(self.command(verb, more));
        tokio::time::timeout(Duration::from_secs(120), command.output()).await.expect("it ends").expect("it runs")
    }

    /// Collects until nothing comes any more; the sums.
    pub(super) async fn collect(&self, sink: &[&str], code: i32) -> Value {
        let more: Vec<&str> = [sink, &["--until-idle", "3s", "--json"]].concat();
        let output = self.run(&["collect"], &more).await;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{told}{}", String::from_utf8_lossy(&output.stdout));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {told}"))
    }

    pub(super) fn file(&self, name: &str) -> String {
        self.exchange.path(name).to_str().expect("a plain path").to_owned()
    }

    pub(super) async fn status(&self, delivery_or_exchange: impl std::fmt::Display) -> String {
        let told = self.org.query("exchange.trace", format!(r#"{{"id":"{delivery_or_exchange}"}}"#)).await;
        told.expect("traced")["status"].as_str().unwrap_or_default().to_owned()
    }
}

pub(super) fn lines(path: impl Into<PathBuf>) -> Vec<Value> {
    let text = std::fs::read_to_string(path.into()).expect("there");
    assert!(text.is_empty() || text.ends_with('\n'), "a half line at the end");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// The record numbers of one release: one to three of them.
fn numbers(release: u32) -> Vec<u32> {
    (0..=release % 3).map(|n| release * 10 + n).collect()
}

pub(super) fn records(release: u32) -> String {
    let all: Vec<String> =
        numbers(release).iter().map(|n| format!(r#"{{"endpoint":"facebook/feed","data":{{"n":{n}}}}}"#)).collect();
    format!("[{}]", all.join(","))
}

/// Releases under load; how many times each record was in an exchange that has settled, which is once or not at all.
async fn load(study: &Study, releases: u32) -> BTreeMap<u32, u32> {
    let one = |release: u32| async move {
        let mut order = study.release(records(release));
        if release.is_multiple_of(10) {
            // Some end before a collector that was killed is back.
            order = order.settle_within(Duration::from_secs(2));
        }
        let end = study.giver().conclude(order, Duration::from_secs(100)).await.expect("ended");
        (release, end.last[0].outcome.status)
    };
    let ends: Vec<(u32, Status)> =
        futures_util::stream::iter(0..releases).map(one).buffer_unordered(48).collect().await;
    let mut settled = BTreeMap::new();
    for (release, status) in &ends {
        assert!(matches!(status, Status::Settled | Status::Expired), "{status}");
        if *status == Status::Settled {
            settled.extend(numbers(*release).into_iter().map(|n| (n, 1)));
        }
    }
    let expired = ends.iter().filter(|(_, status)| *status == Status::Expired).count();
    println!("{releases} releases, {expired} of them expired, {} records settled", settled.len());
    settled
}

/// Kills collectors at random moments until the load is over; how many were.
async fn killed<T>(start: impl Fn() -> Child, mut beside: impl FnMut(), load: impl Future<Output = T>) -> (T, u32) {
    let mut load = std::pin::pin!(load);
    let mut kills = 0;
    loop {
        let mut child = start();
        let life = Duration::from_millis(150 + rand::random::<u64>() % 900);
        let ended = tokio::time::timeout(life, &mut load).await;
        beside();
        // One whose database was taken away while it began says so and ends; anything else goes on.
        let ended_by_itself = child.try_wait().expect("asked").map(|status| status.code());
        assert!(matches!(ended_by_itself, None | Some(Some(3))), "{ended_by_itself:?}");
        child.kill().expect("killed");
        child.wait().expect("reaped");
        kills += 1;
        if let Ok(done) = ended {
            return (done, kills);
        }
        if kills >= 30 {
            // The rest goes undisturbed.
            let mut child = start();
            let done = load.await;
            child.kill().expect("killed");
            child.wait().expect("reaped");
            return (done, kills);
        }
    }
}

fn counted(rows: impl Iterator<Item = u32>) -> BTreeMap<u32, u32> {
    let mut counts = BTreeMap::new();
    for n in rows {
        *counts.entry(n).or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn a_collector_that_is_killed_at_any_moment_has_what_has_settled_in_its_files_once() {
    let study = Study::start().await;
    let out = study.file("rows.jsonl");
    let sink = ["--out", &out, "--again-after", "1s", "--rotate-size", "20kB"];
    let start = || {
        let mut command = study.command(&["collect"], &sink);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
    };
    let (settled, kills) = killed(start, || {}, load(&study, 1500)).await;
    println!("{kills} kills");
    study.collect(&sink, 0).await;
    let mut rows = Vec::new();
    let mut files = 0;
    for number in 1.. {
        let path = study.exchange.path(&format!("rows.{number:06}.jsonl"));
        if !path.exists() {
            break;
        }
        files += 1;
        rows.extend(lines(path));
    }
    assert!(kills >= 3 && files >= 3, "{kills} kills, {files} files");
    let found = counted(rows.iter().map(|row| row["data"]["n"].as_u64().expect("a number") as u32));
    assert!(found == settled, "{} rows, {} settled", found.len(), settled.len());
}

#[tokio::test]
async fn a_collector_that_is_killed_at_any_moment_has_what_has_settled_in_its_table_once() {
    let study = Study::start().await;
    let postgres = Postgres::start();
    let url = format!("host={} user=judge dbname=postgres", postgres.folder.path().display());
    let sink = ["--postgres", &url, "--table", "feed", "--create", "--again-after", "1s"];
    let start = || {
        let mut command = study.command(&["collect"], &sink);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
    };
    // The connection is cut, too.
    let cut = || {
        let sql = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'dex collect'";
        assert!(postgres.psql(sql, &mut Vec::new()));
        std::thread::sleep(Duration::from_millis(100));
    };
    let (settled, kills) = killed(start, cut, load(&study, 1200)).await;
    println!("{kills} kills");
    study.collect(&sink, 0).await;
    let rows = postgres.ask(&["select coalesce(json_agg(data->'n'), '[]') from feed".to_owned()]);
    let rows: Vec<u32> = serde_json::from_str(&rows[0]).expect("numbers");
    let found = counted(rows.into_iter());
    assert!(kills >= 3, "{kills} kills");
    assert!(found == settled, "{} rows, {} settled", found.len(), settled.len());
    let open = postgres.ask(&["select count(*) from feed_deliveries where ended_at is null".to_owned()]);
    assert_eq!(open, ["0"]);
}

#[tokio::test]
async fn what_is_wanted_back_before_it_was_taken_is_given_back_and_not_written() {
    let study = Study::start().await;
    let order = study.release(records(1));
    let first = study.giver().send(order).await.expect("accepted");
    study.giver().recall(&study.cast.hat(0), first.outcome.exchange).await.expect("asked back");
    let kept = study.giver().send(study.release(records(2))).await.expect("accepted");
    let out = study.file("rows.jsonl");
    let told = study.collect(&["--out", &out], 0).await;
    let (one, two) = (study.status(first.outcome.exchange).await, study.status(kept.outcome.exchange).await);
    assert_eq!((one.as_str(), two.as_str()), ("recalled", "settled"), "{told}");
    assert_eq!((&told["returned"], &told["settled"]), (&1.into(), &1.into()), "{told}");
    let rows = lines(&out);
    assert_eq!(rows.len(), numbers(2).len());
    assert!(rows.iter().all(|row| row["data"]["n"].as_u64().expect("a number") >= 20));
    assert_eq!(rows[0]["source"], "hat:h0.hubat.net");
    assert_eq!(rows[0]["authority"], "debit:study.feed");
    rows[0]["receivedAt"].as_str().expect("a time").parse::<Timestamp>().expect("a time");
}

#[tokio::test]
async fn rows_of_an_exchange_that_ends_otherwise_leave_the_table_again() {
    let study = Study::start().await;
    let postgres = Postgres::start();
    let url = format!("host={} user=judge dbname=postgres", postgres.folder.path().display());
    let order = study.release(records(2)).settle_within(Duration::from_secs(6));
    let sent = study.giver().send(order).await.expect("accepted");
    // A value that PostgreSQL has no room for: refused, and the others are taken.
    let zero = r#"{"endpoint":"facebook/feed","data":{"n":"a\u0000b"}}"#;
    let bad = study.giver().send(study.release(zero)).await.expect("accepted");
    tokio::time::sleep(Duration::from_millis(500)).await;
    // Its receipts are not heard for now.
    study.cast.operator.suspend(study.org.party()).await.expect("suspended");
    let sink = ["--postgres", &url, "--table", "feed", "--create", "--again-after", "1s"];
    let mut child = study.command(&["collect"], &sink).stderr(Stdio::null()).spawn().expect("it starts");
    let rows = || postgres.ask(&["select count(*) from feed".to_owned()])[0].clone();
    let until = |wanted: &'static str| {
        let rows = &rows;
        async move {
            let deadline = Instant::now() + Duration::from_secs(40);
            while rows() != wanted {
                assert!(Instant::now() < deadline, "{} rows, not {wanted}", rows());
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    };
    tokio::time::sleep(Duration::from_secs(1)).await;
    until("3").await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    study.cast.operator.resume(study.org.party()).await.expect("resumed");
    until("0").await;
    let deadline = Instant::now() + Duration::from_secs(40);
    while study.status(bad.outcome.exchange).await != "disputed" {
        assert!(Instant::now() < deadline, "what cannot be kept is refused once receipts are heard");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    child.kill().expect("killed");
    child.wait().expect("reaped");
    assert_eq!(study.status(sent.outcome.exchange).await, "expired");
    let status = postgres.ask(&["select string_agg(status, ',') from feed_deliveries".to_owned()]);
    assert_eq!(status, ["removed"]);
    study.collect(&sink, 0).await;
    assert_eq!(rows(), "0");
}

#[tokio::test]
async fn a_database_that_wants_tls_is_spoken_to_over_it_and_must_show_a_certificate() {
    let study = Study::start().await;
    let (postgres, port, root) = Postgres::encrypted();
    let sent = study.giver().send(study.release(records(2))).await.expect("accepted");
    let url = |mode: &str| format!("postgres://judge@127.0.0.1:{port}/postgres?sslmode={mode}");
    for (mode, says) in [("disable", "no pg_hba.conf entry"), ("require", "certificate")] {
        let output = study.run(&["collect"], &["--postgres", &url(mode), "--table", "feed", "--create"]).await;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{told}");
        assert!(told.contains(says), "{told}");
    }
    let root = root.to_str().expect("a plain path");
    let url = url("require");
    let told = study.collect(&["--postgres", &url, "--table", "feed", "--create", "--postgres-ca", root], 0).await;
    assert_eq!(told["records"], 3, "{told}");
    assert_eq!(study.status(sent.outcome.exchange).await, "settled");
    assert_eq!(postgres.ask(&["select count(*) from feed".to_owned()]), ["3"]);
}

#[tokio::test]
async fn what_does_not_verify_is_not_taken_and_large_content_is_streamed_and_checked() {
    let study = Study::start().await;
    let link = study.broker.link("forger").await;
    let (text, count) = content(3 << 20);
    let send = async || {
        let sent = study.giver().release_large(&id("study.feed"), &text[..], PATIENCE).await.expect("accepted");
        (sent.outcome.delivery.expect("delivered"), sent.outcome.exchange)
    };
    let (_, good) = send().await;
    let (delivery, damaged) = send().await;
    // A chunk of the second is another one.
    let at = place(BUCKET_OUT, study.org.party(), delivery);
    let deadline = Instant::now() + PATIENCE;
    let whole = loop {
        match dex::nats::objects::get(&link.client, BUCKET_OUT, &at, 0).await {
            Ok(chunk) => break chunk,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let mut other = whole.to_vec();
    let digit = other.iter().position(u8::is_ascii_digit).expect("a number");
    other[digit] = if other[digit] == b'1' { b'2' } else { b'1' };
    let subject = dex::wire::object::chunk(&at, 0);
    let stream = link.jetstream.get_stream(dex::wire::object::stream_of(BUCKET_OUT)).await.expect("there");
    stream.purge().filter(&subject).await.expect("purged");
    dex::nats::objects::put(&link.client, &at, 0, other.into()).await.expect("stored");
    // A delivery that nobody signed.
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Dex-Id", "019b76da-a800-7111-9111-111111111103");
    let forged = "dex.v1.out.org.study.delivery.study_feed";
    link.jetstream.publish_with_headers(forged, headers, "[]".into()).await.expect("sent").await.expect("stored");

    let out = study.file("rows.jsonl");
    let told = study.collect(&["--out", &out, "--debit", "study.feed"], 1).await;
    assert_eq!((&told["unverified"], &told["refused"], &told["settled"]), (&1.into(), &1.into(), &1.into()), "{told}");
    assert_eq!(study.status(good).await, "settled");
    assert_eq!(study.status(damaged).await, "disputed");
    let rows = lines(&out);
    let posts = count.div_ceil(2);
    // The debit lets half of them through.
    assert!(rows.len() as u32 >= posts - 1 && rows.len() as u32 <= posts + 1, "{} of {count}", rows.len());
    assert_eq!(told["records"], rows.len());
    let folder = study.exchange.path("rows.jsonl.collect/large");
    assert_eq!(std::fs::read_dir(folder).expect("there").count(), 0);
}

#[tokio::test]
async fn a_table_as_csv_goes_on_under_its_heading_and_what_is_in_the_way_is_told() {
    let study = Study::start().await;
    let out = study.file("rows.csv");
    let text = r#"[{"endpoint":"facebook/feed","recordId":"r1","data":{"message":"say \"hi\", you","likes":3}}]"#;
    study.giver().send(study.release(text)).await.expect("accepted");
    let sink = ["--out", &out, "--column", "what=data.message", "--column", "data.likes", "--column", "recordId"];
    let told = study.collect(&sink, 0).await;
    assert_eq!(told["records"], 1);
    study.giver().send(study.release(records(1))).await.expect("accepted");
    assert_eq!(study.collect(&sink, 0).await["records"], 2);
    let text = std::fs::read_to_string(&out).expect("there");
    assert_eq!(text, "what,data.likes,recordId\n\"say \"\"hi\"\", you\",3,r1\n,,\n,,\n");
    for (wrong, says) in [
        (vec!["--out", &out, "--column", "data.likes"], "other columns"),
        (vec!["--out", &out, "--form", "jsonl"], "rows as CSV"),
        (vec!["--out", &out, "--column", "likes"], "paths are"),
        (vec!["--out", &study.file("study.key")], "move it away"),
        (vec!["--postgres", "postgres://x@127.0.0.1/y"], "--table"),
    ] {
        let output = study.run(&["collect"], &wrong).await;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {told}");
        assert!(told.contains(says), "{wrong:?}: {told}");
    }
}

#[tokio::test]
async fn a_pull_brings_values_on_demand_with_a_receipt() {
    let study = Study::start().await;
    let hat = study.giver().clone();
    let mut inbox = hat.inbox().await.expect("an inbox");
    let answering = tokio::spawn(async move {
        while let Some(item) = inbox.next().await {
            if let Ok(dex::client::Item::Request(request)) = item {
                let all: Vec<String> =
                    (0..5).map(|n| format!(r#"{{"endpoint":"facebook/feed","data":{{"n":{n}}}}}"#)).collect();
                request.release(format!("[{}]", all.join(","))).await.expect("released");
            }
        }
    });
    let verb = ["pull", "study.feed", "h0.hubat.net"];
    let output = study.run(&verb, &["--limit", "2", "--skip", "1"]).await;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    let found: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(found.iter().map(|row| &row["data"]["n"]).collect::<Vec<_>>(), [&Value::from(1), &Value::from(2)]);
    assert!(err.contains("2 records from hat:h0.hubat.net  settled  leaf "), "{err}");
    let file = study.file("pulled.jsonl");
    let output = study.run(&verb, &["--out", &file, "--json"]).await;
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&told["count"], &told["status"]), (&5.into(), &"settled".into()), "{told}");
    assert_eq!(lines(&file).len(), 5);
    // A small answer needs no room for temporary files.
    let mut command = study.command(&verb, &["--limit", "1"]);
    command.env("TMPDIR", "/nowhere");
    let output = tokio::process::Command::from(command).output().await.expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    answering.abort();
    drop(answering.await);
    // Nobody answers.
    let output = study.run(&verb, &["--wait", "2s"]).await;
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    // No such debit.
    let output = study.run(&["pull", "study.other", "h0.hubat.net"], &[]).await;
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stderr).contains("debit-not-found"));
}
