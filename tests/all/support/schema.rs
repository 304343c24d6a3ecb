//! JSON Schemas judged by an independent validator: `jsonschema-rs` of PyPI, in the examples' Python.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Map, Value, json};

/// Reads `[[schema, [instance…]]…]`; prints for each instance what is wrong with it, or null.
const JUDGE: &str = r#"
import json, sys, jsonschema_rs as j
out = []
for schema, instances in json.load(sys.stdin):
    j.meta.validate(schema)
    judge = j.Draft202012Validator(schema, validate_formats=True)
    out.append([next((f"{list(e.instance_path)}: {e.message}"[:400] for e in judge.iter_errors(i)), None) for i in instances])
json.dump(out, sys.stdout)
"#;

/// What is wrong with each instance of each schema; the schemas themselves must be right.
pub fn judge(cases: &[(Value, Vec<Value>)]) -> Vec<Vec<Option<String>>> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/venv/bin/python");
    assert!(python.exists(), "{} is not there: run `make tools`", python.display());
    let mut command = Command::new(python);
    command.args(["-c", JUDGE]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("python starts");
    let mut stdin = child.stdin.take().expect("piped");
    let text = json!(cases).to_string();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().expect("ends");
    writer.join().expect("no panic").expect("read by python");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The schema that takes no field which it does not name.
pub fn strict(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(members) => {
            if members.get("properties").is_some_and(Value::is_object)
                && members.get("type") == Some(&json!("object"))
                && !members.contains_key("anyOf")
            {
                members.entry("additionalProperties").or_insert(json!(false));
            }
            members.values_mut().for_each(|member| *member = strict(member.take()));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = strict(item.take())),
        _ => {}
    }
    schema
}

/// The branches of a schema: itself, or those of its `anyOf`.
fn branches(schema: &Value) -> Vec<&Value> {
    match schema["anyOf"].as_array() {
        Some(inner) => inner.iter().flat_map(branches).collect(),
        None => vec![schema],
    }
}

fn properties(schema: &Value) -> Option<&Map<String, Value>> {
    schema["properties"].as_object()
}

/// Every field that a schema names, by its path.
pub fn named(schema: &Value, at: &str, found: &mut BTreeSet<String>) {
    for branch in branches(schema) {
        for (name, field) in properties(branch).into_iter().flatten() {
            let at = format!("{at}.{name}");
            named(field, &at, found);
            found.insert(at);
        }
        if branch.get("items").is_some() {
            named(&branch["items"], at, found);
        }
    }
}

/// Every field that an instance has, by the same paths.
pub fn seen(instance: &Value, at: &str, found: &mut BTreeSet<String>) {
    match instance {
        Value::Object(members) => {
            for (name, field) in members.iter().filter(|(_, field)| !field.is_null()) {
                let at = format!("{at}.{name}");
                seen(field, &at, found);
                found.insert(at);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| seen(item, at, found)),
        _ => {}
    }
}

/// The instance with one thing wrong, in every way: a field missing that must be there, a field of another type; in it,
/// and in the first element of each list. Fields that may be one of several things are only given another type.
pub fn doctored(schema: &Value, instance: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    if let (Some(_), Value::Object(members)) = (properties(schema), instance) {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let mut less = members.clone();
            less.remove(name);
            found.push((format!("no {name}"), Value::Object(less)));
        }
        for (name, field) in members {
            let Some(of) = properties(schema).and_then(|known| known.get(name)) else { continue };
            let with = |value: Value| {
                let mut changed = members.clone();
                changed.insert(name.clone(), value);
                Value::Object(changed)
            };
            let wrong = if field.is_object() { json!("wrong") } else { json!({ "wrong": "type" }) };
            found.push((format!("{name} of another type"), with(wrong)));
            let inner = doctored(of, field).into_iter();
            found.extend(inner.map(|(what, value)| (format!("{name}: {what}"), with(value))));
        }
    }
    if let (Some(of), Some((first, rest))) = (schema.get("items"), instance.as_array().and_then(|it| it.split_first()))
    {
        found.extend(doctored(of, first).into_iter().map(|(what, value)| {
            (format!("[0] {what}"), std::iter::once(value).chain(rest.iter().cloned()).collect())
        }));
    }
    found
}

/// Schemas by query as the service publishes them.
#[allow(dead_code)]
pub fn published(info: &Value, query: &str) -> (Value, Value) {
    let subject = format!("dex.v1.api.{query}");
    let endpoints = info["endpoints"].as_array().expect("endpoints");
    let endpoint = endpoints.iter().find(|it| it["subject"] == subject.as_str()).expect("each query is an endpoint");
    let of = |key: &str| {
        let text = endpoint["metadata"][key].as_str().unwrap_or_else(|| panic!("{query} publishes no {key}"));
        serde_json::from_str(text).expect("compact JSON")
    };
    (of("schema.request"), of("schema.response"))
}

/// Whether this world brings a field about in no answer: fields left out of every class, two operators' approval, parties of a kind that have no such
/// registration waiting or no such key, traces cut short, late receipts and releases that answer a pull, what only a signed message is told of itself,
/// terms that an offer left out, more parties than one, descriptions of what is reported, more fields of one endpoint than an answer holds, more endpoints than a summary
/// holds.
#[allow(dead_code)]
pub fn may_miss(field: &str) -> bool {
    let anywhere = [
        "dropped.quasi",
        "dropped.direct",
        "approvedBy",
        ".pending.",
        ".keys.until",
        ".next",
        "toldEnd",
        ".connecting.",
        ".manifest",
    ];
    let of_one = [
        // Jobs that are planned by themselves come in between; those here are wanted.
        "plug.jobs.endpoints.refreshSeconds",
        "exchange.explain.basis",
        "exchange.trace.truncated",
        "exchange.trace.steps.verdict",
        "exchange.trace.steps.pull",
        "stats.catalogue.items.description",
        "stats.catalogue.items.fields.description",
        "stats.catalogue.items.truncated",
        "stats.window.topIn.over",
        "stats.window.topOut.over",
    ];
    let of_one = of_one.iter().any(|one| field.starts_with(one));
    of_one || field.contains(".terms.debit.") || anywhere.iter().any(|part| field.contains(part))
}
