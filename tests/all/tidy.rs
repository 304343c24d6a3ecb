//! Rules of the source tree that a machine can hold. Each rule is a function over a file's path and
//! text, and each is shown a bad sample here, so that it is known to bite.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The layers, lowest first. A layer may import itself and what stands before it.
const LAYERS: [&str; 17] = [
    "domain",
    "wire",
    "ledger",
    "store",
    "config",
    "telemetry",
    "nats",
    "actors",
    "client",
    "http",
    "connectors",
    "bridge",
    "worker",
    "gateway",
    "simulation",
    "daemon",
    "cli",
];
/// Layers that a stranger's program could replace: they see no more of us than the protocol.
const OUTSIDERS: [(&str, &[&str]); 6] = [
    ("client", &["domain", "wire", "nats", "client"]),
    ("connectors", &["domain", "http", "connectors"]),
    ("bridge", &["domain", "wire", "config", "telemetry", "nats", "client", "http", "bridge"]),
    ("worker", &["domain", "wire", "config", "telemetry", "nats", "client", "http", "connectors", "worker"]),
    ("gateway", &["domain", "wire", "nats", "client", "bridge", "gateway", "http", "telemetry", "config"]),
    ("simulation", &["domain", "wire", "nats", "client", "simulation", "telemetry", "config"]),
];
/// Who may name actix: the actors; the web server; the two that start the system.
const ACTIX: [&str; 5] = ["actors", "http", "gateway", "daemon", "cli"];
/// What the pure layers may not name: time and randomness come in as arguments, I/O is not theirs.
const IMPURE: [&str; 12] = [
    "SystemTime::now",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "rand::random",
    "thread_rng",
    "OsRng",
    "tokio",
    "actix",
    "async_nats",
    "std::fs",
    "std::net",
];
/// Longest file, lines.
const LINES_MAX: usize = 500;

/// A file under test: its path from the root of the repository, and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned() }
    }

    /// The layer of a file under `src/`; none for `lib.rs`, `main.rs` and what is not in `src/`.
    fn layer(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        let layer = inside.split('/').next()?;
        Some(layer.strip_suffix(".rs").unwrap_or(layer)).filter(|layer| !matches!(*layer, "lib" | "main"))
    }

    /// Whether the whole file is test code.
    fn is_test(&self) -> bool {
        let stem = self.path.strip_suffix(".rs").unwrap_or(&self.path);
        self.path.starts_with("tests/") || self.path.contains("/tests/") || stem.ends_with("_tests")
    }

    /// Lines of code with their numbers: no comments, and nothing from the first `#[cfg(test)]` on
    /// (unit tests stand at the end of a file).
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let tests_begin = self
            .text
            .lines()
            .zip(self.text.lines().skip(1))
            .position(|(line, next)| line.trim() == "#[cfg(test)]" && next.trim_start().starts_with("mod tests {"));
        let end = if self.is_test() { 0 } else { tests_begin.unwrap_or(usize::MAX) };
        self.text
            .lines()
            .take(end)
            .enumerate()
            .map(|(number, line)| (number + 1, line))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    fn finding(&self, line: usize, what: impl std::fmt::Display) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}

/// Whether `word` stands in `line` with no letter, digit or `_` on either side.
fn has_word(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

/// Layers of ours that a line names: `crate::x`, and every x of `crate::{x, y::z}`.
fn named_layers(line: &str) -> Vec<&'static str> {
    let known = |word: &str| LAYERS.into_iter().find(|layer| *layer == word);
    let word =
        |text: &str| -> String { text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let mut found = Vec::new();
    for (at, path) in line.match_indices("crate::") {
        let rest = &line[at + path.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.extend(known(&word(rest)));
            continue;
        };
        let mut depth = 0;
        let mut fresh = true;
        for (at, c) in group.char_indices() {
            if depth == 0 && fresh && !c.is_whitespace() {
                found.extend(known(&word(&group[at..])));
                fresh = false;
            }
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => fresh = true,
                _ => {}
            }
        }
    }
    found
}

