//! Bodies in which operators speak of classes of personal data.

use std::collections::BTreeMap;

use serde::Deserialize;
use smol_str::SmolStr;

use crate::domain::Action;
use crate::domain::pii::{Class, ClassSet, FieldWord, Word};
use crate::domain::records::is_endpoint;

/// Of what class the fields of an endpoint are.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Classify {
    endpoint: SmolStr,
    class: Option<Class>,
    description: Option<String>,
    #[serde(default)]
    fields: BTreeMap<SmolStr, FieldWord>,
}

impl Classify {
    pub fn action(self) -> Action {
        let Classify { endpoint, class, description, fields } = self;
        Action::Classify { endpoint, word: Box::new(Word { class, description, fields }) }
    }
}

/// What a client may ever be given.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Allow {
    pub classes: Option<ClassSet>,
}

/// Checks what is said of an endpoint.
///
/// # Errors
/// A sentence naming the field.
pub(super) fn check(endpoint: &str, word: &Word) -> Result<(), String> {
    if !is_endpoint(endpoint) {
        return Err("endpoint is no namespace/path of 0-9, a-z, '-' and '/'".to_owned());
    }
    word.check().map_err(|fault| fault.to_string())
}
