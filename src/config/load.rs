//! Reading: section by section, so that all problems are told at once.

use std::fmt;
use std::path::Path;

use config::{Environment, File, FileFormat, Source, Value};
use serde::de::DeserializeOwned;

use super::sections::Config;
use super::{DEFAULTS, check, wrong};

/// Something wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, or the environment variable, or `defaults`.
    pub place: String,
    /// The key, like `nats.url`; empty when it concerns the whole file.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}; {}", self.what, self.remedy)
    }
}

/// Reads the defaults, `file` over them when given, and `DEX__…` variables over both.
///
/// # Errors
/// Every problem that was found.
pub fn load(file: Option<&Path>) -> Result<Config, Vec<Problem>> {
    load_with(file, Environment::with_prefix("DEX").prefix_separator("__").separator("__"))
}

/// As [`load`], with this environment (the tests bring their own).
///
/// # Errors
/// Every problem that was found.
pub fn load_with(file: Option<&Path>, environment: Environment) -> Result<Config, Vec<Problem>> {
    let name = file.map(|file| file.display().to_string());
    let whole = |what: String, remedy: &str| {
        let place = name.clone().unwrap_or_else(|| "environment".to_owned());
        vec![Problem { place, key: String::new(), what, remedy: remedy.to_owned() }]
    };
    let mut layers = config::Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
    if let Some(file) = file {
        let text = std::fs::read_to_string(file)
            .map_err(|error| whole(format!("cannot be read: {error}"), "name an existing, readable file"))?;
        layers = layers.add_source(File::from_str(&text, FileFormat::Toml));
    }
    // Values of the environment stay text until their key says what they are: "1.0" may be a name.
    let layers = layers
        .add_source(environment.ignore_empty(true))
        .build()
        .map_err(|error| whole(one_line(&error.to_string()), "mend the TOML at this place"))?;

    let places = Places { file: name, layers: &layers };
    let mut problems = unknown_sections(&places);
    let Some(config) = sections(&places, &mut problems) else { return Err(problems) };
    check::all(&config, &places, &mut problems);
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

/// Knows where each value came from, so that a problem names the place to mend.
pub(super) struct Places<'a> {
    file: Option<String>,
    pub(super) layers: &'a config::Config,
}

impl Places<'_> {
    /// The variable when the environment has set the key, else the file, else `defaults`.
    pub(super) fn of(&self, key: &str) -> String {
        if self.origin(key).as_deref() == Some("the environment") {
            return format!("environment variable DEX__{}", key.to_uppercase().replace('.', "__"));
        }
        self.file.clone().unwrap_or_else(|| "defaults".to_owned())
    }

    /// What the crate remembers of a value's source; only the collected tree still has it.
    fn origin(&self, key: &str) -> Option<String> {
        let mut table = self.layers.collect().ok()?;
        let mut path = key.split('.').peekable();
        loop {
            let value = table.remove(path.next()?)?;
            if path.peek().is_none() {
                return value.origin().map(str::to_owned);
            }
            table = value.into_table().ok()?;
        }
    }
}

const SECTIONS: [&str; 16] = [
    "exchange",
    "operator",
    "nats",
    "streams",
    "limits",
    "large",
    "ledger",
    "snapshot",
    "actors",
    "dispatch",
    "trust",
    "statistics",
    "http",
    "bridge",
    "gateway",
    "log",
];

fn unknown_sections(places: &Places<'_>) -> Vec<Problem> {
    let table = places.layers.clone().try_deserialize::<std::collections::BTreeMap<String, Value>>();
    let unknown = table.unwrap_or_default().into_keys().filter(|key| !SECTIONS.contains(&key.as_str()));
    unknown
        .map(|key| Problem {
            place: places.of(&key),
            key,
            what: "no such section".into(),
            remedy: format!("the sections are {}", SECTIONS.join(", ")),
        })
        .collect()
}

/// All sections. A key that cannot be read is a problem, and its default stands in for it, so that the
/// values of the others are checked too.
fn sections(places: &Places<'_>, problems: &mut Vec<Problem>) -> Option<Config> {
    let operator = wrong::operators(places, problems);
    let exchange = section(places, "exchange", problems);
    let nats = section(places, "nats", problems);
    let streams = section(places, "streams", problems);
    let limits = section(places, "limits", problems);
    let large = section(places, "large", problems);
    let ledger = section(places, "ledger", problems);
    let snapshot = section(places, "snapshot", problems);
    let actors = section(places, "actors", problems);
    let dispatch = section(places, "dispatch", problems);
    let trust = section(places, "trust", problems);
    let statistics = section(places, "statistics", problems);
    let http = section(places, "http", problems);
    let bridge = section(places, "bridge", problems);
    let gateway = section(places, "gateway", problems);
    let log = section(places, "log", problems);
    Some(Config {
        exchange: exchange?,
        operator,
        nats: nats?,
        streams: streams?,
        limits: limits?,
        large: large?,
        ledger: ledger?,
        snapshot: snapshot?,
        actors: actors?,
        dispatch: dispatch?,
        trust: trust?,
        statistics: statistics?,
        http: http?,
        bridge: bridge?,
        gateway: gateway?,
        log: log?,
    })
}

/// One section; the crate stops at a section's first problem, so the keys are tried one by one then.
fn section<T: DeserializeOwned>(places: &Places<'_>, name: &str, problems: &mut Vec<Problem>) -> Option<T> {
    match places.layers.get::<T>(name) {
        Ok(section) => Some(section),
        Err(error) => {
            let (mut found, section) = wrong::keys::<T>(places, name);
            if found.is_empty() {
                found.push(wrong::problem(places, name, &error.to_string()));
            }
            problems.append(&mut found);
            section
        }
    }
}

pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
