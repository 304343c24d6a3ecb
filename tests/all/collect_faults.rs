//! What goes wrong around `dex collect` and `dex pull`: outcomes that were not heard, keys and tables that are wrong, a
//! database that only reads, content that is not there. Nothing that has settled is lost, and nothing else is kept.

use std::fmt::Display;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use dex::client::{Item, Order};
use dex::domain::Status;
use dex::domain::pii::Word;
use dex::wire::message_id_v7;
use dex::wire::object::{BUCKET_OUT, chunk, place, stream_of};
use futures_util::StreamExt;
use serde_json::{Value, json};

use super::collect::{Study, lines, records};
use crate::support::canary::offered;
use crate::support::cast::id;
use crate::support::large::{PATIENCE, content};
use crate::support::postgres::Postgres;

const HOUR_MS: u64 = 3_600_000;

fn url(postgres: &Postgres) -> String {
    format!("host={} user=judge dbname=postgres", postgres.folder.path().display())
}

fn sql(postgres: &Postgres, text: &str) {
    let mut told = Vec::new();
    assert!(postgres.psql(text, &mut told), "{text}: {}", String::from_utf8_lossy(&told));
}

/// What a child has said by its end.
async fn ended(child: Child) -> Output {
    let waited = tokio::task::spawn_blocking(move || child.wait_with_output());
    let ended = tokio::time::timeout(Duration::from_secs(120), waited).await.expect("it ends");
    ended.expect("waited for").expect("it runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Killed between its receipt and the outcome, and started again after the receipt has become too old to be sent: under
/// an offer without personal data the ledger tells it nothing.
#[tokio::test]
async fn what_had_settled_before_a_kill_stays_also_where_the_ledger_says_nothing_and_only_that() {
    let study = Study::start().await;
    let postgres = Postgres::start();
    let word: Word = serde_json::from_value(json!({ "fields": { "n": { "class": "none" } } })).expect("a word");
    study.cast.operator.classify("facebook/feed", &word).await.expect("classified");
    offered(&study.cast.operator, &study.org, study.giver(), "gifts").await;
    let gift = |n: u32| {
        let record = format!(r#"[{{"endpoint":"facebook/feed","data":{{"n":{n}}}}}]"#);
        Order::release(&study.cast.hat(0), &id("gifts"), record)
    };
    let url = url(&postgres);
    let sink = ["--postgres", &url, "--table", "feed", "--create", "--again-after", "1s"];
    study.giver().send(gift(1)).await.expect("accepted");
    let told = study.collect(&sink, 0).await;
    assert_eq!(told["settled"], 1, "{told}");
    let kept = postgres.ask(&["select delivery from feed".to_owned()]).remove(0);
    // Two more end in disputes, by another program of the organisation.
    study.giver().send(gift(2)).await.expect("accepted");
    study.giver().send(gift(3)).await.expect("accepted");
    let mut deliveries = study.org.deliveries().await.expect("an inbox");
    let mut refused = Vec::new();
    while refused.len() < 2 {
        let delivery = deliveries.next().await.expect("goes on").expect("sound");
        if delivery.id.to_string() == kept {
            delivery.ignore().await;
            continue;
        }
        refused.push(delivery.id);
        assert_eq!(delivery.refuse("no").await.expect("taken").outcome.status, Status::Disputed);
    }
    let (over, gone) = (refused[0], refused[1]);
    // As if all had been kept and receipted two hours ago, and no outcome heard. The exchange knows the id of no receipt,
    // as it need not. Two came long after the oldest outcome that is there (the exchange is young, so by a clock that is
    // ahead); the third before all that are there: what was told of its first receipt may have gone.
    let then = dex::client::ids::now().unix_ms() - 2 * HOUR_MS;
    let [one, two, three] = [7, 8, 9].map(|n| message_id_v7(then, [n; 10]));
    let copy = |delivery: &dyn Display, receipt: &dyn Display, received: &str| {
        format!(
            "insert into feed_deliveries (delivery, party, source, authority, pull, received_at, deadline, receipt_to,
               receipt, digest, count)
             select '{delivery}'::uuid, party, source, authority, pull, now() {received}, deadline, receipt_to,
               '{receipt}'::uuid, digest, count from feed_deliveries where delivery = '{kept}';
             insert into feed (delivery, number, source, authority, received_at, endpoint, data)
             select '{delivery}'::uuid, number, source, authority, received_at, endpoint, data from feed
             where delivery = '{kept}'"
        )
    };
    let ahead = "+ interval '20 minutes'";
    sql(
        &postgres,
        &format!(
            "update feed_deliveries set ended_at = null, status = 'kept', receipt = '{one}', received_at = now() {ahead}
             where delivery = '{kept}'; {}; {}",
            copy(&over, &two, ahead),
            copy(&gone, &three, "- interval '2 hours'")
        ),
    );
    let output = study.run(&["collect"], &[&sink[..], &["--until-idle", "20s", "--json"]].concat()).await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        (&told["settled"], &told["untold"], &told["dropped"]["late"]),
        (&1.into(), &1.into(), &1.into()),
        "{told}"
    );
    assert!(said(&output).contains(&format!("delivery {gone}: it has ended")), "{}", said(&output));
    let stands = "select string_agg(status, ',' order by status) from feed_deliveries where ended_at is not null";
    assert_eq!(postgres.ask(&[stands.to_owned()]), ["removed,settled,untold"]);
    let rows = format!(
        "select string_agg(case delivery when '{kept}' then 'kept' when '{gone}' then 'gone' end, ','
           order by delivery <> '{kept}') from feed"
    );
    assert_eq!(postgres.ask(&[rows]), ["kept,gone"]);
}

