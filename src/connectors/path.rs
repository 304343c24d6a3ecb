//! Places in JSON: `data.items`, `photos.0.url`, or a pointer `/data/items`.

use serde_json::{Map, Value};

use super::error::SettingsFault;

/// Most steps of a path.
const STEPS_MAX: usize = 16;
/// Longest path, bytes.
const BYTES_MAX: usize = 256;

/// A place in JSON. The empty one is the whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Path(Vec<String>);

impl Path {
    pub fn read(text: &str, at: &str) -> Result<Path, SettingsFault> {
        if text.len() > BYTES_MAX {
            return Err(SettingsFault::new(at, format!("has more than {BYTES_MAX} bytes")));
        }
        let steps: Vec<String> = match text.strip_prefix('/') {
            _ if text.is_empty() => Vec::new(),
            Some(pointer) => pointer.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect(),
            None => text.split('.').map(str::to_owned).collect(),
        };
        if steps.len() > STEPS_MAX || (!text.starts_with('/') && steps.iter().any(String::is_empty)) {
            let why = format!("is no path of 1 to {STEPS_MAX} names with dots between them, nor a pointer like /a/b");
            return Err(SettingsFault::new(at, why));
        }
        Ok(Path(steps))
    }

    /// What stands there.
    pub fn of<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(value, |value, step| match value {
            Value::Object(fields) => fields.get(step),
            Value::Array(items) => items.get(step.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// Takes what stands there out of the value.
    pub fn take(&self, value: &mut Value) -> Option<Value> {
        self.place(value).map(Value::take)
    }

    fn place<'a>(&self, value: &'a mut Value) -> Option<&'a mut Value> {
        self.0.iter().try_fold(value, |value, step| match value {
            Value::Object(fields) => fields.get_mut(step),
            Value::Array(items) => items.get_mut(step.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// Takes the member that stands there out of its object; an element of an array becomes `null`.
    pub fn remove(&self, value: &mut Value) {
        let Some((last, way)) = self.0.split_last() else { return };
        match Path(way.to_vec()).place(value) {
            Some(Value::Object(fields)) => drop(fields.remove(last)),
            Some(Value::Array(items)) => {
                if let Some(item) = last.parse::<usize>().ok().and_then(|n| items.get_mut(n)) {
                    *item = Value::Null;
                }
            }
            _ => {}
        }
    }

    /// Sets it in an object, with the objects on the way. What stands in the way is replaced.
    pub fn set(&self, into: &mut Map<String, Value>, new: Value) {
        let Some((last, way)) = self.0.split_last() else { return };
        let mut fields = into;
        for step in way {
            let next = fields.entry(step.clone()).or_insert_with(|| Value::Object(Map::new()));
            if !next.is_object() {
                *next = Value::Object(Map::new());
            }
            let Value::Object(inner) = next else { return };
            fields = inner;
        }
        fields.insert(last.clone(), new);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn places_are_found_and_set() {
        let value = json!({"a": {"b": [{"c.d": 1}, {"c.d": 2}]}, "/": 3, "": 4});
        let of = |text: &str| Path::read(text, "x").expect("reads").of(&value).cloned();
        assert_eq!(of("a.b.1"), Some(json!({"c.d": 2})));
        assert_eq!(of("/a/b/0/c.d"), Some(json!(1)));
        assert_eq!(of("/~1"), Some(json!(3)));
        assert_eq!(of("/"), Some(json!(4)));
        assert_eq!(of("a.b.c"), None);
        assert_eq!(of(""), Some(value.clone()));
        let mut out = Map::new();
        Path::read("x.y", "x").expect("reads").set(&mut out, json!(1));
        Path::read("x.z", "x").expect("reads").set(&mut out, json!(2));
        assert_eq!(Value::Object(out), json!({"x": {"y": 1, "z": 2}}));
        let mut kept = json!({"a": {"b": 1, "c": [1, 2]}});
        for path in ["a.b", "a.c.0", "a.x.y", "x", ""] {
            Path::read(path, "x").expect("reads").remove(&mut kept);
        }
        assert_eq!(kept, json!({"a": {"c": [null, 2]}}));
        for bad in [".a", "a..b", "a.", &"a.".repeat(200), &["a"; 17].join(".")] {
            Path::read(bad, "x").expect_err(bad);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
            if let Ok(path) = Path::read(&text, "x") {
                let _ = path.of(&json!({"a": [1, {"b": null}]}));
                path.set(&mut Map::new(), json!(1));
            }
        }
    }
}
