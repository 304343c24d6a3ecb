//! `dex stats verify`: makes published figures again from the ledger and compares.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::args::Globals;
use crate::cli::fail::{FINDING, Failure};
use crate::cli::folder::Folder;
use crate::cli::{ledger, out, parse};
use crate::domain::statistics::{self, Catalogue, K_DEFAULT, Stand, Statistics, Window};
use crate::domain::{Timestamp, pii};

use super::VerifyArgs;

/// Most differences that are named.
const SHOWN: usize = 20;
/// By how much a field may be longer as it is told than its figures are: a description of 1024 bytes, each of which JSON may
/// write with six, its name, and the word of its class.
const DESCRIBED_BYTES: usize = 6 * 1024 + 64;

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
    let Again { what, again, told, cut } = again(&made, told, &stand)?;

    let mut differences = Vec::new();
    compare("", &told, &again, &mut differences);
    let missing = match cut {
        0 => String::new(),
        cut => format!("; endpoints that were cut, whose other fields are not compared: {cut}"),
    };
    if globals.json {
        let equal = differences.is_empty();
        out::json(&json!({ "what": what, "treeSize": size, "equal": equal, "cut": cut, "differences": differences }))?;
    } else if differences.is_empty() {
        out::line(format_args!("{what}: equal to what the ledger's first {size} entries give{missing}"))?;
    } else {
        differences.iter().take(SHOWN).try_for_each(out::line)?;
    }
    if differences.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    out::note(format_args!("{what}: {} figures are not those of the ledger{missing}", differences.len()));
    Ok(ExitCode::from(FINDING))
}

/// An answer, and what it should be.
struct Again {
    /// What it is.
    what: &'static str,
    /// Made again.
    again: Value,
    /// As it was told, without what is no figure.
    told: Value,
    /// How many endpoints say that fields of theirs are left out.
    cut: usize,
}

/// Makes an answer again.
fn again(made: &Statistics, told: &Value, stand: &Stand) -> Result<Again, Failure> {
    let mut told = told.clone();
    let mut cut = 0;
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
        let (again, of) = catalogue(made, &mut told, stand);
        cut = of;
        ("the catalogue", again)
    } else if told.get("figures").is_some() {
        ("the total", statistics::total(made, stand))
    } else {
        return Err(usage("it is none of a window, a series, a catalogue, a summary or a broadcast"));
    };
    // As it would have been read.
    let again = serde_json::from_str(&again.to_string()).map_err(usage)?;
    Ok(Again { what, again, told, cut })
}

/// The same endpoints, and how many of them say that they were cut; takes what is no figure out of both.
fn catalogue(made: &Statistics, told: &mut Value, stand: &Stand) -> (Value, usize) {
    let (all, _) = statistics::catalogue_page(made.catalogue(), &pii::Catalogue::default(), None, |_| false);
    let (mut items, mut cut) = (Vec::new(), 0);
    for item in told["items"].as_array().into_iter().flatten() {
        let same = all.iter().find(|made| made["endpoint"] == item["endpoint"]);
        let mut same = same.cloned().unwrap_or(Value::Null);
        if item["truncated"] == true {
            cut += 1;
            cut_like(&mut same, item);
        }
        items.push(same);
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
    (again, cut)
}

/// Cuts an endpoint where it was cut as it was told: that follows from descriptions too, which are not in these figures. It says
/// so only where the next field could not have had room, so that a cut without need is a difference.
fn cut_like(same: &mut Value, told: &Value) {
    let count = told["fields"].as_array().map_or(0, Vec::len);
    let Some(Value::Array(fields)) = same.get_mut("fields") else { return };
    let Some(next) = Catalogue::keep_fields(fields, count) else { return };
    // With the comma before it.
    let bytes = told.to_string().len() + 1 + next.to_string().len() + DESCRIBED_BYTES;
    if bytes > Catalogue::ENDPOINT_BYTES {
        same["truncated"] = json!(true);
    }
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
    use crate::domain::report::{Field, Reported};
    use crate::domain::{Entry, Event};

    /// Of one endpoint with more fields than are told of one, of which two HATs hold the last ten.
    fn large() -> Statistics {
        let mut made = Statistics::new(1);
        for (leaf, hat, fields) in [(0, "hat:bob.hubat.net", 0..2000), (1, "hat:eve.hubat.net", 1990..2000)] {
            let path = |n: usize| format!("{n:04}{}", "x".repeat(124));
            let field = |n| Field { endpoint: "a/big".into(), path: path(n).into(), count: 1, first: true };
            let added = Reported { fields: fields.map(field).collect(), ..Reported::default() };
            let event = Event::Reported(Box::new(added));
            let (entity, at) = (hat.parse().expect("an address"), Timestamp(1));
            made.apply(leaf, at, &Entry { v: 1, entity, n: 1, at, cause: None, basis: Vec::new(), event });
        }
        made
    }

    /// Where an answer of these endpoints differs, and how many of them say that they were cut.
    fn differing(made: &Statistics, items: &[Value]) -> (Vec<String>, usize) {
        let stand = Stand { tree_size: 2, checkpoint: "a note".into() };
        let mut told = json!({ "items": items, "k": 1, "asOf": stand.told() });
        let (again, cut) = catalogue(made, &mut told, &stand);
        let mut found = Vec::new();
        compare("", &told, &again, &mut found);
        (found.iter().filter_map(|it| it.split(':').next()).map(str::to_owned).collect(), cut)
    }

    #[test]
    fn a_cut_is_taken_where_the_next_field_had_no_room_and_nowhere_else() {
        let made = large();
        let (whole, _) = statistics::catalogue_page(made.catalogue(), &pii::Catalogue::default(), None, |_| false);
        assert_eq!(differing(&made, &whole), (Vec::new(), 0), "as a whole it is right, however large");
        let mut items = whole;
        statistics::cut(&mut items[0], Catalogue::ENDPOINT_BYTES);
        assert_eq!(differing(&made, &items), (Vec::new(), 1));
        let mut other = items.clone();
        other[0]["fields"][3]["hats"] = json!(7);
        assert_eq!(differing(&made, &other), (vec!["/items/0/fields/3/hats".to_owned()], 1));
        // Fields that are hidden behind the same word.
        let fields = items[0]["fields"].as_array_mut().expect("fields");
        let fewer = fields.len() - 100;
        Catalogue::keep_fields(fields, fewer);
        assert_eq!(differing(&made, &items), (vec!["/items/0/truncated".to_owned()], 1));
    }

    #[test]
    fn each_difference_is_named_by_its_place() {
        let mut found = Vec::new();
        compare("", &json!({"a": [1, {"b": 2}], "c": 3}), &json!({"a": [1, {"b": 4}], "d": 5}), &mut found);
        let places: Vec<&str> = found.iter().filter_map(|it| it.split(':').next()).collect();
        assert_eq!(places, ["/a/1/b", "/c", "/d"]);
    }
}
