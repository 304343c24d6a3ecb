//! Whether a record passes a filter.

use std::borrow::Cow;

use smol_str::SmolStr;

use super::super::filter::Transformation;
use super::super::json::{Json, Short};
use super::super::words;

/// Whether a record is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Kept {
    /// It is.
    Yes,
    /// The filter of this place does not hold.
    No(usize),
    /// Its data holds text that can't be read.
    Unreadable,
}

/// An operator with its values made ready.
#[derive(Debug)]
pub(in super::super) enum Test {
    In(Json<'static>),
    Contains(Json<'static>),
    /// With the bounds once more as short numbers, when both are.
    Between(Json<'static>, Json<'static>, Option<(Short, Short)>),
    Find(Vec<SmolStr>),
}

/// A filter made ready.
#[derive(Debug)]
pub(in super::super) struct Tested {
    pub field: SmolStr,
    pub slot: Option<usize>,
    pub transformation: Transformation,
    pub test: Test,
}

impl Test {
    /// The test for what lies between two values.
    pub fn between(lower: Json<'static>, upper: Json<'static>) -> Self {
        let short = |value: &Json<'_>| match value {
            Json::Number(text) => Short::of(text),
            _ => None,
        };
        let both = short(&lower).zip(short(&upper));
        Test::Between(lower, upper, both)
    }

    fn holds(&self, value: &Json<'_>) -> bool {
        match self {
            Test::In(set) => set.contains(value),
            Test::Contains(part) => value.contains(part),
            Test::Between(lower, upper, short) => {
                if let (Json::Number(text), Some((lower, upper))) = (value, short)
                    && let Some(value) = Short::of(text)
                {
                    return lower.compare(&value).is_le() && value.compare(upper).is_le();
                }
                lower.order(value).is_le() && value.order(upper).is_le()
            }
            Test::Find(wanted) => !matches!(value, Json::Null) && words::all_in(wanted, value),
        }
    }
}

impl Tested {
    /// The JSON text that the filter looks at, when it is there.
    pub fn value<'a>(&self, found: &[Option<&'a str>]) -> Option<&'a str> {
        found.get(self.slot?).copied().flatten()
    }

    /// Whether the filter holds. A field that is missing, or that nothing can be made of, never does: one bad record
    /// does not stand in the way of the others.
    pub fn passes(&self, found: &[Option<&str>]) -> bool {
        let Some(Ok(value)) = self.value(found).map(Json::read) else {
            return false;
        };
        let number = match (&self.transformation, &value) {
            (Transformation::Identity | Transformation::Searchable, _) => return self.test.holds(&value),
            (Transformation::DatetimeExtract { part }, Json::String(text)) => part.of_text(text),
            (Transformation::TimestampExtract { part }, Json::String(text) | Json::Number(text)) => {
                part.of_seconds(text)
            }
            _ => None,
        };
        number.is_some_and(|number| self.test.holds(&Json::Number(Cow::Owned(number))))
    }
}
