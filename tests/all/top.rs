//! `dex top` on a real terminal, and `dex watch` over a ledger that grows.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::cast::{Cast, RECORD, id};
use crate::support::exchange::Exchange;

/// Room on the broker that is enough here, and little of the disk.
const SMALL: &str = "[streams]\nin_max_bytes = 67108864\nout_max_bytes = 67108864\n[large]\nenabled = false\n";

/// Plays steps to a program on a terminal of 80 by 24; what became of it.
fn play(steps: &Value, program: &[&str]) -> Value {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/all/support/terminal.py");
    let output = Command::new("python3")
        .args([script, "80", "24", &steps.to_string(), env!("CARGO_BIN_EXE_dex")])
        .args(program)
        .env_remove("DEX_METRICS")
        .output()
        .expect("python3 runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let played: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {told}"));
    println!("{}", played["screen"].as_str().unwrap_or_default());
    played
}

/// The screen was left and the cursor is there again.
fn restored(played: &Value) {
    let tail = played["tail"].as_str().expect("a text");
    assert!(tail.contains("\u{1b}[?1049l") && tail.contains("\u{1b}[?25h"), "{tail:?}");
}

#[test]
fn top_shows_sorts_resizes_and_leaves_the_terminal_as_it_was() {
    let exchange = Exchange::start_with(SMALL);
    let url = format!("http://{}/metrics", exchange.http);
    let steps = json!([
        ["wait", "ready"],
        ["wait", "how long (last 10 s)"],
        ["wait", "partitions"],
        ["type", "?"],
        ["wait", "any key closes this"],
        ["type", "x"],
        ["wait", "q end"],
        ["type", "/zzz\r"],
        ["wait", "nothing fits the filter"],
        ["type", " "],
        ["wait", "HELD STILL"],
        ["size", 40, 10],
        ["wait", "dex top needs"],
        ["size", 120, 40],
        ["wait", "settled per s"],
        ["type", "q"],
    ]);
    let played = play(&steps, &["top", "--metrics", &url]);
    assert_eq!((&played["missed"], &played["code"]), (&json!([]), &json!(0)), "{played}");
    restored(&played);
    // Ended from outside.
    let steps = json!([["wait", "ready"], ["signal", libc::SIGTERM]]);
    let played = play(&steps, &["top", "--metrics", &url]);
    assert_eq!((&played["missed"], &played["code"]), (&json!([]), &json!(0)), "{played}");
    restored(&played);
}

#[test]
fn top_goes_by_nats_where_no_page_answers_and_says_when_nobody_does() {
    let mut exchange = Exchange::start_with(SMALL);
    let nobody = "http://127.0.0.1:9/metrics";
    let played = play(&json!([]), &["top", "--metrics", nobody]);
    assert_eq!(played["code"], 3, "{played}");
    assert!(played["written"].as_str().expect("a text").contains("is the daemon running"), "{played}");
    let with_url = |url: &str, steps: &Value| play(steps, &["top", "--url", url, "--timeout", "2s"]);
    // The usual page may be another's who runs on this machine: it is not asked when there is none.
    if std::net::TcpStream::connect("127.0.0.1:8080").is_err() {
        let steps = json!([["wait", "over NATS"], ["wait", "only told by --metrics"], ["type", "q"]]);
        let played = with_url(&exchange.nats, &steps);
        assert_eq!((&played["missed"], &played["code"]), (&json!([]), &json!(0)), "{played}");
        let played = with_url("nats://127.0.0.1:9", &json!([]));
        assert_eq!(played["code"], 3, "{played}");
        assert!(played["written"].as_str().expect("a text").contains("nobody answers"), "{played}");
    }
    // One that goes away is told on the screen.
    let url = format!("http://{}/metrics", exchange.http);
    let killing = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(3));
        exchange.kill();
        exchange
    });
    let steps = json!([["wait", "ready"], ["wait", "no figures for"], ["type", "q"]]);
    let played = play(&steps, &["top", "--metrics", &url]);
    assert_eq!((&played["missed"], &played["code"]), (&json!([]), &json!(0)), "{played}");
    restored(&played);
    drop(killing.join());
    // No terminal.
    let output = Command::new(env!("CARGO_BIN_EXE_dex")).arg("top").stdin(Stdio::null()).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("dex watch"));
}

#[tokio::test]
async fn watch_follows_exchanges_as_they_are_committed_and_filters_them() {
    let exchange = Exchange::start_with(SMALL);
    let cast = Cast::new(exchange.client().await, 2).await;
    let folder = exchange.path("state");
    let follow = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dex"));
        command.arg("watch").arg(&folder).args(more).stdout(Stdio::piped()).env_remove("DEX_CONFIG");
        command.spawn().expect("it runs")
    };
    let mut only =
        follow(&["--hat", "h1.hubat.net", "--plug", "facebook", "--status", "settled", "--count", "1", "--json"]);
    let mut refused = follow(&["--reason", "not-connected", "--count", "1"]);
    tokio::time::sleep(Duration::from_millis(800)).await;
    for number in 0..2 {
        let hat = cast.hats[number].clone();
        let mut inbox = hat.deliveries().await.expect("an inbox");
        let sent = cast.plug.credit(&cast.hat(number), RECORD).await.expect("accepted");
        let delivery = futures_util::StreamExt::next(&mut inbox).await.expect("one").expect("good");
        delivery.accept().await.expect("settled");
        if number == 1 {
            let mut line = String::new();
            BufReader::new(only.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
            let told: Value = serde_json::from_str(&line).expect("JSON");
            assert_eq!(told["exchange"], sent.outcome.exchange.to_string(), "{told}");
            assert_eq!((&told["authority"], &told["count"]), (&json!("plug:facebook"), &json!(1)), "{told}");
            assert_eq!((&told["from"], &told["to"]), (&json!("plug:facebook"), &json!("hat:h1.hubat.net")), "{told}");
        }
    }
    assert_eq!(only.wait().expect("ended").code(), Some(0));
    cast.hats[0].plug_disconnect(&id("facebook")).await.expect("disconnected");
    cast.plug.credit(&cast.hat(0), RECORD).await.expect_err("not connected");
    let mut line = String::new();
    BufReader::new(refused.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    assert!(line.contains("rejected") && line.contains("plug:facebook") && line.contains("not-connected"), "{line}");
    assert_eq!(refused.wait().expect("ended").code(), Some(0));
    // What was before, from the beginning.
    let all = follow(&["--from", "0", "--status", "accepted", "--count", "2"]).wait_with_output().expect("ended");
    assert_eq!(String::from_utf8_lossy(&all.stdout).lines().count(), 2);
}
