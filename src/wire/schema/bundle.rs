//! The schema of a bundle: which data is asked for, as [`crate::domain::bundle`] reads it.

use serde_json::{Value, json};

use super::shape::{object, text};
use crate::domain::bundle::{FILTERS_MAX, LIMIT_MAX, PARTS_MAX, PATH_BYTES_MAX, Part};

/// A whole bundle.
pub(super) fn bundle() -> Value {
    let mut endpoint = query();
    endpoint["properties"]["links"] = queries(query(), 0);
    let property = object(
        &["endpoints"],
        json!({
            "endpoints": queries(endpoint, 1),
            "orderBy": path(),
            "ordering": {"enum": ["ascending", "descending"]},
            "limit": {"type": "integer", "minimum": 0, "maximum": LIMIT_MAX},
        }),
    );
    object(
        &["name", "bundle"],
        json!({
            "name": {"type": "string", "pattern": "^[0-9a-zA-Z-]{1,64}$"},
            "bundle": {"type": "object", "minProperties": 1, "maxProperties": PARTS_MAX, "additionalProperties": property},
        }),
    )
}

fn queries(one: Value, least: usize) -> Value {
    json!({"type": "array", "minItems": least, "maxItems": PARTS_MAX, "items": one})
}

fn path() -> Value {
    text(PATH_BYTES_MAX)
}

/// One endpoint query; a linked one has no links of its own.
fn query() -> Value {
    let target = json!({"type": ["string", "object"], "description": "a path, or {source, mappings}"});
    object(
        &["endpoint"],
        json!({
            "endpoint": text(256),
            "mapping": {"type": "object", "additionalProperties": target},
            "filters": {"type": "array", "maxItems": FILTERS_MAX, "items": filter()},
        }),
    )
}

fn filter() -> Value {
    let parts: Vec<&str> = Part::ALL.iter().map(|part| part.name()).collect();
    let transformation = object(
        &["transformation"],
        json!({
            "transformation": {"enum": ["identity", "datetimeExtract", "timestampExtract", "searchable"]},
            "part": {"enum": parts},
        }),
    );
    let operator = object(
        &["operator"],
        json!({
            "operator": {"enum": ["in", "contains", "between", "find"]},
            "value": {"description": "of in and contains"},
            "lower": {"description": "of between"},
            "upper": {"description": "of between"},
            "search": {"type": "string", "description": "of find"},
        }),
    );
    object(&["field", "operator"], json!({"field": path(), "transformation": transformation, "operator": operator}))
}
