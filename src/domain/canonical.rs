//! JSON in the one canonical form of RFC 8785.

use serde_json::{Number, Value};

/// Largest whole number that every JSON reader keeps exact.
pub const WHOLE_MAX: u64 = (1 << 53) - 1;

/// The canonical bytes of a value: no blanks, members in order of their names' UTF-16 units, texts with the fewest escapes,
/// numbers as ECMAScript writes the nearest double.
pub fn canonical(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out, value);
    out
}

fn write(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => write_number(out, number),
        Value::String(text) => write_text(out, text),
        Value::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write(out, item);
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
                write(out, member);
            }
            out.push(b'}');
        }
    }
}

fn write_number(out: &mut Vec<u8>, number: &Number) {
    if let Some(whole) = number.as_i64().filter(|n| n.unsigned_abs() <= WHOLE_MAX) {
        return out.extend_from_slice(whole.to_string().as_bytes());
    }
    let Some(double) = number.as_f64() else { return };
    if double == 0.0 {
        return out.push(b'0');
    }
    // Rust writes the fewest digits that read back, like ECMAScript; only their layout differs.
    let text = format!("{:e}", double.abs());
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    let point = exponent.parse::<i32>().unwrap_or(0) + 1;
    if double < 0.0 {
        out.push(b'-');
    }
    out.extend_from_slice(layout(&digits, point).as_bytes());
}

/// 0.`digits` × 10^`point` as `Number.prototype.toString` lays it out.
fn layout(digits: &str, point: i32) -> String {
    let many = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let zeros = |n: i32| "0".repeat(usize::try_from(n).unwrap_or(0));
    match usize::try_from(point) {
        Ok(_) if many <= point && point <= 21 => format!("{digits}{}", zeros(point - many)),
        Ok(at) if 0 < point && point <= 21 => format!("{}.{}", &digits[..at], &digits[at..]),
        _ if -6 < point && point <= 0 => format!("0.{}{digits}", zeros(-point)),
        _ => {
            let (first, rest) = digits.split_at(1);
            let dot = if rest.is_empty() { "" } else { "." };
            format!("{first}{dot}{rest}e{:+}", point - 1)
        }
    }
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
    use serde_json::json;

    use super::*;

    fn text(value: &Value) -> String {
        String::from_utf8(canonical(value)).expect("text")
    }

    #[test]
    fn numbers_are_written_as_the_standard_s_examples_are() {
        for (bits, expected) in [
            (0x0000_0000_0000_0000_u64, "0"),
            (0x8000_0000_0000_0000, "0"),
            (0x0000_0000_0000_0001, "5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x41b3_de43_5555_5555, "333333333.3333333"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
        ] {
            assert_eq!(text(&json!(f64::from_bits(bits))), expected);
        }
        assert_eq!(text(&json!([1, -5, 1.5, u64::MAX])), "[1,-5,1.5,18446744073709552000]");
    }

    #[test]
    fn members_are_sorted_and_texts_escaped_as_little_as_may_be() {
        let value = json!({"\u{20ac}": "Euro", "\r": "CR", "\u{1f600}": 1, "\u{fb33}": 2, "1": ["\u{7}", "/", "é"], "a": {"c": null, "b": true}});
        let expected = "{\"\\r\":\"CR\",\"1\":[\"\\u0007\",\"/\",\"é\"],\"a\":{\"b\":true,\"c\":null},\"€\":\"Euro\",\"😀\":1,\"\u{fb33}\":2}";
        assert_eq!(text(&value), expected);
    }
}
