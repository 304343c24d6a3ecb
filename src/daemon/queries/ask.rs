//! Reading a question, and the ways an answer can fail.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::domain::Reason;
use crate::store::StoreError;
use crate::wire::Problem;

/// What a query leads to.
pub type Answer = Result<Value, Problem>;

/// Longest question, bytes.
const QUESTION_BYTES_MAX: usize = 4096;

/// Reads a question. No body is an empty object; unknown fields are refused.
///
/// # Errors
/// A `malformed` or `too-large` problem that says what is wrong.
pub fn question<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    question_within(body, QUESTION_BYTES_MAX)
}

/// The same for a question that may be longer.
///
/// # Errors
/// As [`question`].
pub fn question_within<T: DeserializeOwned>(body: &[u8], most: usize) -> Result<T, Problem> {
    if body.len() > most {
        let detail = format!("a query has at most {most} bytes, this one has {}", body.len());
        return Err(Problem::new(Reason::TooLarge, detail, None));
    }
    let body = if body.is_empty() { b"{}" } else { body };
    // The reader would take the fields as a list, too.
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(malformed("the query is not a JSON object".to_owned()));
    }
    serde_json::from_slice(body).map_err(|error| malformed(format!("the query: {error}")))
}

/// A question that makes no sense.
pub fn malformed(detail: String) -> Problem {
    Problem::new(Reason::Malformed, detail, None)
}

/// What is asked about is not there.
pub fn not_found(detail: String) -> Problem {
    Problem::new(Reason::NotFound, detail, None)
}

/// Committed state cannot be read: logged here, told to the caller without its inside.
pub fn unreadable(error: &StoreError) -> Problem {
    tracing::error!(%error, "a query cannot read committed state");
    Problem::new(Reason::Internal, "committed state cannot be read; the daemon's log says why".to_owned(), None)
}

/// An entry that was asked for and cannot be read: said in the log, and to health, where it was tried.
pub fn unreadable_entry() -> Problem {
    let detail = "an entry of this id cannot be read from the ledger: run `dex ledger check`".to_owned();
    Problem::new(Reason::Internal, detail, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}

    #[test]
    fn questions_are_read_strictly() {
        assert!(question::<Nothing>(b"").is_ok());
        assert!(question::<Nothing>(b"{}").is_ok());
        assert!(question::<Nothing>(b" \n{ }").is_ok());
        for no_object in [&b"[]"[..], b"null", b"1", b" "] {
            assert_eq!(question::<Nothing>(no_object).expect_err("no object").reason, Reason::Malformed);
        }
        let problem = question::<Nothing>(br#"{"x":1}"#).expect_err("unknown field");
        assert_eq!(problem.reason, Reason::Malformed);
        let problem = question::<Nothing>(&[b' '; 5000]).expect_err("long");
        assert_eq!(problem.reason, Reason::TooLarge);
    }
}
