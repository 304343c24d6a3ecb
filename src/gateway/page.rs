//! Lists by pages: an opaque cursor in, the next one out.

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::endpoint::Endpoint;
use super::fault::Fault;
use super::link::Link;
use crate::domain::Id;

/// Most items of a page.
pub const LIMIT_MAX: usize = 200;
/// Items of a page when nothing is said.
const LIMIT: usize = 50;
/// Most pages of a list that are looked through for what one caller may see: a HAT has at most 2,000 debits.
const ROUNDS_MAX: usize = 16;
/// How a cursor begins before it is encoded: its form may change, callers keep it as it is.
const FORM: &str = "1:";

/// What a list is asked with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)] // described in the document, once
pub struct Page {
    pub cursor: Option<String>,
    pub limit: Option<usize>,
}

/// Describes the parameters and the answer of a list.
#[must_use]
pub fn described(endpoint: Endpoint) -> Endpoint {
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT });
    endpoint
        .query("cursor", false, "The next of the page before", json!({ "type": "string", "maxLength": 256 }))
        .query("limit", false, "Most items of this page", limit)
        .answer(
            200,
            "A page; next is the cursor of the one after it, and is absent on the last",
            json!({
                "type": "object", "required": ["items"],
                "properties": {
                    "items": { "type": "array", "items": { "type": "object" } }, "next": { "type": "string" },
                },
            }),
        )
}

/// The cursor that goes on after an id.
pub fn cursor(after: &str) -> String {
    BASE64URL_NOPAD.encode(format!("{FORM}{after}").as_bytes())
}

fn after(cursor: &str) -> Result<Id, Fault> {
    let bad = || Fault::malformed("cursor: it is none that a page of this list has given");
    let bytes = BASE64URL_NOPAD.decode(cursor.as_bytes()).map_err(|_| bad())?;
    let text = std::str::from_utf8(&bytes).ok().and_then(|text| text.strip_prefix(FORM)).ok_or_else(bad)?;
    Id::new(text).map_err(|_| bad())
}

impl Page {
    /// Asks a query for this page.
    ///
    /// # Errors
    /// 400 when cursor or limit make no sense; as [`Link::ask`].
    pub async fn ask(&self, link: &Link, call: &str, mut question: Value) -> Result<Value, Fault> {
        let limit = self.limit.unwrap_or(LIMIT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Fault::malformed(format!("limit: it is 1 to {LIMIT_MAX}")));
        }
        question["limit"] = json!(limit);
        if let Some(cursor) = &self.cursor {
            question["after"] = json!(after(cursor)?);
        }
        let mut answer = link.ask(call, &question).await?;
        let mut page = json!({ "items": answer["items"].take() });
        if let Some(next) = answer["next"].as_str() {
            page["next"] = json!(cursor(next));
        }
        Ok(page)
    }
}

impl Page {
    /// Asks a query for the items of this page that the caller may see. The cursor is the id of one of them: it tells
    /// nothing of the others. Of the list at most [`ROUNDS_MAX`] pages are looked through.
    ///
    /// # Errors
    /// As [`Page::ask`].
    pub async fn ask_seen(
        &self,
        link: &Link,
        call: &str,
        mut question: Value,
        id: &str,
        sees: impl Fn(&Value) -> bool,
    ) -> Result<Value, Fault> {
        let limit = self.limit.unwrap_or(LIMIT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Fault::malformed(format!("limit: it is 1 to {LIMIT_MAX}")));
        }
        question["limit"] = json!(LIMIT_MAX);
        if let Some(cursor) = &self.cursor {
            question["after"] = json!(after(cursor)?);
        }
        let mut seen: Vec<Value> = Vec::new();
        for _ in 0..ROUNDS_MAX {
            let mut answer = link.ask(call, &question).await?;
            let Value::Array(items) = answer["items"].take() else { break };
            seen.extend(items.into_iter().filter(&sees));
            match answer["next"].take() {
                next @ Value::String(_) if seen.len() <= limit => question["after"] = next,
                _ => break,
            }
        }
        let more = seen.len() > limit;
        seen.truncate(limit);
        let last = seen.last().and_then(|item| item[id].as_str()).filter(|_| more).map(cursor);
        let mut page = json!({ "items": seen });
        if let Some(last) = last {
            page["next"] = json!(last);
        }
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_read_back_and_nothing_else_is_one() {
        assert_eq!(after(&cursor("bob.hubat.net")).expect("a cursor").as_str(), "bob.hubat.net");
        for bad in ["", "x", "!!", "MTpC", &BASE64URL_NOPAD.encode(b"2:bob")] {
            assert!(after(bad).is_err(), "{bad}");
        }
    }
}
