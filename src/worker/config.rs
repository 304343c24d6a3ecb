//! What a worker is told: `worker.toml` over the defaults, the environment over both; read strictly.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use config::{Environment, File, FileFormat};
use serde::{Deserialize, Serialize};

use crate::config::{LogFormat, Span};
use crate::connectors::{Allow, FetchLimits};
use crate::domain::{Id, Key};

/// The defaults, every key with its comment.
pub const DEFAULTS: &str = include_str!("../../config/worker.toml");
/// Most plugs of one worker.
const PLUGS_MAX: usize = 64;

/// How the exchange is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExchangeAt {
    /// NATS addresses; empty: what the command line says.
    pub url: String,
    /// A `.creds` file; empty: what the command line says.
    pub creds: PathBuf,
    /// The origin; empty: asked of the exchange.
    pub origin: String,
    /// The exchange's key; empty: asked of the exchange.
    pub key: String,
}

/// How much is done at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Work {
    /// Most jobs under way: 1 to 4,096.
    pub at_once: usize,
    /// What is under way may take so long after the first signal: 1 s to 10 min.
    pub drain_within: Span,
    /// Ids of credited records that are remembered: up to 10,000,000.
    pub remember_records: usize,
    /// Folder for refreshed tokens.
    pub state_dir: PathBuf,
    /// How often a manifest is asked for anew: 5 s to 1 day.
    pub manifest_every: Span,
    /// Most pages of one job: 1 to 1,000,000.
    pub pages_per_job: u32,
}

/// How sources are asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceRules {
    /// One page: 100 ms to 10 min.
    pub timeout: Span,
    /// Largest page, bytes: 1 KiB to 256 MiB.
    pub max_bytes: usize,
    /// Most redirects: 0 to 10.
    pub max_redirects: usize,
    /// Private networks and `host:port` pairs that may be asked all the same.
    pub allow_private: Vec<String>,
    /// Folders that `file` connectors may read below.
    pub file_roots: Vec<PathBuf>,
    /// Most pages at a time from one host: 1 to 1,024.
    pub per_host: usize,
    /// Tries of one page: 1 to 10.
    pub tries: u32,
    /// Pause before the second try: 1 ms to 1 min.
    pub first_pause: Span,
    /// Longest pause within a job: up to 10 min, not below the first.
    pub longest_pause: Span,
    /// Further tries of one job: up to 1,000.
    pub retries_per_job: u32,
    /// Further tries at one host in a minute: up to 100,000.
    pub retries_per_host: u32,
}

impl SourceRules {
    /// As what one fetch may cost, and where it may go.
    pub fn limits(&self) -> FetchLimits {
        FetchLimits {
            timeout: self.timeout.0,
            max_wire_bytes: self.max_bytes,
            max_bytes: self.max_bytes,
            max_redirects: u32::try_from(self.max_redirects).unwrap_or(u32::MAX),
            // What is none was a problem when the file was read.
            allow_private: self.allow_private.iter().filter_map(|place| place.parse().ok()).collect(),
            file_roots: self.file_roots.clone(),
            idle_per_host: self.per_host,
            ..FetchLimits::default()
        }
    }
}

/// Its own HTTP side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pages {
    /// `host:port`; empty: none.
    pub listen: String,
}

/// Logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logs {
    /// A level, or `target=level` pairs.
    pub level: String,
    /// How lines look.
    pub format: LogFormat,
}

/// One plug that is worked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlugOf {
    /// Its id.
    pub id: String,
    /// Its key file.
    pub key: PathBuf,
    /// Its accounts at the source; none when empty.
    #[serde(default)]
    pub accounts: PathBuf,
    /// Its manifest; asked of the exchange when empty.
    #[serde(default)]
    pub manifest: PathBuf,
    /// Most jobs of it under way; 0: as many as of all.
    #[serde(default)]
    pub at_once: usize,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerConfig {
    /// How the exchange is reached.
    pub exchange: ExchangeAt,
    /// How much is done at a time.
    pub worker: Work,
    /// How sources are asked.
    pub source: SourceRules,
    /// Its own HTTP side.
    pub http: Pages,
    /// Logs.
    pub log: Logs,
    /// Whom it works for.
    #[serde(default)]
    pub plug: Vec<PlugOf>,
}

impl WorkerConfig {
    /// Reads the defaults, `file` over them, `DEX_WORKER__…` variables over both, and checks every value but the plugs'
    /// number: the command line may bring one.
    ///
    /// # Errors
    /// Every problem, each with its place and what to do.
    pub fn load(file: Option<&Path>) -> Result<Self, Vec<String>> {
        let environment = Environment::with_prefix("DEX_WORKER").prefix_separator("__").separator("__");
        Self::load_with(file, environment)
    }

    fn load_with(file: Option<&Path>, environment: Environment) -> Result<Self, Vec<String>> {
        let place = file.map_or_else(|| "defaults and environment".to_owned(), |file| file.display().to_string());
        let one = |what: String| vec![format!("{place}: {what}")];
        let mut layers = config::Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
        if let Some(file) = file {
            let text = std::fs::read_to_string(file)
                .map_err(|error| one(format!("cannot be read: {error}; name an existing, readable file")))?;
            layers = layers.add_source(File::from_str(&text, FileFormat::Toml));
        }
        let layers = layers
            .add_source(environment.ignore_empty(true))
            .build()
            .map_err(|error| one(format!("{error}; mend the TOML at this place")))?;
        let config: WorkerConfig = serde_path_to_error::deserialize(layers)
            .map_err(|error| one(format!("{}: {}; config/worker.toml has every key", error.path(), error.inner())))?;
        let problems = config.problems();
        if problems.is_empty() {
            return Ok(config);
        }
        Err(problems.into_iter().map(|problem| format!("{place}: {problem}")).collect())
    }

