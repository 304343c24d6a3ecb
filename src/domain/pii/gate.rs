//! What a debit lets pass, made once for its terms, its client's bound and the catalogue.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};
use smol_str::SmolStr;

use super::catalogue::{Catalogue, EndpointClasses};
use super::class::{Class, ClassSet, Dropped};
use super::node::{Node, Whole, named};
use crate::domain::bundle::{Bundle, Compiled, EndpointQuery, PropertyQuery};
use crate::domain::bytes::Digest;
use crate::domain::entry::Basis;
use crate::domain::event::DebitTerms;
use crate::domain::verdict::Reason;

/// What a debit without personal data may grant at the most.
pub const WITHOUT_PII: ClassSet = ClassSet::without_identity();

/// What a debit grants of what its client may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// These classes; `None`: what the bundle names.
    pub granted: Option<ClassSet>,
    /// What the client may ever be given.
    pub allowed: ClassSet,
}

impl Grant {
    /// What these terms grant to a client that may be given `allowed`.
    pub fn of(terms: &DebitTerms, allowed: ClassSet) -> Self {
        let granted = match (terms.classes, terms.without_pii) {
            (Some(classes), true) => Some(classes.and(WITHOUT_PII)),
            (None, true) => Some(WITHOUT_PII),
            (classes, false) => classes,
        };
        Grant { granted, allowed }
    }

    /// Whether a field of this class passes. `named`: the bundle names this very place.
    ///
    /// Without a grant by class naming a place grants it with all below it; only what is `special` must be named itself.
    pub(super) fn passes(&self, class: Class, named: bool) -> bool {
        let granted = match self.granted {
            Some(classes) => classes.has(class),
            None => named || class != Class::Special,
        };
        granted && self.allowed.has(class)
    }
}

/// What of a body passes under a debit.
#[derive(Debug)]
pub struct Gate {
    version: u64,
    grant: Grant,
    pub(super) without_pii: bool,
    pub(super) endpoints: BTreeMap<SmolStr, Node>,
    pub(super) linked: BTreeMap<SmolStr, Node>,
    /// Nothing is left out, whatever comes.
    pub(super) open: bool,
    basis: BTreeMap<SmolStr, Vec<Basis>>,
    /// The bundle without the queries that look at what is not granted, where there are any.
    cut: Option<(Bundle, Compiled)>,
}

fn join(nodes: &mut BTreeMap<SmolStr, Node>, endpoint: &SmolStr, node: Node) {
    let joined = nodes.get(endpoint).map(|held| held.join(&node));
    nodes.insert(endpoint.clone(), joined.unwrap_or(node));
}

impl Gate {
    /// The gate of these terms.
    pub fn new(terms: &DebitTerms, allowed: ClassSet, catalogue: &Catalogue) -> Self {
        let grant = Grant::of(terms, allowed);
        let mut known: BTreeMap<SmolStr, EndpointClasses> = BTreeMap::new();
        let linked_too = terms.bundle.queries().flat_map(|query| &query.links);
        for query in terms.bundle.queries().chain(linked_too) {
            known.entry(query.endpoint.clone()).or_insert_with(|| catalogue.of(&query.endpoint));
        }
        let node = |query: &EndpointQuery| {
            let fields = &known[&query.endpoint].fields;
            match &query.mapping {
                Some(mapping) => Node::mapped(mapping, fields, &grant),
                None => Node::unmapped(fields, &grant),
            }
        };
        let (mut endpoints, mut linked) = (BTreeMap::new(), BTreeMap::new());
        for query in terms.bundle.queries() {
            join(&mut endpoints, &query.endpoint, node(query));
            query.links.iter().for_each(|link| join(&mut linked, &link.endpoint, node(link)));
        }
        let whole = endpoints.values().chain(linked.values()).all(|node| node.whole == Whole::Open);
        let sees = |query: &EndpointQuery| sees_only_granted(query, &known, &grant);
        let cut = terms.without_pii.then(|| cut(&terms.bundle, &sees)).flatten();
        Gate {
            version: catalogue.version(),
            grant,
            without_pii: terms.without_pii,
            open: whole && !terms.without_pii,
            endpoints,
            linked,
            basis: known.into_iter().map(|(endpoint, classes)| (endpoint, classes.basis)).collect(),
            cut: cut.map(|bundle| (bundle, Compiled::default())),
        }
    }

