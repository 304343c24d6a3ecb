//! The class of every field that came: as the manifest says, else `direct`.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use crate::cli::paths;
use crate::connectors::SourceRecord;
use crate::domain::pii::Catalogue;
use crate::domain::plug::EndpointOf;
use crate::domain::{Address, Id, Kind, Profile, Registration};

use super::super::check::Checked;

/// Most paths that are told.
const PATHS_MAX: usize = 512;

/// A field's class.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct FieldClass {
    pub path: String,
    pub class: &'static str,
    /// Whether the manifest names it, or what it is in.
    pub said: bool,
}

/// The classes of the fields of records.
pub fn of(
    plug: &Id,
    namespace: &str,
    checked: &Checked,
    endpoint: &str,
    said: Option<&EndpointOf>,
    records: &[SourceRecord],
) -> Vec<FieldClass> {
    // By the catalogue that an exchange makes of the manifest, so that the two never differ.
    let mut catalogue = Catalogue::default();
    let manifest = Some(Arc::new(checked.manifest.clone()));
    let profile = Some(Profile::Plug { name: "plug".into(), namespace: namespace.into(), manifest });
    catalogue.learn(&Address::new(Kind::Plug, plug.clone()), &Registration { profile, ..Registration::default() });
    let classes = catalogue.of(endpoint);
    let mut all = BTreeSet::new();
    for record in records {
        paths::walk(&record.data, "", &mut all);
    }
    let named = |path: &str| {
        let plain = path.replace("[]", "");
        let within =
            |known: &str| plain == known || plain.strip_prefix(known).is_some_and(|rest| rest.starts_with('.'));
        said.is_some_and(|said| said.fields.keys().any(|known| within(known)))
    };
    let field = |path: String| {
        let class = classes.fields.at(&path).class.as_str();
        FieldClass { said: named(&path), class, path }
    };
    all.into_iter().take(PATHS_MAX).map(field).collect()
}
