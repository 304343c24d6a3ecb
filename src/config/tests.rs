//! The defaults file and the structs hold the same keys; layers, problems and reloads.

use std::collections::BTreeMap;
use std::path::PathBuf;

use config::Environment;

use super::{Config, DEFAULTS, Problem, Span, load_with};

fn environment(variables: &[(&str, &str)]) -> Environment {
    let variables = variables.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Environment::with_prefix("DEX").prefix_separator("__").separator("__").source(Some(variables))
}

fn read(text: Option<&str>, variables: &[(&str, &str)]) -> Result<Config, Vec<Problem>> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = text.map(|text| {
        let file = folder.path().join("dex.toml");
        std::fs::write(&file, text).expect("written");
        file
    });
    load_with(file.as_deref(), environment(variables))
}

fn problems(text: Option<&str>, variables: &[(&str, &str)]) -> BTreeMap<String, Problem> {
    let found = read(text, variables).expect_err("it is wrong");
    let count = found.len();
    let by_key: BTreeMap<String, Problem> = found.into_iter().map(|problem| (problem.key.clone(), problem)).collect();
    assert_eq!(by_key.len(), count, "a key is named twice");
    for problem in by_key.values() {
        assert!(!problem.what.is_empty() && !problem.remedy.is_empty() && !problem.place.is_empty(), "{problem:?}");
        assert!(!problem.to_string().contains('\n'), "one line: {problem}");
    }
    by_key
}

/// Keys of a JSON tree of sections, `operator` left out.
fn keys(config: &Config) -> Vec<String> {
    fn walk(prefix: &str, value: &serde_json::Value, out: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(map) => {
                for (key, value) in map {
                    walk(&if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") }, value, out);
                }
            }
            _ if prefix == "operator" => {}
            _ => out.push(prefix.to_owned()),
        }
    }
    let mut out = Vec::new();
    walk("", &serde_json::to_value(config).expect("it serializes"), &mut out);
    out.sort();
    out
}

