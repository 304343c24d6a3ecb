//! How deep a JSON text nests, found before any parser sees it.

/// Whether no more than `most` arrays and objects are open at once anywhere in `json`. One pass,
/// constant memory; brackets inside strings do not count. Says nothing about validity.
pub fn within(json: &[u8], most: usize) -> bool {
    let mut open = 0usize;
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                open += 1;
                if open > most {
                    return false;
                }
            }
            b'}' | b']' => open = open.saturating_sub(1),
            b'"' => loop {
                match bytes.next() {
                    Some(b'\\') => {
                        bytes.next();
                    }
                    Some(b'"') | None => break,
                    Some(_) => {}
                }
            },
            _ => {}
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    #[test]
    fn brackets_in_strings_do_not_count() {
        assert!(within(br#"["[[[[", {"a\"[[": "\\"}]"#, 2));
        assert!(!within(br#"["\\", [[]]]"#, 2));
        assert!(within(b"", 0));
        assert!(!within(b"[", 0));
        assert!(within(b"\"[[[[", 0));
    }

    fn depth(value: &Value) -> usize {
        match value {
            Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
            Value::Object(items) => 1 + items.values().map(depth).max().unwrap_or(0),
            _ => 0,
        }
    }

    fn tree() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(json!(null)), ".{0,6}".prop_map(Value::String)];
        leaf.prop_recursive(6, 40, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                proptest::collection::btree_map("[\\[{\"\\\\a]{0,3}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_depth_is_that_of_the_parsed_value(value in tree()) {
            let text = value.to_string();
            let depth = depth(&value);
            prop_assert!(within(text.as_bytes(), depth));
            prop_assert!(depth == 0 || !within(text.as_bytes(), depth - 1));
        }
    }
}