fn imports_point_up(source: &Source) -> Vec<String> {
    let Some(layer) = source.layer() else { return Vec::new() };
    let Some(place) = LAYERS.iter().position(|known| *known == layer) else {
        return vec![source.finding(1, format_args!("{layer} is no known layer: give it its place in LAYERS"))];
    };
    let allowed: &[&str] =
        OUTSIDERS.iter().find(|(name, _)| *name == layer).map_or(&LAYERS[..=place], |(_, allowed)| allowed);
    source
        .code()
        .flat_map(|(line, text)| named_layers(text).into_iter().map(move |named| (line, named)))
        .filter(|(_, named)| !allowed.contains(named))
        .map(|(line, named)| source.finding(line, format_args!("{layer} may not import {named}")))
        .collect()
}

fn actix_stays_in_its_folders(source: &Source) -> Vec<String> {
    let Some(layer) = source.layer().filter(|layer| !ACTIX.contains(layer)) else { return Vec::new() };
    source
        .code()
        .filter(|(_, text)| ["actix", "actix_web", "actix_rt"].iter().any(|word| has_word(text, word)))
        .map(|(line, _)| source.finding(line, format_args!("{layer} may not name actix")))
        .collect()
}

fn pure_layers_are_pure(source: &Source) -> Vec<String> {
    let Some(layer) = source.layer().filter(|layer| matches!(*layer, "domain" | "wire")) else { return Vec::new() };
    source
        .code()
        .flat_map(|(line, text)| {
            IMPURE.into_iter().filter(move |word| has_word(text, word)).map(move |word| (line, word))
        })
        .map(|(line, word)| source.finding(line, format_args!("{layer} is pure: no {word}")))
        .collect()
}

fn time_is_read_in_one_place(source: &Source) -> Vec<String> {
    // People's tools and the simulated world are outside of the exchange: they live in wall-clock time.
    let exempt =
        source.path == "src/actors/clock.rs" || matches!(source.layer(), None | Some("cli" | "client" | "simulation"));
    if exempt {
        return Vec::new();
    }
    source
        .code()
        .filter(|(_, text)| ["SystemTime::now", "Timestamp::now", "Zoned::now"].iter().any(|word| has_word(text, word)))
        .map(|(line, _)| source.finding(line, "wall-clock time comes from actors/clock.rs"))
        .collect()
}

fn files_are_short(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    let finding = || source.finding(lines, format_args!("{lines} lines, {LINES_MAX} at most: it is two things"));
    (lines > LINES_MAX).then(finding).into_iter().collect()
}

fn files_say_what_they_are(source: &Source) -> Vec<String> {
    let said = source.text.starts_with("//! ") && source.text.lines().next().is_some_and(|line| line.len() > 15);
    let finding = || source.finding(1, "begin with a line `//! …` that says what the file is");
    (!said).then(finding).into_iter().collect()
}

/// Words in no file, with why. The second half of each stands apart, so that this file passes.
const NEVER: [(&str, &str, &str); 8] = [
    ("TO", "DO", "finish it or file an issue"),
    ("FIX", "ME", "finish it or file an issue"),
    ("XX", "X", "finish it or file an issue"),
    ("todo", "!(", "no stubs"),
    ("unimplemented", "!(", "no stubs"),
    ("do_", "send", "it ignores the mailbox's bound: send with a deadline, or try_send"),
    ("/tmp", "/", "the path of one machine: use tempfile, or the state folder"),
    ("/ho", "me/", "the path of one machine"),
];

fn nothing_unfinished_or_local(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for (number, text) in source.text.lines().enumerate() {
        for (first, second, why) in NEVER {
            let word = format!("{first}{second}");
            let hit =
                if word.chars().all(char::is_alphanumeric) { has_word(text, &word) } else { text.contains(&word) };
            if hit {
                found.push(source.finding(number + 1, format_args!("{word}: {why}")));
            }
        }
    }
    found
}

