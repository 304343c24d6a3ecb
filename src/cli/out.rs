//! What goes to stdout: data only, as lines for people or as JSON for programs.

use std::fmt::Display;
use std::io::Write;

use serde::Serialize;

use super::fail::Failure;

/// Writes one line of data.
///
/// # Errors
/// [`Failure::Pipe`] when the reader is gone.
pub fn line(text: impl Display) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}

/// Writes a value as one line of JSON.
///
/// # Errors
/// [`Failure::Pipe`] when the reader is gone.
pub fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value)
        .map_err(|error| Failure::Finding(format!("the answer cannot be written as JSON: {error}")))?;
    line(text)
}

/// Writes a message for people to stderr.
pub fn note(text: impl Display) {
    // A closed stderr is no reason to stop.
    let _ = writeln!(std::io::stderr(), "dex: {text}");
}

/// Writes a JSON value as indented `name: value` lines, for people.
///
/// # Errors
/// [`Failure::Pipe`] when the reader is gone.
pub fn tree(value: &serde_json::Value) -> Result<(), Failure> {
    let mut text = String::new();
    branch(&mut text, value, 0);
    line(text.trim_end())
}

fn branch(text: &mut String, value: &serde_json::Value, depth: usize) {
    use serde_json::Value;
    let pad = "  ".repeat(depth);
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::Object(inner) if inner.is_empty() => {}
                    Value::Array(inner) if inner.is_empty() => {}
                    Value::Object(_) | Value::Array(_) => {
                        text.push_str(&format!("{pad}{name}:\n"));
                        branch(text, member, depth + 1);
                    }
                    _ => text.push_str(&format!("{pad}{name}: {}\n", plain(member))),
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                if item.is_object() {
                    let mut inner = String::new();
                    branch(&mut inner, item, depth + 1);
                    // The first line of an element carries its dash.
                    let inner = inner.replacen(&format!("{pad}  "), &format!("{pad}- "), 1);
                    text.push_str(&inner);
                } else {
                    text.push_str(&format!("{pad}- {}\n", plain(item)));
                }
            }
        }
        other => text.push_str(&format!("{pad}{}\n", plain(other))),
    }
}

/// A scalar as text, without JSON's quotes.
pub fn plain(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_indented_and_leave_out_what_is_empty() {
        let value = serde_json::json!({"a": 1, "b": {"c": "x"}, "d": [{"e": 1, "f": 2}, {"e": 3}], "g": []});
        let mut text = String::new();
        branch(&mut text, &value, 0);
        assert_eq!(text, "a: 1\nb:\n  c: x\nd:\n  - e: 1\n    f: 2\n  - e: 3\n");
    }
}
