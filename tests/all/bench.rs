//! `dex bench` against a real exchange and a real broker: everything it sends settles, and it says how fast.

use std::process::Command;

use serde_json::Value;

use crate::support::nats_server::binary;

/// Figures that scripts read.
const FIGURES: &[&str] = &[
    "settled_per_s",
    "unsigned_settled_per_s",
    "raw_forward_per_s",
    "outcome_p50_ms",
    "outcome_p99_ms",
    "cpu_us_dex",
    "cpu_us_nats",
    "rss_mib",
    "ready_ms",
];

fn bench(arguments: &[&str]) -> (Option<i32>, Value, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_dex"))
        .args(["bench", "--json", "--rounds", "1", "--seconds", "2", "--warm-up", "1", "--hats", "20"])
        .args(arguments)
        .env("DEX_NATS_SERVER", binary())
        .output()
        .expect("dex bench runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default(), said)
}

#[test]
fn a_bench_settles_all_that_it_sends_and_prints_every_figure_with_its_spread() {
    let (code, figures, said) = bench(&["--window", "64"]);
    assert_eq!(code, Some(0), "{figures:#} {said}");
    assert_eq!(figures["balanced"], true, "{figures:#}");
    for name in FIGURES {
        let value = figures[name].as_f64().unwrap_or_else(|| panic!("{name} is missing: {figures:#}"));
        assert!(value > 0.0, "{name}: {figures:#}");
        let spread = &figures["spread"][name];
        assert_eq!(spread["runs"], 1, "{name}: {figures:#}");
        assert!(spread["min"].as_f64() <= spread["max"].as_f64(), "{name}: {figures:#}");
    }
    // A forwarder has less to do than an exchange, however noisy the machine is.
    let ratio = figures["unsigned_to_raw"].as_f64().expect("a ratio");
    assert!(ratio > 0.05 && ratio < 1.5, "{figures:#}");
    // What is registered and what settled has entries: two an exchange.
    assert!(figures["ledger_entries"].as_f64() > Some(100.0), "{figures:#}");
}

#[test]
fn what_is_out_of_range_is_refused() {
    let (code, _, said) = bench(&["--window", "0"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("--window"), "{said}");
}
