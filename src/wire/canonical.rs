//! JSON in the one canonical form of RFC 8785, for what has no fractions: whole numbers up to 2^53 − 1.

use serde_json::Value;

/// Largest whole number that every JSON reader keeps exact.
const WHOLE_MAX: u64 = (1 << 53) - 1;

/// A number that has no canonical form here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the number {0} is no whole number within ±(2^53 − 1)")]
pub struct NumberError(String);

/// The canonical bytes of a value: no blanks, members in order of their names' UTF-16 units, texts with the fewest escapes.
///
/// # Errors
/// [`NumberError`] for a number with a fraction or exponent, or beyond 2^53 − 1.
pub fn canonical(value: &Value) -> Result<Vec<u8>, NumberError> {
    let mut out = Vec::new();
    write(&mut out, value)?;
    Ok(out)
}

fn write(out: &mut Vec<u8>, value: &Value) -> Result<(), NumberError> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => {
            let whole = number.as_i64().is_some_and(|n| n.unsigned_abs() <= WHOLE_MAX);
            if !whole {
                return Err(NumberError(number.to_string()));
            }
            out.extend_from_slice(number.to_string().as_bytes());
        }
        Value::String(text) => write_text(out, text),
        Value::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write(out, item)?;
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push(b'{');
            for (i, (name, member)) in members.into_iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_text(out, name);
                out.push(b':');
                write(out, member)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for c in text.chars() {
        let escape: &[u8] = match c {
            '"' => b"\\\"",
            '\\' => b"\\\\",
            '\u{8}' => b"\\b",
            '\t' => b"\\t",
            '\n' => b"\\n",
            '\u{c}' => b"\\f",
            '\r' => b"\\r",
            '\0'..='\u{1f}' => {
                out.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes());
                continue;
            }
            _ => {
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
        };
        out.extend_from_slice(escape);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn text(value: &Value) -> String {
        String::from_utf8(canonical(value).expect("whole numbers")).expect("UTF-8")
    }

    #[test]
    fn the_examples_of_rfc_8785_come_out() {
        // §3.2.3: sorting by UTF-16 units puts the pair of surrogates before U+FB33.
        let value = json!({ "\u{20ac}": "Euro Sign", "\r": "Carriage Return", "\u{fb33}": "Hebrew Letter Dalet With Dagesh",
            "1": "One", "\u{1f600}": "Emoji: Grinning Face", "\u{80}": "Control", "\u{f6}": "Latin Small Letter O With Diaeresis" });
        let wanted = "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\"\u{f6}\":\"Latin Small Letter O With Diaeresis\",\
                      \"\u{20ac}\":\"Euro Sign\",\"\u{1f600}\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}";
        assert_eq!(text(&value), wanted);
        // §3.2.2, its text and literals.
        let value = json!({ "string": "\u{20ac}$\u{f}\nA'B\"\\\\\"/", "literals": [null, true, false] });
        let wanted = "{\"literals\":[null,true,false],\"string\":\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}";
        assert_eq!(text(&value), wanted);
    }

    #[test]
    fn numbers_that_readers_round_are_refused() {
        assert_eq!(text(&json!([0, -7, 9_007_199_254_740_991_u64])), "[0,-7,9007199254740991]");
        for bad in [json!(0.5), json!(1e3), json!(9_007_199_254_740_992_u64), json!(u64::MAX), json!(i64::MIN)] {
            assert!(canonical(&bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_and_is_the_one_form(texts: Vec<(String, String)>, n in -9_007_199_254_740_991_i64..=9_007_199_254_740_991) {
            let mut value = serde_json::Map::new();
            for (name, text) in texts {
                value.insert(name, json!([text, n]));
            }
            let value = Value::Object(value);
            let bytes = canonical(&value).expect("whole numbers");
            let again: Value = serde_json::from_slice(&bytes).expect("JSON");
            prop_assert_eq!(&again, &value);
            prop_assert_eq!(canonical(&again).expect("whole numbers"), bytes);
        }
    }
}
