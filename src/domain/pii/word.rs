//! What operators say: of an endpoint's fields, and of what a client may ever be given.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::class::{Class, ClassSet};
use super::fields::Said;

/// Most bytes of what is said of one endpoint, as compact JSON.
pub const WORD_BYTES_MAX: usize = 32 * 1024;
/// Most bytes of all that operators have said of endpoints.
pub const CLASSIFIED_BYTES_MAX: usize = 1024 * 1024;
/// Most fields of one endpoint.
const FIELDS_MAX: usize = 256;
/// Most bytes of a field's path.
const PATH_BYTES_MAX: usize = 256;
/// Most bytes of a description.
const DESCRIPTION_BYTES_MAX: usize = 1024;

/// What is wrong with an operator's word.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {why}")]
pub struct WordFault {
    /// Where.
    pub at: String,
    /// Why.
    pub why: String,
}

/// What an operator says of one field.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldWord {
    /// Its class, and that of all below it of which the operator says nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// What an operator says of an endpoint. It replaces what operators said of it before; nothing in it takes that away.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Word {
    /// The class of the data as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// By dotted path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<SmolStr, FieldWord>,
}

/// A word in force, with the number of its entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Classified {
    /// Number of the entry.
    pub n: u64,
    /// What was said.
    pub word: Word,
}

/// The classes that a client may ever be given, by an operator's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowed {
    /// These.
    pub classes: ClassSet,
    /// Number of the entry.
    pub n: u64,
}

fn refuse<T>(at: impl Into<String>, why: impl Into<String>) -> Result<T, WordFault> {
    Err(WordFault { at: at.into(), why: why.into() })
}

impl Word {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.class.is_none() && self.description.is_none() && self.fields.is_empty()
    }

    /// Its size as compact JSON.
    pub fn bytes(&self) -> usize {
        serde_json::to_string(self).map_or(usize::MAX, |text| text.len())
    }

    /// That it can be kept.
    ///
    /// # Errors
    /// [`WordFault`]: the first place that is wrong.
    pub fn check(&self) -> Result<(), WordFault> {
        let text = |at: &str, text: &Option<String>| match text.as_ref().map(String::len) {
            Some(n) if n == 0 || n > DESCRIPTION_BYTES_MAX => {
                refuse(format!("{at}description"), format!("has {n} bytes, not 1 to {DESCRIPTION_BYTES_MAX}"))
            }
            _ => Ok(()),
        };
        text("", &self.description)?;
        if self.fields.len() > FIELDS_MAX {
            return refuse("fields", format!("has {} fields, more than {FIELDS_MAX}", self.fields.len()));
        }
        for (path, field) in &self.fields {
            let whole = path.len() <= PATH_BYTES_MAX && super::fields::segments(path).all(|part| !part.is_empty());
            if !whole {
                let path: String = path.chars().take(64).collect();
                return refuse("fields", format!("{path:?} is no dotted path of at most {PATH_BYTES_MAX} bytes"));
            }
            if field.class.is_none() && field.description.is_none() {
                return refuse(format!("fields.{path}"), "has neither a class nor a description");
            }
            text(&format!("fields.{path}."), &field.description)?;
        }
        match self.bytes() {
            n if n > WORD_BYTES_MAX => refuse("the body", format!("has {n} bytes, more than {WORD_BYTES_MAX}")),
            _ => Ok(()),
        }
    }

    /// The classes in it, by path.
    pub(super) fn said(&self) -> Said {
        let mut said = Said::whole(self.class);
        for (path, field) in &self.fields {
            if let Some(class) = field.class {
                said.say(path, class);
            }
        }
        said
    }
}