    /// Every value out of its range.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut range = |key: &str, value: u64, least: u64, most: u64| {
            if !(least..=most).contains(&value) {
                problems.push(format!("{key}: {value} is not {least} to {most}"));
            }
        };
        let ms = |span: Span| u64::try_from(span.0.as_millis()).unwrap_or(u64::MAX);
        range("worker.at_once", self.worker.at_once as u64, 1, 4096);
        range("worker.drain_within, ms", ms(self.worker.drain_within), 1000, 600_000);
        range("worker.remember_records", self.worker.remember_records as u64, 0, 10_000_000);
        range("worker.manifest_every, ms", ms(self.worker.manifest_every), 5000, 86_400_000);
        range("worker.pages_per_job", self.worker.pages_per_job.into(), 1, 1_000_000);
        range("source.timeout, ms", ms(self.source.timeout), 100, 600_000);
        range("source.max_bytes", self.source.max_bytes as u64, 1024, 256 << 20);
        range("source.max_redirects", self.source.max_redirects as u64, 0, 10);
        range("source.per_host", self.source.per_host as u64, 1, 1024);
        range("source.tries", self.source.tries.into(), 1, 10);
        range("source.first_pause, ms", ms(self.source.first_pause), 1, 60_000);
        range("source.longest_pause, ms", ms(self.source.longest_pause), ms(self.source.first_pause), 600_000);
        range("source.retries_per_job", self.source.retries_per_job.into(), 0, 1000);
        range("source.retries_per_host", self.source.retries_per_host.into(), 0, 100_000);
        range("plug, number of blocks", self.plug.len() as u64, 0, PLUGS_MAX as u64);
        for (n, place) in self.source.allow_private.iter().enumerate() {
            if let Err(why) = place.parse::<Allow>() {
                problems.push(format!("source.allow_private[{n}]: {why}"));
            }
        }
        for (n, folder) in self.source.file_roots.iter().enumerate().filter(|(_, folder)| !folder.is_absolute()) {
            problems.push(format!("source.file_roots[{n}]: {} is no absolute path", folder.display()));
        }
        if !self.http.listen.is_empty() && self.http.listen.parse::<SocketAddr>().is_err() {
            problems.push("http.listen: is no address and port, like \"127.0.0.1:8081\"".to_owned());
        }
        if !self.exchange.key.is_empty() && self.exchange.key.parse::<Key>().is_err() {
            problems
                .push("exchange.key: is no public key (U and 55 characters); `dex keys show` prints one".to_owned());
        }
        for (n, plug) in self.plug.iter().enumerate() {
            if let Err(error) = Id::new(&plug.id) {
                problems.push(format!("plug[{n}].id: {error}"));
            }
            if self.plug[..n].iter().any(|other| other.id == plug.id) {
                problems.push(format!("plug[{n}].id: {:?} is there twice", plug.id));
            }
            if plug.key.as_os_str().is_empty() {
                problems.push(format!("plug[{n}].key: name its key file; `dex keys new FILE` makes one"));
            }
            if plug.at_once > 4096 {
                problems.push(format!("plug[{n}].at_once: {} is not 0 to 4096", plug.at_once));
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<WorkerConfig, Vec<String>> {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("worker.toml");
        std::fs::write(&file, text).expect("written");
        WorkerConfig::load_with(Some(&file), Environment::with_prefix("DEX_NOTHING_OF_THIS"))
    }

    #[test]
    fn the_defaults_are_right_and_a_file_goes_over_them() {
        let config = read("").expect("right");
        assert_eq!((config.worker.at_once, config.source.per_host, config.plug.len()), (64, 8, 0));
        let config = read(
            "[worker]\nat_once = 3\n[source]\nallow_private = [\"127.0.0.1:80\"]\n[[plug]]\nid = \"fitbit\"\nkey = \"k\"\n",
        )
        .expect("right");
        assert_eq!((config.worker.at_once, config.source.allow_private.len()), (3, 1));
        assert_eq!((config.plug[0].id.as_str(), config.plug[0].at_once), ("fitbit", 0));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let all = read(
            "[worker]\nat_once = 0\n[source]\ntries = 99\nlongest_pause = \"1ms\"\n[http]\nlisten = \"x\"\n[[plug]]\nid = \"A\"\nkey = \"\"\n",
        )
        .expect_err("wrong");
        for key in
            ["worker.at_once", "source.tries", "source.longest_pause", "http.listen", "plug[0].id", "plug[0].key"]
        {
            assert!(all.iter().any(|problem| problem.contains(key)), "{key} is not in {all:?}");
        }
        assert!(read("[worker]\nat_onze = 1\n").expect_err("wrong")[0].contains("at_onze"));
        assert!(read("[worker]\ndrain_within = \"soon\"\n").expect_err("wrong")[0].contains("drain_within"));
        assert!(read("[sauce]\n").expect_err("wrong")[0].contains("sauce"));
    }
}
