//! What passes at each place of what a bundle makes of records.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};
use smol_str::SmolStr;

use super::class::Class;
use super::fields::Fields;
use super::gate::Grant;
use crate::domain::bundle::{Mapping, Target};

/// Whether what stands at a place passes, and its class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    pub passes: bool,
    pub class: Class,
}

/// What holds of all of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whole {
    /// All of it passes.
    Open,
    /// Nothing of it does.
    Shut(Class),
    /// Some of it: look further.
    Mixed,
}

/// A place, with the places below it of which something else holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    /// `None`: only what is named below comes to stand here.
    pub rule: Option<Rule>,
    pub whole: Whole,
    pub below: BTreeMap<SmolStr, Node>,
}

/// What counts where nothing was expected.
pub(super) const UNEXPECTED: Rule = Rule { passes: false, class: Class::Direct };

/// Hashes a name with its length before it.
pub(super) fn named(hash: &mut Sha256, name: &str) {
    hash.update(u64::try_from(name.len()).unwrap_or(u64::MAX).to_be_bytes());
    hash.update(name);
}

impl Node {
    /// Hashes what passes here and below.
    pub fn hash(&self, hash: &mut Sha256) {
        let rule = self.rule.map_or([2, 0], |rule| [u8::from(rule.passes), rule.class.bit()]);
        let whole = match self.whole {
            Whole::Open => [0, 0],
            Whole::Shut(class) => [1, class.bit()],
            Whole::Mixed => [2, 0],
        };
        hash.update(rule);
        hash.update(whole);
        hash.update(u64::try_from(self.below.len()).unwrap_or(u64::MAX).to_be_bytes());
        for (name, node) in &self.below {
            named(hash, name);
            node.hash(hash);
        }
    }

    /// What a query delivers as it is.
    pub fn unmapped(fields: &Fields, grant: &Grant) -> Node {
        of_fields(fields, grant, true)
    }

    /// What a query's mapping writes: each destination is of the class of its source.
    pub fn mapped(mapping: &Mapping, fields: &Fields, grant: &Grant) -> Node {
        let mut root = Node { rule: None, whole: Whole::Open, below: BTreeMap::new() };
        write(&mut root, mapping, fields, grant);
        root.finish();
        root
    }

    /// Where two queries of one endpoint may have made a record, both must let it pass.
    pub fn join(&self, other: &Node) -> Node {
        let rule = match (self.rule, other.rule) {
            (Some(a), Some(b)) => Some(Rule { passes: a.passes && b.passes, class: a.class.max(b.class) }),
            (one, None) | (None, one) => one,
        };
        let mut below = BTreeMap::new();
        for name in self.below.keys().chain(other.below.keys()) {
            if !below.contains_key(name) {
                let joined = match (self.below.get(name), other.below.get(name)) {
                    (Some(a), Some(b)) => a.join(b),
                    (Some(one), None) => one.join(&Node::leaf(other.rule)),
                    (None, Some(one)) => one.join(&Node::leaf(self.rule)),
                    (None, None) => continue,
                };
                below.insert(name.clone(), joined);
            }
        }
        let mut node = Node { rule, whole: Whole::Open, below };
        node.look();
        node
    }

    fn leaf(rule: Option<Rule>) -> Node {
        let mut node = Node { rule, whole: Whole::Open, below: BTreeMap::new() };
        node.look();
        node
    }

    /// Sets what holds of all of it, from below.
    fn finish(&mut self) {
        self.below.values_mut().for_each(Node::finish);
        self.look();
    }

    fn look(&mut self) {
        let own = self.rule.map(|rule| if rule.passes { Whole::Open } else { Whole::Shut(rule.class) });
        let mut all = own.into_iter().chain(self.below.values().map(|node| node.whole));
        let first = all.next().unwrap_or(Whole::Open);
        self.whole = if all.all(|whole| whole == first) { first } else { Whole::Mixed };
    }
}

fn of_fields(fields: &Fields, grant: &Grant, named: bool) -> Node {
    fn go(fields: &Fields, grant: &Grant, named: bool) -> Node {
        let passes = grant.passes(fields.class, named);
        // Of a place that was named itself, what is `special` with it was named too.
        let named = named && passes && fields.class == Class::Special;
        let below = fields.below.iter().map(|(name, fields)| (name.clone(), go(fields, grant, named)));
        let below = below.collect();
        Node { rule: Some(Rule { passes, class: fields.class }), whole: Whole::Open, below }
    }
    let mut node = go(fields, grant, named);
    node.finish();
    node
}

fn write(root: &mut Node, mapping: &Mapping, fields: &Fields, grant: &Grant) {
    for (destination, target) in &mapping.0 {
        let node = match target {
            Target::Source(source) => of_fields(&fields.at(source).fields(), grant, true),
            Target::Nested { source, mappings } => {
                let from = fields.at(source).fields();
                let passes = grant.passes(from.class, true);
                let rule = Some(Rule { passes, class: from.class });
                let mut node = Node { rule, whole: Whole::Open, below: BTreeMap::new() };
                write(&mut node, mappings, &from, grant);
                node
            }
        };
        let mut at = &mut *root;
        for name in super::fields::segments(destination) {
            at = at.below.entry(name.into()).or_insert_with(|| Node {
                rule: None,
                whole: Whole::Open,
                below: BTreeMap::new(),
            });
        }
        *at = node;
    }
}
