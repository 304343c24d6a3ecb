//! The configuration: every problem at once, unknown keys, layers, and what a reload may change.

use std::path::Path;

use ::config::Environment;
use dex::config::{Config, DEFAULTS, Problem, load_with};

/// An environment of these variables instead of the process's.
fn environment(pairs: &[(&str, &str)]) -> Environment {
    let source = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Environment::with_prefix("DEX").prefix_separator("__").separator("__").source(Some(source))
}

fn load(text: &str, pairs: &[(&str, &str)]) -> Result<Config, Vec<Problem>> {
    let folder = tempfile::tempdir().expect("temp folder");
    let file = folder.path().join("dex.toml");
    std::fs::write(&file, text).expect("written");
    load_with(Some(&file), environment(pairs))
}

fn keys(problems: &[Problem]) -> Vec<&str> {
    problems.iter().map(|problem| problem.key.as_str()).collect()
}

#[test]
fn the_defaults_are_right_and_hold_every_key() {
    let config = load_with(None, environment(&[])).expect("the defaults are right");
    let value = serde_json::to_value(&config).expect("plain data");
    let mut missing = Vec::new();
    for (section, keys) in value.as_object().expect("sections") {
        for key in keys.as_object().into_iter().flatten().map(|(key, _)| key) {
            let written = DEFAULTS
                .lines()
                .any(|line| line.starts_with(&format!("{key} = ")) || line.contains(&format!("[{section}.{key}]")));
            if !written {
                missing.push(format!("{section}.{key}"));
            }
        }
    }
    assert!(missing.is_empty(), "keys without a line in config/default.toml: {missing:?}");
}

#[test]
fn the_production_example_lacks_only_what_the_operator_brings() {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/production.toml")).expect("there");
    let problems = load(&text, &[]).expect_err("no key, no seed file yet");
    assert_eq!(keys(&problems), ["operator.keys", "nats.nkey_seed_file"]);
}

#[test]
fn all_problems_are_told_at_once_with_key_and_remedy() {
    let text = "[exchange]\norigin = \"Not An Id\"\npartitions = 0\nspeed = 9\n[nats]\nurl = \"nowhere\"\n\
                [limits]\nbody_bytes = \"many\"\ndepth = 1000\n[colour]\nred = 1\n";
    let problems = load(text, &[]).expect_err("wrong");
    let keys = keys(&problems);
    for key in ["exchange.speed", "limits.body_bytes", "colour", "nats.url"] {
        assert!(keys.contains(&key), "{key} in {keys:?}");
    }
    assert!(problems.iter().all(|problem| !problem.remedy.is_empty() && problem.place.ends_with("dex.toml")));
}

#[test]
fn the_environment_stands_over_the_file() {
    let text = "[nats]\nurl = \"nats://file:4222\"\n";
    let config = load(text, &[("DEX__NATS__URL", "nats://env:4222"), ("DEX__LIMITS__DEPTH", "32")]).expect("right");
    assert_eq!(config.nats.url, "nats://env:4222");
    assert_eq!(config.limits.depth, 32);
    let problems = load("", &[("DEX__NATS__URK", "x")]).expect_err("a misspelt variable");
    assert_eq!(keys(&problems), ["nats.urk"]);
}

#[test]
fn broken_toml_is_told_with_its_place() {
    let problems = load("[exchange\norigin = 1", &[]).expect_err("broken");
    assert_eq!(problems.len(), 1);
    assert!(problems[0].what.contains("line 1"), "{}", problems[0]);
}

#[test]
fn a_reload_takes_limits_and_level_and_nothing_else() {
    let old = load("", &[]).expect("right");
    let fine = load("[limits]\ndepth = 20\n[log]\nlevel = \"debug\"\n", &[]).expect("right");
    assert_eq!(old.reloadable(&fine), Ok(()));
    let not = load("[exchange]\norigin = \"other\"\n[actors]\nbatch = 9\n", &[]).expect("right");
    let problems = old.reloadable(&not).expect_err("needs a restart");
    assert_eq!(keys(&problems), ["actors.batch", "exchange.origin"]);
}
