//! JSON values as PostgreSQL's `jsonb` compares them: <https://www.postgresql.org/docs/15/datatype-json.html>.

mod contain;
mod number;
mod order;
mod read;
mod scan;

use std::borrow::Cow;

pub(super) use number::Short;
pub(super) use scan::Scan;

/// JSON that cannot be compared: a text with half a surrogate pair, or nested too deep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable;

/// A JSON value. Numbers keep their text: they are compared exactly, whatever their size.
#[derive(Debug, Clone)]
pub(super) enum Json<'a> {
    Null,
    String(Cow<'a, str>),
    Number(Cow<'a, str>),
    Bool(bool),
    Array(Vec<Json<'a>>),
    /// In `jsonb`'s own order, shorter keys first; of equal keys the last one given.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}
