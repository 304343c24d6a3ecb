//! Filters: a field, what is made of it, and what must hold of that.

use serde::Serialize;
use serde_json::Value;
use smol_str::SmolStr;

use super::time_part::Part;

/// What is made of a field before it is compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "transformation", rename_all = "camelCase")]
pub enum Transformation {
    /// Nothing.
    Identity,
    /// A part of an ISO 8601 time, in UTC.
    DatetimeExtract {
        /// Which part.
        part: Part,
    },
    /// A part of a time in seconds since 1970, in UTC.
    TimestampExtract {
        /// Which part.
        part: Part,
    },
    /// Its words.
    Searchable,
}

/// What must hold of a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "operator", rename_all = "camelCase")]
pub enum Operator {
    /// The value contains the field: one of a list.
    In {
        /// Any JSON.
        value: Value,
    },
    /// The field contains the value.
    Contains {
        /// Any JSON.
        value: Value,
    },
    /// `lower ≤ field ≤ upper`.
    Between {
        /// Any JSON.
        lower: Value,
        /// Any JSON.
        upper: Value,
    },
    /// All words of the search are among the field's words. Only with [`Transformation::Searchable`].
    Find {
        /// Words.
        search: SmolStr,
    },
}

/// One condition on a record. A field that is not there meets none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Filter {
    /// Dotted path into the data; a step of digits is an index where there is an array.
    pub field: SmolStr,
    /// Nothing is made of the field when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transformation: Option<Transformation>,
    /// What must hold.
    pub operator: Operator,
}