/// Parties and content are no labels: they would leak to whoever may read the metrics, and each value
/// is a series for ever.
fn labels_are_closed_sets(source: &Source) -> Vec<String> {
    const OPEN: [&str; 9] = ["hat", "plug", "app", "org", "party", "exchange", "offer", "subject", "id"];
    source
        .code()
        .filter(|(_, text)| ["counter!(", "gauge!(", "histogram!("].iter().any(|call| text.contains(call)))
        .flat_map(|(line, text)| {
            OPEN.into_iter()
                .filter(move |label| text.contains(&format!("\"{label}\" =>")))
                .map(move |label| (line, label))
        })
        .map(|(line, label)| source.finding(line, format_args!("{label:?} is no label: its values are no closed set")))
        .collect()
}

/// A name written as text drifts from the table of names.
fn metric_names_are_constants(source: &Source) -> Vec<String> {
    if source.path == "src/telemetry/names.rs" {
        return Vec::new();
    }
    source
        .code()
        .filter(|(_, text)| ["counter!(\"", "gauge!(\"", "histogram!(\""].iter().any(|call| text.contains(call)))
        .map(|(line, _)| source.finding(line, "metrics are named by telemetry::names"))
        .collect()
}

type Rule = fn(&Source) -> Vec<String>;

const RULES: [(&str, Rule); 9] = [
    ("imports point up the list of layers", imports_point_up),
    ("actix stays in its folders", actix_stays_in_its_folders),
    ("the pure layers are pure", pure_layers_are_pure),
    ("time is read in one place", time_is_read_in_one_place),
    ("files are short", files_are_short),
    ("files say what they are", files_say_what_they_are),
    ("nothing is unfinished or local to a machine", nothing_unfinished_or_local),
    ("labels of metrics are closed sets", labels_are_closed_sets),
    ("names of metrics are constants", metric_names_are_constants),
];

fn walk(folder: &Path, out: &mut Vec<PathBuf>) {
    for item in fs::read_dir(folder).expect("a folder of the repository can be listed") {
        let path = item.expect("an item of a folder").path();
        if path.is_dir() {
            walk(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for folder in ["src", "tests", "benches"] {
        walk(&root.join(folder), &mut paths);
    }
    paths.sort();
    assert!(paths.len() > 50, "the tree was not found: only {} files", paths.len());
    paths
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path).expect("a source file can be read");
            let inside = path.strip_prefix(root).expect("it was found below the root");
            Source { path: inside.to_string_lossy().replace('\\', "/"), text }
        })
        .collect()
}

#[test]
fn the_tree_keeps_every_rule() {
    let sources = sources();
    let mut broken: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, rule) in RULES {
        let found: Vec<String> = sources.iter().flat_map(rule).collect();
        if !found.is_empty() {
            broken.insert(name, found);
        }
    }
    let report: Vec<String> =
        broken.iter().map(|(rule, found)| format!("{rule}:\n    {}", found.join("\n    "))).collect();
    assert!(broken.is_empty(), "rules are broken:\n{}", report.join("\n"));
}

#[test]
fn every_layer_of_the_crate_is_in_the_list() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).expect("src/lib.rs");
    let mut declared: Vec<&str> =
        lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let mut known = LAYERS.to_vec();
    declared.sort_unstable();
    known.sort_unstable();
    assert_eq!(declared, known);
}

