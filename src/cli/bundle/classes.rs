//! Which fields of records a debit's classes leave out.

use std::collections::BTreeSet;
use std::sync::Arc;

use clap::Args;
use serde_json::Value;

use super::BYTES_MAX;
use crate::cli::fail::Failure;
use crate::cli::parse;
use crate::cli::paths::walk;
use crate::cli::plug::manifest_text;
use crate::domain::bundle::{Bundle, Program};
use crate::domain::event::DebitTerms;
use crate::domain::pii::{Catalogue, ClassSet, Dropped, Gate, Mask};
use crate::domain::plug::Manifest;
use crate::domain::{Address, Id, Kind, Profile, Records, Registration};

/// What is granted, and what is known of the fields.
#[derive(Debug, Args)]
pub struct Known {
    /// Also tell which fields would be left out when these classes of personal data are granted
    #[arg(long, value_name = "CLASS,…", value_parser = parse::classes)]
    classes: Option<ClassSet>,
    /// The manifest of the plug that writes the records, which says their classes: @FILE, - for stdin, or the text itself;
    /// without it every field counts as direct
    #[arg(long, value_name = "BODY", requires = "namespace")]
    manifest: Option<String>,
    /// The namespace that the plug writes
    #[arg(long, value_name = "NAMESPACE", requires = "manifest")]
    namespace: Option<String>,
}

/// What is left out of one record.
pub struct LeftOut {
    /// Its place, from 0.
    pub record: usize,
    /// Paths of the fields, as they would be delivered.
    pub fields: Vec<String>,
    /// How many, by class.
    pub dropped: Dropped,
}

impl Known {
    fn catalogue(&self) -> Result<Catalogue, Failure> {
        let mut catalogue = Catalogue::default();
        if let (Some(manifest), Some(namespace)) = (&self.manifest, &self.namespace) {
            let manifest = manifest_text::value(&parse::body(manifest)?)?;
            let manifest =
                Manifest::read(&manifest).map_err(|fault| Failure::Finding(format!("refused at {fault}")))?;
            let (name, namespace) = ("plug".into(), namespace.as_str().into());
            let profile = Some(Profile::Plug { name, namespace, manifest: Some(Arc::new(manifest)) });
            catalogue.learn(&address(Kind::Plug), &Registration { profile, ..Registration::default() });
        }
        Ok(catalogue)
    }

    /// What is left out of each record of which something is.
    pub fn left_out(&self, bundle: &Bundle, records: &Records) -> Result<Vec<LeftOut>, Failure> {
        if self.classes.is_none() && self.manifest.is_none() {
            return Ok(Vec::new());
        }
        let mut terms = DebitTerms::new(address(Kind::Org), "to try it", bundle.clone(), 1);
        terms.classes = self.classes;
        let gate = Gate::new(&terms, ClassSet::ALL, &self.catalogue()?);
        let program = Program::compile(bundle);
        let (hat, client) = (address(Kind::Hat), address(Kind::Org));
        let mask = Mask { key: &[0; 32], hat: &hat, client: &client };
        let mut all = Vec::new();
        for (place, item) in records.items.iter().enumerate() {
            let whole = item.whole.of(records.text()).to_owned();
            let one = Records::parse(whole.into(), 1).map_err(|error| Failure::Usage(error.to_string()))?;
            let taken = program.take(&one, BYTES_MAX).map_err(super::too_large)?;
            let before = taken.as_ref().map_or_else(BTreeSet::new, |taken| paths(&taken.body));
            let passed = gate.pass(taken, BYTES_MAX, &mask).map_err(super::too_large)?;
            if passed.dropped.is_empty() {
                continue;
            }
            let after = passed.taken.map_or_else(BTreeSet::new, |taken| paths(&taken.body));
            let fields = before.difference(&after).cloned().collect();
            all.push(LeftOut { record: place, fields, dropped: passed.dropped });
        }
        Ok(all)
    }
}

fn address(kind: Kind) -> Address {
    Address::new(kind, Id::new("some").expect("letters"))
}

/// The paths of all single values in the data of records.
fn paths(body: &[u8]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let records: Value = serde_json::from_slice(body).unwrap_or_default();
    let list = match &records {
        Value::Array(list) => list.iter().collect(),
        one => vec![one],
    };
    list.into_iter().for_each(|record| walk(&record["data"], "", &mut found));
    found
}