#[tokio::test]
async fn a_wrong_key_drops_nothing() {
    let study = Study::start().await;
    let sent = study.giver().send(study.release(records(1))).await.expect("accepted");
    let out = study.file("rows.jsonl");
    let collect = async |key: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dex"));
        command.args(["collect", "--as", "org:study", "--key"]).arg(study.exchange.path(key));
        command.args(["--out", &out, "--again-after", "1s", "--until-idle", "3s", "--json"]);
        command.env("DEX_URL", &study.exchange.nats).env_remove("DEX_POSTGRES").env_remove("DEX_ORIGIN");
        let mut command = tokio::process::Command::from(command);
        command.stdin(Stdio::null());
        let output = tokio::time::timeout(Duration::from_secs(60), command.output()).await;
        let output = output.expect("it ends").expect("it runs");
        let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        (output, told)
    };
    // One that never was its own, then one that was: the exchange's ledger has refusals of receipts by that.
    study.exchange.key("other");
    let (_, new) = study.exchange.key("new");
    for (key, says) in [("other.key", "bad-signature"), ("study.key", "revoked-key")] {
        if key == "study.key" {
            study.org.rotate_key(&new).await.expect("rotated");
        }
        let (output, told) = collect(key).await;
        assert_eq!(output.status.code(), Some(1), "{key}: {}", said(&output));
        let stands = (&told["unresolved"], &told["untaken"], &told["settled"], &told["dropped"]);
        assert_eq!(stands, (&1.into(), &1.into(), &0.into(), &json!({})), "{key}: {told}");
        assert_eq!(said(&output).matches(says).count(), 1, "{}", said(&output));
        assert_eq!(lines(&out).len(), 0);
    }
    let (output, told) = collect("new.key").await;
    assert_eq!((&told["settled"], &told["records"]), (&1.into(), &2.into()), "{told}{}", said(&output));
    assert_eq!(study.status(sent.outcome.exchange).await, "settled");
    assert_eq!(lines(&out).len(), 2);
}

