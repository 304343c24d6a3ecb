//! Descriptions of the catalogue: what admins write beside namespaces, endpoints and fields. Kept beside the accounts; no
//! fact about a party, so not in the ledger.

use std::collections::BTreeMap;

use serde_json::Value;

use super::structure::{EndpointStructure, FieldStructure, NamespaceStructure};
use crate::gateway::Gateway;
use crate::gateway::accounts::AccountError;
use crate::gateway::fault::Fault;

/// Where they are among the notes.
const NOTES: &str = "description/";
/// Longest description, bytes.
const TEXT_MAX: usize = 2000;
/// Longest place (namespace, endpoint and field together), bytes.
const PLACE_MAX: usize = 512;
/// Most descriptions of one request.
const MOST: usize = 5000;
/// Deepest field.
const DEPTH_MAX: usize = 64;

type Told = Vec<(String, Option<Value>)>;

fn endpoint_place(namespace: &str, endpoint: &str) -> String {
    format!("{namespace}/{endpoint}")
}

/// An empty text takes a description away.
fn take(told: &mut Told, place: String, text: Option<&String>) -> Result<(), Fault> {
    let Some(text) = text else { return Ok(()) };
    if text.len() > TEXT_MAX || place.len() > PLACE_MAX || told.len() >= MOST {
        let detail = format!(
            "a description has at most {TEXT_MAX} bytes, its place at most {PLACE_MAX}, and there are at most {MOST} at once"
        );
        return Err(Fault::malformed(detail));
    }
    told.push((format!("{NOTES}{place}"), (!text.is_empty()).then(|| Value::String(text.clone()))));
    Ok(())
}

fn take_fields(told: &mut Told, place: &str, fields: &[FieldStructure], depth: usize) -> Result<(), Fault> {
    if depth > DEPTH_MAX {
        return Err(Fault::malformed(format!("fields are at most {DEPTH_MAX} deep")));
    }
    for field in fields {
        let own = format!("{place}.{}", field.name);
        take(told, own.clone(), field.description.as_ref())?;
        take_fields(told, &own, field.fields.as_deref().unwrap_or_default(), depth + 1)?;
    }
    Ok(())
}

/// The descriptions in a structure, by place.
///
/// # Errors
/// 400 when there are too many or one is too long.
pub fn of(structure: &[NamespaceStructure]) -> Result<Told, Fault> {
    let mut told = Vec::new();
    for namespace in structure {
        take(&mut told, namespace.namespace.clone(), namespace.description.as_ref())?;
        for endpoint in &namespace.endpoints {
            let place = endpoint_place(&namespace.namespace, &endpoint.endpoint);
            take(&mut told, place.clone(), endpoint.description.as_ref())?;
            take_fields(&mut told, &place, &endpoint.fields, 0)?;
        }
    }
    Ok(told)
}

fn text(kept: &BTreeMap<String, Value>, place: &str) -> Option<String> {
    kept.get(place).and_then(Value::as_str).map(str::to_owned)
}

fn put_fields(kept: &BTreeMap<String, Value>, place: &str, fields: &mut [FieldStructure]) {
    for field in fields {
        let own = format!("{place}.{}", field.name);
        field.description = text(kept, &own);
        put_fields(kept, &own, field.fields.as_deref_mut().unwrap_or_default());
    }
}

fn put_endpoint(kept: &BTreeMap<String, Value>, namespace: &str, endpoint: &mut EndpointStructure) {
    let place = endpoint_place(namespace, &endpoint.endpoint);
    endpoint.description = text(kept, &place);
    put_fields(kept, &place, &mut endpoint.fields);
}

impl Gateway {
    /// Puts what is kept into a structure. What is not in the structure is not told: it may be of too few HATs.
    pub fn described(&self, mut structure: Vec<NamespaceStructure>) -> Vec<NamespaceStructure> {
        let kept = self.accounts.notes(NOTES);
        for namespace in &mut structure {
            namespace.description = text(&kept, &namespace.namespace);
            let name = namespace.namespace.clone();
            namespace.endpoints.iter_mut().for_each(|endpoint| put_endpoint(&kept, &name, endpoint));
        }
        structure
    }

    /// Keeps descriptions.
    ///
    /// # Errors
    /// [`AccountError`] when there are too many or they cannot be written.
    pub fn describe(&self, told: Told) -> Result<(), AccountError> {
        self.accounts.take_notes(told)
    }
}
