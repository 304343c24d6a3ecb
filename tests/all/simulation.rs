//! The simulation and the demo against a real exchange: books that balance, and a last line that says so.

use std::process::{Command, Stdio};
use std::time::Duration;

use dex::simulation::{Cast, Drive, Mistake, Settings, Stage};
use tokio_util::sync::CancellationToken;

use crate::support::exchange::Exchange;
use crate::support::nats_server::binary;

#[tokio::test]
async fn a_simulated_ecosystem_balances_with_the_exchange() {
    let exchange = Exchange::start();
    let settings = Settings {
        seed: 11,
        hats: 12,
        rate: 120,
        mistakes: 0.3,
        expire_within: Duration::from_secs(2),
        ..Settings::default()
    };
    let cast = Cast::new(settings.seed, settings.hats);
    let stage = Stage::set(cast, &exchange.nats, exchange.operator()).await.expect("registered");
    let drive = Drive::new(stage, settings);
    let readers = drive.listen().await.expect("listening");
    assert_eq!(readers.count(), 12 + 7 + 4);
    let stop = CancellationToken::new();
    let ends = stop.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(5)).await;
        ends.cancel();
    });
    drive.run(&stop).await;
    assert!(drive.settle(Duration::from_secs(75)).await, "{:?}", drive.tally.summary());

    let summary = drive.tally.summary();
    assert_eq!(summary.faults(), Vec::<String>::new());
    for mistake in Mistake::ALL {
        assert!(summary.found.get(&mistake).is_some_and(|n| *n > 0), "{mistake} was not made");
    }
    assert!(summary.counts.settled > 50, "{summary}");
    // The exchange's counters follow its ledger within moments.
    let mut faults = Vec::new();
    for _ in 0..50 {
        faults = summary.compare(&exchange.metrics().await);
        if faults.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(faults, Vec::<String>::new());
}

fn demo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dex"));
    command.arg("demo").args(arguments).env("DEX_NATS_SERVER", binary()).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn last_line(output: &std::process::Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{text}{error}");
    text.lines().last().unwrap_or_default().to_owned()
}

#[test]
fn the_demo_ends_by_itself_with_a_balanced_summary() {
    let output = demo(&["--seconds", "3", "--hats", "6", "--rate", "60", "--seed", "4"]).output().expect("runs");
    let line = last_line(&output);
    assert!(line.starts_with("summary: settled=") && line.ends_with(" open=0 balanced=yes"), "{line}");
    let settled: u64 =
        line["summary: settled=".len()..].split(' ').next().and_then(|n| n.parse().ok()).expect("a number");
    assert!(settled > 20, "{line}");
}

#[test]
#[allow(unsafe_code, reason = "std has no signal but SIGKILL")]
fn ctrl_c_ends_the_demo_with_a_balanced_summary_and_keeps_a_named_folder() {
    let folder = tempfile::tempdir().expect("folder");
    let named = folder.path().join("kept");
    let child = demo(&["--hats", "6", "--rate", "60", "--state-dir"]).arg(&named).spawn().expect("runs");
    std::thread::sleep(Duration::from_secs(5));
    let pid = i32::try_from(child.id()).expect("a pid");
    // SAFETY: a signal to a child that was started here and not yet waited for.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGINT) }, 0);
    let output = child.wait_with_output().expect("ends");
    let line = last_line(&output);
    assert!(line.ends_with("balanced=yes"), "{line}");
    let check = Command::new(env!("CARGO_BIN_EXE_dex"))
        .args(["ledger", "check"])
        .arg(named.join("state"))
        .output()
        .expect("runs");
    assert!(check.status.success(), "{check:?}");
}
