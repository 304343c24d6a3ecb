//! `dex stats verify`: makes published figures again from the ledger and compares.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::args::Globals;
use crate::cli::fail::{FINDING, Failure};
use crate::cli::folder::Folder;
use crate::cli::{ledger, out, parse};
use crate::domain::statistics::{self, K_DEFAULT, Stand, Statistics, Window};
use crate::domain::{Timestamp, pii};

use super::VerifyArgs;

/// Most differences that are named.
const SHOWN: usize = 20;

fn usage(what: impl std::fmt::Display) -> Failure {
    Failure::Usage(format!("the answer: {what}"))
}

/// A member of an answer, as what it should be.
fn member<T: serde::de::DeserializeOwned>(of: &Value, name: &str) -> Result<T, Failure> {
    serde_json::from_value(of[name].clone()).map_err(|error| usage(format_args!("{name}: {error}")))
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when the answer makes no sense, its checkpoint is not the exchange's, or the ledger cannot be read.
pub fn run(globals: &Globals, args: &VerifyArgs) -> Result<ExitCode, Failure> {
    let bytes = match args.answer.as_str() {
        "-" => parse::body("-")?,
        file => parse::body(&format!("@{file}"))?,
    };
    let answer: Value =
        serde_json::from_slice(&bytes).map_err(|error| usage(format_args!("it is no JSON: {error}")))?;
    // Of the summary, what the ledger tells.
    let told = if answer.get("total").is_some() { &answer["total"] } else { &answer };
    let folder = Folder::named(args.state.clone(), args.config.clone(), args.dex_key);
    let path = folder.path()?;
    let verifier = folder.verifier(globals, &path)?;
    let reader = ledger::open(globals, &folder)?;
    let (size, note): (u64, String) = (member(&told["asOf"], "treeSize")?, member(&told["asOf"], "checkpoint")?);
    let checkpoint = verifier
        .open(&note)
        .map_err(|error| Failure::Finding(format!("the checkpoint that the answer stands on: {error}")))?;
    if checkpoint.size != size {
        return Err(Failure::Finding(format!(
            "the checkpoint is of {} entries, the answer says {size}",
            checkpoint.size
        )));
    }
    if reader.tree_size() < size {
        let held = reader.tree_size();
        return Err(Failure::Finding(format!("the ledger has {held} entries, the answer stands on {size}")));
    }
    let root = reader.root(size).map_err(|error| Failure::Finding(error.to_string()))?;
    if root != checkpoint.root {
        return Err(Failure::Finding(
            "the ledger's first entries are not those that the checkpoint is over".to_owned(),
        ));
    }

    let k = told.get("k").map_or(Ok(K_DEFAULT), |_| member(told, "k"))?;
    let mut made = Statistics::new(k);
    for stored in reader.scan(0) {
        let stored = stored.map_err(|error| Failure::Finding(error.to_string()))?;
        if stored.leaf >= size {
            break;
        }
        made.apply(stored.leaf, Timestamp(stored.time_ns), &ledger::entry(&stored)?);
    }
    made.reach(size);
    let stand = Stand { tree_size: size, checkpoint: note.into() };
    let (what, again, told) = again(&made, told, &stand)?;

    let mut differences = Vec::new();
    compare("", &told, &again, &mut differences);
    if globals.json {
        out::json(
            &json!({ "what": what, "treeSize": size, "equal": differences.is_empty(), "differences": differences }),
        )?;
    } else if differences.is_empty() {
        out::line(format_args!("{what}: equal to what the ledger's first {size} entries give"))?;
    } else {
        differences.iter().take(SHOWN).try_for_each(out::line)?;
    }
    if differences.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    out::note(format_args!("{what}: {} figures are not those of the ledger", differences.len()));
    Ok(ExitCode::from(FINDING))
}

/// What the answer is, made again, and the answer without what is no figure.
fn again(made: &Statistics, told: &Value, stand: &Stand) -> Result<(&'static str, Value, Value), Failure> {
    let mut told = told.clone();
    let (what, again) = if told.get("windows").is_some() {
        let at: Timestamp = member(&told, "at")?;
        let windows: Vec<_> = Window::ALL.into_iter().map(|of| (of, made.window(of, at))).collect();
        let origin: String = member(&told, "origin")?;
        ("the broadcast", statistics::broadcast(&origin, at, &windows, made.catalogue().k(), stand))
    } else if told.get("slotSeconds").is_some() {
        ("the series", statistics::series(made, member(&told, "window")?, member(&told, "at")?, stand))
    } else if told.get("window").is_some() {
        let (of, at) = (member(&told, "window")?, member(&told, "at")?);
        ("the window", statistics::window(of, at, &made.window(of, at), stand))
    } else if told.get("items").is_some() {
        ("the catalogue", catalogue(made, &mut told, stand))
    } else if told.get("figures").is_some() {
        ("the total", statistics::total(made, stand))
    } else {
        return Err(usage("it is none of a window, a series, a catalogue, a summary or a broadcast"));
    };
    // As it would have been read.
    let again = serde_json::from_str(&again.to_string()).map_err(usage)?;
    Ok((what, again, told))
}

/// The same endpoints; takes what is no figure out of both.
fn catalogue(made: &Statistics, told: &mut Value, stand: &Stand) -> Value {
    let (all, _) = statistics::catalogue_page(made.catalogue(), &pii::Catalogue::default(), None, |_| false);
    let mut items = Vec::new();
    for item in told["items"].as_array().into_iter().flatten() {
        let same = all.iter().find(|made| made["endpoint"] == item["endpoint"]);
        items.push(same.cloned().unwrap_or(Value::Null));
    }
    let mut again = json!({ "items": items, "k": made.catalogue().k(), "asOf": stand.told() });
    if let Some(next) = told.get("next") {
        again["next"] = next.clone();
    }
    for side in [told, &mut again] {
        for item in side["items"].as_array_mut().into_iter().flatten() {
            strip(item);
            item["fields"].as_array_mut().into_iter().flatten().for_each(strip);
        }
    }
    again
}

fn strip(item: &mut Value) {
    if let Value::Object(members) = item {
        members.remove("class");
        members.remove("description");
    }
}

/// Where two values differ.
fn compare(at: &str, told: &Value, again: &Value, found: &mut Vec<String>) {
    match (told, again) {
        (Value::Object(one), Value::Object(two)) => {
            let names: std::collections::BTreeSet<&String> = one.keys().chain(two.keys()).collect();
            for name in names {
                compare(&format!("{at}/{name}"), &told[name], &again[name], found);
            }
        }
        (Value::Array(one), Value::Array(two)) if one.len() == two.len() => {
            one.iter().zip(two).enumerate().for_each(|(i, (one, two))| compare(&format!("{at}/{i}"), one, two, found));
        }
        _ if told != again => found.push(format!("{at}: {told} was told, {again} is right")),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_difference_is_named_by_its_place() {
        let mut found = Vec::new();
        compare("", &json!({"a": [1, {"b": 2}], "c": 3}), &json!({"a": [1, {"b": 4}], "d": 5}), &mut found);
        let places: Vec<&str> = found.iter().filter_map(|it| it.split(':').next()).collect();
        assert_eq!(places, ["/a/1/b", "/c", "/d"]);
    }
}