/// Every rule with samples that it must refuse and samples that it must let pass.
#[test]
fn every_rule_bites_and_lets_good_files_pass() {
    let unfinished = format!("//! A file with a rest.\n// {}{}: later\n", "TO", "DO");
    let local = format!("//! A file with a path.\nconst AT: &str = \"{}{}x\";\n", "/tmp", "/");
    let long = format!("//! A file that is too long.\n{}", "\n".repeat(LINES_MAX));
    let bad: [(Rule, &str, &str); 20] = [
        (imports_point_up, "src/domain/hat.rs", "use crate::wire::Subject;"),
        (imports_point_up, "src/client/mod.rs", "use crate::ledger::proof;"),
        (imports_point_up, "src/client/mod.rs", "use crate::{domain::Id, actors::shared};"),
        (imports_point_up, "src/simulation/mod.rs", "use crate::daemon::Running;"),
        (imports_point_up, "src/nats/link.rs", "    let x = crate::actors::path::run();"),
        (imports_point_up, "src/shiny/mod.rs", "//! A layer without a place."),
        (actix_stays_in_its_folders, "src/nats/link.rs", "use actix::prelude::*;"),
        (actix_stays_in_its_folders, "src/telemetry/health.rs", "fn x(_: actix_web::HttpRequest) {}"),
        (pure_layers_are_pure, "src/domain/hat.rs", "let now = Instant::now();"),
        (pure_layers_are_pure, "src/wire/sign.rs", "let key = rand::random();"),
        (pure_layers_are_pure, "src/domain/hat.rs", "use tokio::sync::watch;"),
        (time_is_read_in_one_place, "src/actors/tick.rs", "let now = SystemTime::now();"),
        (files_are_short, "src/wire/long.rs", &long),
        (files_say_what_they_are, "src/wire/silent.rs", "use std::fmt;\n"),
        (files_say_what_they_are, "src/wire/silent.rs", "//!\n"),
        (nothing_unfinished_or_local, "src/wire/rest.rs", &unfinished),
        (nothing_unfinished_or_local, "tests/all/path.rs", &local),
        (labels_are_closed_sets, "src/telemetry/x.rs", "counter!(names::X, \"hat\" => hat.to_string());"),
        (metric_names_are_constants, "src/actors/x.rs", "metrics::counter!(\"dex_x_total\").increment(1);"),
        (actix_stays_in_its_folders, "src/ledger/log.rs", "//! A file.\n#[cfg(test)]\nuse actix::prelude::*;"),
    ];
    for (number, (rule, path, text)) in bad.into_iter().enumerate() {
        assert!(!rule(&Source::new(path, text)).is_empty(), "bad sample {number} ({path}) was let through");
    }
    let good: [(Rule, &str, &str); 9] = [
        (imports_point_up, "src/wire/sign.rs", "use crate::domain::{Id, Kind};"),
        (imports_point_up, "src/wire/sign.rs", "// what crate::actors does with it"),
        (imports_point_up, "src/wire/sign.rs", "#[cfg(test)]\nmod tests {\n    use crate::daemon::Running;\n}"),
        (imports_point_up, "src/lib.rs", "pub mod domain;"),
        (imports_point_up, "src/client/mod.rs", "use crate::{domain::Id, wire::{Header, sign}};"),
        (actix_stays_in_its_folders, "src/actors/path.rs", "use actix::prelude::*;"),
        (pure_layers_are_pure, "src/domain/hat.rs", "let tokio_like = not_tokio::x;"),
        (time_is_read_in_one_place, "src/actors/clock.rs", "SystemTime::now()"),
        (labels_are_closed_sets, "src/telemetry/x.rs", "counter!(names::X, \"kind\" => kind.as_str());"),
    ];
    for (number, (rule, path, text)) in good.into_iter().enumerate() {
        assert_eq!(rule(&Source::new(path, text)), Vec::<String>::new(), "good sample {number}");
    }
}

/// The metric's label values stand below the actors, which alone know how an entity can end.
#[test]
fn every_way_for_an_entity_to_end_is_touched_at_zero() {
    use dex::actors::supervisor::Exit;
    use dex::telemetry::events::ActorExit;
    assert_eq!(Exit::ALL.map(Exit::as_str), ActorExit::WHY);
}
