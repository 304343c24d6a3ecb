//! What is said of the fields of all endpoints: by the manifests of approved plugs, and by operators.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use smol_str::SmolStr;

use super::fields::{Fields, Said};
use super::word::{Classified, Word};
use crate::domain::entry::Basis;
use crate::domain::id::{Address, Id, Kind};
use crate::domain::plug::Manifest;
use crate::domain::registration::{Profile, Registration};

/// A plug's manifest as it was approved.
#[derive(Debug, Clone, PartialEq)]
struct Approved {
    namespace: SmolStr,
    manifest: Arc<Manifest>,
    /// Number of the plug's entry that approved it.
    n: u64,
}

/// Operators' words, and the party whose entries they are.
#[derive(Debug, Clone)]
struct Operators {
    exchange: Address,
    words: Arc<BTreeMap<SmolStr, Classified>>,
}

/// The classes of all endpoints. A fold of registrations: the same parties give the same catalogue.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    version: u64,
    plugs: BTreeMap<Id, Approved>,
    namespaces: BTreeMap<SmolStr, BTreeSet<Id>>,
    operators: Option<Operators>,
}

/// What is known of one endpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointClasses {
    /// Each field's class.
    pub fields: Fields,
    /// The entries that say so: approvals of manifests, an operator's word. Empty when nobody has said anything.
    pub basis: Vec<Basis>,
}

impl Catalogue {
    /// Changes with what is known; counts from 0 at each start.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Takes in what a party's registration says of fields. True when that is new.
    ///
    /// The manifest of a plug that is suspended still counts: an operator has approved what it says, and the data that
    /// it wrote is on HATs.
    pub fn learn(&mut self, party: &Address, registration: &Registration) -> bool {
        let new = match party.kind {
            Kind::Plug => self.learn_plug(&party.id, registration),
            Kind::Dex => self.learn_operators(party, registration),
            _ => false,
        };
        self.version += u64::from(new);
        new
    }

    fn learn_plug(&mut self, id: &Id, registration: &Registration) -> bool {
        let approved = match &registration.profile {
            Some(Profile::Plug { namespace, manifest: Some(manifest), .. }) => Some(Approved {
                namespace: namespace.clone(),
                manifest: Arc::clone(manifest),
                n: registration.manifest_n(),
            }),
            _ => None,
        };
        let held = self.plugs.get(id);
        if held == approved.as_ref() {
            return false;
        }
        if let Some(held) = self.plugs.remove(id)
            && let Some(plugs) = self.namespaces.get_mut(&held.namespace)
        {
            plugs.remove(id);
        }
        if let Some(approved) = approved {
            self.namespaces.entry(approved.namespace.clone()).or_default().insert(id.clone());
            self.plugs.insert(id.clone(), approved);
        }
        true
    }

    fn learn_operators(&mut self, exchange: &Address, registration: &Registration) -> bool {
        let Some(words) = &registration.classified else { return false };
        if self.operators.as_ref().is_some_and(|held| held.exchange == *exchange && held.words == *words) {
            return false;
        }
        self.operators = Some(Operators { exchange: exchange.clone(), words: Arc::clone(words) });
        true
    }

    /// The operators' word on an endpoint.
    pub fn word(&self, endpoint: &str) -> Option<&Word> {
        Some(&self.operators.as_ref()?.words.get(endpoint)?.word)
    }

    /// The plugs that say something of an endpoint, each with what its manifest says of it.
    pub fn manifests<'a>(
        &'a self,
        endpoint: &'a str,
    ) -> impl Iterator<Item = (&'a Id, u64, &'a crate::domain::plug::EndpointOf)> {
        let (namespace, name) = endpoint.split_once('/').unwrap_or((endpoint, ""));
        let plugs = self.namespaces.get(namespace).into_iter().flatten();
        plugs.filter_map(move |id| {
            let approved = self.plugs.get(id)?;
            let of = approved.manifest.endpoints.iter().find(|of| of.name == name)?;
            Some((id, approved.n, of))
        })
    }

    /// What holds of an endpoint.
    pub fn of(&self, endpoint: &str) -> EndpointClasses {
        let mut basis = Vec::new();
        let mut said = Vec::new();
        for (plug, n, of) in self.manifests(endpoint) {
            let mut own = Said::default();
            for (path, class) in &of.fields {
                own.say(path, *class);
            }
            said.push(own);
            basis.push(Basis { entity: Address::new(Kind::Plug, plug.clone()), n });
        }
        let operators = self.operators.as_ref();
        let word = operators.and_then(|held| Some((held, held.words.get(endpoint)?)));
        basis.extend(word.map(|(held, word)| Basis { entity: held.exchange.clone(), n: word.n }));
        let word = word.map(|(_, classified)| classified.word.said());
        let said: Vec<&Said> = said.iter().collect();
        EndpointClasses { fields: Fields::resolve(word.as_ref(), &said), basis }
    }
}
