//! The dashboards and the alerts: their shape, and each query asked of a real Prometheus that scrapes a real exchange.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use dex::simulation::{Cast, Drive, Settings, Stage};
use dex::telemetry::names;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::dashboard::{BOARDS, Dashboard, dashboard, dashboards};
use crate::support::gateway::Gateway;
use crate::support::prometheus::Prometheus;

#[test]
fn each_dashboard_is_whole() {
    let mut uids = BTreeSet::new();
    for dashboard in dashboards() {
        assert_eq!(dashboard.faults(), Vec::<String>::new(), "{}", dashboard.uid());
        assert!(uids.insert(dashboard.uid().to_owned()), "{} is there twice", dashboard.uid());
    }
}

/// What is in the files is what `grafana/build.py` writes, so nobody edits them by hand and loses it.
#[test]
fn the_dashboards_are_what_the_list_of_panels_says() {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let output = Command::new(&python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("grafana/build.py"))
        .arg("--check")
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{python}: {error}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_metric_is_on_the_dashboard() {
    let boards = dashboards();
    let used: Vec<String> = boards.iter().flat_map(Dashboard::queries).flat_map(|query| query.metrics()).collect();
    let absent: Vec<&str> =
        names::ALL.iter().map(|metric| metric.name).filter(|name| !used.iter().any(|used| used == name)).collect();
    assert_eq!(absent, Vec::<&str>::new());
}

/// Each wrong dashboard is found by the check that is there for it.
#[test]
fn a_wrong_dashboard_is_found() {
    let good = dashboard("exchange").0;
    let panel = |good: &Value, number: usize| {
        let panels = good["panels"].as_array().expect("panels");
        let place = panels.iter().enumerate().filter(|(_, panel)| panel["type"] == "timeseries").nth(number);
        format!("/panels/{}", place.expect("a time series").0)
    };
    let at = panel(&good, 0);
    let bad: [(String, Value, &str); 14] = [
        (format!("{at}/fieldConfig/defaults/thresholds/steps"), json!([]), "thresholds"),
        ("/links".to_owned(), json!([]), "link"),
        (format!("{}/id", panel(&good, 1)), good.pointer(&format!("{at}/id")).expect("an id").clone(), "id"),
        (format!("{at}/title"), json!(""), "title"),
        (format!("{}/title", panel(&good, 1)), good.pointer(&format!("{at}/title")).expect("a title").clone(), "title"),
        (format!("{at}/description"), json!("Short."), "description"),
        (format!("{at}/fieldConfig/defaults/unit"), json!("bananas"), "unit"),
        (format!("{at}/gridPos/y"), json!(0), "overlaps"),
        (format!("{at}/gridPos/w"), json!(25), "24"),
        (format!("{at}/datasource/uid"), json!("mine"), "data source"),
        (format!("{at}/targets/0/expr"), json!("sum (rate(dex_exchange_total[$__rate_interval]))"), "no metric"),
        (format!("{at}/targets/0/expr"), json!("sum (dex_exchanges_total)"), "rate"),
        (
            format!("{at}/targets/0/expr"),
            json!("sum by (reason) (rate(dex_exchanges_total[$__rate_interval]))"),
            "label",
        ),
        ("/uid".to_owned(), json!(""), "uid"),
    ];
    for (pointer, value, word) in bad {
        let mut wrong = good.clone();
        *wrong.pointer_mut(&pointer).unwrap_or_else(|| panic!("{pointer} is there")) = value.clone();
        let faults = Dashboard(wrong).faults();
        assert!(faults.iter().any(|fault| fault.contains(word)), "{pointer} = {value} was let through: {faults:?}");
    }
}

#[test]
fn the_files_around_it_fit() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("grafana");
    let check = |file: &Path| {
        Command::new("promtool")
            .args(["check", "config"])
            .arg(file)
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("promtool: {error}; run tools/install-debian prometheus"))
    };
    let output = check(&root.join("prometheus.yml"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let folder = tempfile::tempdir().expect("temp folder");
    let wrong = folder.path().join("prometheus.yml");
    fs::write(&wrong, "scrape_configs:\n  - job: dex\n").expect("written");
    assert!(!check(&wrong).status.success(), "promtool lets anything through");

    let port = "127.0.0.1:8080";
    let defaults = fs::read_to_string(root.join("../config/default.toml")).expect("there");
    assert!(fs::read_to_string(root.join("prometheus.yml")).expect("there").contains(port));
    assert!(defaults.contains(&format!("listen = \"{port}\"")), "the address is that of the defaults");
    // What a provisioned Grafana reads; each line is a key that it asks for.
    for (file, keys) in [
        ("provisioning/datasources/dex.yaml", &["apiVersion: 1", "datasources:", "type: prometheus", "url: "][..]),
        ("provisioning/dashboards/dex.yaml", &["apiVersion: 1", "providers:", "type: file", "path: "][..]),
    ] {
        let text = fs::read_to_string(root.join(file)).expect("there");
        for key in keys {
            let found = text.lines().any(|line| line.trim_start().trim_start_matches("- ").starts_with(key.trim_end()));
            assert!(found, "{file} has no {key}");
        }
        assert!(!text.contains('\t'), "{file}: YAML has no tabs");
    }
}

/// Every query, until it has an answer; returns those that never had one, with the last answer.
async fn unanswered(prometheus: &Prometheus, queries: &[(String, String)], patience: Duration) -> Vec<String> {
    let deadline = Instant::now() + patience;
    let mut open: Vec<&(String, String)> = queries.iter().collect();
    loop {
        let mut still = Vec::new();
        let mut said = Vec::new();
        for query in open {
            if let Err(error) = prometheus.samples(&query.1).await {
                said.push(format!("{}: {}: {error}", query.0, query.1));
                still.push(query);
            }
        }
        if still.is_empty() || Instant::now() > deadline {
            return said;
        }
        open = still;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Pictures of the dashboards, out of what the queries answer: into `DEX_PICTURES` when it is set (`make pictures`).
async fn draw(prometheus: &Prometheus) -> Result<(), String> {
    let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
    let folder = std::env::var_os("DEX_PICTURES").map_or_else(|| scratch.path().to_owned(), Into::into);
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let output = tokio::process::Command::new(&python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("grafana/draw.py"))
        .args(["--prometheus", &prometheus.url(), "--seconds", "40", "--out"])
        .arg(&folder)
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(|error| format!("{python}: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    for board in BOARDS {
        let file = folder.join(format!("dashboard-{board}.svg"));
        let picture = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let panels = dashboard(board).0["panels"]
            .as_array()
            .map_or(0, |panels| panels.iter().filter(|panel| panel["type"] != "row").count());
        if picture.matches("class=\"panel\"").count() != panels || !picture.contains("not drawn by Grafana") {
            return Err(format!("{}: it has not {panels} panels, or does not say what it is", file.display()));
        }
    }
    Ok(())
}

async fn check(prometheus: &Prometheus) -> Result<(), String> {
    let boards = dashboards();
    let queries: Vec<(String, String)> = boards
        .iter()
        .flat_map(|board| board.queries().into_iter().map(|query| (query.panel.clone(), query.filled("10s"))))
        .collect();
    assert!(queries.len() > 120, "only {} queries were found", queries.len());
    let open = unanswered(prometheus, &queries, Duration::from_secs(60)).await;
    if !open.is_empty() {
        return Err(format!("{} of {} have no answer:\n{}", open.len(), queries.len(), open.join("\n")));
    }
    // The lists that people choose from are filled, too.
    for (name, metric, label) in boards.iter().flat_map(Dashboard::variables) {
        let values = prometheus.label_values(&metric, &label).await?;
        if values.is_empty() {
            return Err(format!("${name}: {metric} has no label {label}"));
        }
    }
    // What is shown is true: exchanges are settled, mistakes refused, and all is well.
    let exactly = |metric: &str| format!("min ({metric}{{job=\"dex\"}})");
    for (query, least) in [
        (exactly("dex_ready"), 1.0),
        (exactly("dex_live"), 1.0),
        (exactly("up"), 1.0),
        ("sum (rate(dex_exchanges_total{status=\"settled\"}[10s]))".to_owned(), 1.0),
        ("sum (rate(dex_rejections_total[10s])) + sum (rate(dex_refused_unauthenticated_total[10s]))".to_owned(), 0.1),
    ] {
        let most = prometheus.samples(&query).await?.into_iter().fold(f64::MIN, f64::max);
        if most < least {
            return Err(format!("{query} is {most}, not {least} or more"));
        }
    }
    draw(prometheus).await?;
    // And the check can fail: a wrong name, wrong text, no number.
    for wrong in [
        "sum (rate(dex_exchange_total[10s]))",
        "sum (rate(dex_exchanges_total[10s])",
        "rate(dex_exchanges_total)",
        "vector(0) / vector(0)",
        "dex_health_check{check=\"no such check\"}",
    ] {
        if let Ok(samples) = prometheus.samples(wrong).await {
            return Err(format!("{wrong} was let through: {samples:?}"));
        }
    }
    Ok(())
}

#[tokio::test]
async fn every_panel_is_filled_by_a_real_exchange() {
    let gateway = Gateway::start();
    let exchange = &gateway.exchange;
    let prometheus = Prometheus::scraping(&exchange.http);
    let settings = Settings { seed: 5, hats: 12, rate: 80, mistakes: 0.3, ..Settings::default() };
    let cast = Cast::new(settings.seed, settings.hats);
    let stage = Stage::set(cast, &exchange.nats, exchange.operator()).await.expect("registered");
    let drive = Drive::new(stage, settings);
    let _readers = drive.listen().await.expect("listening");
    let stop = CancellationToken::new();
    let checked = async {
        let checked = check(&prometheus).await;
        stop.cancel();
        checked
    };
    let asked = async {
        while !stop.is_cancelled() {
            let answer = gateway.request(reqwest::Method::GET, "/api/v1/ledger/checkpoint").send().await;
            assert!(answer.expect("answers").status().is_success());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let ((), checked, ()) = tokio::join!(drive.run(&stop), checked, asked);
    if let Err(error) = checked {
        panic!("{error}");
    }
}

fn promtool(arguments: &[&str], folder: &Path) -> (bool, String) {
    let output = Command::new("promtool")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("promtool: {error}; run tools/install-debian prometheus"));
    let told = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&told).into_owned())
}

/// The alerts' names, in the order of the file.
fn alerts(rules: &Path) -> Vec<String> {
    let text = fs::read_to_string(rules.join("alerts.yml")).expect("there");
    text.lines().filter_map(|line| line.trim().strip_prefix("- alert: ").map(str::to_owned)).collect()
}

/// Each alert fires under its series and is silent under the other ones, has a section in the runbook, and asks only
/// for metrics that there are.
#[test]
fn each_alert_fires_and_is_silent_and_is_explained() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rules = root.join("grafana/rules");
    let names = alerts(&rules);
    assert!(names.len() >= 20, "only {} alerts", names.len());
    let (well, told) = promtool(&["check", "rules", "recording.yml", "alerts.yml"], &rules);
    assert!(well, "{told}");
    let (well, told) = promtool(&["test", "rules", "tests.yml"], &rules);
    assert!(well, "{told}");
    let tests = fs::read_to_string(rules.join("tests.yml")).expect("there");
    let runbook = fs::read_to_string(root.join("docs/runbook.md")).expect("there");
    let text = fs::read_to_string(rules.join("alerts.yml")).expect("there");
    for name in &names {
        for end in ["fires", "silent"] {
            assert_eq!(tests.matches(&format!("- name: {name} {end}\n")).count(), 1, "{name} {end}");
        }
        assert!(runbook.contains(&format!("\n## {name}\n")), "{name} has no section in the runbook");
        let anchor = format!("runbook: docs/runbook.md#{}\n", name.to_lowercase());
        assert!(text.contains(&anchor), "{name} does not name its section");
    }
    let sections = runbook.lines().filter(|line| line.starts_with("## ")).count();
    assert_eq!(sections, names.len(), "the runbook has a section for what is no alert");
    let recorded = fs::read_to_string(rules.join("recording.yml")).expect("there");
    for file in [&text, &recorded] {
        for expression in Expression::all(file) {
            assert_eq!(expression.unknown(), Vec::<String>::new(), "{}", expression.0);
        }
    }
    // And the check can fail: with another threshold, the tests of promtool do not pass.
    let folder = tempfile::tempdir().expect("temp folder");
    for file in ["recording.yml", "tests.yml"] {
        fs::copy(rules.join(file), folder.path().join(file)).expect("copied");
    }
    fs::write(folder.path().join("alerts.yml"), text.replace("> 20000", "> 2000000")).expect("written");
    let (well, told) = promtool(&["test", "rules", "tests.yml"], folder.path());
    assert!(!well && told.contains("DexLagHigh"), "promtool lets a deaf alert through: {told}");
}

/// An expression of a rule.
struct Expression(String);

impl Expression {
    fn all(file: &str) -> Vec<Expression> {
        let lines: Vec<&str> = file.lines().collect();
        let of = |(n, line): (usize, &&str)| {
            let rest = line.trim().strip_prefix("expr: ")?;
            Some(Expression(if rest == ">-" { lines[n + 1].trim().to_owned() } else { rest.to_owned() }))
        };
        lines.iter().enumerate().filter_map(of).collect()
    }

    /// Metrics in it that neither the code nor a recording rule makes.
    fn unknown(&self) -> Vec<String> {
        let part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        let words = self.0.split(|c| !part(c)).filter(|word| word.starts_with("dex_"));
        let known = |word: &str| {
            names::ALL.iter().any(|metric| {
                let rest = word.strip_prefix(metric.name);
                rest.is_some_and(|rest| ["", "_bucket", "_sum", "_count"].contains(&rest))
            })
        };
        words.filter(|word| !known(word)).map(str::to_owned).collect()
    }
}
