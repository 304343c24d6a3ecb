//! JSON in the one canonical form of RFC 8785, for what has no fractions: whole numbers up to 2^53 − 1.

use serde_json::Value;

use crate::domain::canonical::{self as form, WHOLE_MAX};

/// A number that has no canonical form here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the number {0} is no whole number within ±(2^53 − 1)")]
pub struct NumberError(String);

/// The canonical bytes of a value.
///
/// # Errors
/// [`NumberError`] for a number with a fraction or exponent, or beyond 2^53 − 1.
pub fn canonical(value: &Value) -> Result<Vec<u8>, NumberError> {
    whole(value)?;
    Ok(form::canonical(value))
}

/// That all numbers are whole ones that every reader keeps.
fn whole(value: &Value) -> Result<(), NumberError> {
    match value {
        Value::Number(number) => match number.as_i64() {
            Some(n) if n.unsigned_abs() <= WHOLE_MAX => Ok(()),
            _ => Err(NumberError(number.to_string())),
        },
        Value::Array(items) => items.iter().try_for_each(whole),
        Value::Object(members) => members.values().try_for_each(whole),
        _ => Ok(()),
    }
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
