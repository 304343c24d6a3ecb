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

/// Puts each given key of a section alone over the defaults to find every one that is wrong. Gives the section
/// with the defaults in their places too, so that the ranges of the others are checked all the same.
pub(super) fn keys<T: DeserializeOwned>(places: &Places<'_>, section: &str) -> (Vec<Problem>, Option<T>) {
    let Ok(defaults) = defaults() else { return (Vec::new(), None) };
    let mut leaves = Vec::new();
    match places.layers.get::<Value>(section) {
        Ok(Value { kind: ValueKind::Table(table), .. }) => collect(section, table, &mut leaves),
        _ => return (Vec::new(), defaults.get(section).ok()),
    }
    leaves.sort_by(|a, b| a.0.cmp(&b.0));
    let mut problems = Vec::new();
    let mut good = defaults;
    for (path, value) in leaves {
        let with = config::Config::builder()
            .add_source(good.clone())
            .set_override(&path, value)
            .and_then(|builder| builder.build());
        match with.and_then(|with| with.get::<T>(section).map(|_| with)) {
            Ok(with) => good = with,
            Err(error) => problems.push(problem(places, &path, &error.to_string())),
        }
    }
    (problems, good.get(section).ok())
}

fn collect(path: &str, table: config::Map<String, Value>, leaves: &mut Vec<(String, Value)>) {
    for (key, value) in table {
        let path = format!("{path}.{key}");
        match value.kind {
            ValueKind::Table(table) => collect(&path, table, leaves),
            _ => leaves.push((path, value)),
        }
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
    // The crate appends the section's name, which the key tells better.
    let what = one_line(what.split_once(" for key `").map_or(what, |(what, _)| what));
    let remedy = if what.contains("unknown field") {
        "remove it or mend its spelling; `dex config show` has every key"
    } else if key.starts_with("operator") {
        "give a name and public keys that begin with U; `dex keys new` makes one"
    } else {
        "see what the key takes in config/default.toml"
    };
    Problem { place: places.of(key), key: key.to_owned(), what, remedy: remedy.to_owned() }
}