    /// The bundle that is applied, and its programs.
    pub fn bundle<'a>(&'a self, terms: &'a DebitTerms, programs: &'a Compiled) -> (&'a Bundle, &'a Compiled) {
        match &self.cut {
            Some((bundle, programs)) => (bundle, programs),
            None => (&terms.bundle, programs),
        }
    }

    /// Whether exactly the same passes.
    pub fn lets_the_same(&self, other: &Gate) -> bool {
        self.grant == other.grant
            && self.without_pii == other.without_pii
            && self.endpoints == other.endpoints
            && self.linked == other.linked
    }

    /// A digest of what passes of these endpoints' records, an empty name standing for any. It is in ledgers: what goes into
    /// it, and how, stays as it is.
    pub fn fingerprint<'a>(&self, endpoints: impl Iterator<Item = &'a SmolStr>) -> Digest {
        let wanted: Vec<&str> = endpoints.map(SmolStr::as_str).collect();
        let mut hash = Sha256::new();
        hash.update(b"dex-v1 gate");
        hash.update([self.grant.granted.map_or(u8::MAX, ClassSet::bits), self.grant.allowed.bits()]);
        hash.update([u8::from(self.without_pii)]);
        let here = |endpoint: &SmolStr| wanted.contains(&"") || wanted.contains(&endpoint.as_str());
        let nodes = self.endpoints.iter().filter(|(endpoint, _)| here(endpoint)).map(|it| (b'e', it));
        for (kind, (endpoint, node)) in nodes.chain(self.linked.iter().map(|it| (b'l', it))) {
            hash.update([kind]);
            named(&mut hash, endpoint);
            node.hash(&mut hash);
        }
        if let Some((bundle, _)) = &self.cut {
            hash.update(serde_json::to_vec(bundle).unwrap_or_default());
        }
        Digest(hash.finalize().into())
    }

    /// Why nothing of a content leaves, of which these fields were left out.
    pub fn nothing(&self, dropped: &Dropped) -> Reason {
        if dropped.is_empty() && !self.cuts() { Reason::NothingSelected } else { Reason::PiiNotGranted }
    }

    /// Whether the client is not to know whose data it is given.
    pub fn without_pii(&self) -> bool {
        self.without_pii
    }

    /// Whether queries were left out, for they look at what is not granted.
    pub fn cuts(&self) -> bool {
        self.cut.is_some()
    }

    /// Whether a field of this class passes that the bundle does not name itself.
    pub(super) fn lets(&self, class: Class) -> bool {
        self.grant.passes(class, false)
    }

    /// The entries that say of what class the fields of these endpoints are, each once.
    pub fn basis<'a>(&self, endpoints: impl Iterator<Item = &'a SmolStr>) -> Vec<Basis> {
        let mut all: Vec<Basis> = Vec::new();
        for one in endpoints.filter_map(|endpoint| self.basis.get(endpoint)).flatten() {
            if !all.contains(one) {
                all.push(one.clone());
            }
        }
        all
    }
}

/// Whether a query's filters look only at what passes: else who gets the record learns what it may not be given.
fn sees_only_granted(query: &EndpointQuery, known: &BTreeMap<SmolStr, EndpointClasses>, grant: &Grant) -> bool {
    let fields = &known[&query.endpoint].fields;
    query.filters.iter().all(|filter| {
        // A step of digits is an element or a member: both must pass.
        let as_element: Vec<&str> =
            filter.field.split('.').filter(|step| !step.bytes().all(|b| b.is_ascii_digit())).collect();
        [filter.field.as_str(), &as_element.join(".")].iter().all(|path| {
            let at = if path.is_empty() { fields.clone() } else { fields.at(path).fields() };
            Node::unmapped(&at, grant).whole == Whole::Open
        })
    })
}

/// The bundle without queries that look at more than is granted; `None` when there are none.
fn cut(bundle: &Bundle, sees: &impl Fn(&EndpointQuery) -> bool) -> Option<Bundle> {
    let all = bundle.queries().all(|query| sees(query) && query.links.iter().all(sees));
    if all {
        return None;
    }
    let kept = |query: &EndpointQuery| {
        let links = query.links.iter().filter(|link| sees(link)).cloned().collect();
        EndpointQuery { links, ..query.clone() }
    };
    let property = |query: &PropertyQuery| {
        let endpoints = query.endpoints.iter().filter(|query| sees(query)).map(kept).collect();
        PropertyQuery { endpoints, ..query.clone() }
    };
    let properties = bundle.bundle.iter().map(|(name, query)| (name.clone(), property(query))).collect();
    Some(Bundle { name: bundle.name.clone(), bundle: properties })
}

/// The gate of a revision, kept beside it: made anew when the catalogue or the client's bound has changed. Equal to any
/// other.
#[derive(Debug, Default)]
pub struct Gates(Mutex<Option<Arc<Gate>>>);

impl Gates {
    /// The gate of `terms` for a client that may be given `allowed`, by the catalogue of this version.
    pub fn of(
        &self,
        terms: &DebitTerms,
        allowed: ClassSet,
        version: u64,
        catalogue: impl FnOnce() -> Arc<Catalogue>,
    ) -> Arc<Gate> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*held {
            Some(gate) if gate.version == version && gate.grant.allowed == allowed => Arc::clone(gate),
            _ => {
                let gate = Arc::new(Gate::new(terms, allowed, &catalogue()));
                *held = Some(Arc::clone(&gate));
                gate
            }
        }
    }
}

impl Clone for Gates {
    fn clone(&self) -> Self {
        Gates(Mutex::new(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()))
    }
}

impl PartialEq for Gates {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Gates {}
