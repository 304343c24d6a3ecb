//! Reading: section by section, so that all problems are told at once.

use std::fmt;
use std::path::Path;

use config::{Environment, File, FileFormat, Value};
use serde::de::DeserializeOwned;

use super::sections::Config;
use super::{DEFAULTS, check};

/// Something wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, or `environment`, or `defaults`.
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
    let place = file.map_or_else(|| "environment".to_owned(), |file| file.display().to_string());
    let whole = |what: String, remedy: &str| {
        vec![Problem { place: place.clone(), key: String::new(), what, remedy: remedy.to_owned() }]
    };
    let mut layers = config::Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
    if let Some(file) = file {
        let text = std::fs::read_to_string(file)
            .map_err(|error| whole(format!("cannot be read: {error}"), "name an existing, readable file"))?;
        layers = layers.add_source(File::from_str(&text, FileFormat::Toml));
    }
    let layers = layers
        .add_source(environment.try_parsing(true).ignore_empty(true))
        .build()
        .map_err(|error| whole(one_line(&error.to_string()), "mend the TOML at this place"))?;

    let mut problems = Vec::new();
    unknown_sections(&layers, &place, &mut problems);
    let config = sections(&layers, &place, &mut problems);
    let Some(config) = config else { return Err(problems) };
    check::all(&config, &place, &mut problems);
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

const SECTIONS: [&str; 11] =
    ["exchange", "operator", "nats", "streams", "limits", "ledger", "snapshot", "actors", "dispatch", "http", "log"];

fn unknown_sections(layers: &config::Config, place: &str, problems: &mut Vec<Problem>) {
    let Ok(table) = layers.clone().try_deserialize::<std::collections::HashMap<String, Value>>() else {
        return;
    };
    let mut unknown: Vec<&String> = table.keys().filter(|key| !SECTIONS.contains(&key.as_str())).collect();
    unknown.sort();
    for key in unknown {
        problems.push(Problem {
            place: place.to_owned(),
            key: key.clone(),
            what: "no such section".into(),
            remedy: format!("the sections are {}", SECTIONS.join(", ")),
        });
    }
}

/// All sections. One that cannot be read is a problem, and its defaults stand in for it, so that the
/// values of the others are checked too.
fn sections(layers: &config::Config, place: &str, problems: &mut Vec<Problem>) -> Option<Config> {
    let operator = if layers.get::<Value>("operator").is_ok() {
        Some(section(layers, "operator", place, problems).unwrap_or_default())
    } else {
        Some(Vec::new())
    };
    let exchange = section(layers, "exchange", place, problems);
    let nats = section(layers, "nats", place, problems);
    let streams = section(layers, "streams", place, problems);
    let limits = section(layers, "limits", place, problems);
    let ledger = section(layers, "ledger", place, problems);
    let snapshot = section(layers, "snapshot", place, problems);
    let actors = section(layers, "actors", place, problems);
    let dispatch = section(layers, "dispatch", place, problems);
    let http = section(layers, "http", place, problems);
    let log = section(layers, "log", place, problems);
    Some(Config {
        exchange: exchange?,
        operator: operator?,
        nats: nats?,
        streams: streams?,
        limits: limits?,
        ledger: ledger?,
        snapshot: snapshot?,
        actors: actors?,
        dispatch: dispatch?,
        http: http?,
        log: log?,
    })
}

/// One section; the crate stops at a section's first problem, so the keys are tried one by one then.
fn section<T: DeserializeOwned>(
    layers: &config::Config,
    name: &str,
    place: &str,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    match layers.get::<T>(name) {
        Ok(section) => Some(section),
        Err(error) => {
            let mut found = one_by_one::<T>(layers, name, place);
            if found.is_empty() {
                found.push(problem(name, place, &error.to_string()));
            }
            problems.append(&mut found);
            let defaults = config::Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml)).build();
            defaults.and_then(|defaults| defaults.get(name)).ok()
        }
    }
}

/// Puts each given key alone over the section's defaults to find every one that is wrong.
fn one_by_one<T: DeserializeOwned>(layers: &config::Config, name: &str, place: &str) -> Vec<Problem> {
    let Ok(given) = layers.get_table(name) else { return Vec::new() };
    let Ok(defaults) = config::Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml)).build() else {
        return Vec::new();
    };
    let mut keys: Vec<(String, Value)> = given.into_iter().collect();
    keys.sort_by(|a, b| a.0.cmp(&b.0));
    let mut problems = Vec::new();
    for (key, value) in keys {
        let path = format!("{name}.{key}");
        let alone = config::Config::builder()
            .add_source(defaults.clone())
            .set_override(&path, value)
            .and_then(|builder| builder.build());
        if let Err(error) = alone.and_then(|alone| alone.get::<T>(name)) {
            problems.push(problem(&path, place, &error.to_string()));
        }
    }
    problems
}

fn problem(key: &str, place: &str, what: &str) -> Problem {
    let what = one_line(what);
    let remedy = if what.contains("unknown field") {
        "remove it or mend its spelling; config/default.toml has every key"
    } else {
        "config/default.toml tells what the key takes"
    };
    Problem { place: place.to_owned(), key: key.to_owned(), what, remedy: remedy.to_owned() }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
