//! The paths of single values in JSON, like `photos[].url`.

use std::collections::BTreeSet;

use serde_json::Value;

/// Gathers the paths below `at`.
pub fn walk(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| {
            let at = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
            walk(value, &at, found);
        }),
        Value::Array(items) => items.iter().for_each(|item| walk(item, &format!("{at}[]"), found)),
        _ => {
            found.insert(at.to_owned());
        }
    }
}
