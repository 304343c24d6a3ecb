//! Finds every key that is wrong, where the `config` crate stops at the first.

use config::{ConfigError, File, FileFormat, Value, ValueKind};
use serde::de::DeserializeOwned;

use super::DEFAULTS;
use super::load::{Places, Problem, one_line};
use super::sections::Operator;
use crate::domain::Key;

/// The built-in defaults alone.
pub(super) fn defaults() -> Result<config::Config, ConfigError> {
    config::Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml)).build()
}

/// Puts each given key of a section alone over the defaults to find every one that is wrong.
pub(super) fn keys<T: DeserializeOwned>(places: &Places<'_>, section: &str) -> Vec<Problem> {
    let (Ok(given), Ok(defaults)) = (places.layers.get::<Value>(section), defaults()) else { return Vec::new() };
    let mut leaves = Vec::new();
    collect(section, given, &mut leaves);
    leaves.sort_by(|a, b| a.0.cmp(&b.0));
    let mut problems = Vec::new();
    for (path, value) in leaves {
        let alone = config::Config::builder()
            .add_source(defaults.clone())
            .set_override(&path, value)
            .and_then(|builder| builder.build());
        if let Err(error) = alone.and_then(|alone| alone.get::<T>(section)) {
            problems.push(problem(places, &path, &error.to_string()));
        }
    }
    problems
}

fn collect(path: &str, value: Value, leaves: &mut Vec<(String, Value)>) {
    match value.kind {
        ValueKind::Table(table) => {
            for (key, value) in table {
                collect(&format!("{path}.{key}"), value, leaves);
            }
        }
        _ => leaves.push((path.to_owned(), value)),
    }
}

/// Every operator that can be read; each wrong block, and each wrong key in it, is a problem.
pub(super) fn operators(places: &Places<'_>, problems: &mut Vec<Problem>) -> Vec<Operator> {
    let Ok(given) = places.layers.get::<Value>("operator") else { return Vec::new() };
    let blocks = match given.into_array() {
        Ok(blocks) => blocks,
        Err(_) => {
            problems.push(Problem {
                place: places.of("operator"),
                key: "operator".into(),
                what: "is no list".into(),
                remedy: "write one [[operator]] block for each, in the file".into(),
            });
            return Vec::new();
        }
    };
    let mut operators = Vec::new();
    for (number, block) in blocks.into_iter().enumerate() {
        let path = format!("operator[{number}]");
        match block.clone().try_deserialize::<Operator>() {
            Ok(operator) => operators.push(operator),
            Err(error) => {
                let mut found = wrong_keys(places, &path, block);
                if found.is_empty() {
                    found.push(problem(places, &path, &error.to_string()));
                }
                problems.append(&mut found);
            }
        }
    }
    operators
}

/// The public keys of a block that are none.
fn wrong_keys(places: &Places<'_>, path: &str, block: Value) -> Vec<Problem> {
    let keys = block.into_table().ok().and_then(|mut table| table.remove("keys"));
    let keys = keys.and_then(|keys| keys.into_array().ok()).unwrap_or_default();
    keys.into_iter()
        .enumerate()
        .filter_map(|(number, key)| key.try_deserialize::<Key>().err().map(|error| (number, error)))
        .map(|(number, error)| problem(places, &format!("{path}.keys[{number}]"), &error.to_string()))
        .collect()
}

/// What the crate said about `key`, with a remedy.
pub(super) fn problem(places: &Places<'_>, key: &str, what: &str) -> Problem {
    let what = one_line(what);
    let remedy = if what.contains("unknown field") {
        "remove it or mend its spelling; `dex config show` has every key"
    } else if key.starts_with("operator") {
        "give a name and public keys that begin with U; `dex keys new` makes one"
    } else {
        "see what the key takes in config/default.toml"
    };
    Problem { place: places.of(key), key: key.to_owned(), what, remedy: remedy.to_owned() }
}