/// Keys of the defaults file as written, and which of them have no comment above.
fn written() -> (Vec<String>, Vec<String>) {
    let (mut found, mut bare) = (Vec::new(), Vec::new());
    let (mut section, mut commented) = (String::new(), false);
    for line in DEFAULTS.lines().map(str::trim) {
        if line.starts_with('#') {
            commented = true;
        } else if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
            commented = false;
        } else if line.is_empty() {
            commented = false;
        } else if let Some((key, _)) = line.split_once(" = ") {
            // One comment may stand over a run of keys that belong together.
            let path = format!("{section}.{key}");
            if !commented {
                bare.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort();
    (found, bare)
}

#[test]
fn the_defaults_file_and_the_structs_hold_the_same_keys() {
    let config = read(None, &[]).expect("the defaults are right");
    let (written, bare) = written();
    assert_eq!(written, keys(&config));
    assert_eq!(bare, Vec::<String>::new(), "keys without a comment");
}

/// A key that is missing in the defaults file would only be seen when it is read.
#[test]
fn a_default_that_is_left_out_is_a_problem_of_its_section() {
    for line in DEFAULTS.lines().filter(|line| line.contains(" = ") && !line.starts_with('#')) {
        let without = DEFAULTS.replacen(line, "", 1);
        let layers = config::Config::builder()
            .add_source(config::File::from_str(&without, config::FileFormat::Toml))
            .build()
            .expect("TOML");
        let all = [
            layers.get::<super::Exchange>("exchange").is_ok(),
            layers.get::<super::Nats>("nats").is_ok(),
            layers.get::<super::Streams>("streams").is_ok(),
            layers.get::<super::Limits>("limits").is_ok(),
            layers.get::<super::Large>("large").is_ok(),
            layers.get::<super::LedgerFiles>("ledger").is_ok(),
            layers.get::<super::Snapshot>("snapshot").is_ok(),
            layers.get::<super::Actors>("actors").is_ok(),
            layers.get::<super::Dispatch>("dispatch").is_ok(),
            layers.get::<super::Trust>("trust").is_ok(),
            layers.get::<super::Statistics>("statistics").is_ok(),
            layers.get::<super::Http>("http").is_ok(),
            layers.get::<super::Gateway>("gateway").is_ok(),
            layers.get::<super::Bridge>("bridge").is_ok(),
            layers.get::<super::Log>("log").is_ok(),
        ];
        assert!(all.contains(&false), "{line} has a hidden default");
    }
}

#[test]
fn a_file_goes_over_the_defaults_and_the_environment_over_both() {
    let config = read(
        Some("[exchange]\norigin = \"a.example\"\npartitions = 8\n[limits]\ndeadline_max = \"2d\"\n"),
        &[
            ("DEX__EXCHANGE__PARTITIONS", "16"),
            ("DEX__NATS__EMBEDDED__PORT", "0"),
            ("DEX__NATS__URL", ""),
            ("DEX__LOG__FORMAT", "json"),
            ("DEX_NATS_SERVER", "not a key"),
        ],
    )
    .expect("right");
    assert_eq!((config.exchange.origin.as_str(), config.exchange.partitions), ("a.example", 16));
    assert_eq!((config.nats.embedded.port, config.nats.url.as_str()), (0, ""));
    assert_eq!(config.log.format, super::LogFormat::Json);
    assert_eq!(config.limits.deadline_max, "2d".parse::<Span>().expect("a span"));
    assert_eq!(config.limits.depth, 64, "the default stays");
    // A text that looks like a number stays as it was written.
    let config = read(None, &[("DEX__EXCHANGE__ORIGIN", "1.0")]).expect("right");
    assert_eq!(config.exchange.origin, "1.0");
}

#[test]
fn all_problems_are_told_at_once_with_place_and_key() {
    let found = problems(
        Some(
            "colour = \"red\"\n[exchange]\npartitions = 65\norigin = \"Not An Id\"\n\
             [nats]\nurl = \"nowhere\"\n[nats.embedded]\nport = 99999\nhots = \"x\"\n\
             [limits]\ndeadline_min = \"soon\"\ndepth = \"deep\"\nbody_bytes = 1\n\
             [snapshot]\nentries = 0\n[log]\nlevel = \"a=b=c\"\n\
             [[operator]]\nname = \"ops\"\nkeys = [\"nonsense\"]\n[[operator]]\nname = \"other\"\n",
        ),
        &[("DEX__ACTORS__BATCH", "0"), ("DEX__LEDGER__SEGMENT_BYTES", "many")],
    );
    let keys: Vec<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "actors.batch",
            "colour",
            "exchange.origin",
            "exchange.partitions",
            "ledger.segment_bytes",
            "limits.body_bytes",
            "limits.deadline_min",
            "limits.depth",
            "log.level",
            "nats.embedded.hots",
            "nats.embedded.port",
            "nats.url",
            "operator[0].keys[0]",
            "operator[1]",
            "snapshot.entries",
        ]
    );
    assert_eq!(found["actors.batch"].place, "environment variable DEX__ACTORS__BATCH");
    assert_eq!(found["ledger.segment_bytes"].place, "environment variable DEX__LEDGER__SEGMENT_BYTES");
    assert!(PathBuf::from(&found["nats.url"].place).ends_with("dex.toml"), "{:?}", found["nats.url"]);
    assert!(found["nats.embedded.hots"].what.contains("unknown field"), "{:?}", found["nats.embedded.hots"]);
}