#[tokio::test]
async fn a_table_of_other_types_is_told_with_what_does_not_fit_and_nothing_is_lost() {
    let study = Study::start().await;
    let postgres = Postgres::start();
    let url = url(&postgres);
    let sink = ["--postgres", &url, "--table", "feed", "--create", "--again-after", "1s"];
    assert_eq!(study.collect(&sink, 0).await["settled"], 0);
    sql(&postgres, "alter table feed alter column data type integer using 0");
    let plain = study.giver().send(study.release(records(1))).await.expect("accepted");
    let more = [&sink[..], &["--until-idle", "3s"]].concat();
    let output = study.run(&["collect"], &more).await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    for part in ["feed", "\"data\"", "42804", "alter it"] {
        assert!(said(&output).contains(part), "{part}: {}", said(&output));
    }
    // A status that cannot be written is one that the library itself does not convert.
    sql(&postgres, "alter table feed alter column data type jsonb using '0'::jsonb; create type mood as enum ('kept')");
    let deliveries = "alter table feed_deliveries alter column status";
    sql(&postgres, &format!("{deliveries} drop default; {deliveries} type mood using status::mood"));
    let output = study.run(&["collect"], &more).await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("\"status\""), "{}", said(&output));
    sql(&postgres, &format!("{deliveries} type text using status::text; {deliveries} set default 'kept'"));
    // A column that is too narrow: the sender is not to blame, and the other one is kept.
    sql(&postgres, "alter table feed alter column record_id type varchar(3)");
    let long = r#"[{"endpoint":"facebook/feed","recordId":"r-12345","data":{"n":1}}]"#;
    let narrow = study.giver().send(study.release(long)).await.expect("accepted");
    let output = study.run(&["collect"], &more).await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let delivery = narrow.outcome.delivery.expect("delivered");
    for part in [format!("delivery {delivery}").as_str(), "22001", "alter it"] {
        assert!(said(&output).contains(part), "{part}: {}", said(&output));
    }
    assert_eq!(study.status(narrow.outcome.exchange).await, "accepted");
    sql(&postgres, "alter table feed alter column record_id type text");
    study.collect(&sink, 0).await;
    for sent in [plain, narrow] {
        assert_eq!(study.status(sent.outcome.exchange).await, "settled");
    }
    assert_eq!(postgres.ask(&["select count(*) from feed".to_owned()]), ["3"]);
    // Who may not make tables is told so: another try does not mend it.
    sql(&postgres, "create role guest login; revoke create on schema public from public");
    let guest = url.replace("user=judge", "user=guest");
    let output = study.run(&["collect"], &["--postgres", &guest, "--table", "other", "--create"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    for part in ["other cannot be made", "42501"] {
        assert!(said(&output).contains(part), "{part}: {}", said(&output));
    }
}

#[tokio::test]
async fn a_number_that_no_column_takes_is_refused_alone_and_one_that_this_column_does_not_take_is_not() {
    let study = Study::start().await;
    let postgres = Postgres::start();
    let url = url(&postgres);
    let sink = ["--postgres", &url, "--table", "feed", "--create", "--again-after", "1s"];
    let plain = study.giver().send(study.release(records(1))).await.expect("accepted");
    let mut beyond = Vec::new();
    for number in ["1e200000", "1e-20000"] {
        let record = format!(r#"[{{"endpoint":"facebook/feed","data":{{"n":{number}}}}}]"#);
        beyond.push(study.giver().send(study.release(record)).await.expect("accepted"));
    }
    let told = study.collect(&sink, 1).await;
    assert_eq!((&told["settled"], &told["refused"]), (&1.into(), &2.into()), "{told}");
    assert_eq!(study.status(plain.outcome.exchange).await, "settled");
    for sent in beyond {
        assert_eq!(study.status(sent.outcome.exchange).await, "disputed");
    }
    // The same SQLSTATE, and here it is the column: of two records the second is number 1.
    sql(&postgres, "delete from feed; alter table feed alter column number type numeric(1, 1)");
    let narrow = study.giver().send(study.release(records(1))).await.expect("accepted");
    let output = study.run(&["collect"], &[&sink[..], &["--until-idle", "3s"]].concat()).await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let delivery = narrow.outcome.delivery.expect("delivered");
    for part in [format!("delivery {delivery}").as_str(), "22003", "alter it"] {
        assert!(said(&output).contains(part), "{part}: {}", said(&output));
    }
    assert_eq!(study.status(narrow.outcome.exchange).await, "accepted");
    sql(&postgres, "alter table feed alter column number type integer");
    assert_eq!(study.collect(&sink, 0).await["settled"], 1);
    assert_eq!(study.status(narrow.outcome.exchange).await, "settled");
    assert_eq!(postgres.ask(&["select count(*) from feed".to_owned()]), ["2"]);
}

/// Two collectors of one table may have a delivery in hand, and only one of them know how it has ended.
#[tokio::test]
async fn rows_of_a_delivery_that_another_collector_has_ended_stay() {
    let study = Study::start().await;
    let postgres = Postgres::start();
    let url = url(&postgres);
    let sink = ["--postgres", &url, "--table", "feed", "--create", "--again-after", "1s"];
    assert_eq!(study.collect(&sink, 0).await["settled"], 0);
    let order = study.release(records(1)).settle_within(Duration::from_secs(6));
    let sent = study.giver().send(order).await.expect("accepted");
    tokio::time::sleep(Duration::from_millis(500)).await;
    // Its receipts are not heard for now.
    study.cast.operator.suspend(study.org.party()).await.expect("suspended");
    let more = [&sink[..], &["--until-idle", "30s", "--json"]].concat();
    let child = study.command(&["collect"], &more).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("runs");
    let rows = || postgres.ask(&["select count(*) from feed".to_owned()])[0].clone();
    let deadline = Instant::now() + Duration::from_secs(40);
    while rows() != "2" || study.status(sent.outcome.exchange).await != "expired" {
        assert!(Instant::now() < deadline, "{} rows, and it expires", rows());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // As the other one would write it, had it heard that it has settled.
    sql(&postgres, "update feed_deliveries set status = 'settled', ended_at = now()");
    study.cast.operator.resume(study.org.party()).await.expect("resumed");
    let told: Value = serde_json::from_slice(&ended(child).await.stdout).expect("JSON");
    assert_eq!((&told["deliveries"], &told["unresolved"]), (&1.into(), &0.into()), "{told}");
    assert_eq!(rows(), "2", "{told}");
    assert_eq!(postgres.ask(&["select status from feed_deliveries".to_owned()]), ["settled"]);
}

#[tokio::test]
async fn a_database_that_only_reads_for_a_while_is_waited_for() {
    let study = Study::start().await;
    let postgres = Postgres::start();
    let url = url(&postgres);
    let sink = ["--postgres", &url, "--table", "feed", "--again-after", "1s"];
    assert_eq!(study.collect(&[&sink[..], &["--create"]].concat(), 0).await["settled"], 0);
    sql(&postgres, "alter database postgres set default_transaction_read_only = on");
    let sent = study.giver().send(study.release(records(1))).await.expect("accepted");
    let mut child =
        study.command(&["collect"], &sink).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("runs");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(child.try_wait().expect("asked").map(|status| status.code()), None, "it goes on");
    assert_eq!(study.status(sent.outcome.exchange).await, "accepted");
    let again = "set default_transaction_read_only = off;\nalter database postgres reset default_transaction_read_only";
    sql(&postgres, again);
    let deadline = Instant::now() + Duration::from_secs(40);
    while study.status(sent.outcome.exchange).await != "settled" {
        assert!(Instant::now() < deadline, "it is kept once the database writes again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(postgres.ask(&["select count(*) from feed".to_owned()]), ["2"]);
    child.kill().expect("killed");
    child.wait().expect("reaped");
}

#[tokio::test]
async fn large_content_that_is_not_there_comes_again_until_it_is_or_has_gone_for_good() {
    let study = Study::start().await;
    let link = study.broker.link("taker").await;
    let (text, _) = content(1 << 20);
    let send = async || {
        let sent = study.giver().release_large(&id("study.feed"), &text[..], PATIENCE).await.expect("accepted");
        (sent.outcome.delivery.expect("delivered"), sent.outcome.exchange)
    };
    let (missing, exchange) = send().await;
    let at = place(BUCKET_OUT, study.org.party(), missing);
    let deadline = Instant::now() + PATIENCE;
    let first = loop {
        match dex::nats::objects::get(&link.client, BUCKET_OUT, &at, 0).await {
            Ok(chunk) => break chunk,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let stream = link.jetstream.get_stream(stream_of(BUCKET_OUT)).await.expect("there");
    stream.purge().filter(chunk(&at, 0)).await.expect("purged");
    // Another one is refused by another program, and its content removed for that.
    let (over, ended) = send().await;
    let mut deliveries = study.org.deliveries().await.expect("an inbox");
    loop {
        let delivery = deliveries.next().await.expect("goes on").expect("sound");
        if delivery.id == over {
            assert_eq!(delivery.refuse("no").await.expect("taken").outcome.status, Status::Disputed);
            break;
        }
        delivery.ignore().await;
    }
    let gone = place(BUCKET_OUT, study.org.party(), over);
    while dex::nats::objects::get(&link.client, BUCKET_OUT, &gone, 0).await.is_ok() {
        assert!(Instant::now() < deadline, "its content is removed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let out = study.file("rows.jsonl");
    let told = study.collect(&["--out", &out, "--again-after", "15s"], 0).await;
    assert_eq!((&told["refused"], &told["settled"], &told["late"]), (&0.into(), &0.into(), &1.into()), "{told}");
    assert_eq!(study.status(exchange).await, "accepted");
    assert_eq!(study.status(ended).await, "disputed");
    // It is put back.
    dex::nats::objects::put(&link.client, &at, 0, first).await.expect("stored");
    let output = study.run(&["collect"], &["--out", &out, "--count", "1", "--until-idle", "60s", "--json"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(told["settled"], 1, "{told}");
    assert_eq!(study.status(exchange).await, "settled");
    assert_eq!(told["records"], lines(&out).len());
}

#[tokio::test]
async fn a_pull_prints_a_large_answer_or_writes_it_and_gives_a_receipt() {
    let study = Study::start().await;
    let (text, count) = content(3 << 20);
    let mut inbox = study.giver().inbox().await.expect("an inbox");
    let answering = tokio::spawn(async move {
        while let Some(item) = inbox.next().await {
            if let Ok(Item::Request(request)) = item {
                request.release_large(&text[..], PATIENCE).await.expect("released");
            }
        }
    });
    let verb = ["pull", "study.feed", "h0.hubat.net", "--wait", "100s"];
    let output = study.run(&verb, &[]).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("settled  leaf "), "{}", said(&output));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let rows = printed.lines().count() as u32;
    // The debit lets half of them through.
    assert!(rows.abs_diff(count.div_ceil(2)) <= 1, "{rows} of {count}");
    for row in printed.lines() {
        let row: Value = serde_json::from_str(row).unwrap_or_else(|error| panic!("{error}: {row}"));
        assert_eq!(row["endpoint"], "facebook/feed");
    }
    let file = study.file("pulled.jsonl");
    let output = study.run(&verb, &["--out", &file, "--json"]).await;
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&told["count"], &told["status"]), (&rows.into(), &"settled".into()), "{told}");
    assert_eq!(lines(&file).len() as u32, rows);
    // One JSON object of any size is not made.
    let output = study.run(&verb, &["--json"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("name --out FILE"), "{}", said(&output));
    answering.abort();
}

#[tokio::test]
async fn a_pull_whose_large_answer_somebody_else_has_taken_first_says_so() {
    let study = Study::start().await;
    let link = study.broker.link("watcher").await;
    let (text, _) = content(3 << 20);
    let mut inbox = study.giver().inbox().await.expect("an inbox");
    let mut command = study.command(&["pull", "study.feed", "h0.hubat.net", "--wait", "100s", "--timeout", "60s"], &[]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("runs");
    let request = loop {
        if let Item::Request(request) = inbox.next().await.expect("goes on").expect("sound") {
            break request;
        }
    };
    // It holds still, once it has heard that its pull is accepted, so that the other one is surely faster.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let pid = child.id().to_string();
    let signal = |name: &str| assert!(Command::new("kill").args([name, &pid]).status().expect("runs").success());
    signal("-STOP");
    request.release_large(&text[..], PATIENCE).await.expect("released");
    let mut deliveries = study.org.deliveries().await.expect("an inbox");
    let delivery = deliveries.next().await.expect("goes on").expect("sound");
    let at = place(BUCKET_OUT, study.org.party(), delivery.id);
    delivery.download(&mut tokio::io::sink()).await.expect("downloaded");
    assert_eq!(delivery.accept().await.expect("taken").outcome.status, Status::Settled);
    let deadline = Instant::now() + PATIENCE;
    while dex::nats::objects::get(&link.client, BUCKET_OUT, &at, 0).await.is_ok() {
        assert!(Instant::now() < deadline, "its content is removed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    signal("-CONT");
    let output = ended(child).await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("somebody else"), "{}", said(&output));
    assert!(output.stdout.is_empty());
}

#[tokio::test]
async fn what_is_forgotten_late_holds_nothing_up_and_a_database_that_cannot_hold_all_texts_is_told() {
    let study = Study::start().await;
    let postgres = Postgres::start();
    let url = url(&postgres);
    let sink = ["--postgres", &url, "--table", "feed", "--create", "--again-after", "1s"];
    study.giver().send(study.release(records(1))).await.expect("accepted");
    assert_eq!(study.collect(&sink, 0).await["settled"], 1);
    // Once, of a delete that would take half a minute.
    sql(
        &postgres,
        "update feed_deliveries set deadline = now() - interval '2 days';
         create function too_long() returns trigger language plpgsql as
           'begin perform pg_sleep(30); return null; end';
         create trigger too_long before delete on feed_deliveries execute function too_long()",
    );
    let second = study.giver().send(study.release(records(2))).await.expect("accepted");
    let began = Instant::now();
    let output = study.run(&["collect"], &[&sink[..], &["--until-idle", "3s"]].concat()).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}: {}", began.elapsed(), said(&output));
    for part in ["stay in feed_deliveries for another hour", "57014"] {
        assert!(said(&output).contains(part), "{part}: {}", said(&output));
    }
    assert_eq!(study.status(second.outcome.exchange).await, "settled");
    assert_eq!(postgres.ask(&["select count(*) from feed_deliveries".to_owned()]), ["2"]);

    sql(&postgres, "create database narrow template template0 encoding 'LATIN1' locale 'C'");
    let narrow = url.replace("dbname=postgres", "dbname=narrow");
    let output = study.run(&["collect"], &["--postgres", &narrow, "--table", "feed", "--create"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    for part in ["LATIN1", "encoding 'UTF8'"] {
        assert!(said(&output).contains(part), "{part}: {}", said(&output));
    }
}
