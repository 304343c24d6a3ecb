//! Values of arguments: durations, instants, keys, actions, bodies.

use std::io::Read;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;

use crate::domain::Key;
use crate::domain::pii::{Class, ClassSet};
use crate::domain::{Pin, Transport};

use super::fail::Failure;

/// Longest body that is read, bytes: more than any body the exchange takes.
const BODY_BYTES_MAX: u64 = 16 << 20;

/// Reads a span of time: a number and one of `ms`, `s`, `m`, `h`, `d`; seconds when there is no unit.
///
/// # Errors
/// A sentence that says how to write it.
pub fn span(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: Option<u64> = text[..digits].parse().ok();
    let millis = match &text[digits..] {
        "ms" => Some(1),
        "" | "s" => Some(1000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    };
    number
        .zip(millis)
        .and_then(|(number, millis): (u64, u64)| number.checked_mul(millis))
        .map(Duration::from_millis)
        .ok_or_else(|| "a span is a number and a unit, like 500ms, 15s, 10m, 2h or 30d".to_owned())
}

/// Reads a span that has whole seconds and at least one.
///
/// # Errors
/// A sentence that says how to write it.
pub fn seconds(text: &str) -> Result<u32, String> {
    let span = span(text)?;
    match u32::try_from(span.as_secs()) {
        Ok(seconds @ 1..) if span.subsec_millis() == 0 => Ok(seconds),
        _ => Err("at least one whole second, at most 136 years".to_owned()),
    }
}

/// A public key: written out, or that of the seed in a file.
#[derive(Debug, Clone, Copy)]
pub struct PublicKey(pub Key);

impl FromStr for PublicKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse::<Key>() {
            Ok(key) => Ok(PublicKey(key)),
            Err(error) if !Path::new(text).exists() => Err(format!("neither a key nor a file: {error}")),
            Err(_) => crate::client::keys::load(Path::new(text))
                .map(|signer| PublicKey(signer.public()))
                .map_err(|error| error.to_string()),
        }
    }
}

/// An RSA public key in PEM, from a file.
#[derive(Debug, Clone)]
pub struct PinFile(pub Pin);

impl FromStr for PinFile {
    type Err = String;

    fn from_str(path: &str) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("the file {path}: {error}"))?;
        Pin::parse(&text).map(PinFile).map_err(|error| format!("the file {path}: {error}"))
    }
}

/// How a HAT is spoken to: `nats` or `http`.
///
/// # Errors
/// A sentence that names both.
pub fn transport(text: &str) -> Result<Transport, String> {
    match text {
        "nats" => Ok(Transport::Nats),
        "http" => Ok(Transport::Http),
        _ => Err(format!("{text:?} is neither nats nor http")),
    }
}

/// Classes of personal data between commas.
///
/// # Errors
/// A sentence that names them.
pub fn classes(text: &str) -> Result<ClassSet, String> {
    let class = |word: &str| {
        let found = Class::ALL.into_iter().find(|class| class.as_str() == word.trim());
        found.ok_or_else(|| format!("{word:?} is none of none, quasi, direct, special"))
    };
    Ok(ClassSet::of(text.split(',').map(class).collect::<Result<Vec<_>, _>>()?))
}

/// An action with its object, `credit.facebook` or `data`: the verb ends at the first dot, for ids may
/// hold dots themselves.
#[derive(Debug, Clone)]
pub struct ActionArg {
    /// The first token.
    pub verb: String,
    /// What follows the first dot.
    pub object: Option<String>,
}

impl ActionArg {
    /// As the tokens of a subject, unescaped.
    pub fn tokens(&self) -> Vec<&str> {
        std::iter::once(self.verb.as_str()).chain(self.object.as_deref()).collect()
    }
}

impl FromStr for ActionArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_');
        let (verb, object) = match text.split_once('.') {
            Some((verb, object)) => (verb, Some(object.to_owned())),
            None => (text, None),
        };
        if verb.is_empty() || object.as_deref() == Some("") || !text.bytes().all(allowed) {
            return Err("an action is written verb or verb.object, like data or credit.facebook".into());
        }
        Ok(ActionArg { verb: verb.to_owned(), object })
    }
}

/// A body: `@FILE`, `-` for stdin, or the text itself.
///
/// # Errors
/// [`Failure::Usage`] when the file or stdin cannot be read or is far too large.
pub fn body(argument: &str) -> Result<Bytes, Failure> {
    let read = |what: &str, source: &mut dyn Read| {
        let mut bytes = Vec::new();
        source
            .take(BODY_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| Failure::Usage(format!("--body: {what} cannot be read: {error}")))?;
        if bytes.len() as u64 > BODY_BYTES_MAX {
            return Err(Failure::Usage(format!(
                "--body: {what} has more than {BODY_BYTES_MAX} bytes; the exchange takes 512 KiB"
            )));
        }
        Ok(Bytes::from(bytes))
    };
    if argument == "-" {
        return read("stdin", &mut std::io::stdin().lock());
    }
    match argument.strip_prefix('@') {
        Some(path) => {
            let mut file = std::fs::File::open(path)
                .map_err(|error| Failure::Usage(format!("--body: {path} cannot be opened: {error}")))?;
            read(path, &mut file)
        }
        None => Ok(Bytes::copy_from_slice(argument.as_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_need_a_known_unit() {
        assert_eq!(span("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(span("15"), Ok(Duration::from_secs(15)));
        assert_eq!(span("2h"), Ok(Duration::from_secs(7200)));
        assert_eq!(seconds("30d"), Ok(2_592_000));
        for bad in ["", "s", "1w", "-1s", "1.5s", "99999999999999999999d"] {
            assert!(span(bad).is_err(), "{bad}");
        }
        for bad in ["0", "1500ms", "5000000000"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_action_keeps_the_dots_of_its_object() {
        let action: ActionArg = "release.acme.steps".parse().expect("an action");
        assert_eq!(action.tokens(), ["release", "acme.steps"]);
        let action: ActionArg = "data".parse().expect("an action");
        assert_eq!(action.tokens(), ["data"]);
        for bad in ["", ".x", "x.", "Credit.x", "a b", "a.*"] {
            assert!(bad.parse::<ActionArg>().is_err(), "{bad}");
        }
    }
}
