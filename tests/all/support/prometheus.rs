//! A real Prometheus for one test: own store, own port, ended by its own pid.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::web::get;

/// A running Prometheus. Dropping it ends it.
pub struct Prometheus {
    child: Child,
    address: String,
    _folder: TempDir,
}

impl Prometheus {
    /// Starts one that scrapes `target` (`host:port`) every second, as the job `dex`.
    pub fn scraping(target: &str) -> Prometheus {
        let folder = tempfile::tempdir().expect("temp folder");
        let config = folder.path().join("prometheus.yml");
        let text = format!(
            "global:\n  scrape_interval: 1s\n  scrape_timeout: 1s\n\
             scrape_configs:\n  - job_name: dex\n    static_configs:\n      - targets: [\"{target}\"]\n"
        );
        std::fs::write(&config, text).expect("written");
        let mut child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .arg("--log.format=json")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "prometheus: {error}; install the Debian package prometheus (tools/install-debian prometheus), \
                     or put prometheus 2.42 or newer on the PATH"
                )
            });
        let (said, heard) = mpsc::channel();
        let lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                // The test may be over.
                let _ = said.send(line);
            }
        });
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut log = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = heard.recv_timeout(left) else {
                let _ = child.kill();
                let _ = child.wait();
                panic!("prometheus did not get ready: {}", log.join("\n"));
            };
            let event: Value = serde_json::from_str(&line).unwrap_or_default();
            let message = event["msg"].as_str().unwrap_or_default();
            if let Some(address) =
                event["address"].as_str().filter(|it| message == "Listening on" && !it.ends_with(":0"))
            {
                let address = address.to_owned();
                return Prometheus { child, address, _folder: folder };
            }
            log.push(line);
        }
    }

    /// Where it answers.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    async fn ask(&self, path: &str) -> Result<Value, String> {
        let answer = get(&format!("http://{}{path}", self.address)).await.map_err(|error| error.to_string())?;
        let text = answer.text().await.map_err(|error| error.to_string())?;
        let answer: Value = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
        if answer["status"] == "success" { Ok(answer["data"].clone()) } else { Err(answer["error"].to_string()) }
    }

    /// The finite samples that a query has now.
    ///
    /// # Errors
    /// When it is no query, or has no finite sample.
    pub async fn samples(&self, query: &str) -> Result<Vec<f64>, String> {
        let data = self.ask(&format!("/api/v1/query?query={}", encoded(query))).await?;
        let values = match data["resultType"].as_str() {
            Some("vector") => {
                let series = data["result"].as_array().ok_or("no result")?;
                series.iter().map(|series| series["value"][1].clone()).collect()
            }
            Some("scalar") => vec![data["result"][1].clone()],
            other => return Err(format!("it answers with {other:?}, which no panel shows")),
        };
        let found = values.len();
        let finite: Vec<f64> = values
            .iter()
            .filter_map(|value| value.as_str()?.parse::<f64>().ok())
            .filter(|value| value.is_finite())
            .collect();
        if finite.is_empty() { Err(format!("no finite sample in {found} series")) } else { Ok(finite) }
    }

    /// The values of a label of a metric.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn label_values(&self, metric: &str, label: &str) -> Result<Vec<String>, String> {
        let data = self.ask(&format!("/api/v1/label/{label}/values?match[]={}", encoded(metric))).await?;
        Ok(data.as_array().into_iter().flatten().filter_map(|value| value.as_str().map(str::to_owned)).collect())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Percent-encoded for a query of a URL.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
