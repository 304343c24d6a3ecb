//! Records as rows: a line of JSON, or the cells of a table.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::value::RawValue;

use super::piece::Piece;
use crate::domain::records::RecordSpan;

/// Columns that every table has unless it is told which, in this order: what is told of each record.
pub const USUAL: [&str; 9] = [
    "delivery",
    "number",
    "source",
    "authority",
    "receivedAt",
    "endpoint",
    "recordId",
    "sourceTimestamp",
    "sourceUniqueId",
];

/// One record as an object in one line, without the line's end: where it comes from, then the record's own fields byte
/// for byte. A record has none of the names that are put before it.
pub fn line(piece: &Piece, number: u32, whole: &str, out: &mut String) {
    let _ = write!(
        out,
        r#"{{"delivery":"{}","number":{number},"source":"{}","authority":"{}","receivedAt":"{}","#,
        piece.id, piece.source, piece.authority, piece.received
    );
    if let Some(pull) = piece.pull {
        let _ = write!(out, r#""pull":"{pull}","#);
    }
    let fields = whole.strip_prefix('{').unwrap_or(whole);
    if fields.bytes().any(|byte| matches!(byte, b'\n' | b'\r')) {
        // In JSON a line's end stands only between tokens: strings have it escaped.
        out.extend(fields.chars().map(|c| if matches!(c, '\n' | '\r') { ' ' } else { c }));
    } else {
        out.push_str(fields);
    }
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Column {
    /// Its heading.
    pub name: String,
    /// Where its values stand in a record's line: `endpoint`, `data.steps`.
    pub path: String,
}

impl std::str::FromStr for Column {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, path) = text.split_once('=').unwrap_or((text, text));
        if name.is_empty() || path.is_empty() || path.split('.').any(str::is_empty) {
            return Err("a column is written name=path or path, like steps=data.steps".into());
        }
        Ok(Column { name: name.to_owned(), path: path.to_owned() })
    }
}

/// Most columns that are found by themselves.
pub const COLUMNS_MAX: usize = 256;
/// Longest path of such a column, bytes: a heading that a person reads is far below, and a record may have a name of a MiB.
const PATH_BYTES_MAX: usize = 1024;

/// Adds the paths of a record's data that hold a single value or a list, to those that are known; no more once
/// [`COLUMNS_MAX`] are.
pub fn paths(data: &str, known: &mut Vec<String>) {
    gather(&mut "data".to_owned(), data, known);
}

fn gather(path: &mut String, text: &str, known: &mut Vec<String>) {
    if known.len() >= COLUMNS_MAX {
        return;
    }
    match members(text) {
        Some(members) if !members.is_empty() => {
            for (name, value) in members {
                if known.len() >= COLUMNS_MAX {
                    return;
                }
                let length = path.len();
                if length + 1 + name.len() > PATH_BYTES_MAX {
                    continue;
                }
                path.push('.');
                path.push_str(&name);
                gather(path, value.get(), known);
                path.truncate(length);
            }
        }
        _ if !known.contains(path) => known.push(path.clone()),
        _ => {}
    }
}

fn members(text: &str) -> Option<BTreeMap<Cow<'_, str>, &RawValue>> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    serde_json::from_str(text).ok()
}

/// What stands at a path below a value.
fn find<'a>(text: &'a str, path: &[&str]) -> Option<&'a str> {
    let Some((first, rest)) = path.split_first() else { return Some(text) };
    let members = members(text)?;
    // A name may have dots itself: the longest that fits is tried last, for it is rare.
    let here = members.get(*first).copied().and_then(|value| find(value.get(), rest));
    here.or_else(|| (2..=path.len()).find_map(|n| find(members.get(path[..n].join(".").as_str())?.get(), &path[n..])))
}

/// The cell of a column; empty where the record has nothing there.
pub fn cell(column: &Column, piece: &Piece, number: u32, text: &str, record: &RecordSpan) -> String {
    let view = record.view(text);
    let json = |field: Option<&str>| field.map(plain).unwrap_or_default();
    match column.path.as_str() {
        "delivery" => piece.id.to_string(),
        "number" => number.to_string(),
        "source" => piece.source.clone(),
        "authority" => piece.authority.clone(),
        "receivedAt" => piece.received.to_string(),
        "pull" => piece.pull.map(|pull| pull.to_string()).unwrap_or_default(),
        "endpoint" => view.endpoint.to_owned(),
        "recordId" => json(view.record_id),
        "sourceTimestamp" => json(view.source_timestamp),
        "sourceUniqueId" => json(view.source_unique_id),
        "links" => json(view.links),
        path => {
            let parts: Vec<&str> = path.split('.').collect();
            match parts.split_first() {
                Some((&"data", rest)) => json(find(view.data, rest)),
                _ => String::new(),
            }
        }
    }
}

