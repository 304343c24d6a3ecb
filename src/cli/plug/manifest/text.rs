//! A manifest's text: JSON, or TOML where it has comments. Both say the same; JSON is what is sent.

use serde_json::Value;

use crate::cli::fail::Failure;
use crate::cli::parse;

/// Reads a manifest of either form: what begins with a brace is JSON.
///
/// # Errors
/// [`Failure::Usage`] with the place that cannot be read.
pub fn value(bytes: &[u8]) -> Result<Value, Failure> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.trim_ascii_start().first().is_some_and(|byte| matches!(byte, b'{' | b'[')) && !is_table(bytes) {
        return serde_json::from_slice(bytes)
            .map_err(|error| Failure::Usage(format!("the manifest is no JSON: {error}")));
    }
    let text =
        std::str::from_utf8(bytes).map_err(|error| Failure::Usage(format!("the manifest is no text: {error}")))?;
    toml::from_str(text).map_err(|error| Failure::Usage(format!("the manifest is neither JSON nor TOML:\n{error}")))
}

/// Whether a text that begins with `[` begins with the name of a TOML table.
fn is_table(bytes: &[u8]) -> bool {
    let Some(rest) = bytes.trim_ascii_start().strip_prefix(b"[") else { return false };
    rest.first().is_some_and(|byte| *byte == b'[' || byte.is_ascii_alphabetic())
}

/// Reads a manifest's file; `-` is stdin.
///
/// # Errors
/// As [`value`], or when the file cannot be read.
pub fn file(path: &str) -> Result<Value, Failure> {
    let argument = if path == "-" { "-".to_owned() } else { format!("@{path}") };
    value(&parse::body(&argument)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_say_the_same() {
        let toml = value(b"# why\ndescription = \"x\"\n[[endpoints]]\nname = \"a\"\nfields = { \"b.c\" = \"none\" }\n");
        let json = value(br#" {"description": "x", "endpoints": [{"name": "a", "fields": {"b.c": "none"}}]}"#);
        assert_eq!(toml.expect("TOML"), json.expect("JSON"));
        assert!(value(b"[[endpoints]]\nname = \"a\"\n").expect("TOML")["endpoints"].is_array());
        for bad in [&b"{\"a\": "[..], b"{a}", b"a = ", b"\xff", b"[1, 2"] {
            value(bad).expect_err("no manifest");
        }
    }
}