#[test]
fn rules_across_keys_are_told() {
    let rules = [
        ("limits.deadline_default", "[limits]\ndeadline_default = \"8d\"\n"),
        ("limits.connecting_again", "[limits]\nconnecting_again = \"25h\"\n"),
        ("streams.out_max_age", "[streams]\nout_max_age = \"1d\"\n"),
        ("streams.in_max_age", "[streams]\nin_max_age = \"1s\"\n"),
        ("dispatch.redelivery_first", "[dispatch]\nredelivery_first = \"2h\"\n"),
        ("snapshot.entries", "[snapshot]\nentries = 200001\n"),
        ("snapshot.interval", "[snapshot]\ninterval = \"0s\"\n"),
        ("nats.credentials_file", "[nats]\ncredentials_file = \"no/such/file\"\n"),
        ("exchange.signatures", "[exchange]\nsignatures = \"trusted-broker\"\n[nats]\nurl = \"nats://x:4222\"\n"),
        ("operator.keys", "[[operator]]\nname = \"ops\"\nkeys = []\n"),
        ("actors.linger", "[actors]\nlinger = \"1m\"\n"),
        ("nats.embedded.threads", "[nats.embedded]\nthreads = 257\n"),
        ("nats.embedded.host", "[nats.embedded]\nhost = \"some where\"\n"),
        ("nats.embedded.websocket.origins", "[nats.embedded.websocket]\norigins = [\"https://a.example/\"]\n"),
        ("nats.embedded.websocket.origins", "[nats.embedded.websocket]\norigins = [\"*\"]\n"),
        ("nats.embedded.websocket.listen", "[nats.embedded.websocket]\nenabled = true\nlisten = \"127.0.0.1:4222\"\n"),
        ("nats.embedded.websocket.listen", "[nats.embedded.websocket]\nlisten = \"nowhere\"\n"),
        (
            "nats.embedded.websocket.enabled",
            "[nats]\nurl = \"nats://x:4222\"\n[nats.embedded.websocket]\nenabled = true\n",
        ),
        ("http", "http = 5\n"),
        ("operator", "operator = \"ops\"\n"),
    ];
    for (key, text) in rules {
        assert_eq!(problems(Some(text), &[]).keys().collect::<Vec<_>>(), [key], "{text}");
    }
}

#[test]
fn a_file_that_is_absent_or_no_toml_is_told() {
    let found = load_with(Some(&PathBuf::from("no/such/file.toml")), environment(&[])).expect_err("absent");
    assert!(found[0].to_string().starts_with("no/such/file.toml: cannot be read"), "{}", found[0]);
    let found = problems(Some("[exchange\norigin = 1"), &[]);
    assert!(found[""].what.contains("TOML parse error"), "{:?}", found[""]);
}

#[test]
fn only_what_is_marked_is_taken_over_while_running() {
    let old = read(None, &[]).expect("right");
    let new = read(Some("[limits]\ndepth = 32\n[log]\nlevel = \"debug\"\n[ledger]\nfree_min_bytes = 7\n"), &[])
        .expect("right");
    assert_eq!(old.reloadable(&new), Ok(()));
    let new = read(Some("[limits]\ndepth = 32\n[http]\nlisten = \"127.0.0.1:1\"\n[actors]\nlive = 7\n"), &[]);
    let found = old.reloadable(&new.expect("right")).expect_err("needs a restart");
    assert_eq!(found.iter().map(|it| it.key.as_str()).collect::<Vec<_>>(), ["actors.live", "http.listen"]);
    // Exactly the keys that the file marks may change.
    let mut section = String::new();
    let mut marked = false;
    for line in DEFAULTS.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        } else if line.starts_with('#') {
            marked = line.ends_with("[reload]");
        } else if let Some((key, _)) = line.split_once(" = ") {
            let path = format!("{section}.{key}");
            let taken_over = section == "limits" || ["log.level", "ledger.free_min_bytes"].contains(&path.as_str());
            assert_eq!(marked, taken_over, "{path}");
        }
    }
}

#[test]
fn the_production_example_is_right_once_its_blanks_are_filled() {
    let text = include_str!("../../config/production.toml");
    let found = problems(Some(text), &[]);
    let keys: Vec<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        ["nats.nkey_seed_file", "operator.keys"],
        "an operator's key and the seed are the owner's to put there"
    );
}