/// Whether a column's path can be in any record.
pub fn is_path(path: &str) -> bool {
    matches!(path, "pull" | "links" | "data") || USUAL.contains(&path) || path.starts_with("data.")
}

/// A value as text: strings without their quotes, `null` as nothing, objects and lists as JSON.
pub fn plain(json: &str) -> String {
    if json.starts_with('"') {
        return serde_json::from_str(json).unwrap_or_default();
    }
    if json == "null" { String::new() } else { json.to_owned() }
}

#[cfg(test)]
pub(super) mod tests {
    use bytes::Bytes;
    use uuid::Uuid;

    use super::*;
    use crate::domain::{Digest, MessageId, Records, Timestamp};

    pub fn piece(n: u128) -> Piece {
        Piece {
            id: Uuid::from_u128(n),
            source: "hat:bob.hubat.net".into(),
            authority: "debit:acme.steps".into(),
            pull: None,
            received: Timestamp(0),
            deadline: Timestamp(3_600_000_000_000),
            receipt_to: "dex.v1.in.hat.bob.receipt".into(),
            receipt: MessageId(Uuid::from_u128(n + 1000)),
            doubted: false,
            digest: Digest([0; 32]),
            count: 1,
        }
    }

    #[test]
    fn a_line_is_one_line_and_holds_the_record_byte_for_byte() {
        let whole = "{\n \"endpoint\": \"a/b\",\r\n \"data\": {\"x\": 1e400, \"t\": \"a\\nb\"}}";
        let mut out = String::new();
        line(&piece(1), 3, whole, &mut out);
        assert!(!out.contains(['\n', '\r']), "{out}");
        assert!(out.ends_with(r#""data": {"x": 1e400, "t": "a\nb"}}"#), "{out}");
        let members = members(&out).expect("an object");
        assert_eq!(members["number"].get(), "3");
        assert_eq!(members["endpoint"].get(), r#""a/b""#);
    }

    #[test]
    fn cells_are_found_by_their_paths() {
        let body = r#"[{"endpoint":"a/b","recordId":"r","data":{"s":{"t":"x\"y,\n"},"a.b":[1, 2],"n":null,"big":12345678901234567890123}}]"#;
        let records = Records::parse(Bytes::from(body), 10).expect("records");
        let cell = |path: &str| {
            let column: Column = path.parse().expect("a column");
            super::cell(&column, &piece(1), 0, records.text(), &records.items[0])
        };
        assert_eq!(cell("t=data.s.t"), "x\"y,\n");
        assert_eq!(cell("data.s"), r#"{"t":"x\"y,\n"}"#);
        assert_eq!(cell("data.a.b"), "[1, 2]");
        assert_eq!(cell("data.n"), "");
        assert_eq!(cell("data.none.at.all"), "");
        assert_eq!(cell("data.big"), "12345678901234567890123");
        assert_eq!((cell("recordId"), cell("endpoint"), cell("number")), ("r".into(), "a/b".into(), "0".into()));
        let mut known = vec!["data.n".to_owned()];
        paths(records.items[0].view(records.text()).data, &mut known);
        assert_eq!(known, ["data.n", "data.a.b", "data.big", "data.s.t"]);
        // Hostile shapes: more names than columns, wide or deep, and names without end.
        let wide: Vec<String> = (0..10_000).map(|n| format!(r#""n{n}":{{"a":1,"b":2}}"#)).collect();
        let wide = format!("{{{}}}", wide.join(","));
        let mut known = vec!["number".to_owned()];
        for _ in 0..3 {
            paths(&wide, &mut known);
            assert_eq!(known.len(), COLUMNS_MAX);
        }
        let deep = format!("{}1{}", r#"{"deep":"#.repeat(90), "}".repeat(90));
        let long = format!(r#"{{"{}":1,"short":{{"{0}":2,"x":3}}}}"#, "y".repeat(5000));
        let mut known = Vec::new();
        paths(&deep, &mut known);
        paths(&long, &mut known);
        assert_eq!(known, [format!("data{}", ".deep".repeat(90)), "data.short.x".to_owned()]);
        assert!("=x".parse::<Column>().is_err() && "a=b..c".parse::<Column>().is_err());
        assert!(is_path("data.x") && is_path("number") && !is_path("steps"));
    }
}
