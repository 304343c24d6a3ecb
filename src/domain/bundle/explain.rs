//! Tells what a bundle does with each record, and which filter dropped it.

use serde::Serialize;
use smol_str::SmolStr;

use super::program::{Found, Kept, Program};
use crate::domain::records::Records;

/// What becomes of a record by one query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "fate")]
pub enum Fate {
    /// It is taken.
    Taken,
    /// A filter does not hold.
    Filtered {
        /// Its place among the query's filters, from 0.
        filter: usize,
        /// The field that it looks at.
        field: SmolStr,
        /// Whether the field is there.
        present: bool,
    },
    /// Its data holds text that can't be read.
    Unreadable,
}

/// One query's verdict on one record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// Place of the record, from 0.
    pub record: usize,
    /// Its endpoint.
    pub endpoint: SmolStr,
    /// The property that asks for its endpoint.
    pub property: SmolStr,
    /// The query's place among the property's, from 0.
    pub query: usize,
    /// What becomes of it.
    #[serde(flatten)]
    pub fate: Fate,
}

impl Program {
    /// What each query that asks for its endpoint does with each record. A record that none asks for has no verdict.
    pub fn explain(&self, records: &Records) -> Vec<Explained> {
        let text = records.text();
        let mut out = Vec::new();
        for (place, item) in records.items.iter().enumerate() {
            for route in self.of_endpoint(&item.endpoint) {
                let mut found = Found::new();
                let fate = match route.look(item.data.of(text), &mut found) {
                    Kept::Yes => Fate::Taken,
                    Kept::Unreadable => Fate::Unreadable,
                    Kept::No(filter) => {
                        let tested = &route.filters[filter];
                        let present = tested.value(&found).is_some();
                        Fate::Filtered { filter, field: tested.field.clone(), present }
                    }
                };
                let property = self.plans[route.property].name.clone();
                out.push(Explained {
                    record: place,
                    endpoint: item.endpoint.clone(),
                    property,
                    query: route.query,
                    fate,
                });
            }
        }
        out
    }
}
