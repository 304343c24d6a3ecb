//! `catalogue.show`: of what class the fields of an endpoint are, and who says so.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use smol_str::SmolStr;

use crate::actors::shared::Shared;
use crate::domain::RegistryView as _;

use super::ask::{Answer, question};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    endpoint: String,
}

/// `{endpoint, class, description?, fields: [{path, class, description?}], basis: [{entity, n}]}`: `class` is that of
/// all of which nothing else is said.
pub fn show(shared: &Shared, body: &[u8]) -> Answer {
    let Question { endpoint } = question(body)?;
    let catalogue = shared.registry.catalogue();
    let known = catalogue.of(&endpoint);
    let word = catalogue.word(&endpoint);
    let mut paths: BTreeMap<&SmolStr, Option<&String>> = BTreeMap::new();
    for (_, _, of) in catalogue.manifests(&endpoint) {
        paths.extend(of.fields.keys().map(|path| (path, None)));
    }
    for (path, field) in word.into_iter().flat_map(|word| &word.fields) {
        paths.insert(path, field.description.as_ref());
    }
    let fields: Vec<Value> = paths
        .into_iter()
        .map(|(path, description)| {
            let mut field = json!({ "path": path, "class": known.fields.at(path).class });
            if let Some(description) = description {
                field["description"] = json!(description);
            }
            field
        })
        .collect();
    let mut answer = json!({ "endpoint": endpoint, "class": known.fields.class, "fields": fields });
    answer["basis"] = json!(known.basis);
    let manifests = catalogue.manifests(&endpoint).find_map(|(_, _, of)| of.description.as_ref());
    if let Some(description) = word.and_then(|word| word.description.as_ref()).or(manifests) {
        answer["description"] = json!(description);
    }
    Ok(answer)
}
