//! The dashboard: its shape, and each of its queries asked of a real Prometheus that scrapes a real exchange.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use dex::simulation::{Cast, Drive, Settings, Stage};
use dex::telemetry::names;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::dashboard::{Dashboard, dashboard};
use crate::support::gateway::Gateway;
use crate::support::prometheus::Prometheus;

#[test]
fn the_dashboard_is_whole() {
    assert_eq!(dashboard().faults(), Vec::<String>::new());
}

#[test]
fn every_metric_is_on_the_dashboard() {
    let dashboard = dashboard();
    let used: Vec<String> = dashboard.queries().iter().flat_map(|query| query.metrics()).collect();
    let absent: Vec<&str> =
        names::ALL.iter().map(|metric| metric.name).filter(|name| !used.iter().any(|used| used == name)).collect();
    assert_eq!(absent, Vec::<&str>::new());
}

/// Each wrong dashboard is found by the check that is there for it.
#[test]
fn a_wrong_dashboard_is_found() {
    let good = dashboard().0;
    let panel = |good: &Value, number: usize| {
        let panels = good["panels"].as_array().expect("panels");
        let place = panels.iter().enumerate().filter(|(_, panel)| panel["type"] == "timeseries").nth(number);
        format!("/panels/{}", place.expect("a time series").0)
    };
    let at = panel(&good, 0);
    let bad: [(String, Value, &str); 12] = [
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

async fn check(prometheus: &Prometheus) -> Result<(), String> {
    let dashboard = dashboard();
    let queries: Vec<(String, String)> =
        dashboard.queries().into_iter().map(|query| (query.panel.clone(), query.filled("10s"))).collect();
    assert!(queries.len() > 60, "only {} queries were found", queries.len());
    let open = unanswered(prometheus, &queries, Duration::from_secs(60)).await;
    if !open.is_empty() {
        return Err(format!("{} of {} have no answer:\n{}", open.len(), queries.len(), open.join("\n")));
    }
    // The lists that people choose from are filled, too.
    for (name, metric, label) in dashboard.variables() {
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
