//! docs/metrics.md is made from the code: type and meaning of every metric stand in it as the table of names has them.
//! `DEX_WRITE_DOCS=1 cargo nextest run --test all metrics_doc` writes them anew.

use std::collections::BTreeMap;
use std::path::Path;

use dex::telemetry::names::{ALL, Metric, Shape};

const HEAD: &str = "| Metric | Type | Label | Meaning |";

fn kind(metric: &Metric) -> &'static str {
    match metric.shape {
        Shape::Counter => "counter",
        Shape::Gauge => "gauge",
        Shape::Histogram => "histogram",
    }
}

/// The name in a row of a table.
fn name(line: &str) -> Option<&str> {
    line.strip_prefix("| `")
        .and_then(|rest| rest.split_once('`'))
        .map(|(name, _)| name)
        // A row of a metric has four cells; the table of what to look at has two.
        .filter(|it| it.starts_with("dex_") && line.matches('|').count() >= 5)
}

/// A metric's row. What is said of its label's values is the page's own; that it is this label, the code's.
fn row(metric: &Metric, label: &str) -> String {
    let label = match metric.label {
        None => String::new(),
        Some(name) if label.contains(&format!("`{name}`")) => label.to_owned(),
        Some(name) => format!("`{name}`"),
    };
    format!("| `{}` | {} | {label} | {} |", metric.name, kind(metric), metric.help)
}

/// The page with every row as the code has it; metrics without a row come into a last table.
fn made(page: &str) -> String {
    let mut open: BTreeMap<&str, &Metric> = ALL.iter().map(|metric| (metric.name, metric)).collect();
    let mut lines = Vec::new();
    for line in page.lines() {
        let Some(named) = name(line) else {
            lines.push(line.to_owned());
            continue;
        };
        // A row of what is no metric any more, or of one that has its row already, goes.
        if let Some(metric) = open.remove(named) {
            lines.push(row(metric, line.split('|').nth(3).unwrap_or_default().trim()));
        }
    }
    if !open.is_empty() {
        lines.extend([
            "".to_owned(),
            "## Others".to_owned(),
            "".to_owned(),
            HEAD.to_owned(),
            "|---|---|---|---|".to_owned(),
        ]);
        lines.extend(ALL.iter().filter(|metric| open.contains_key(metric.name)).map(|metric| row(metric, "")));
    }
    lines.join("\n") + "\n"
}

#[test]
fn the_page_of_metrics_is_as_the_code_says() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let page = std::fs::read_to_string(&file).expect("there");
    let made = made(&page);
    if std::env::var_os("DEX_WRITE_DOCS").is_some() {
        std::fs::write(&file, made).expect("written");
        return;
    }
    for (told, right) in page.lines().zip(made.lines()) {
        assert_eq!(told, right, "docs/metrics.md: run with DEX_WRITE_DOCS=1");
    }
    assert_eq!(page, made, "docs/metrics.md: run with DEX_WRITE_DOCS=1");
}

#[test]
fn what_is_wrong_on_the_page_is_mended() {
    let page = format!(
        "# Metrics\n\n{HEAD}\n|---|---|---|---|\n| `dex_ready` | counter | `x` | Wrong. |\n| `dex_gone` | gauge |  | x |\n"
    );
    let made = made(&page);
    assert!(made.contains("| `dex_ready` | gauge |  | 1 while /health/ready says so, else 0. |"));
    assert!(!made.contains("dex_gone") && made.contains("## Others"));
    assert_eq!(made.lines().filter_map(name).count(), ALL.len());
    assert_eq!(super::metrics_doc::made(&made), made);
}
